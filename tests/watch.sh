#!/usr/bin/env bash
# Simulated calls, one after the other, while `offhook watch --json` is piped into a file: none of their events may be
# lost, though the watcher is stopped for a while now and then. Prints what it saw.
#
#   tests/watch.sh [SECONDS] [PROGRAM]      an hour, and the release build, without
set -euo pipefail
seconds=${1:-3600}
program=${2:-$(cd "$(dirname "$0")/.." && pwd)/target/release/offhook}
work=$(mktemp -d)
cd "$work"

for name in $(compgen -e | grep -E '^(TWILIO_|OFFHOOK_|NGROK_|PUBLIC_URL$|PORT$)' || true); do
  unset "$name"
done
export OFFHOOK_DATA_DIR="$work/state" TWILIO_AUTH_TOKEN=deadbeefdeadbeefdeadbeefdeadbeef
export TWILIO_ACCOUNT_SID=AC00112233445566778899aabbccddeeff TWILIO_PHONE_NUMBER=+15145550100
export TWILIO_API_KEY=SK00112233445566778899aabbccddeeff TWILIO_API_SECRET=abcdefghijklmnopqrstuvwxyzABCDEF
export TWILIO_TWIML_APP_SID=AP00112233445566778899aabbccddeeff TWILIO_API_BASE_URL=http://127.0.0.1:9

"$program" serve --port 0 --bind 127.0.0.1 --capture loopback --playout loopback --auto-answer 2>serve.log &
daemon=$!
watcher=
trap 'kill $daemon $watcher 2>/dev/null || true; wait || true; rm -rf "$work"' EXIT
until port=$(grep -soE 'listening on http://127.0.0.1:[0-9]+' serve.log | grep -oE '[0-9]+$'); do
  sleep 0.1
done
"$program" watch --json >events.jsonl &
watcher=$!

memory() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
end=$((SECONDS + seconds))
calls=0
"$program" sim call --webhook "http://127.0.0.1:$port/handle_calls" --from +15145550123 --most 2 >/dev/null 2>&1 || true
calls=1
before="daemon $(memory $daemon) KB, watcher $(memory $watcher) KB"
stop_at=$((SECONDS + seconds / 4))
while ((SECONDS < end)); do
  "$program" sim call --webhook "http://127.0.0.1:$port/handle_calls" --from +15145550123 --most 3 >/dev/null 2>&1 &
  call=$!
  sleep 1.2
  # A call that is not there yet, or no more, is not held; that is counted by its events.
  "$program" hold >/dev/null 2>&1 || true
  "$program" resume >/dev/null 2>&1 || true
  wait $call || true
  calls=$((calls + 1))
  if ((SECONDS > stop_at)); then
    # For a quarter of a minute nobody reads.
    kill -STOP $watcher
    (sleep 15; kill -CONT $watcher) &
    stop_at=$((SECONDS + seconds / 4))
  fi
done
sleep 16
after="daemon $(memory $daemon) KB, watcher $(memory $watcher) KB"
kill -TERM $daemon
wait $daemon || true
sleep 1

python3 - "$calls" "$before" "$after" <<'PYTHON'
import collections, json, sys
calls, before, after = int(sys.argv[1]), sys.argv[2], sys.argv[3]
lines = [json.loads(line) for line in open("events.jsonl")]
events = [line for line in lines if line["type"] == "event"]
numbers = [lines[0]["seq"]] + [event["seq"] for event in events]
gaps = sum(b != a + 1 for a, b in zip(numbers, numbers[1:]))
lost = sum(line["type"] == "lost" for line in lines)
kinds = collections.Counter(event["event"] for event in events)
print(f"{calls} calls, {len(events)} events, {gaps} gaps in their numbers, {lost} times told of a loss")
print(", ".join(f"{kind} {count}" for kind, count in kinds.most_common()))
print(f"resident memory at the beginning: {before}; at the end: {after}")
complete = kinds["began"] == kinds["ended"] == calls
if gaps or lost or not complete:
    sys.exit("watch.sh: events were lost")
PYTHON
