# martlet.yaml: made once; afterwards it is the operator's.
# shellcheck shell=bash

make_configuration() {
    local file=$home/martlet.yaml
    if [[ ! -e $file ]]; then
        step "writing $file"
        cat >"$file.new" <<YAML
# The configuration of every service of this system. deploy/run made it once and does not touch it again.
# All keys with their defaults and meanings:  bin/martlet-<service> --print-configuration
# After a change of log level, certificates or policy:  kill -HUP of the service; other keys need a restart.

log:
  level: info

messaging:
  directory: $run_directory
  key_directory: keys

storage:
  database:
    connection: "host=$run_directory dbname=martlet user=martlet_storage"

authentication:
  database:
    connection: "host=$run_directory dbname=martlet user=martlet_authentication"

smtp-ingress:
  hostname: mail.example.test
  relay:
    listen: ["0.0.0.0:${ports[smtp]}"]
  submission:
    listen: ["0.0.0.0:${ports[submission]}"]
  submissions:
    listen: ["0.0.0.0:${ports[submissions]}"]
  lmtp:
    listen: ["127.0.0.1:${ports[lmtp]}"]
  tls:
    certificate: tls/server.pem
    key: tls/server.key
  spool:
    directory: spool

imap-access:
  imap:
    listen: ["0.0.0.0:${ports[imap]}"]
  imaps:
    listen: ["0.0.0.0:${ports[imaps]}"]
  tls:
    certificate: tls/server.pem
    key: tls/server.key
YAML
        mv -f "$file.new" "$file"
        chmod 0644 "$file"
    elif ! grep -qE "[:.]${ports[smtp]}\"?\]?" "$file"; then
        note "$file does not name port ${ports[smtp]}: it was made with another MARTLET_PORT_BASE and is kept."
    fi
    local service message
    for service in "${services[@]}"; do
        if ! message=$(as_user "$home/bin/martlet-$service" --config "$file" --check-config 2>&1 >/dev/null); then
            printf '%s\n' "$message" >&2
            fail "martlet-$service cannot use $file" "Mend the key that the line above names, then run again." \
                "All keys:  $home/bin/martlet-$service --print-configuration"
        fi
    done
}
