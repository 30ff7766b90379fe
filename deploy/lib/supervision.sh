# supervisord: one program for PostgreSQL and one for each replica of each service.
# shellcheck shell=bash
#
# Every replica has a file of its own in supervisor.d, so that adding or removing one leaves the others running.

# Set by find_postgresql and install_binaries.
postgresql_binaries=
changed_binaries=()
# Replicas that write_supervision took away.
removed_replicas=()

# How many replicas of a service there are.
replica_count() {
    local file=$home/replicas/$1
    if [[ -r $file ]]; then cat "$file"; else echo 1; fi
}

# Reads "--scale smtp-ingress=3", checks it, and remembers it in scale_requests.
request_scale() {
    local service=${1%%=*} count=${1#*=}
    if [[ $1 != *=* || ! $count =~ ^[0-9]{1,3}$ ]] || ((10#$count < 1 || 10#$count > 64)); then
        fail "--scale $1: expected SERVICE=NUMBER with a number from 1 to 64, for example smtp-ingress=3"
    fi
    if [[ " ${services[*]} " != *" $service "* ]]; then
        fail "--scale $1: there is no service \"$service\"" "The services are: ${services[*]}"
    fi
    scale_requests+=("$service=$((10#$count))")
}

write_supervision() {
    local service count replica request wanted
    mkdir -p "$home/replicas" "$home/supervisor.d"
    for request in ${scale_requests[@]+"${scale_requests[@]}"}; do
        printf '%s\n' "${request#*=}" >"$home/replicas/${request%%=*}"
    done

    write_if_changed "$supervisor_configuration" <<CONF
; Written by deploy/run.
[supervisord]
nodaemon=false
logfile=$home/log/supervisord.log
logfile_maxbytes=10MB
logfile_backups=2
loglevel=info
pidfile=$supervisor_pid_file
childlogdir=$home/log
directory=$home
umask=027
identifier=martlet

[unix_http_server]
file=$run_directory/supervisor
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://$run_directory/supervisor

[include]
files=$home/supervisor.d/*.conf
CONF

    # PostgreSQL starts first and stops last; INT is its fast shutdown. It is never given up: while it cannot start, as on a
    # full disk, supervisord tries again and again, a second later each time. deploy/run sees whether it answers.
    write_if_changed "$home/supervisor.d/postgresql.conf" <<CONF
[program:postgresql]
command=$postgresql_binaries/postgres -D $home/postgresql/data
priority=10
autorestart=true
startretries=1000
stopsignal=INT
stopwaitsecs=60
stdout_logfile=$home/log/postgresql.log
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=2
redirect_stderr=true
CONF

    wanted=" postgresql.conf "
    for service in "${services[@]}"; do
        count=$(replica_count "$service")
        for ((replica = 0; replica < count; replica++)); do
            write_program "$service" "$replica"
            wanted+="$service.$replica.conf "
        done
    done
    local file
    for file in "$home"/supervisor.d/*.conf; do
        if [[ $wanted != *" $(basename "$file") "* ]]; then
            rm -f "$file"
            removed_replicas+=("$(basename "$file" .conf)")
        fi
    done
}

# The services start together: each waits for those that it needs. They stop before what they need does.
write_program() {
    local service=$1 replica=$2 priority=30
    case $service in
    storage | authentication) priority=20 ;;
    content-processing) priority=30 ;;
    *) priority=40 ;;
    esac
    write_if_changed "$home/supervisor.d/$service.$replica.conf" <<CONF
[program:$service.$replica]
command=$home/bin/martlet-$service --config $home/martlet.yaml --replica $replica
priority=$priority
autorestart=true
startretries=5
stopsignal=TERM
stopwaitsecs=35
stdout_logfile=$home/log/$service.$replica.log
stdout_logfile_maxbytes=50MB
stdout_logfile_backups=4
redirect_stderr=true
CONF
}

write_if_changed() {
    local file=$1 text
    text=$(cat)
    if [[ ! -e $file || $(<"$file") != "$text" ]]; then
        printf '%s\n' "$text" >"$file.new"
        mv -f "$file.new" "$file"
        chmod 0644 "$file"
    fi
}

# Starts supervisord, or brings the running one into line with its files.
start_supervision() {
    if is_running; then
        supervisorctl reread >/dev/null || fail "supervisorctl cannot reach the running supervisord" \
            "Its log: $home/log/supervisord.log. deploy/stop, then run again."
        local line
        while IFS= read -r line; do
            if [[ -n $line ]]; then note "$line"; fi
        done < <(supervisorctl update 2>&1)
        # One that was killed left its sockets behind.
        for line in ${removed_replicas[@]+"${removed_replicas[@]}"}; do
            rm -f "$run_directory/$line".{sock,events.sock,http}
        done
        return 0
    fi
    check_ports
    step "starting supervisord with PostgreSQL and the services"
    rm -f "$run_directory"/supervisor "$run_directory"/*.sock "$run_directory"/*.http
    as_user /usr/bin/supervisord -c "$supervisor_configuration" >>"$home/log/setup.log" 2>&1 </dev/null || {
        show_tail "$home/log/setup.log"
        fail "supervisord does not start" "Its log: $home/log/supervisord.log"
    }
}

# New executables take the place of the running ones, one process after another.
restart_changed() {
    local name service replica count
    for name in "${changed_binaries[@]}"; do
        service=${name#martlet-}
        [[ $service != martlet ]] || continue
        count=$(replica_count "$service")
        for ((replica = 0; replica < count; replica++)); do
            step "restarting $service.$replica: its executable is new"
            supervisorctl restart "$service.$replica" >/dev/null || true
        done
    done
}

# Waits until every replica of every service is ready; shows what is awaited.
wait_until_ready() {
    local limit=${1:-120} deadline last='' text failed
    deadline=$((SECONDS + limit))
    while true; do
        if text=$(as_user "$home/bin/martlet" status --config "$home/martlet.yaml" --json 2>&1) &&
            replicas_are_complete "$text"; then
            step "every service is ready"
            return 0
        fi
        failed=$({ supervisorctl status 2>/dev/null || true; } | awk '$2 == "FATAL" { print $1; exit }')
        if [[ -n $failed ]]; then
            show_tail "$home/log/$failed.log" 20
            fail "$failed does not stay up" "Its last words are above; its log is $home/log/$failed.log" \
                "When the cause is mended:  deploy/run again."
        fi
        if ((SECONDS >= deadline)); then
            as_user "$home/bin/martlet" status --config "$home/martlet.yaml" >&2 || true
            local service
            for service in "${services[@]}"; do show_tail "$home/log/$service.0.log" 5; done
            fail "the services are not ready after $limit seconds" "Who waits for what is above; the logs are in $home/log"
        fi
        text=$(awaited_of "$text")
        if [[ -n $text && $text != "$last" ]]; then
            note "waiting for $text"
            last=$text
        fi
        sleep 0.3
    done
}

# One line from the JSON of `martlet status`: who is not ready, and why.
awaited_of() {
    python3 -c '
import json, sys
try:
    page = json.loads(sys.argv[1])
except ValueError:
    sys.exit()
parts = []
for service in page.get("services", []):
    if service["ready"]:
        continue
    reasons = [text for replica in service["replicas"] for text in replica["waiting_for"]]
    parts.append(service["service"] + (" (" + "; ".join(reasons) + ")" if reasons else ""))
print(", ".join(parts))
' "$1"
}

# Whether as many replicas answer as were asked for; the status alone does not know of one that never came.
replicas_are_complete() {
    local service counts=()
    for service in "${services[@]}"; do counts+=("$service=$(replica_count "$service")"); done
    python3 -c '
import json, sys
services = {s["service"]: s for s in json.loads(sys.argv[1])["services"]}
for wanted in sys.argv[2:]:
    name, count = wanted.split("=")
    if len(services.get(name, {"replicas": []})["replicas"]) != int(count):
        sys.exit(1)
' "$1" "${counts[@]}"
}

# Stops everything: sessions are finished first, PostgreSQL goes last.
stop_supervision() {
    local pid deadline
    is_running || return 0
    pid=$(<"$supervisor_pid_file")
    supervisorctl shutdown >/dev/null 2>&1 || kill -TERM "$pid" 2>/dev/null || true
    deadline=$((SECONDS + 120))
    while [[ -d /proc/$pid ]]; do
        if ((SECONDS >= deadline)); then
            fail "supervisord (process $pid) does not stop" "What still runs:  ps --ppid $pid" \
                "Its log: $home/log/supervisord.log"
        fi
        sleep 0.1
    done
}
