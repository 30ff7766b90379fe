# The private PostgreSQL cluster: below MARTLET_HOME, on a Unix socket only, owned by the system's user.
# shellcheck shell=bash

readonly least_postgresql=15

# Sets postgresql_binaries to the folder of the server's programs: those of the cluster's own release when there is one.
find_postgresql() {
    local version=
    if [[ -r $home/postgresql/data/PG_VERSION ]]; then
        version=$(<"$home/postgresql/data/PG_VERSION")
        if [[ ! -x /usr/lib/postgresql/$version/bin/postgres ]]; then
            fail "the cluster in $home/postgresql/data is of PostgreSQL $version, which is not installed" \
                "Install it (apt-get install postgresql-$version), or bring the cluster over with pg_upgrade."
        fi
    else
        version=$(find /usr/lib/postgresql -maxdepth 1 -mindepth 1 -printf '%f\n' 2>/dev/null | sort -n | tail -n1)
        if [[ -z $version ]] || ((version < least_postgresql)); then
            fail "there is no PostgreSQL server of release $least_postgresql or later" "apt-get install postgresql-15"
        fi
    fi
    postgresql_binaries=/usr/lib/postgresql/$version/bin
}

# Makes the cluster once. Every process of the system runs as one user, who may take each role over the socket; the
# socket's folder is closed to others.
make_cluster() {
    local folder=$home/postgresql log=$home/log/setup.log
    [[ -r $folder/data/PG_VERSION ]] && return 0
    step "making a PostgreSQL cluster in $folder/data"
    rm -rf "$folder/data.new"
    logged "$log" "initdb" as_user "$postgresql_binaries/initdb" --pgdata "$folder/data.new" --username postgres \
        --auth-local peer --auth-host reject --encoding UTF8 --locale C.UTF-8 --data-checksums
    as_user tee "$folder/data.new/pg_hba.conf" >/dev/null <<'HBA'
# Only the Unix socket, and only the user that runs the system; pg_ident.conf says as whom.
local all all peer map=martlet
HBA
    as_user tee "$folder/data.new/pg_ident.conf" >/dev/null <<IDENT
martlet $system_user postgres
martlet $system_user martlet_storage
martlet $system_user martlet_authentication
IDENT
    as_user tee -a "$folder/data.new/postgresql.conf" >/dev/null <<SETTINGS

# Martlet
listen_addresses = ''
unix_socket_directories = '$run_directory'
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = 256MB
# Message bodies are written once and read seldom: fewer, larger checkpoints.
max_wal_size = 4GB
min_wal_size = 256MB
checkpoint_timeout = 15min
wal_compression = lz4
wal_buffers = 16MB
default_toast_compression = lz4
logging_collector = off
log_line_prefix = '%m [%p] %q%u@%d '
log_checkpoints = off
SETTINGS
    as_user mv "$folder/data.new" "$folder/data"
}

# Makes the database, its roles and schemas; the cluster must be running.
make_database() {
    local log=$home/log/setup.log psql=("$postgresql_binaries/psql" -X -q -h "$run_directory" -U postgres)
    local tries=0
    until as_user "$postgresql_binaries/pg_isready" -q -h "$run_directory" -U postgres; do
        ((++tries < 150)) || {
            show_tail "$home/log/postgresql.log"
            fail "PostgreSQL does not answer within 30 seconds" "Its log: $home/log/postgresql.log"
        }
        sleep 0.2
    done
    if [[ $(as_user "${psql[@]}" -d postgres -Atc "SELECT count(*) FROM pg_database WHERE datname = 'martlet'") == 0 ]]; then
        step "making the database, its roles and schemas"
        logged "$log" "making the database" as_user "$postgresql_binaries/createdb" -h "$run_directory" -U postgres martlet
    fi
    # The script may be run as often as one likes. It is given on standard input: the checkout may be closed to the user.
    if ! as_user "${psql[@]}" -d martlet -v ON_ERROR_STOP=1 <"$checkout/deploy/postgresql/roles.sql" >>"$log" 2>&1; then
        show_tail "$log"
        fail "making the roles and schemas failed" "See deploy/postgresql/roles.sql and $log"
    fi
}
