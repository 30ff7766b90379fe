# The domain, the two accounts, and connection.json.
# shellcheck shell=bash

readonly domain=example.test

martlet() { as_user "$home/bin/martlet" "$@" --config "$home/martlet.yaml"; }

# Makes what is not there yet. Passwords are drawn once and stand in connection.json only.
make_accounts() {
    local name address log=$home/log/setup.log accounts password
    if ! martlet domain list --json | grep -qF "\"name\" : \"$domain\""; then
        step "adding the domain $domain"
        logged "$log" "adding the domain" martlet domain add "$domain"
    fi
    write_connection
    accounts=$(martlet account list --json)
    for name in alice bob; do
        address=$name@$domain
        password=$(connection_value "$address")
        case $(printf '%s' "$accounts" | account_state "$address") in
        absent)
            step "adding the account $address"
            printf '%s\n' "$password" | martlet account add "$address" --password-stdin >>"$log" 2>&1 || {
                show_tail "$log"
                fail "adding $address failed" "Look at:  $home/bin/martlet status --config $home/martlet.yaml"
            } ;;
        without-password)
            step "giving $address its password"
            printf '%s\n' "$password" | martlet account password "$address" --password-stdin >>"$log" 2>&1 || {
                show_tail "$log"
                fail "setting the password of $address failed"
            } ;;
        complete) ;;
        *) fail "\`martlet account list --json\` gave something unexpected" "Its output: $accounts" ;;
        esac
    done
}

account_state() {
    python3 -c '
import json, sys
for account in json.load(sys.stdin)["accounts"]:
    if account["address"] == sys.argv[1]:
        print("without-password" if account.get("has_password") is False else "complete")
        break
else:
    print("absent")
' "$1"
}

# Writes connection.json; passwords that are in it stay.
write_connection() {
    local name arguments=()
    for name in smtp submission submissions lmtp imap imaps; do arguments+=("$name=${ports[$name]}"); done
    (
        umask 077
        python3 - "$home/connection.json" "$domain" "${arguments[@]}" <<'PYTHON'
import json, os, secrets, sys

path, domain, *ports = sys.argv[1:]
try:
    with open(path) as file:
        known = {account["address"]: account["password"] for account in json.load(file)["accounts"]}
except FileNotFoundError:
    known = {}
page = {
    "accounts": [
        {"address": address, "password": known.get(address) or secrets.token_hex(16)}
        for address in ("alice@" + domain, "bob@" + domain)
    ]
}
for entry in ports:
    name, port = entry.split("=")
    page[name] = {"host": "localhost" if name != "lmtp" else "127.0.0.1", "port": int(port)}
with open(path + ".new", "w") as file:
    json.dump(page, file, indent=2)
    file.write("\n")
os.replace(path + ".new", path)
PYTHON
    )
    chmod 0600 "$home/connection.json"
}

connection_value() {
    python3 -c '
import json, sys
accounts = json.load(open(sys.argv[1]))["accounts"]
print(next(account["password"] for account in accounts if account["address"] == sys.argv[2]))
' "$home/connection.json" "$1"
}

# One message by SMTP, read back by IMAP.
check_mail() {
    step "sending a message by SMTP and reading it by IMAP"
    if ! python3 "$checkout/deploy/lib/check-mail.py" "$home/connection.json" "$home/tls/ca.pem"; then
        local service
        for service in "${services[@]}"; do show_tail "$home/log/$service.0.log" 8; done
        fail "the message did not come through" "The logs are in $home/log; status:  $home/bin/martlet status"
    fi
}

print_connection() {
    python3 - "$home" "$home_link" <<'PYTHON'
import json, sys

home, link = sys.argv[1:]
page = json.load(open(home + "/connection.json"))
print("\nMartlet runs. Connect with:\n")
for name, security in (
    ("smtp", "incoming mail; STARTTLS"), ("submission", "sending; STARTTLS, log in"), ("submissions", "sending; TLS, log in"),
    ("lmtp", "local delivery"), ("imap", "reading; STARTTLS, log in"), ("imaps", "reading; TLS, log in"),
):
    print("  %-12s %s:%-6d %s" % (name, page[name]["host"], page[name]["port"], security))
print()
for account in page["accounts"]:
    print("  %-20s password %s" % (account["address"], account["password"]))
print("""
  the authority to trust   {0}/tls/ca.pem
  all this for programs    {0}/connection.json
  how everything is        {0}/bin/martlet status --config {0}/martlet.yaml
  logs                     {0}/log

  swaks --server localhost:{1} --tls --from bob@example.test --to alice@example.test
""".format(link, page["smtp"]["port"]))
PYTHON
}
