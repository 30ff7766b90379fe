import Contracts
import Messaging
import TestSupport
import Testing

/// A running storage with a database of its own.
struct StorageHouse: StorageCaller {
    let house: House
    let database: PostgreSQLDatabase
    /// As the operator.
    let directory: any Directory
    /// As content processing.
    let delivery: any Delivery
    /// As the IMAP service.
    let mailStore: any MailStore
    /// As the ingress.
    let ingress: any Directory
    private let process: Mutexed<RunningExecutable>

    static func run(
        on given: PostgreSQLDatabase? = nil, isReady: Bool = true, _ body: (StorageHouse) async throws -> Void
    ) async throws {
        let database: PostgreSQLDatabase
        if let given { database = given } else { database = try await PostgreSQLDatabase.fresh() }
        try await House.run { house in
            house.configuration.withLock { $0.set(database: database.connectionString(), for: .storage) }
            let started = try house.start(.storage)
            let storage = StorageHouse(
                house: house, database: database,
                directory: DirectoryClient(try house.client(to: .storage, as: "martlet")),
                delivery: DeliveryClient(try house.client(to: .storage, as: "content-processing")),
                mailStore: MailStoreClient(try house.client(to: .storage, as: "imap-access")),
                ingress: DirectoryClient(try house.client(to: .storage, as: "smtp-ingress")),
                process: Mutexed(started))
            if isReady { try await house.untilServed(by: started) }
            try await body(storage)
        }
    }

    var running: RunningExecutable { process.value }

    /// kill -9, and a new process at once.
    func restart() async throws {
        try await running.kill()
        process.value = try house.start(.storage)
    }

    static func message(_ number: Int) -> String {
        "Subject: number \(number)\r\n\r\n" + String(repeating: "some line of text\r\n", count: 100)
    }

    /// Where a message is.
    struct Place: Equatable {
        var account: Int64
        var uid: UInt32
    }

    /// Where each numbered message is; each must be there whole.
    func numbers(of accounts: [Int64]) async throws -> [Int: [Place]] {
        var places: [Int: [Place]] = [:]
        for account in accounts {
            let mailbox = try #require(try await view(account, "INBOX").mailbox)
            let request = FetchRequest.with {
                $0.accountID = account
                $0.mailboxID = mailbox.mailboxID
                $0.uids = [1, UInt32.max]
                $0.header = true
            }
            for try await (page, payload) in try await mailStore.fetch(request, CallContext(timeout: .seconds(60))) {
                for message in try page.messages(payload) {
                    let header = String(buffer: try #require(message.header))
                    let words = try #require(header.firstRange(of: "Subject: number "))
                    let number = try #require(Int(header[words.upperBound...].prefix { $0.isNumber }))
                    #expect(Int(message.octets - message.prefixOctets) == Self.message(number).utf8.count)
                    places[number, default: []].append(Place(account: account, uid: message.uid))
                }
            }
        }
        return places
    }
}
