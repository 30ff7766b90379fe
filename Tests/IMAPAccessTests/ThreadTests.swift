import IMAPSyntax
import NIOCore
import TestSupport
import Testing

@testable import IMAPAccess

/// The threading algorithms (RFC 5256, 3; draft-ietf-morg-inthread, 4).
@Suite("Threading")
struct ThreadTests {
    /// One message: its identifier, those that it refers to, its subject, when it was sent and when it came.
    struct Mail {
        var id: String?
        var references: [String] = []
        var subject = ""
        var sent: Int?
        var arrival = 0

        init(_ id: String?, _ references: [String] = [], _ subject: String = "", sent: Int? = nil, arrival: Int = 0) {
            self.id = id
            self.references = references
            self.subject = subject
            self.sent = sent
            self.arrival = arrival
        }
    }

    /// A message that does not say when it was sent was sent after those before it.
    static func input(_ mails: [Mail]) -> ThreadInput {
        var input = ThreadInput()
        for (position, mail) in mails.enumerated() {
            let subject = BaseSubject.key(of: Array(mail.subject.utf8))
            input.append(
                sentDate: Int64(mail.sent ?? position), arrival: Int64(mail.arrival), subject: subject.key,
                isReplyOrForward: subject.isReplyOrForward, identifier: mail.id.map { Array($0.utf8) },
                references: mail.references.map { Array($0.utf8) })
        }
        return input
    }

    /// As a THREAD response writes it; messages count from 1.
    static func text(_ members: [ThreadMember], _ numbers: [UInt32]? = nil) -> String {
        var threads = MessageThreads()
        for member in members {
            threads.append(member.message.map { numbers?[$0] ?? UInt32($0 + 1) }, depth: member.depth)
        }
        var printer = ResponsePrinter()
        printer.threads(threads)
        return String(String(buffer: printer.take()).dropFirst("* THREAD ".count).dropLast())
    }

    static func references(_ mails: [Mail]) -> String {
        text(ReferenceThreads.make(input(mails), mergesSubjects: true))
    }
    static func refs(_ mails: [Mail]) -> String { text(ReferenceThreads.make(input(mails), mergesSubjects: false)) }
    static func subjects(_ mails: [Mail]) -> String { text(SubjectThreads.make(input(mails))) }

    @Test("Replies hang below what they reply to")
    func replies() {
        #expect(Self.refs([]) == "")
        #expect(Self.refs([Mail("a")]) == "(1)")
        #expect(Self.refs([Mail("a"), Mail("b", ["a"]), Mail("c", ["a", "b"])]) == "(1 2 3)")
        #expect(Self.refs([Mail("a"), Mail("b", ["a"]), Mail("c", ["a"])]) == "(1 (2)(3))")
        #expect(Self.refs([Mail("c", ["a", "b"]), Mail("b", ["a"]), Mail("a")]) == "(3 2 1)")
        #expect(Self.refs([Mail("a"), Mail("b"), Mail("c", ["b"]), Mail("d", ["a"])]) == "(1 4)(2 3)")
        #expect(Self.refs([Mail("A"), Mail("b", ["a"])]) == "(1)(2)")
    }

    @Test("What is not there keeps its children together")
    func dummies() {
        #expect(Self.refs([Mail("b", ["a"]), Mail("c", ["a"])]) == "((1)(2))")
        #expect(Self.refs([Mail("b", ["a"])]) == "(1)")
        let three = [Mail("d", ["a", "b", "c"]), Mail("e", ["a", "b"]), Mail("f", ["a", "x"])]
        #expect(Self.refs(three) == "((1)(2)(3))")
        #expect(Self.refs([Mail("a"), Mail("d", ["a", "b", "c"]), Mail("e", ["a", "b"])]) == "(1 (2)(3))")
        #expect(Self.refs([Mail("d", ["a", "b", "c"]), Mail("e", ["d"])]) == "(1 2)")
        let four = [Mail("c", ["a", "b"]), Mail("x"), Mail("d", ["a", "b"]), Mail("e", ["c"])]
        #expect(Self.refs(four) == "((1 4)(3))(2)")
    }

    @Test("Loops are never made")
    func loops() {
        #expect(Self.refs([Mail("a", ["a"])]) == "(1)")
        #expect(Self.refs([Mail("a", ["b"]), Mail("b", ["a"])]) == "(2 1)")
        #expect(Self.refs([Mail("a", ["c"]), Mail("b", ["a"]), Mail("c", ["b"])]) == "(3 1 2)")
        #expect(Self.refs([Mail("a", ["x", "y"]), Mail("b", ["y", "x"])]) == "((1)(2))")
        #expect(Self.refs([Mail("a", ["b", "b", "a", "b"]), Mail("b", ["b", "a"])]) == "(2 1)")
    }

    @Test("Without a Message-ID, or with another's, a message is nobody's parent")
    func identifiers() {
        #expect(Self.refs([Mail(nil), Mail(nil), Mail("a", [""])]) == "(1)(2)(3)")
        #expect(Self.refs([Mail("a"), Mail("a"), Mail("b", ["a"])]) == "(1 3)(2)")
        #expect(Self.refs([Mail("a"), Mail("b", ["a"]), Mail("b", ["a"]), Mail("c", ["b"])]) == "(1 (2 4)(3))")
    }

    @Test("What a message says of itself counts for more than what others say of it")
    func truncated() {
        // The fourth says that 3 follows 2; 3 says that it follows 1.
        let chain = [Mail("1"), Mail("2", ["1"]), Mail("4", ["1", "2", "3"]), Mail("3", ["1"])]
        #expect(Self.refs(chain) == "(1 (2)(4 3))")
        // 3 says nothing, which means that it has no parent.
        #expect(Self.refs([Mail("1"), Mail("2", ["1"]), Mail("4", ["1", "2", "3"]), Mail("3")]) == "(1 2)(4 3)")
    }

    @Test("Siblings and threads by the date they were sent")
    func dates() {
        let mails = [
            Mail("a", sent: 50), Mail("b", ["a"], sent: 40), Mail("c", ["a"], sent: 30), Mail("d", sent: 20),
            Mail("e", ["x"], sent: 60), Mail("f", ["x"], sent: 10), Mail("g", sent: 20),
        ]
        #expect(Self.references(mails) == "((6)(5))(4)(7)(1 (3)(2))")
    }

    @Test("REFS orders threads by the latest arrival in each, siblings still by the date they were sent")
    func arrivals() {
        let mails = [
            Mail("a", sent: 1, arrival: 10), Mail("b", sent: 2, arrival: 20), Mail("c", ["a"], sent: 4, arrival: 30),
            Mail("d", ["a"], sent: 3, arrival: 15), Mail("e", sent: 0, arrival: 20),
        ]
        #expect(Self.refs(mails) == "(5)(2)(1 (4)(3))")
        #expect(Self.references(mails) == "(5)(1 (4)(3))(2)")
    }

    @Test("REFERENCES puts threads of one subject together")
    func merging() {
        #expect(Self.references([Mail("a", [], "hello"), Mail("b", [], "Re: Hello")]) == "(1 2)")
        #expect(Self.references([Mail("a", [], "Re: hello"), Mail("b", [], "HELLO")]) == "(2 1)")
        #expect(Self.references([Mail("a", [], "hello"), Mail("b", [], "hello")]) == "((1)(2))")
        #expect(Self.references([Mail("a", [], "Re: hello"), Mail("b", [], "Re: hello")]) == "((1)(2))")
        #expect(
            Self.references([Mail("a", [], "hello"), Mail("b", [], "hello"), Mail("c", [], "fwd: hello")])
                == "((1)(2)(3))")
        #expect(Self.references([Mail("a", [], ""), Mail("b", [], "Re:"), Mail("c", [], "  ")]) == "(1)(2)(3)")
        #expect(Self.refs([Mail("a", [], "hello"), Mail("b", [], "Re: hello")]) == "(1)(2)")
        // A dummy takes in what has its subject, another dummy's children too.
        let (first, second) = (Mail("b", ["a"], "x"), Mail("c", ["a"], "y"))
        #expect(Self.references([first, second, Mail("d", [], "x")]) == "((1)(2)(3))")
        #expect(Self.references([Mail("d", [], "x"), first, second]) == "((1)(2)(3))")
        #expect(
            Self.references([first, second, Mail("e", ["z"], "Re: x"), Mail("f", ["z"], "w")]) == "((1)(2)(3)(4))")
        // The subject of a dummy is that of its first child by date.
        #expect(
            Self.references([
                Mail("b", ["a"], "x", sent: 9), Mail("c", ["a"], "y", sent: 5), Mail("d", [], "y", sent: 7),
            ]) == "((2)(3)(1))")
        // A thread is put below a message with all that it holds.
        #expect(
            Self.references([
                Mail("a", [], "hello"), Mail("b", ["a"], "Re: hello"), Mail("c", [], "Re: hello"),
                Mail("d", ["c"], "Re: hello"),
            ]) == "(1 (2)(3 4))")
    }

    @Test("ORDEREDSUBJECT: one thread for each base subject, without grandchildren")
    func orderedSubject() {
        let mails = [
            Mail("a", [], "b", sent: 9), Mail("b", [], "Re: a", sent: 8), Mail("c", ["b"], "A", sent: 2),
            Mail("d", [], "[l] B", sent: 10), Mail("e", [], "", sent: 3), Mail("f", [], "Fwd:", sent: 3),
            Mail("g", [], "a (fwd)", sent: 7),
        ]
        #expect(Self.subjects(mails) == "(3 (7)(2))(5 6)(1 4)")
        #expect(Self.subjects([]) == "")
    }

    /// The responses of RFC 5256, 3, and messages that have them: each is a reply to its parent there, and was sent after
    /// the one that stands before it.
    @Test(
        "The examples of the RFC",
        arguments: [
            (
                ThreadAlgorithm.orderedSubject,
                "(166)(167)(168)(169)(172)(170)(171)(173)(174 (175)(176)(178)(181)(180))(179)(177 (183)(182)(188)(184)"
                    + "(185)(186)(187)(189))(190)(191)(192)(193)(194 195)(196 (197)(198))(199)(200 202)(201)(203)"
                    + "(204)(205)(206 207)(208)"
            ),
            (
                .references,
                "(166)(167)(168)(169)(172)((170)(179))(171)(173)((174)(175)(176)(178)(181)(180))((177)(183)(182)"
                    + "(188 (184)(189))(185 186)(187))(190)(191)(192)(193)((194)(195 196))(197 198)(199)(200 202)(201)"
                    + "(203)(204)(205 206 207)(208)"
            ),
        ])
    func rfcExamples(_ algorithm: ThreadAlgorithm, _ expected: String) throws {
        var parser = ResponseParser()
        parser.feed(ByteBuffer(string: "* THREAD \(expected)\r\n"))
        guard case .response(.untagged(.thread(let threads))) = parser.next() else {
            throw TestFailure("the example was not understood")
        }
        var mails: [(number: UInt32, mail: Mail)] = []
        var path: [String] = []
        for (position, member) in threads.members.enumerated() {
            path.removeLast(path.count - member.depth)
            let id = member.number.map { "\($0)" } ?? "dummy \(position)"
            if let number = member.number {
                let subject = (path.isEmpty ? "" : "Re: ") + (path.first ?? id)
                mails.append((number, Mail(id, path, subject, sent: position)))
            }
            path.append(id)
        }
        mails.sort { $0.number < $1.number }
        let input = Self.input(mails.map(\.mail))
        let members =
            algorithm == .orderedSubject
            ? SubjectThreads.make(input) : ReferenceThreads.make(input, mergesSubjects: true)
        #expect(Self.text(members, mails.map(\.number)) == expected)
    }
}
