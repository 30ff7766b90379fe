import CPostgreSQL

/// What went wrong with PostgreSQL, and what a caller may do about it.
public struct DatabaseError: Error, Sendable, CustomStringConvertible {
    /// The kinds of failure that callers tell apart. New ones may come.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private let name: String
        private init(_ name: String) { self.name = name }

        /// No connection could be made.
        public static let cannotConnect = Self("cannot connect")
        /// The connection broke; whether the statement took effect is unknown.
        public static let connectionLost = Self("connection lost")
        /// The server is starting, stopping or restarting.
        public static let shuttingDown = Self("server starting or stopping")
        /// The server has no connection to spare.
        public static let tooManyConnections = Self("too many connections")
        /// No connection of the pool came free in time, or too many wait for one.
        public static let poolExhausted = Self("no connection free")
        /// Two transactions could not be put in an order.
        public static let serializationFailure = Self("serialization failure")
        /// Two transactions waited for each other.
        public static let deadlock = Self("deadlock")
        /// A lock was not to be had in time.
        public static let lockNotAvailable = Self("lock not available")
        /// The statement ran longer than it may.
        public static let timedOut = Self("timed out")
        /// The statement was cancelled.
        public static let cancelled = Self("cancelled")
        /// A row with this key is there already.
        public static let uniqueViolation = Self("unique violation")
        /// A row that this one refers to is not there.
        public static let foreignKeyViolation = Self("foreign key violation")
        /// A value breaks a rule of its table.
        public static let checkViolation = Self("check violation")
        /// A value is missing.
        public static let notNullViolation = Self("not null violation")
        /// A value does not fit its type.
        public static let badValue = Self("bad value")
        /// The disk is full.
        public static let diskFull = Self("disk full")
        /// The server lacks memory or another resource.
        public static let outOfResources = Self("out of resources")
        /// The role may not do this.
        public static let insufficientPrivilege = Self("insufficient privilege")
        /// The password or the role was refused.
        public static let authenticationFailed = Self("authentication failed")
        /// The database, schema, table, column or function is not there.
        public static let undefinedObject = Self("undefined object")
        /// This server is a standby, or set to read only.
        public static let readOnly = Self("read only")
        /// The statement is wrong.
        public static let badStatement = Self("bad statement")
        /// A result does not have the shape that the program expects.
        public static let badResult = Self("bad result")
        /// The transaction had failed before, so that it was rolled back.
        public static let transactionAborted = Self("transaction aborted")
        /// Input or output failed on the server, or its data are damaged.
        public static let serverFailure = Self("server failure")
        /// Anything else; the SQLSTATE says what.
        public static let other = Self("failure")

        /// The kind in words.
        public var description: String { name }
    }

    /// Who has to act for it to go away.
    public enum Fault: Sendable, Hashable {
        /// The values that the caller gave: trying again changes nothing.
        case caller
        /// This program or its installation: a statement, a missing migration, a missing right.
        case program
        /// The server or the way to it: it may be well again in a moment.
        case server
        /// Nobody: transactions met, and trying again is the answer.
        case concurrency
    }

    /// What kind of failure.
    public var code: Code
    /// The five characters of SQLSTATE when the server said so.
    public var sqlState: String?
    /// The server's or libpq's words, on one line.
    public var message: String
    /// The server's further words.
    public var detail: String?
    /// The constraint that was broken.
    public var constraint: String?
    /// The beginning of the statement that failed.
    public var statement: String?

    /// A failure of this kind.
    public init(_ code: Code, _ message: String, statement: String? = nil) {
        self.code = code
        self.message = message
        self.statement = statement
    }

    /// Whose fault it is.
    public var fault: Fault {
        switch code {
        case .serializationFailure, .deadlock, .lockNotAvailable, .transactionAborted: .concurrency
        case .uniqueViolation, .foreignKeyViolation, .checkViolation, .notNullViolation, .badValue: .caller
        case .insufficientPrivilege, .authenticationFailed, .undefinedObject, .badStatement, .badResult, .other:
            .program
        default: .server
        }
    }

    /// Whether the same may succeed when it is tried again without any change.
    public var isRetryable: Bool {
        switch fault {
        case .concurrency, .server: true
        case .caller, .program: false
        }
    }

    /// Whether PostgreSQL is away: no connection, or none any more.
    public var isUnavailable: Bool {
        switch code {
        case .cannotConnect, .connectionLost, .shuttingDown, .tooManyConnections, .readOnly: true
        default: false
        }
    }

    /// One line for the log.
    public var description: String {
        var text = "\(code): \(message)"
        if let sqlState { text += " (SQLSTATE \(sqlState))" }
        if let detail { text += "; \(detail)" }
        if let statement { text += "; in: \(statement)" }
        return text
    }
}

extension DatabaseError.Code {
    /// The kind that a SQLSTATE stands for (PostgreSQL documentation, appendix A).
    init(sqlState: String) {
        switch sqlState {
        case "40001": self = .serializationFailure
        case "40P01": self = .deadlock
        case "55P03": self = .lockNotAvailable
        case "57014": self = .cancelled
        case "23505", "23P01": self = .uniqueViolation
        case "23503": self = .foreignKeyViolation
        case "23514": self = .checkViolation
        case "23502": self = .notNullViolation
        case "53100": self = .diskFull
        case "53300": self = .tooManyConnections
        case "57P01", "57P02", "57P03", "57P05": self = .shuttingDown
        case "42501": self = .insufficientPrivilege
        case "25006": self = .readOnly
        case "25P02": self = .transactionAborted
        case "3D000", "3F000", "42P01", "42703", "42883", "42704", "26000": self = .undefinedObject
        default:
            switch sqlState.prefix(2) {
            case "08": self = .connectionLost
            case "22": self = .badValue
            case "28": self = .authenticationFailed
            case "40": self = .serializationFailure
            case "42": self = .badStatement
            case "53", "54": self = .outOfResources
            case "58", "XX", "F0": self = .serverFailure
            default: self = .other
            }
        }
    }
}

extension DatabaseError {
    /// The error that a failed result describes.
    init(borrowedResult result: OpaquePointer, statement: String?) {
        func field(_ code: UInt8) -> String? {
            PQresultErrorField(result, Int32(code)).map { String(cString: $0) }
        }
        let state = field(UInt8(ascii: "C"))
        let primary = field(UInt8(ascii: "M")) ?? String(cString: PQresultErrorMessage(result))
        self.init(state.map(Code.init(sqlState:)) ?? .connectionLost, Self.line(primary), statement: statement)
        sqlState = state
        detail = field(UInt8(ascii: "D")).map(Self.line)
        constraint = field(UInt8(ascii: "n"))
    }

    /// The same text on one line.
    static func line(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
