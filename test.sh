#!/usr/bin/env bash
# Installs what the tests need, then runs all of them: format, lints, documentation, licences, unit, property,
# integration and end-to-end tests, one pass of the benchmarks, and the demonstration as a stranger starts it.
#
#   ./test.sh            everything
#   ./test.sh --quick    format, lints and the Rust tests alone
set -euo pipefail
cd "$(dirname "$0")"

quick=false
case ${1:-} in
  --quick) quick=true ;;
  '') ;;
  *) echo "test.sh: unknown argument '$1'; there is only --quick" >&2; exit 2 ;;
esac

started=$SECONDS
step() { printf '\n=== %s (at %d s)\n' "$1" "$((SECONDS - started))"; }

step "what the tests need"
./start-auto.sh --install-only
# rustup puts cargo where a fresh shell does not look yet.
PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
# A private sound server stands in for a sound card; strace proves what a callback asks of the system; curl does what the
# simulator prints; opusinfo, of opus-tools, judges recordings; tmux is the terminal of `offhook tui`; mosquitto is the broker
# that is told over MQTT, openssl makes its certificate.
packages=(pulseaudio pulseaudio-utils libasound2-plugins strace shellcheck curl opus-tools tmux mosquitto mosquitto-clients openssl)
missing=()
for package in "${packages[@]}"; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if ((${#missing[@]})); then
  echo "installing for the tests: ${missing[*]}"
  as_root=()
  ((EUID == 0)) || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq \
    --no-install-recommends "${missing[@]}" >/dev/null
fi

# A small toolchain comes without them.
for tool in rustfmt clippy; do
  if ! cargo "${tool/rustfmt/fmt}" --version >/dev/null 2>&1; then
    if ! command -v rustup >/dev/null; then
      echo "test.sh: this Rust has no $tool, and there is no rustup to add it with" >&2
      exit 1
    fi
    echo "adding $tool to the Rust toolchain"
    rustup component add "$tool" >/dev/null
  fi
done

step "format"
cargo fmt --check

step "lints"
cargo clippy --locked --all-targets --quiet -- -D warnings

step "scripts"
shellcheck start-auto.sh test.sh .ci/run tests/*.sh benches/voice/*.sh

step "unit, property, integration and end-to-end tests"
cargo test --locked --quiet --lib --bins --tests

if $quick; then
  echo "quick run done in $((SECONDS - started)) s"
  exit 0
fi

step "documentation, and the examples in it"
RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --quiet
cargo test --locked --quiet --doc

step "licences, bans, sources and advisories"
if ! command -v cargo-deny >/dev/null; then
  echo "installing cargo-deny (some minutes, once)"
  cargo install --quiet --locked cargo-deny --version 0.20.2
fi
cargo deny --log-level error check bans licenses sources
# The advisories come from a database on the network: where it cannot be had, that is said, and nothing is claimed.
if ! cargo deny --log-level error fetch db >/dev/null 2>&1; then
  echo "advisories: NOT checked, since their database cannot be reached from here"
else
  cargo deny --log-level error check advisories
fi

step "one pass of the benchmarks"
# That each runs and ends well; figures need a release build, which would be a second build of everything here. `latency`
# plays in real time for minutes and is run by hand.
benches=()
for bench in g711 resample messages opus engine_step store voice echo; do benches+=(--bench "$bench"); done
cargo bench --locked --quiet --profile dev "${benches[@]}" -- --test

step "the demonstration, as a stranger starts it"
# Built first: what a build takes is no delay of the demonstration.
cargo build --locked --quiet --release --bin offhook
tests/demo.sh

echo
echo "everything passed in $((SECONDS - started)) s"
