import Contracts
import TestRandomness
import Testing

@testable import IMAPAccess

/// The view that a client has of its mailbox, against a model: whatever happens elsewhere and whatever may be told when,
/// what the client has been told adds up to what storage has.
@Suite struct MailboxViewTests {
    /// A small generator, so that a failure can be run again by its seed.
    @Test("What a client is told adds up", arguments: 1...200 as ClosedRange<UInt64>)
    func addsUp(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var columns = MailboxColumns(mailbox: Mailbox())
        var nextUID: UInt32 = 1
        var modseq: UInt64 = 1
        var generation: UInt64 = 0
        func snapshot() -> MailboxSnapshot {
            MailboxSnapshot(columns: columns, generation: generation, revision: generation)
        }
        var view = MailboxView(snapshot(), readOnly: false)
        // What the client believes: uid and flags by sequence number.
        var client: [(uid: UInt32, flags: UInt64)] = []
        for _ in 0..<60 {
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                modseq += 1
                for _ in 0...Int.random(in: 0..<3, using: &random) {
                    columns.put(MessageRow(uid: nextUID, flags: 0, modseq: modseq, date: 0, size: 1))
                    nextUID += UInt32.random(in: 1...3, using: &random)
                }
            case 1 where columns.count > 0:
                modseq += 1
                let position = Int.random(in: 0..<columns.count, using: &random)
                columns.setFlags(
                    [UInt64.random(in: 0..<32, using: &random)], modseq: modseq, uids: [columns.uids[position]])
            case 2 where columns.count > 0:
                modseq += 1
                let first = columns.uids[Int.random(in: 0..<columns.count, using: &random)]
                columns.removeUIDs(inPairs: [first, first + UInt32.random(in: 0...4, using: &random)])
            default: break
            }
            generation += 1
            let mayExpunge = Bool.random(using: &random)
            let changes = view.advance(to: snapshot(), mayExpunge: mayExpunge)
            if !mayExpunge { #expect(changes.expunged.isEmpty) }
            for number in changes.expunged { client.remove(at: number - 1) }
            if let exists = changes.exists {
                #expect(exists > client.count)
                // A client fetches what is new.
                for position in client.count..<exists {
                    client.append((view.told.uids[position], view.told.flags[position]))
                }
            }
            for position in changes.changed {
                #expect(client[position].uid == view.told.uids[position])
                client[position].flags = view.told.flags[position]
            }
            #expect(client.map(\.uid) == view.told.uids)
            #expect(client.map(\.flags) == view.told.flags)
        }
        generation += 1
        _ = view.advance(to: snapshot(), mayExpunge: true)
        #expect(view.told.uids == columns.uids)
        #expect(view.told.flags == columns.flags)
    }

    /// RFC 7162, 3.2 and 6: whenever the connection is lost, what the client was told to build on leads it, with what
    /// changed after that, to the truth.
    @Test(
        "Who comes back with the modification sequence that it was told misses nothing",
        arguments: 1...200 as ClosedRange<UInt64>)
    func resynchronises(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var columns = MailboxColumns(mailbox: Mailbox())
        var (nextUID, modseq, generation): (UInt32, UInt64, UInt64) = (1, 1, 0)
        var expunged: [(uid: UInt32, modseq: UInt64)] = []
        func snapshot() -> MailboxSnapshot {
            var state = columns
            state.mailbox.highestModseq = modseq
            return MailboxSnapshot(columns: state, generation: generation, revision: generation)
        }
        var view = MailboxView(snapshot(), readOnly: false)
        var client: [UInt32: UInt64] = [:]
        for _ in 0..<60 {
            switch Int.random(in: 0..<3, using: &random) {
            case 0:
                modseq += 1
                columns.put(MessageRow(uid: nextUID, flags: 0, modseq: modseq, date: 0, size: 1))
                nextUID += UInt32.random(in: 1...3, using: &random)
            case 1 where columns.count > 0:
                modseq += 1
                let position = Int.random(in: 0..<columns.count, using: &random)
                columns.setFlags(
                    [UInt64.random(in: 0..<4, using: &random)], modseq: modseq, uids: [columns.uids[position]])
            case 2 where columns.count > 0:
                modseq += 1
                let uid = columns.uids[Int.random(in: 0..<columns.count, using: &random)]
                columns.removeUIDs(inPairs: [uid, uid])
                expunged.append((uid, modseq))
            default: break
            }
            generation += 1
            let before = view.told
            let changes = view.advance(
                to: snapshot(), mayExpunge: Bool.random(using: &random), tellsModificationSequences: true)
            #expect(changes.vanished.count == changes.expunged.count)
            #expect(changes.expunged.map { before.uids[$0 - 1] } == Array(changes.vanished).reversed())
            for uid in changes.vanished { client[uid] = nil }
            if changes.exists != nil {
                for position in 0..<view.count where client[view.told.uids[position]] == nil {
                    client[view.told.uids[position]] = view.told.flags[position]
                }
            }
            for position in changes.changed { client[view.told.uids[position]] = view.told.flags[position] }

            let known = view.toldModificationSequence
            var returning = client
            for gone in expunged where gone.modseq > known { returning[gone.uid] = nil }
            for index in 0..<columns.count where columns.modseqs[index] > known {
                returning[columns.uids[index]] = columns.flags[index]
            }
            #expect(returning == Dictionary(uniqueKeysWithValues: zip(columns.uids, columns.flags)))
        }
    }

    @Test("A needle is found wherever text is cut")
    func needles() {
        let text = Array("Schöne Grüße aus dem STRASSENCAFÉ am Ötztal".utf8)
        for needle in ["grüsse", "grüße", "strassencafé am", "ÖTZTAL", "", "x"] {
            let expected = TextNeedle(needle).occurs(in: TextNeedle.folded(text))
            for cut in 0...text.count {
                var scanner = TextScanner([TextNeedle(needle)])
                scanner.consume(text[..<cut])
                scanner.consume(text[cut...])
                scanner.endOfText()
                #expect(scanner.found == [expected])
            }
        }
        // Across the pieces that a long text is searched in.
        var scanner = TextScanner([TextNeedle("needle")])
        for _ in 0..<5000 { scanner.consume(Array("hay hay ".utf8)) }
        scanner.consume(Array("nee".utf8))
        scanner.consume(Array("DLE".utf8))
        for _ in 0..<5000 { scanner.consume(Array("hay hay ".utf8)) }
        scanner.endOfText()
        #expect(scanner.isComplete)
    }
}
