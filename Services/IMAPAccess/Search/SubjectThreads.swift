/// ORDEREDSUBJECT (RFC 5256, 3): messages of the same base subject are a thread; the first sent is the parent of all
/// others. Going through the messages by date puts the threads in order, and their members too.
enum SubjectThreads {
    static func make(_ input: ThreadInput) -> [ThreadMember] {
        var threads: [[Int]] = []
        var threadOfSubject = [Int?](repeating: nil, count: input.subjectCount)
        for message in input.byDate {
            let subject = input.messages[message].subject
            if let thread = threadOfSubject[subject] {
                threads[thread].append(message)
            } else {
                threadOfSubject[subject] = threads.count
                threads.append([message])
            }
        }
        return threads.flatMap { thread in
            thread.enumerated().map { ThreadMember(message: $0.element, depth: $0.offset == 0 ? 0 : 1) }
        }
    }
}
