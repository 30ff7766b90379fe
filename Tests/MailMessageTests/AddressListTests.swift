import TestRandomness
import Testing

@testable import MailMessage

@Suite("Address lists")
struct AddressListTests {
    /// name|route|mailbox|host of each entry; `~` where there is none.
    private func read(_ value: String) -> [String] {
        AddressList.parse(Array(value.utf8)).map { entry in
            [entry.name, entry.route, entry.mailbox, entry.host].map { text($0) ?? "~" }.joined(separator: "|")
        }
    }

    @Test(
        "of RFC 5322, appendix A",
        arguments: [
            ("John Doe <jdoe@machine.example>", ["John Doe|~|jdoe|machine.example"]),
            (
                "\"Joe Q. Public\" <john.q.public@example.com>, Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
                [
                    "Joe Q. Public|~|john.q.public|example.com", "Mary Smith|~|mary|x.test", "~|~|jdoe|example.org",
                    "Who?|~|one|y.test",
                ]
            ),
            (
                "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
                ["~|~|boss|nil.test", "Giant; \"Big\" Box|~|sysservices|example.net"]
            ),
            (
                "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
                [
                    "~|~|A Group|~", "Ed Jones|~|c|a.test", "~|~|joe|where.test", "John|~|jdoe|one.test", "~|~|~|~",
                ]
            ),
            ("Undisclosed recipients:;", ["~|~|Undisclosed recipients|~", "~|~|~|~"]),
            (
                "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
                ["Pete|~|pete|silly.test"]
            ),
            (
                "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
                [
                    "~|~|A Group|~", "Chris Jones|~|c|public.example", "~|~|joe|example.org", "John|~|jdoe|one.test",
                    "~|~|~|~",
                ]
            ),
            (
                "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
                ["~|~|Hidden recipients|~", "~|~|~|~"]
            ),
            (
                "Joe Q. Public <john.q.public@example.com>, Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
                [
                    "Joe Q. Public|~|john.q.public|example.com", "Mary Smith|@node.test|mary|example.net",
                    "~|~|jdoe|test.example",
                ]
            ),
            ("John Doe <jdoe@machine(comment).  example>", ["John Doe|~|jdoe|machine.example"]),
        ])
    func standard(_ value: String, _ expected: [String]) {
        #expect(read(value) == expected)
    }

    @Test(
        "as the world sends them",
        arguments: [
            ("bob@example.com (Bob Smith)", ["Bob Smith|~|bob|example.com"]),
            ("joe@x.test <joe@x.test>", ["joe@x.test|~|joe|x.test"]),
            ("Joe Smith joe@x.test", ["Joe Smith|~|joe|x.test"]),
            ("a@x.test; b@y.test", ["~|~|a|x.test", "~|~|b|y.test"]),
            ("[SPAM] Joe <joe@x.test>", ["[SPAM] Joe|~|joe|x.test"]),
            ("root", ["~|~|root|"]),
            ("\"no address\"", ["~|~|no address|"]),
            ("<>", []),
            ("", []),
            (",,,", []),
            ("\"never closed <joe@x.test>", ["~|~|never closed <joe@x.test>|"]),
            ("joe@[192.0.2.1]", ["~|~|joe|[192.0.2.1]"]),
            ("\"joe smith\"@x.test", ["~|~|joe smith|x.test"]),
            ("joe . smith @ x . test", ["~|~|joe.smith|x.test"]),
            ("<joe@x.test", ["~|~|joe|x.test"]),
            ("=?utf-8?q?J=C3=BCrgen?= <j@x.test>", ["=?utf-8?q?J=C3=BCrgen?=|~|j|x.test"]),
            ("Jürgen <jürgen@bücher.test>", ["Jürgen|~|jürgen|bücher.test"]),
            ("a:b:c@x.test;", ["~|~|a|~", "~|~|b:c|x.test", "~|~|~|~"]),
            ("group: a@x.test", ["~|~|group|~", "~|~|a|x.test", "~|~|~|~"]),
            ("Joe <joe@x.test>, , Ann <ann@y.test>,", ["Joe|~|joe|x.test", "Ann|~|ann|y.test"]),
        ])
    func lenient(_ value: String, _ expected: [String]) {
        #expect(read(value) == expected)
    }

    @Test("of any octets end, and never exceed their limit")
    func garbage() {
        var generator = SeededGenerator(seed: 11)
        let alphabet: [UInt8] = Array("ab.@<>:;,\"\\()[] \t\u{0}é".utf8)
        for _ in 0..<5000 {
            let octets = (0..<Int.random(in: 0...30, using: &generator)).map { _ in
                alphabet.randomElement(using: &generator) ?? 0
            }
            #expect(AddressList.parse(octets, limit: 3).count <= 4)
        }
    }
}
