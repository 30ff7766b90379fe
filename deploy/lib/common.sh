# Shared by every script in deploy: where things are, how the scripts speak, and how they fail.
# Sourced, never run. Each script sets -euo pipefail before.
# shellcheck shell=bash

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
readonly checkout

# The services that make up the system, in the order in which they start.
readonly services=(storage authentication content-processing smtp-ingress imap-access)

# ---- What is said -------------------------------------------------------------------------------

started_at=$SECONDS

# Progress goes to standard output, one line a step, with the time since the start.
step() { printf '[%4ds] %s\n' "$((SECONDS - started_at))" "$*"; }
note() { printf '        %s\n' "$*"; }

# What failed and what to do, on standard error; further arguments are lines of advice.
fail() {
    printf 'deploy: %s\n' "$1" >&2
    shift
    if (($#)); then printf '        %s\n' "$@" >&2; fi
    exit 1
}

# The end of a log, for a failure.
show_tail() {
    [[ -s $1 ]] || return 0
    printf -- '---- the end of %s\n' "$1" >&2
    tail -n "${2:-15}" "$1" >&2
    printf -- '----\n' >&2
}

# Runs a command with its output in a log; says which step failed and shows the log's end.
# usage: logged LOG "what it does" command...
logged() {
    local log=$1 what=$2
    shift 2
    if ! "$@" >>"$log" 2>&1 </dev/null; then
        show_tail "$log" 25
        fail "$what failed: $*" "The whole output is in $log"
    fi
}

# ---- Where the system lives ---------------------------------------------------------------------

# Sets the paths of one system from MARTLET_HOME, without making anything.
locate_home() {
    home_link=${MARTLET_HOME:-$checkout/.martlet}
    [[ $home_link == /* ]] || home_link=$PWD/$home_link
    home_link=${home_link%/}
    home=$(readlink -m -- "$home_link")
    run_directory=$home/run
    # The path of a Unix socket has at most 107 octets; the longest one below the folder takes 44 of them.
    if ((${#run_directory} > 60)); then
        run_directory=/tmp/martlet-$(printf %s "$home" | cksum | cut -d' ' -f1)
    fi
    supervisor_configuration=$home/supervisord.conf
    supervisor_pid_file=$home/supervisord.pid
    export MARTLET_HOME=$home
}

# One scheme for every port: MARTLET_PORT_BASE plus the port that the protocol's standard gives.
locate_ports() {
    port_base=${MARTLET_PORT_BASE:-}
    if [[ -z $port_base && -r $home/port-base ]]; then port_base=$(<"$home/port-base"); fi
    port_base=${port_base:-2500}
    if ! [[ $port_base =~ ^[0-9]+$ ]] || ((port_base > 64500)); then
        fail "MARTLET_PORT_BASE is \"$port_base\": expected a number from 0 to 64500" \
            "A port is the base plus the protocol's own: with 2500, SMTP is at 2525 and IMAP at 2643."
    fi
    # shellcheck disable=SC2034 # the other pieces read it
    declare -gA ports=(
        [lmtp]=$((port_base + 24))
        [smtp]=$((port_base + 25))
        [imap]=$((port_base + 143))
        [submissions]=$((port_base + 465))
        [submission]=$((port_base + 587))
        [imaps]=$((port_base + 993))
    )
}

# ---- Who runs it --------------------------------------------------------------------------------

# Root never runs mail: root's systems belong to the user "martlet"; another caller's to that caller.
choose_user() {
    if ((EUID == 0)); then system_user=${MARTLET_USER:-martlet}; else system_user=$(id -un); fi
}

# Runs a command as the system's user. Low ports need a capability, which only root can give.
as_user() {
    if ((EUID != 0)); then
        "$@"
        return
    fi
    local capabilities=()
    if ((port_base < 1000)); then
        capabilities=(--inh-caps=+net_bind_service --ambient-caps=+net_bind_service)
    fi
    setpriv --reuid="$system_user" --regid="$system_user" --init-groups "${capabilities[@]}" \
        env HOME="$home" USER="$system_user" LOGNAME="$system_user" "$@"
}

# Whether the supervisor of this system runs.
is_running() {
    local pid
    [[ -r $supervisor_pid_file ]] || return 1
    pid=$(<"$supervisor_pid_file")
    [[ -n $pid && -r /proc/$pid/cmdline ]] || return 1
    tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$supervisor_configuration"
}

supervisorctl() { as_user /usr/bin/supervisorctl -c "$supervisor_configuration" "$@"; }
