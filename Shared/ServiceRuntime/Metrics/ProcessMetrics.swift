import Glibc

/// What the kernel knows about this process, under the names that Prometheus' own clients use.
enum ProcessMetrics {
    /// Series for `/metrics`; what the system does not tell is left out.
    static func text(startedAt: Int64) -> String {
        var text = "# TYPE process_start_time_seconds gauge\n"
        text += "process_start_time_seconds \(Double(startedAt) / 1e6)\n"
        var usage = rusage()
        if getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
            let seconds =
                Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
                + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
            text += "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total \(seconds)\n"
        }
        if let pages = FileText.read("/proc/self/statm")?.split(separator: " "), pages.count > 1,
            let resident = Int(pages[1])
        {
            text += "# TYPE process_resident_memory_bytes gauge\n"
            text += "process_resident_memory_bytes \(resident &* Int(sysconf(Int32(_SC_PAGESIZE))))\n"
        }
        // The descriptor of this reading itself does not count.
        let descriptors = max(FolderListing.names("/proc/self/fd").count - 1, 0)
        text += "# TYPE process_open_fds gauge\nprocess_open_fds \(descriptors)\n"
        return text
    }
}
