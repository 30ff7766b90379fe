import Foundation
import TestSupport
import Testing

@testable import ServiceRuntime

/// The keys of an imagined smtp-ingress with one of each kind.
private let keys: [ConfigurationKey] = [
    .text("hostname", default: "mail.example.test", "Name."),
    .text("secret", default: "", "Secret.", secret: true),
    .integer("limits.recipients", default: 100, in: 1...1_000, "Most recipients."),
    .boolean("lmtp.enabled", default: false, "LMTP."),
    .duration("timeouts.idle", default: .seconds(300), in: .seconds(1) ... .seconds(3_600), "Patience."),
    .octets("limits.message", default: 50 << 20, in: 1_024...Int.max, "Largest message.", reloadable: true),
    .choice("tls.minimum", default: "1.2", of: ["1.2", "1.3"], "Oldest TLS."),
    .list("dns.servers", default: ["127.0.0.1"], "Resolvers."),
    .path("spool", default: "spool", "Spool."),
    .readableFile("tls.certificate", default: "", "Certificate.", reloadable: true),
    .listen("relay.listen", default: ["0.0.0.0:25"], "SMTP."),
    .addresses("proxy.trusted", default: ["127.0.0.1"], "Proxies."),
]

func load(
    _ yaml: String, keys: [ConfigurationKey] = keys, environment: [String: String] = [:],
    path: String = "/etc/martlet/martlet.yaml"
) throws(ConfigurationError) -> ConfigurationLoader.Loaded {
    let loader = ConfigurationLoader(service: "smtp-ingress", keys: keys, environment: environment)
    return try loader.load(ConfigurationFile(path: path, octets: Array(yaml.utf8)))
}

@Suite("A configuration that can be used")
struct UsableConfigurationTests {
    @Test("An empty file gives every key its default")
    func defaults() throws {
        let values = try load("").section
        #expect(try values.text("hostname") == "mail.example.test")
        #expect(try values.integer("limits.recipients") == 100)
        #expect(try values.boolean("lmtp.enabled") == false)
        #expect(try values.duration("timeouts.idle") == .seconds(300))
        #expect(try values.octets("limits.message") == 50 << 20)
        #expect(try values.list("dns.servers") == ["127.0.0.1"])
        #expect(try values.path("spool") == "/etc/martlet/spool")
        #expect(try values.file("tls.certificate") == nil)
        #expect(try values.listenAddresses("relay.listen") == [.network(host: "0.0.0.0", port: 25)])
        #expect(try values.addressRanges("proxy.trusted").map(\.description) == ["127.0.0.1/32"])
    }

    @Test("Values are read from the service's own section, whatever the others hold")
    func section() throws {
        let values = try load(
            """
            storage:
              anything: [goes, here]
            smtp-ingress:
              hostname: mx.example.org
              limits: { recipients: 7, message: 64KB }
              lmtp: { enabled: yes }
              timeouts:
                idle: 90s
              dns:
                servers:
                  - 10.0.0.1
                  - 10.0.0.2
              spool: /var/spool/martlet
              relay: { listen: ["[::]:2525", "unix:relay.sock", "systemd:smtp"] }
              proxy: { trusted: [10.0.0.0/8, "2001:db8::/32"] }
            """
        ).section
        #expect(try values.text("hostname") == "mx.example.org")
        #expect(try values.integer("limits.recipients") == 7)
        #expect(try values.octets("limits.message") == 65_536)
        #expect(try values.boolean("lmtp.enabled"))
        #expect(try values.duration("timeouts.idle") == .seconds(90))
        #expect(try values.list("dns.servers") == ["10.0.0.1", "10.0.0.2"])
        #expect(try values.path("spool") == "/var/spool/martlet")
        #expect(
            try values.listenAddresses("relay.listen") == [
                .network(host: "::", port: 2_525), .unix(path: "/etc/martlet/relay.sock"), .activated(name: "smtp"),
            ])
        #expect(try values.addressRanges("proxy.trusted").map(\.description) == ["10.0.0.0/8", "2001:db8::/32"])
    }

    @Test("The environment goes before the file, and the section before the top level")
    func precedence() throws {
        let yaml = """
            log: { level: warning }
            smtp-ingress:
              hostname: file.example
              log: { level: debug }
            """
        #expect(try load(yaml).common.text("log.level") == "debug")
        let environment = [
            "MARTLET_SMTP_INGRESS_HOSTNAME": "variable.example", "MARTLET_LOG_LEVEL": "error",
            "MARTLET_SMTP_INGRESS_DNS_SERVERS": "10.0.0.1,10.0.0.2", "MARTLET_SMTP_INGRESS_LIMITS_RECIPIENTS": "3",
            "MARTLET_STORAGE_ANYTHING": "of another service", "MARTLET_HOME": "/srv", "MARTLET_PORT_BASE": "2500",
        ]
        let loaded = try load(yaml, environment: environment)
        #expect(try loaded.section.text("hostname") == "variable.example")
        #expect(try loaded.section.list("dns.servers") == ["10.0.0.1", "10.0.0.2"])
        #expect(try loaded.section.integer("limits.recipients") == 3)
        #expect(try loaded.common.text("log.level") == "error")
    }

    @Test("A key without a value counts as not given; quoted emptiness is a value")
    func emptyValues() throws {
        let values = try load("smtp-ingress:\n  hostname:\n  secret: \"\"\n  limits:\n").section
        #expect(try values.text("hostname") == "mail.example.test")
        #expect(try values.text("secret") == "")
    }

    @Test("One value may stand where a list may")
    func singleItem() throws {
        #expect(try load("smtp-ingress: { dns: { servers: 10.1.1.1 } }").section.list("dns.servers") == ["10.1.1.1"])
    }

    @Test("Relative paths are relative to the file")
    func relativePaths() throws {
        let folder = try TemporaryDirectory()
        try folder.write("PEM", to: "server.pem")
        let values = try load(
            "smtp-ingress: { tls: { certificate: server.pem } }", path: "\(folder.path)/martlet.yaml"
        ).section
        #expect(try values.file("tls.certificate") == "\(folder.path)/server.pem")
    }

    @Test("The reference in YAML is a file that loads to the defaults")
    func referenceLoads() throws {
        let reference = ConfigurationReference(service: "smtp-ingress", keys: keys).text(.yaml)
        let fromReference = try load(reference)
        let fromNothing = try load("")
        #expect(fromReference.section.entries.mapValues(\.value) == fromNothing.section.entries.mapValues(\.value))
        #expect(fromReference.common.entries.mapValues(\.value) == fromNothing.common.entries.mapValues(\.value))
    }

    @Test("The reference in Markdown names every key")
    func referenceIsComplete() {
        let reference = ConfigurationReference(service: "smtp-ingress", keys: keys).text(.markdown)
        for key in keys { #expect(reference.contains("| `smtp-ingress.\(key.name)` |")) }
        for service in CommonConfiguration.services.dropLast() { #expect(reference.contains("`peers.\(service)`")) }
    }
}

@Suite("A configuration that cannot be used is told in one line")
struct UnusableConfigurationTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var yaml: String
        var line: String
        var testDescription: String { line }
    }

    static let cases: [Case] = [
        Case(
            yaml: "smtp-ingress:\n  hostnme: a",
            line: "m.yaml:2: smtp-ingress.hostnme: unknown key: expected a known key, perhaps smtp-ingress.hostname"),
        Case(
            yaml: "smtp-ingress:\n  limits:\n    recipients: 5\n    frobnication: 1",
            line: "m.yaml:4: smtp-ingress.limits.frobnication: unknown key: expected a known key; "
                + "--print-configuration lists them"),
        Case(yaml: "storge: {}", line: "m.yaml:1: storge: unknown key: expected a known key, perhaps storage"),
        Case(
            yaml: "smtp-ingress: { limits: { recipients: many } }",
            line: "m.yaml:1: smtp-ingress.limits.recipients: expected a whole number from 1 to 1000, found \"many\""),
        Case(
            yaml: "smtp-ingress:\n\n  limits:\n    recipients: 1001",
            line: "m.yaml:4: smtp-ingress.limits.recipients: expected a whole number from 1 to 1000, found \"1001\""),
        Case(
            yaml: "smtp-ingress: { timeouts: { idle: 30 } }",
            line: "m.yaml:1: smtp-ingress.timeouts.idle: expected a time with its unit such as 30s, from 1s to 1h, "
                + "found \"30\""),
        Case(
            yaml: "smtp-ingress: { limits: { message: huge } }",
            line: "m.yaml:1: smtp-ingress.limits.message: expected a size such as 50MB, at least 1KB, found \"huge\""),
        Case(
            yaml: "smtp-ingress: { lmtp: { enabled: perhaps } }",
            line: "m.yaml:1: smtp-ingress.lmtp.enabled: expected true or false, found \"perhaps\""),
        Case(
            yaml: "smtp-ingress: { tls: { minimum: 1.1 } }",
            line: "m.yaml:1: smtp-ingress.tls.minimum: expected one of 1.2, 1.3, found \"1.1\""),
        Case(
            yaml: "smtp-ingress: { hostname: [a, b] }",
            line: "m.yaml:1: smtp-ingress.hostname: expected a text, found a list"),
        Case(
            yaml: "smtp-ingress: { relay: { listen: [\"25\"] } }",
            line: "m.yaml:1: smtp-ingress.relay.listen: expected a list of host:port, unix:PATH or systemd:NAME, "
                + "found \"25\""),
        Case(
            yaml: "smtp-ingress:\n  proxy:\n    trusted: [10.0.0.0/8, 10.0.0.1/8]",
            line:
                "m.yaml:3: smtp-ingress.proxy.trusted: expected a list of addresses such as 192.0.2.1 and ranges such as "
                + "10.0.0.0/8 or 2001:db8::/32, found \"10.0.0.1/8\""),
        Case(
            yaml: "smtp-ingress: { tls: { certificate: /nowhere/server.pem } }",
            line: "m.yaml:1: smtp-ingress.tls.certificate: expected a readable file, found \"/nowhere/server.pem\": "
                + "No such file or directory"),
        Case(
            yaml: "smtp-ingress: { tls: { certificate: /tmp } }",
            line: "m.yaml:1: smtp-ingress.tls.certificate: expected a readable file, found \"/tmp\": not a regular file"
        ),
        Case(
            yaml: "log: { level: loud }",
            line: "m.yaml:1: log.level: expected one of trace, debug, info, notice, "
                + "warning, error, critical, found \"loud\""),
        Case(yaml: "log: debug", line: "m.yaml:1: log: expected a section of keys, found a value"),
        Case(yaml: "smtp-ingress: 5", line: "m.yaml:1: smtp-ingress: expected a section of keys, found a value"),
        Case(yaml: "storage: 5", line: "m.yaml:1: storage: expected a section of keys, found a value"),
        Case(yaml: "- a\n- b", line: "m.yaml: expected a mapping of keys to values"),
        Case(
            yaml: "smtp-ingress:\n  dns:\n    servers: [{ a: b }]",
            line: "m.yaml:3: smtp-ingress.dns.servers: expected a list of plain values"),
        Case(
            yaml: "smtp-ingress:\n  hostname: \"a\u{1}b",
            line: "m.yaml:2: expected YAML: "),
    ]

    @Test("It names file, line, key, and what is expected", arguments: cases)
    func oneLine(example: Case) throws {
        let error = #expect(throws: ConfigurationError.self) { _ = try load(example.yaml, path: "m.yaml") }
        let line = try #require(error).description
        #expect(!line.contains("\n"))
        if example.line.hasSuffix("expected YAML: ") {
            #expect(line.contains("m.yaml") && line.contains("expected YAML"))
        } else {
            #expect(line == example.line)
        }
    }

    @Test("YAML that is none is told with its line")
    func syntax() throws {
        let error = #expect(throws: ConfigurationError.self) { _ = try load("a: b\n  c: [", path: "m.yaml") }
        #expect(try #require(error).description.hasPrefix("m.yaml:2: expected YAML: "))
        #expect(throws: ConfigurationError.self) { _ = try load("log: { level: info }\nlog: { level: info }") }
    }

    @Test("A missing file is told with what to do")
    func missingFile() throws {
        let error = #expect(throws: ConfigurationError.self) {
            _ = try ConfigurationFile(path: "/nowhere/martlet.yaml")
        }
        #expect(
            try #require(error).description
                == "/nowhere/martlet.yaml: expected a readable YAML file: No such file or directory; "
                + "give another with --config FILE")
    }

    @Test("Octets that are no UTF-8, and a folder, are told")
    func unreadable() throws {
        #expect(throws: ConfigurationError.self) { _ = try ConfigurationFile(path: "x", octets: [0xFF, 0xFE]) }
        #expect(throws: ConfigurationError.self) { _ = try ConfigurationFile(path: "/tmp") }
    }

    @Test("A key that must be given is asked for with its meaning")
    func required() throws {
        let keys: [ConfigurationKey] = [.readableFile("tls.key", default: nil, "The private key in PEM.")]
        let error = #expect(throws: ConfigurationError.self) { _ = try load("", keys: keys, path: "m.yaml") }
        #expect(
            try #require(error).description
                == "m.yaml: smtp-ingress.tls.key: must be given: expected a readable file. The private key in PEM.")
    }

    @Test("A bad value in the environment names the variable")
    func badVariable() throws {
        let variables = ["MARTLET_SMTP_INGRESS_LIMITS_RECIPIENTS": "0"]
        let error = #expect(throws: ConfigurationError.self) { _ = try load("", environment: variables) }
        #expect(
            try #require(error).description
                == "environment MARTLET_SMTP_INGRESS_LIMITS_RECIPIENTS: smtp-ingress.limits.recipients: "
                + "expected a whole number from 1 to 1000, found \"0\"")
    }

    @Test(
        "An unknown variable of our sections is told",
        arguments: ["MARTLET_SMTP_INGRESS_HOSTNAMES", "MARTLET_LOG_LEVLE"])
    func unknownVariable(name: String) throws {
        let error = #expect(throws: ConfigurationError.self) { _ = try load("", environment: [name: "x"]) }
        #expect(try #require(error).description.hasPrefix("environment \(name): unknown key"))
    }

    @Test("A secret's value is in no message")
    func secret() throws {
        var key = ConfigurationKey.integer("pin", default: 1, "Pin.")
        key.isSecret = true
        let error = #expect(throws: ConfigurationError.self) {
            _ = try load("smtp-ingress: { pin: hunter2 }", keys: [key])
        }
        #expect(!(try #require(error).description.contains("hunter2")))
    }

    @Test("A messaging folder whose sockets would have too long a path is refused at the start")
    func longFolder() throws {
        let loaded = try load("messaging: { directory: /\(String(repeating: "d", count: 90)) }")
        let error = #expect(throws: ConfigurationError.self) { _ = try CommonConfiguration(from: loaded.common) }
        #expect(try #require(error).description.contains("messaging.directory: expected a path of at most"))
    }

    @Test("A key that the program does not declare is its own mistake, told and not trapped")
    func undeclared() throws {
        let values = try load("").section
        #expect(throws: ConfigurationError.self) { try values.text("no.such.key") }
        #expect(throws: ConfigurationError.self) { try values.text("limits.recipients") }
    }
}

@Suite("Times and sizes")
struct QuantityTests {
    @Test(arguments: [
        ("250ms", Duration.milliseconds(250)), ("30s", .seconds(30)), ("5m", .seconds(300)), ("2h", .seconds(7_200)),
        ("5d", .seconds(432_000)), ("0", .zero), ("7us", .microseconds(7)),
    ])
    func durations(text: String, duration: Duration) { #expect(Quantity.duration(text) == duration) }

    @Test(arguments: ["", "s", "30", "-1s", "1.5s", "3 weeks", "9223372036854775807d", "99999999999999999999s"])
    func notDurations(text: String) { #expect(Quantity.duration(text) == nil) }

    @Test(arguments: [
        ("512", 512), ("64KB", 65_536), ("50MB", 52_428_800), ("2gb", 2 << 30), ("1TB", 1 << 40), ("3 MB", 3 << 20),
    ])
    func sizes(text: String, octets: Int) { #expect(Quantity.octets(text) == octets) }

    @Test(arguments: ["", "KB", "-1", "1.5GB", "5PB", "9223372036854775807TB"])
    func notSizes(text: String) { #expect(Quantity.octets(text) == nil) }

    @Test("What is printed is read as the same")
    func roundTrip() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            let microseconds = Int64.random(in: 0...10_000_000_000_000, using: &generator)
            for unit in [1, 1_000, 1_000_000, 60_000_000] as [Int64] {
                let duration = Duration.microseconds(microseconds / unit * unit)
                #expect(Quantity.duration(Quantity.text(of: duration)) == duration)
            }
            let octets = Int.random(in: 0...(1 << 15), using: &generator) << Int.random(in: 0...40, using: &generator)
            #expect(Quantity.octets(Quantity.text(ofOctets: octets)) == octets)
        }
    }
}
