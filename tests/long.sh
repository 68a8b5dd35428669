#!/usr/bin/env bash
# What takes longer than a minute, to be run by hand: a call of ten minutes, and the delays measured over more chirps than
# ./test.sh has time for. Prints what it saw.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "=== a call of ten minutes"
OFFHOOK_TEST_CALL_SECONDS=600 cargo test --locked --quiet --release --test long_call -- --nocapture

echo "=== delays on a sound server of our own"
cargo bench --locked --quiet --bench latency
