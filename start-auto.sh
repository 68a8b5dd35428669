#!/usr/bin/env bash
# Starts Offhook with one command: installs what the build needs, builds, and runs.
#
#   ./start-auto.sh [options of `offhook demo` or `offhook serve`]
#   ./start-auto.sh --install-only     installs what the build needs, and no more
#
# Where nothing of Twilio's is set, by an option, in the environment, in `.env` of the working directory or in the
# settings file, a demonstration runs: the built-in simulator rings this telephone. Otherwise the telephone itself: what is
# missing is asked for on a terminal and written to `.env`; without a terminal it is named, and the exit code is 2.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/target}
[ "${target#/}" != "$target" ] || target=$PWD/$target
oldest_rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$here/Cargo.toml")

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "error: $1"
    say "hint: $2"
    exit 1
}

# Prints the packages that are missing, one a line, with the reason behind each.
missing_packages() {
    if ! command -v cc >/dev/null; then
        say_package gcc "compiles the parts written in C"
        say_package libc6-dev "what such parts are linked with"
    fi
    if command -v pkg-config >/dev/null; then
        pkg-config --exists alsa || say_package libasound2-dev "microphone and speaker"
        pkg-config --exists opus || say_package libopus-dev "recordings in Opus"
    else
        say_package pkg-config "finds the libraries"
        say_package libasound2-dev "microphone and speaker"
        say_package libopus-dev "recordings in Opus"
    fi
    [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -d /etc/pki/tls/certs ] ||
        say_package ca-certificates "knows Twilio's certificate"
}

say_package() { printf '%s\t%s\n' "$1" "$2"; }

install_packages() {
    local missing names as_root=()
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    mapfile -t names < <(cut -f 1 <<<"$missing")
    say "the build needs these packages:"
    while IFS=$'\t' read -r name reason; do
        say "  $name ($reason)"
    done <<<"$missing"
    command -v apt-get >/dev/null ||
        fail "this system has no apt-get to install them with" "install what they are called here, and start again"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            fail "only root can install them, and there is no sudo" "as root: apt-get install ${names[*]}"
        as_root=(sudo)
        # Where nobody could type a password, none is asked for.
        [ -t 0 ] || as_root=(sudo -n)
        say "installing them, as root by sudo …"
    else
        say "installing them …"
    fi
    as_root+=(env DEBIAN_FRONTEND=noninteractive)
    {
        "${as_root[@]}" apt-get update -q &&
            "${as_root[@]}" apt-get install -y -q --no-install-recommends "${names[@]}"
    } </dev/null >&2 || fail "the packages could not be installed" "read what apt-get said above, and start again"
}

check_rust() {
    # rustup puts cargo where a fresh shell does not look yet.
    command -v cargo >/dev/null || PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
    command -v cargo >/dev/null ||
        fail "there is no Rust here" \
            "https://rustup.rs has it: apt-get install curl, then curl https://sh.rustup.rs -sSf | sh; then start again"
    local version
    version=$(cd "$here" && cargo --version | cut -d ' ' -f 2)
    [ "$(printf '%s\n%s\n' "$oldest_rust" "${version%%-*}" | sort -V | head -n 1)" = "$oldest_rust" ] ||
        fail "Rust is $version here, and $oldest_rust or newer is needed" \
            "rustup update stable; where there is no rustup, https://rustup.rs has it"
}

build() {
    local quiet=(--quiet)
    if [ ! -x "$target/release/offhook" ]; then
        quiet=()
        say "building offhook; the first time this takes three or four minutes, and 1.1 GB …"
    fi
    (cd "$here" && cargo build "${quiet[@]}" --release --locked --bin offhook --target-dir "$target") </dev/null >&2 ||
        fail "offhook could not be built" "read what cargo said above"
}

# First what only a person can install: nobody waits for packages, and is told then.
check_rust
install_packages
[ "${1:-}" != --install-only ] || exit 0
build
offhook=$target/release/offhook
verb=$("$offhook" what-to-start "$@")
exec "$offhook" "$verb" "$@"
