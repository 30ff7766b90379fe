import IMAPSyntax

/// CAPABILITY, NOOP, LOGOUT, ID (RFC 9051, 6.1; RFC 2971) and ENABLE (RFC 9051, 6.3.1).
extension Session {
    /// What this server can do for this client now (RFC 9051, 6.1.1).
    func capabilities() async -> [Capability] {
        var capabilities: [Capability] = [
            .imap4rev2, .imap4rev1, .literalPlus, .saslIR, .id, .enable,
        ]
        if machine.identity == nil {
            if machine.offersTLS, !machine.isSecured { capabilities.append(.startTLS) }
            if machine.loginIsDisabled { capabilities.append(.loginDisabled) }
            let mechanisms = await services.mechanisms.mechanisms(
                overTLS: machine.isSecured, channelBindings: tls?.channelBindings.map(\.type) ?? [])
            capabilities += mechanisms.map { .authentication($0) }
        } else {
            capabilities += [
                .idle, .namespace, .unselect, .uidPlus, .move, .eSearch, .searchRes, .children, .listExtended,
                .listStatus, .specialUse, .createSpecialUse, .binary, .statusSize, .condStore, .qResync, .notify,
                .inProgress, .within, .sort, .sortDisplay, .eSort, .i18nLevel1, .partial, .objectID, .saveDate,
                .appendLimit(limits.appendLimit), .quota, .quota(of: .storage), .quota(of: .message),
                .quota(of: .mailbox), .metadata, .listMetadata,
            ]
            capabilities += ThreadAlgorithm.allCases.map { .threading($0) }
            capabilities += [.utf8Accept, .multiAppend, .replace, .catenate, .urlPartial, .urlAuth]
            capabilities += [.uidOnly, .uidBatches]
            if limits.commandMessages > 0 {
                capabilities.append(.messageLimit(UInt32(clamping: limits.commandMessages)))
            }
            capabilities += [.preview, .multiSearch, .filters, .contextSearch, .contextSort, .searchFuzzy]
            capabilities += [.acl, .rights, .listMyRights]
            if machine.offersUnauthenticate { capabilities.append(.unauthenticate) }
            if !machine.isCompressed { capabilities.append(.compressDeflate) }
        }
        return capabilities
    }

    func capability() async -> CommandOutcome {
        printer.untagged(.capability(await capabilities()))
        return .ok("CAPABILITY completed")
    }

    /// NOOP, and CHECK, tell what storage knows now, not only what events told (RFC 9051, 6.1.2).
    func noop(_ text: String = "NOOP completed") async throws -> CommandOutcome {
        try await refreshSelected()
        return .ok(text)
    }

    func logout(_ tag: String) -> CommandOutcome {
        printer.untagged(StatusResponse(.bye, nil, "Martlet wishes you a good day"))
        machine.logoutArrived()
        return .ok("LOGOUT completed", synchronising: .none)
    }

    func identify(_ client: IDParameters?) -> CommandOutcome {
        if let client, !client.fields.isEmpty {
            let fields = client.fields.prefix(30).map { "\($0.name)=\($0.value ?? "")" }.joined(separator: " ")
            logger.info("client introduced itself", metadata: ["id": "\(fields.prefix(512))"])
        }
        printer.untagged(
            .id(
                IDParameters([
                    IDParameters.Field("name", "Martlet"), IDParameters.Field("version", services.version),
                ])))
        return .ok("ID completed")
    }

    /// Extensions that change what the server sends (RFC 5161); those that it does not have are passed over.
    func enable(_ capabilities: [Capability]) -> CommandOutcome {
        var enabled: [Capability] = []
        if capabilities.contains(.imap4rev2) {
            if !machine.isRevision2 { enabled.append(.imap4rev2) }
            machine.enabled(revision2: true, utf8: true)
            parser.encoding = .utf8
        }
        if capabilities.contains(.qResync) {
            if !machine.tellsVanished { enabled.append(.qResync) }
            machine.vanishedEnabled()
        }
        let wantsModificationSequences = capabilities.contains(.condStore)
        if wantsModificationSequences, !machine.tellsModificationSequences { enabled.append(.condStore) }
        if capabilities.contains(.utf8Accept) {
            if !machine.acceptsUTF8 { enabled.append(.utf8Accept) }
            machine.enabledUTF8Accept()
            parser.encoding = .utf8
        }
        if capabilities.contains(.uidOnly) {
            if !machine.isUIDOnly { enabled.append(.uidOnly) }
            machine.uidOnlyEnabled()
        }
        printer.untagged(.enabled(enabled))
        if wantsModificationSequences || machine.tellsVanished { beginModificationSequences() }
        if machine.utf8IsEnabled { printer.encoding = .utf8 }
        return .ok("ENABLE completed")
    }

    func namespace() -> CommandOutcome {
        printer.untagged(
            .namespace(
                NamespaceResponse(
                    personal: [Namespace(prefix: "", delimiter: "/")],
                    otherUsers: [Namespace(prefix: MailboxName(NamespacedName.otherUsers), delimiter: "/")],
                    shared: [Namespace(prefix: MailboxName(NamespacedName.shared), delimiter: "/")])))
        return .ok("NAMESPACE completed")
    }
}
