#!/usr/bin/env bash
# What takes longer than a minute, to be run by hand: a call of ten minutes, the delays measured over more chirps than
# ./test.sh has time for, and the one feature. Prints what it saw.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "=== a call of ten minutes"
OFFHOOK_TEST_CALL_SECONDS=600 cargo test --locked --quiet --release --test long_call -- --nocapture

echo "=== delays on a sound server of our own"
cargo bench --locked --quiet --bench latency

echo "=== an hour of calls, watched"
cargo build --locked --quiet --release --bin offhook
tests/watch.sh

echo "=== the feature that no other script builds"
if pkg-config --exists libpipewire-0.3; then
  cargo clippy --locked --quiet --features pipewire --lib -- -D warnings
  echo "PipeWire's host builds"
else
  echo "PipeWire's host was not built: that takes libpipewire-0.3-dev and clang"
fi
