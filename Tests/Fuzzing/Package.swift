// swift-tools-version: 6.2
// The fuzzing targets are a package of their own, because every module in them is compiled with coverage counters.
import PackageDescription

let settings: [SwiftSetting] = [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")]
// lld, because gold cannot read the debug information of the fuzzer's runtime.
let linking: [LinkerSetting] = [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])]

func fuzzer(_ name: String, _ products: [String], _ others: [Target.Dependency] = []) -> Target {
    .executableTarget(
        name: name,
        dependencies: ["FuzzDriver", .product(name: "NIOCore", package: "swift-nio")]
            + products.map { .product(name: $0, package: "martlet") } + others,
        swiftSettings: settings, linkerSettings: linking)
}

let package = Package(
    name: "martlet-fuzzing",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "martlet", path: "../.."),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    ],
    targets: [
        .target(name: "FuzzDriver", swiftSettings: settings),
        fuzzer("SMTPFuzzer", ["SMTPSyntax"]),
        fuzzer("AddressFuzzer", ["SMTPSyntax", "MailMessage"]),
        fuzzer("IMAPFuzzer", ["IMAPSyntax"]),
        fuzzer("URLFuzzer", ["IMAPSyntax"]),
        fuzzer("MIMEFuzzer", ["MailMessage"]),
        fuzzer("TextFuzzer", ["MailMessage"]),
        fuzzer("ProxyFuzzer", ["ProxyProtocol"]),
        fuzzer(
            "ContractFuzzer", ["Contracts", "Messaging"],
            [.product(name: "SwiftProtobuf", package: "swift-protobuf")]),
    ]
)
