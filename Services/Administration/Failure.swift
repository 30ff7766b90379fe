import ArgumentParser
import Foundation
import Messaging
import ServiceRuntime

/// Why a command came to nothing: what is wrong, what to do about it, and the exit status (sysexits.h).
struct Failure: Error, Equatable {
    /// The statuses that scripts may rely on.
    enum Status: Int32 {
        case other = 1
        case unusableData = 65
        case notFound = 67
        case unavailable = 69
        case existsAlready = 73
        case notPermitted = 77
        case configuration = 78

        /// The word for it in JSON.
        var word: String {
            switch self {
            case .other: "failed"
            case .unusableData: "unusable_data"
            case .notFound: "not_found"
            case .unavailable: "unavailable"
            case .existsAlready: "exists_already"
            case .notPermitted: "not_permitted"
            case .configuration: "configuration"
            }
        }
    }

    var status: Status
    var message: String
    /// What to do; nil when the message says it.
    var advice: String?

    init(_ status: Status, _ message: String, advice: String? = nil) {
        self.status = status
        self.message = message
        self.advice = advice
    }

    /// The words for an error from below.
    init(_ error: any Error) {
        switch error {
        case let failure as Failure: self = failure
        case let error as ConfigurationError:
            self.init(.configuration, error.description)
        case let error as StartRefusal: self.init(.configuration, error.description)
        case let error as MessagingError: self = Self.words(for: error)
        default: self.init(.other, "\(error)")
        }
    }

    private static func words(for error: MessagingError) -> Failure {
        switch error.code {
        case .unavailable, .deadlineExceeded, .draining, .cancelled:
            Failure(
                .unavailable, "no answer from a service (\(error))",
                advice: "See which one with `martlet status`; nothing may have changed, so repeat the command.")
        case .overloaded:
            Failure(.unavailable, "the service has too much to do (\(error))", advice: "Repeat the command later.")
        case .denied:
            Failure(
                .notPermitted, "the service does not let this key ask (\(error))",
                advice: "The services know the public key keys/martlet.pub as it was when they started; "
                    + "after new keys send them SIGHUP.")
        case .unknownMethod:
            Failure(
                .other, "the service is of another release and does not know this request (\(error))",
                advice: "Bring command and services to the same release.")
        case .malformed: Failure(.unusableData, error.text.isEmpty ? "\(error)" : error.text)
        default: Failure(.other, error.text.isEmpty ? "\(error)" : error.text)
        }
    }

    private struct Page: Encodable {
        struct Body: Encodable {
            var code: String
            var message: String
            var advice: String?
        }
        var error: Body
    }

    /// The text for standard error.
    func text(json: Bool) -> String {
        if json {
            return JSONPage.text(Page(error: .init(code: status.word, message: message, advice: advice)))
        }
        return "martlet: \(message)\n" + (advice.map { "         \($0)\n" } ?? "")
    }

    /// Runs a command's work; an error is printed and becomes the exit status.
    static func reporting(json: Bool, _ work: () async throws -> Void) async throws {
        do {
            try await work()
        } catch let code as ExitCode {
            throw code
        } catch {
            let failure = Failure(error)
            FileHandle.standardError.write(Data(failure.text(json: json).utf8))
            throw ExitCode(failure.status.rawValue)
        }
    }
}
