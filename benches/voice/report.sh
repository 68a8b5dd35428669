#!/usr/bin/env bash
# Measures our playout buffer beside NetEq and a fixed one, and writes the figures and curves of docs/voice.md anew.
#
#   benches/voice/report.sh [DIR]     what is made on the way lies in DIR (target/voice): sounds as WAV, spectrograms as PNG
#
# Installs what it needs where that is missing: espeak-ng, Python's numpy and pesq (in DIR/python), and, unpacked into DIR
# alone, recorded voices of Debian's asterisk-core-sounds packages (CC-BY-SA 3.0).
set -euo pipefail
cd "$(dirname "$0")/../.."

case ${1:-} in
  -*) echo "report.sh: unknown argument '$1'; there is only a folder" >&2; exit 2 ;;
esac
out=$(realpath -m "${1:-${CARGO_TARGET_DIR:-target}/voice}")
mkdir -p "$out"
started=$SECONDS
step() { printf '=== %s (at %d s)\n' "$1" "$((SECONDS - started))"; }
fail() { echo "report.sh: $1" >&2; exit 1; }

step "what it needs"
as_root=()
((EUID == 0)) || as_root=(sudo)
missing=()
command -v espeak-ng >/dev/null || missing+=(espeak-ng)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
command -v cc >/dev/null || missing+=(gcc)
if ((${#missing[@]})); then
  command -v apt-get >/dev/null || fail "needs ${missing[*]}, and there is no apt-get to install them with"
  echo "installing: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
if [[ ! -x $out/python/bin/python ]]; then
  python3 -m venv "$out/python"
fi
python=$out/python/bin/python
if ! "$python" -c 'import numpy, pesq' 2>/dev/null; then
  # pesq is built here, against a numpy that must be there first.
  "$python" -m pip install --quiet --disable-pip-version-check setuptools wheel cython numpy
  "$python" -m pip install --quiet --disable-pip-version-check pesq==0.0.4
fi
people=$out/people
if [[ ! -d $people/usr ]]; then
  command -v apt-get >/dev/null || fail "the recorded voices are Debian packages, and there is no apt-get to fetch them with"
  mkdir -p "$people"
  packages=(asterisk-core-sounds-en-wav asterisk-core-sounds-fr-wav)
  (
    cd "$people"
    apt-get download -qq "${packages[@]}" 2>/dev/null ||
      { "${as_root[@]}" apt-get update -qq && apt-get download -qq "${packages[@]}" 2>/dev/null; }
  ) || fail "the recorded voices cannot be fetched: ${packages[*]}"
  for package in "$people"/*.deb; do
    dpkg -x "$package" "$people"
  done
fi

step "sounds"
rm -rf "$out"/{source,trace,told,wav,ulaw,log,picture}
"$python" benches/voice/sound.py "$out" "$people"

step "through our buffer and the fixed one"
cargo bench --locked --quiet --bench voice -- --write "$out"

step "through NetEq"
cargo run --locked --quiet --release --manifest-path benches/voice/neteq/Cargo.toml --target-dir "$out/neteq" -- "$out"

step "what was heard"
cargo bench --locked --quiet --bench voice -- --measure "$out"

step "marks, tables and curves"
"$python" benches/voice/report.py "$out" docs

step "done: docs/voice.md, docs/voice/*.svg; sounds in $out/wav, spectrograms in $out/picture"
