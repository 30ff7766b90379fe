# MARTLET_HOME: everything that a system is made of, besides the checkout.
# shellcheck shell=bash
#
#   bin/              the executables
#   martlet.yaml      the configuration, made once
#   keys/             CURVE keys of the services
#   tls/              a private authority and the certificate that it signed
#   postgresql/       the database cluster (data/) and its roles' passwords
#   run/              Unix sockets
#   spool/            messages on their way in
#   log/              one file for each process
#   supervisor.d/     one file for each process that runs
#   connection.json   how to connect: accounts and ports

# Makes the user that runs the system, when root does not have one yet.
make_user() {
    ((EUID == 0)) || return 0
    if ! id -u "$system_user" >/dev/null 2>&1; then
        step "making the system user $system_user, which runs every process"
        useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$system_user"
    fi
}

# Makes the folders. A home that the system's user cannot reach, because a folder above it is closed (as /root is),
# becomes a link to /var/lib/martlet.
make_home() {
    if [[ ! -e $home ]]; then mkdir -p "$home"; fi
    if ((EUID == 0)) && ! is_reachable "$home"; then
        local elsewhere
        elsewhere=/var/lib/martlet/$(printf %s "$home_link" | cksum | cut -d' ' -f1)
        if ! rmdir "$home" 2>/dev/null; then
            fail "the user $system_user cannot reach $home: a folder above it is closed to others" \
                "Move it, set MARTLET_HOME to another place, or open the way: chmod o+x on each folder above."
        fi
        step "$home_link becomes a link to $elsewhere: the user $system_user cannot reach below $(dirname "$home")"
        mkdir -p "$elsewhere"
        chmod 0755 /var/lib/martlet
        ln -s "$elsewhere" "$home_link"
        locate_home
    fi
    mkdir -p "$home"/{bin,keys,tls,postgresql,run,spool,log,supervisor.d} "$run_directory"
    chmod 0755 "$home" "$home/bin"
    chmod 0750 "$home"/{log,spool,supervisor.d} "$run_directory"
    chmod 0700 "$home"/{keys,postgresql}
    printf '%s\n' "$port_base" >"$home/port-base"
    own_home
}

# Root made it, the system's user keeps it. The executables stay root's.
own_home() {
    ((EUID == 0)) || return 0
    chown "$system_user:$system_user" "$home" "$run_directory"
    chown -R "$system_user:$system_user" "$home"/{keys,tls,run,spool,log,supervisor.d}
    chown "$system_user:$system_user" "$home/postgresql"
}

is_reachable() {
    local folder
    folder=$(dirname "$1")
    setpriv --reuid="$system_user" --regid="$system_user" --init-groups test -x "$folder"
}

# A port that another program has would only show much later, in a service's log.
check_ports() {
    local name taken=()
    for name in smtp submission submissions lmtp imap imaps; do
        if python3 - "${ports[$name]}" <<'PYTHON'
import socket, sys
with socket.socket() as probe:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(("0.0.0.0", int(sys.argv[1])))
    except PermissionError:
        sys.exit(1)
    except OSError:
        sys.exit(0)
sys.exit(1)
PYTHON
        then taken+=("$name ${ports[$name]}"); fi
    done
    ((${#taken[@]} == 0)) || fail "other programs have these ports: $(printf '%s; ' "${taken[@]}")" \
        "Choose others: MARTLET_PORT_BASE=12500 deploy/run (a port is the base plus the protocol's own)." \
        "Several systems side by side: bases at least 1000 apart, each with its own MARTLET_HOME."
}
