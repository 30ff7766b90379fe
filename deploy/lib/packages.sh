# What Martlet needs from Debian 12, and how it is installed. The one list of packages.
# shellcheck shell=bash

# To build: the C libraries, and what a Swift toolchain itself needs on a bare Debian.
readonly build_packages=(
    libzmq3-dev libpq-dev libssl-dev zlib1g-dev pkg-config
    binutils ca-certificates gcc git libc6-dev libcurl4-openssl-dev libedit-dev libncurses-dev libpython3-dev
    libsqlite3-dev libstdc++-12-dev libxml2-dev libz3-dev tzdata
)
# To run.
readonly run_packages=(postgresql-15 supervisor openssl python3-minimal python3 util-linux passwd procps)
# To test: the clients and tools that the tests use.
# shellcheck disable=SC2034 # deploy/test reads it
readonly test_packages=(
    python3-pytest shellcheck swaks curl mutt libsasl2-modules isync dovecot-imapd testssl.sh spin gcc
    libnet-ssleay-perl
    offlineimap3 neomutt fetchmail getmail6 imapfilter s-nail uw-mailutils libmail-imapclient-perl libio-socket-ssl-perl
)
# Python libraries that Debian has no package of.
# shellcheck disable=SC2034 # deploy/test reads it
readonly test_modules=(imapclient)

# Installs the packages that are missing, and only those.
install_packages() {
    local missing=() package
    for package in "$@"; do
        if ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed$'; then
            missing+=("$package")
        fi
    done
    ((${#missing[@]})) || return 0
    local root=()
    if ((EUID != 0)); then
        if ! sudo -n true 2>/dev/null; then
            fail "these Debian packages are missing: ${missing[*]}" \
                "Install them once as root:  apt-get install ${missing[*]}"
        fi
        root=(sudo -n)
    fi
    command -v apt-get >/dev/null || fail "this machine has no apt-get; Martlet's scripts are made for Debian 12" \
        "Install what these packages hold, then run the service programs by yourself: ${missing[*]}"
    step "installing Debian packages: ${missing[*]}"
    local log
    log=$(mktemp /tmp/martlet-apt.XXXXXX)
    # The system's own PostgreSQL cluster and supervisor are not ours: none is made, none is started.
    if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
        "${root[@]}" mkdir -p /etc/postgresql-common
        printf 'create_main_cluster = false\n' |
            "${root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    # A mirror that does not answer once is asked again.
    logged "$log" "reading Debian's package lists" "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -o Acquire::Retries=3 update
    logged "$log" "installing Debian packages" "${root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get -q -y --no-install-recommends -o Acquire::Retries=3 -o Dpkg::Options::=--force-confold \
        -o DPkg::Lock::Timeout=300 install "${missing[@]}"
    rm -f "$log"
}

# usage: install_modules FOLDER MODULE...   puts Python libraries that are missing into a folder of their own; the tests
# that want one which cannot be had say so and are passed over.
install_modules() {
    local folder=$1 module
    shift
    for module in "$@"; do
        if ! PYTHONPATH=$folder python3 -c "import $module" 2>/dev/null &&
            ! python3 -m pip install --quiet --disable-pip-version-check --no-input --retries 5 --target "$folder" \
                "$module" >/dev/null 2>&1; then
            note "the Python library $module cannot be installed: its tests are passed over"
        fi
    done
}
