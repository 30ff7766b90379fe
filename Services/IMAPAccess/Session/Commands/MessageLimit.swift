import Contracts
import IMAPSyntax
import Messaging
import NIOCore

/// MESSAGELIMIT (RFC 9738): how many messages one command may deal with, where the configuration limits it.
///
/// Of more messages the highest are dealt with, and the client goes on from the lowest of them, which it is told. What
/// has to be done wholly or not at all is refused: COPY, APPEND of several messages, a part of a FETCH that was asked for
/// by PARTIAL, and SORT and THREAD, whose order of some messages is not theirs among all. EXPUNGE, CLOSE and STATUS have
/// no limit. Of a FETCH with CHANGEDSINCE those messages count that have changed: the others are not fetched.
extension Session {
    /// The highest of these messages, as many as one command may deal with; and the uid of the lowest of them when that
    /// are not all.
    func withinLimit(_ positions: [Range<Int>]) -> (positions: [Range<Int>], lowest: UInt32?) {
        let limit = limits.commandMessages
        guard limit > 0, positions.reduce(0, { $0 + $1.count }) > limit, let uids = selected?.view.told.uids,
            let part = ResultPartial(1, UInt32(clamping: limit), fromEnd: true)
        else { return (positions, nil) }
        let highest = positions.within(part)
        return (highest, highest.first.map { uids[$0.lowerBound] })
    }

    /// These keys, and before them one that leaves the highest messages only, when they would have more messages looked
    /// at than one command may.
    func withinLimit(_ keys: [SearchKey]) throws -> (keys: [SearchKey], lowest: UInt32?) {
        guard limits.commandMessages > 0, let told = selected?.view.told, told.count > limits.commandMessages else {
            return (keys, nil)
        }
        guard let lowest = withinLimit(try looked(at: keys).positions(in: told.uids)).lowest,
            let searched = SequenceSet(NumberSet(lowest...UInt32.max))
        else { return (keys, nil) }
        return ([.uid(.set(searched))] + keys, lowest)
    }

    /// The uids of the messages that have to be looked at: those in all sets that must hold them.
    private func looked(at keys: [SearchKey]) throws -> NumberSet {
        var uids = NumberSet(1...UInt32.max)
        for key in keys {
            switch key {
            case .uid(.set(let set)):
                uids = uids.intersection(set.resolved(largestUID: selected?.view.told.uids.last ?? 0))
            case .sequence(.set(let set)):
                let positions = try positions(numbered: set)
                uids = uids.intersection(NumberSet(inPairs: uidPairs(positions)))
            case .uid(.savedResult), .sequence(.savedResult):
                uids = uids.intersection(selected?.savedResult ?? NumberSet())
            case .uidAfter(let uid): uids = uids.intersection(.above(uid))
            case .uidBefore(let uid): uids = uids.intersection(.below(uid))
            case .and(let inner): uids = uids.intersection(try looked(at: inner))
            // The others say of a message whether it matches.
            default: break
            }
        }
        return uids
    }

    /// Of these messages those that are marked `\Deleted`, when they are more than UID EXPUNGE may remove: the highest as
    /// pairs of uids, and the lowest uid. Storage is asked, since the client may not have been told yet what is marked.
    func markedWithinLimit(_ positions: [Range<Int>]) async throws -> (pairs: [UInt32], lowest: UInt32?)? {
        let limit = limits.commandMessages
        guard withinLimit(positions).lowest != nil, let selected else { return nil }
        try await refreshSelected()
        let columns = try await selected.membership.mailbox.current().columns
        var uids: [UInt32] = []
        for range in positions.reversed() {
            for position in range.reversed() {
                let uid = selected.view.told.uids[position]
                guard let index = columns.index(of: uid),
                    columns.flags[index] & UInt64(SystemFlags.deleted.rawValue) != 0
                else { continue }
                if uids.count == limit { return (NumberSet(uids.reversed()).pairs, uids.last) }
                uids.append(uid)
            }
        }
        return nil
    }

    /// The answer to a command that has left messages out. A code that stands in it stays there, and the limit is told
    /// before it (RFC 9738, 3.1).
    func telling(_ lowest: UInt32?, _ outcome: CommandOutcome) -> CommandOutcome {
        guard let lowest, case .answer(var status, let synchronisation) = outcome else { return outcome }
        let text = "Only the last \(limits.commandMessages) messages were dealt with"
        let code = ResponseCode.messageLimit(UInt32(clamping: limits.commandMessages), lowest: lowest)
        guard status.condition == .ok, status.text.code == nil else {
            printer.untagged(StatusResponse(.no, code, text))
            return outcome
        }
        status.text = ResponseText(code, "\(status.text.text). \(text)")
        return .answer(status, synchronisation)
    }
}

extension Refusal {
    /// More messages are named than one command may deal with, and none of them is.
    static func beyond(_ limit: Int, lowest: UInt32? = nil) -> Refusal {
        Refusal(
            .no, .messageLimit(UInt32(clamping: limit), lowest: lowest),
            "More than \(limit) messages, try with a part of them")
    }
}

extension [Range<Int>] {
    /// The numbers of these ascending ranges, the highest first.
    var descending: [Range<Int>] { reversed().flatMap { $0.reversed().map { $0..<$0 + 1 } } }
}

extension NumberSet {
    /// All numbers that are greater.
    static func above(_ number: UInt32) -> NumberSet {
        number == .max ? NumberSet() : NumberSet(number + 1...UInt32.max)
    }

    /// All numbers that are less, from 1.
    static func below(_ number: UInt32) -> NumberSet {
        number <= 1 ? NumberSet() : NumberSet(1...number - 1)
    }
}
