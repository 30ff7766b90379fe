import NIOCore
import Testing

@testable import ServiceRuntime

@Suite("Ranges of network addresses") struct AddressRangeTests {
    @Test(
        "hold the addresses with the same beginning, and no others",
        arguments: [
            ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"], ["9.255.255.255", "11.0.0.0", "a00::"]),
            ("192.0.2.128/25", ["192.0.2.128", "192.0.2.255"], ["192.0.2.127", "192.0.3.128"]),
            ("192.0.2.1", ["192.0.2.1", "::ffff:192.0.2.1"], ["192.0.2.0", "::192.0.2.1", "::1"]),
            ("192.0.2.1/32", ["192.0.2.1"], ["192.0.2.2"]),
            ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"], ["::1", "2001:db8::1"]),
            ("2001:db8::/33", ["2001:db8::1", "2001:db8:7fff::"], ["2001:db8:8000::", "2001:db9::", "32.1.13.184"]),
            ("::1", ["::1"], ["::2", "127.0.0.1"]),
            ("::/0", ["::", "2001:db8::1"], ["192.0.2.1", "::ffff:192.0.2.1"]),
            ("::ffff:10.0.0.0/104", ["10.1.2.3", "::ffff:10.1.2.3"], ["11.0.0.0"]),
            ("::ffff:192.0.2.1", ["192.0.2.1"], ["192.0.2.2"]),
        ])
    func containment(text: String, inside: [String], outside: [String]) throws {
        let range = try #require(AddressRange(text))
        for address in inside { #expect(range.contains(try SocketAddress(ipAddress: address, port: 25)), "\(address)") }
        for address in outside {
            #expect(!range.contains(try SocketAddress(ipAddress: address, port: 25)), "\(address)")
        }
        #expect(!range.contains(try SocketAddress(unixDomainSocketPath: "/run/x")))
        #expect(AddressRange(range.description) == range)
    }

    @Test(
        "are written in no other way",
        arguments: [
            "", "/", "10.0.0.0/", "/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/08", "10.0.0.0/8/8",
            "10.0.0.0/ 8", " 10.0.0.0/8", "10.0.0/8", "10.0.0.1/8", "010.0.0.0/8", "::1/129", "2001:db8::1/32",
            "2001:db8::g/128", "::ffff:10.0.0.1/104", "localhost", "10.0.0.0\0/8", "10.0.0.0/8\0", "10.0.0.0/٨",
            "fe80::1%lo", "10.0.0.0-10.0.0.9", "*",
        ])
    func refused(text: String) {
        #expect(AddressRange(text) == nil)
    }

    @Test("are many in a list, or none")
    func list() throws {
        let ranges = ["10.0.0.0/8", "2001:db8::/32"].compactMap { AddressRange($0) }
        #expect(ranges.contain(try SocketAddress(ipAddress: "10.1.1.1", port: 1)))
        #expect(ranges.contain(try SocketAddress(ipAddress: "2001:db8::1", port: 1)))
        #expect(!ranges.contain(try SocketAddress(ipAddress: "192.0.2.1", port: 1)))
        #expect(![AddressRange]().contain(try SocketAddress(ipAddress: "10.1.1.1", port: 1)))
    }
}
