import ArgumentParser
import ServiceRuntime

/// The operator's command, `martlet`.
@main
struct Administration: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "Run the mail system Martlet: accounts, domains, aliases, and how the services are.",
        discussion: """
            The command asks the running services; it touches no database. It finds them through the configuration \
            file: --config FILE, else MARTLET_CONFIG, else $MARTLET_HOME/martlet.yaml, else \(ConfigurationPath.system).

            EXAMPLES
              A domain and its first account:
                martlet domain add example.org
                printf '%s' "$PASSWORD" | martlet account add alice@example.org --password-stdin --quota 1GB
              Another name for her, and one for whatever is not known:
                martlet alias add sales@example.org alice@example.org
                martlet alias add @example.org alice@example.org
              What became of a message?
                martlet trace alice@example.org --since 2h
              Is everything there? Wait for it at most a minute:
                martlet status --wait 60s
              For scripts, every command takes --json:
                martlet account list --json | jq -r '.accounts[].address'

            COMPLETION
                martlet --generate-completion-script bash > /etc/bash_completion.d/martlet   (or zsh, fish)

            EXIT STATUS
              0 done; 64 wrong command line; 65 data that cannot be used; 67 no such account, domain or alias; \
            69 a service does not answer or is not ready; 73 it is there already; 77 not permitted; 78 the \
            configuration or a key cannot be used; 1 anything else.
            """,
        version: "martlet \(MartletVersion.current)",
        subcommands: [
            AccountCommand.self, DomainCommand.self, AliasCommand.self, MailboxCommand.self, TraceCommand.self,
            StatusCommand.self, KeysCommand.self,
        ])
}
