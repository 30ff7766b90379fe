import Testing

@testable import IMAPSyntax

@Suite("Object identifiers")
struct ObjectIDTests {
    @Test("are 1 to 255 letters, digits, _ and -", arguments: ["a", "Z09_-", "-", String(repeating: "x", count: 255)])
    func valid(text: String) {
        #expect(ObjectID(text)?.value == text)
    }

    @Test("are nothing else", arguments: ["", "a b", "ä", "a.b", "a/b", "(", String(repeating: "x", count: 256)])
    func invalid(text: String) {
        #expect(ObjectID(text) == nil)
    }

    @Test("made of numbers give the number back, to their own kind only", arguments: [0, 1, 0xABCDEF, UInt64.max])
    func numbers(number: UInt64) {
        for kind in ObjectID.Kind.allCases {
            let identifier = ObjectID(kind, number)
            #expect(ObjectID(identifier.value) == identifier)
            for other in ObjectID.Kind.allCases {
                #expect(identifier.number(of: other) == (other == kind ? number : nil))
            }
        }
    }

    @Test(
        "in another spelling are others",
        arguments: ["MAB", "m1", "M01", "M+1", "M-1", "M", "Mx", "M10000000000000000"])
    func spellings(text: String) {
        #expect(ObjectID(text)?.number(of: .email) == nil)
    }
}
