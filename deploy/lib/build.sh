# The Swift toolchain and the build.
# shellcheck shell=bash

readonly least_swift=6.2

# Finds a Swift toolchain that is new enough and puts it on the path.
find_swift() {
    local folder
    if ! command -v swift >/dev/null; then
        for folder in "${SWIFTLY_BIN_DIR:-}" "$HOME/.local/share/swiftly/bin" /opt/swift/usr/bin /usr/local/swift/usr/bin \
            /usr/share/swift/usr/bin; do
            if [[ -n $folder && -x $folder/swift ]]; then
                PATH=$folder:$PATH
                break
            fi
        done
    fi
    local advice=("Get one with swiftly (https://www.swift.org/install/linux/):"
        "  curl -O https://download.swift.org/swiftly/linux/swiftly-\$(uname -m).tar.gz"
        "  tar zxf swiftly-\$(uname -m).tar.gz && ./swiftly init"
        "or unpack a Debian 12 toolchain from https://www.swift.org/download/ below /opt/swift.")
    command -v swift >/dev/null || fail "there is no Swift toolchain on this machine" "${advice[@]}"
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9.]*\).*/\1/p' | head -n1)
    if [[ -z $version ]]; then
        swift --version >&2 || true
        fail "the Swift toolchain at $(command -v swift) does not run" "What it says is above."
    fi
    if [[ $(printf '%s\n' "$least_swift" "$version" | sort -V | head -n1) != "$least_swift" ]]; then
        fail "Swift $version is too old: Martlet needs $least_swift or later" "${advice[@]}"
    fi
    export PATH
}

# The executables of the system and nothing else, no test, no benchmark: in one build, so that they are made side by side.
build_products() {
    swift build -c release --package-path "$checkout" --scratch-path "$1" --target Executables
}

# Builds every executable in release mode; shows the compiler's own count while it works.
# Sets binaries to the folder that holds them.
build_release() {
    local scratch=${MARTLET_BUILD_DIR:-$checkout/.build-release} log line last=
    mkdir -p "$scratch"
    log=$scratch/deploy-build.log
    step "building in release mode (the first time takes several minutes; log: $log)"
    : >"$log"
    local status=0
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        # "[123/456] Compiling …": a line every 50 steps is enough.
        if [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] && ((BASH_REMATCH[1] / 50 != ${last:-0})); then
            last=$((BASH_REMATCH[1] / 50))
            step "  building: ${BASH_REMATCH[1]} of ${BASH_REMATCH[2]}"
        elif [[ $line == *"error:"* ]]; then
            note "$line"
        fi
    done < <(build_products "$scratch" 2>&1 </dev/null || printf 'deploy: build status %d\n' "$?")
    if tail -n1 "$log" | grep -q '^deploy: build status'; then status=1; fi
    if ((status)); then
        show_tail "$log" 30
        fail "the build failed" "The whole output is in $log" \
            "After a change of toolchain, remove $scratch and run again."
    fi
    binaries=$(swift build -c release --package-path "$checkout" --scratch-path "$scratch" --show-bin-path)
}

# Copies the executables to $home/bin, where the running system has them for itself: a later build does not disturb it.
# Sets changed_binaries to the names of those that differ from what was there.
install_binaries() {
    local name
    changed_binaries=()
    mkdir -p "$home/bin"
    for name in martlet "${services[@]/#/martlet-}"; do
        [[ -x $binaries/$name ]] || fail "the build made no $name" "Look at the products in Package.swift."
        if ! cmp -s "$binaries/$name" "$home/bin/$name"; then
            install -m 0755 "$binaries/$name" "$home/bin/.$name.new"
            mv -f "$home/bin/.$name.new" "$home/bin/$name"
            changed_binaries+=("$name")
        fi
    done
}
