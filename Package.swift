// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .treatAllWarnings(as: .error),
]

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")
let atomics: Target.Dependency = .product(name: "Atomics", package: "swift-atomics")
let deques: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let protobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")

/// A C library found through pkg-config; its folder holds a module map and nothing else of ours.
func cLibrary(_ name: String, pkgConfig: String, debian: String) -> Target {
    .systemLibrary(
        name: name, path: "Shared/CLibraries/\(name)", pkgConfig: pkgConfig, providers: [.apt([debian])])
}

/// Async functions stay on their caller's executor: a call to a peer costs no change of thread on the way.
let staysWithCaller: SwiftSetting = .enableUpcomingFeature("NonisolatedNonsendingByDefault")

/// A library that two or more executables use.
func shared(
    _ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = [], settings: [SwiftSetting] = []
) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Shared/\(name)", exclude: exclude,
        swiftSettings: strict + settings)
}

/// One executable; nothing imports it but its tests.
func service(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .executableTarget(
        name: name, dependencies: ["ServiceRuntime"] + dependencies, path: "Services/\(name)",
        resources: resources, swiftSettings: strict)
}

/// The tests of the target of the same name.
/// `data` names folders of files that the tests read where they lie.
func tests(_ name: String, _ dependencies: [Target.Dependency] = [], data: [String] = []) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: [.target(name: name)] + dependencies,
        path: "Tests/\(name)Tests", exclude: data, swiftSettings: strict)
}

let package = Package(
    name: "martlet",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "martlet-smtp-ingress", targets: ["SMTPIngress"]),
        .executable(name: "martlet-imap-access", targets: ["IMAPAccess"]),
        .executable(name: "martlet-content-processing", targets: ["ContentProcessing"]),
        .executable(name: "martlet-authentication", targets: ["Authentication"]),
        .executable(name: "martlet-storage", targets: ["Storage"]),
        .executable(name: "martlet", targets: ["Administration"]),
        .library(name: "Messaging", targets: ["Messaging"]),
        .library(name: "Contracts", targets: ["Contracts"]),
        .library(name: "MailMessage", targets: ["MailMessage"]),
        .library(name: "SMTPSyntax", targets: ["SMTPSyntax"]),
        .library(name: "IMAPSyntax", targets: ["IMAPSyntax"]),
        .library(name: "ProxyProtocol", targets: ["ProxyProtocol"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-atomics", from: "1.3.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: ["YAML"]),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    ],
    targets: [
        cLibrary("CZeroMQ", pkgConfig: "libzmq", debian: "libzmq3-dev"),
        cLibrary("CPostgreSQL", pkgConfig: "libpq", debian: "libpq-dev"),
        cLibrary("COpenSSL", pkgConfig: "openssl", debian: "libssl-dev"),
        cLibrary("CZlib", pkgConfig: "zlib", debian: "zlib1g-dev"),

        shared(
            "Messaging", ["CZeroMQ", nioCore, logging, atomics, deques], settings: [staysWithCaller]),
        shared("Contracts", ["Messaging", nioCore, protobuf], exclude: ["Protos"], settings: [staysWithCaller]),
        shared(
            "ServiceRuntime",
            [
                "Messaging", "Contracts", nioCore, nioPosix, logging, metrics, lifecycle, arguments, atomics,
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Yams", package: "Yams"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ]),
        shared("Database", ["CPostgreSQL", nioCore, logging, atomics, deques]),
        shared("Cryptography", ["COpenSSL"]),
        shared("TransportSecurity", ["COpenSSL", nioCore, logging]),
        shared("MailMessage"),
        shared("SMTPSyntax", [nioCore]),
        shared("IMAPSyntax", [nioCore]),
        shared("ProxyProtocol", [nioCore, logging, metrics]),
        shared("SASL", ["Cryptography"]),
        shared(
            "Settlement",
            ["Contracts", "Messaging", "ServiceRuntime", "TransportSecurity", nioCore, logging, metrics, lifecycle]),

        service(
            "SMTPIngress",
            [
                "Contracts", "Messaging", "SMTPSyntax", "Settlement", "ProxyProtocol", "TransportSecurity",
                "Cryptography",
                nioCore, nioPosix, logging, metrics, lifecycle, deques,
            ]),
        service(
            "IMAPAccess",
            [
                "Contracts", "Messaging", "IMAPSyntax", "MailMessage", "SASL", "Settlement", "ProxyProtocol",
                "TransportSecurity", "CZlib",
                nioCore, nioPosix, logging, metrics, lifecycle, deques,
            ]),
        service(
            "ContentProcessing",
            ["Contracts", "Messaging", "MailMessage", "Cryptography", nioCore, logging, metrics, lifecycle]),
        service(
            "Authentication",
            ["Contracts", "Messaging", "Database", "SASL", "Cryptography", nioCore, logging, metrics, lifecycle],
            resources: [.embedInCode("Migrations")]),
        service(
            "Storage",
            [
                "Contracts", "Messaging", "Database", "Cryptography", nioCore, logging, metrics, lifecycle, deques,
            ],
            resources: [.embedInCode("Migrations")]),
        service("Administration", ["Contracts", "Messaging", arguments, logging]),
        .target(
            name: "Executables",
            dependencies: [
                "SMTPIngress", "IMAPAccess", "ContentProcessing", "Authentication", "Storage", "Administration",
            ],
            path: "deploy/Executables", swiftSettings: strict),

        .target(
            name: "TestSupport",
            dependencies: [
                "Messaging", "Contracts", "ServiceRuntime", "MailMessage", "SMTPSyntax", "TransportSecurity",
                "Cryptography", "SASL", nioCore, nioPosix, logging,
            ],
            path: "Tests/TestSupport", swiftSettings: strict),
        .target(name: "TestRandomness", path: "Tests/TestRandomness", swiftSettings: strict),
        .executableTarget(
            name: "MessagingBenchmark", dependencies: ["Messaging", "CZeroMQ", nioCore, logging],
            path: "Tests/Benchmarks/Messaging", swiftSettings: strict),
        // Not in Glibc's module; a load generator that is to be cheap needs nothing else of the kernel.
        .systemLibrary(name: "CEpoll", path: "Tests/Benchmarks/Overload/CEpoll"),
        .executableTarget(
            name: "LoadGenerator", dependencies: ["CEpoll", arguments],
            path: "Tests/Benchmarks/Overload/LoadGenerator", swiftSettings: strict),
        // A test target, since only such a one may import an executable.
        .testTarget(
            name: "StorageBenchmark", dependencies: ["Storage", "TestSupport"],
            path: "Tests/Benchmarks/Storage", swiftSettings: strict),
        tests("Messaging", ["TestSupport", "TestRandomness", "CZeroMQ", nioCore, logging, atomics]),
        tests("Contracts", ["TestSupport", nioCore, protobuf]),
        tests("ServiceRuntime", ["TestSupport", "Messaging", nioCore]),
        tests("Database", ["TestSupport", "TestRandomness"]),
        tests("Cryptography"),
        tests("TransportSecurity", [nioEmbedded, nioPosix]),
        tests("MailMessage", ["TestRandomness"]),
        tests("SMTPSyntax", ["TestRandomness"]),
        tests("IMAPSyntax", ["TestRandomness", nioCore], data: ["Dialogues"]),
        tests("ProxyProtocol", ["TestSupport", nioCore, nioEmbedded, logging]),
        tests("SASL"),
        tests("Settlement", ["TestSupport", nioEmbedded, nioPosix, atomics]),
        tests(
            "SMTPIngress", ["TestSupport", "ProxyProtocol", "TransportSecurity", nioEmbedded, nioPosix],
            data: ["Dialogues"]),
        tests(
            "IMAPAccess",
            [
                "TestSupport", "TestRandomness", "ProxyProtocol", "TransportSecurity", nioEmbedded, nioPosix, lifecycle,
            ],
            data: ["Dialogues"]),
        tests("ContentProcessing", ["TestSupport"]),
        tests("Authentication", ["TestSupport"]),
        tests("Storage", ["TestSupport", "TestRandomness"]),
        tests("Administration", ["TestSupport"]),
        // The executables are dependencies so that they are built; the tests start them as processes.
        .testTarget(
            name: "ExecutableTests",
            dependencies: [
                "SMTPIngress", "IMAPAccess", "ContentProcessing", "Authentication", "Storage", "Administration",
                "TestSupport", "Contracts", "Messaging", "ServiceRuntime", "TransportSecurity", "Cryptography", "SASL",
                nioCore, nioPosix,
            ],
            path: "Tests/ExecutableTests", swiftSettings: strict),
    ]
)
