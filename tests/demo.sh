#!/usr/bin/env bash
# The demonstration as a stranger starts it: no credentials, no sound card, one command. It must end well and leave WAV
# files that hold sound. A fresh folder is the working directory, so that no `.env` of the developer's is read.
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

for name in $(compgen -e | grep -E '^(TWILIO_|OFFHOOK_|NGROK_|PUBLIC_URL$|PORT$)' || true); do
  unset "$name"
done
# No sound server is to be found, whatever the machine has.
export PULSE_SERVER="unix:$work/nowhere" XDG_RUNTIME_DIR="$work" XDG_STATE_HOME="$work/state" XDG_CONFIG_HOME="$work/config"

if ! timeout 120 "$repository/start-auto.sh" --once --port 0 >out 2>err </dev/null; then
  echo "demo.sh: the demonstration failed" >&2
  cat out err >&2
  exit 1
fi
cat out
if ! grep -qE '^(all well|tout va bien)' out; then
  echo "demo.sh: the demonstration did not say that all is well" >&2
  exit 1
fi
mapfile -t files < <(grep -oE '/[^ ]+\.wav' out | sort -u)
if ((${#files[@]} < 2)); then
  echo "demo.sh: the demonstration named ${#files[@]} WAV files instead of the two ends of the call" >&2
  exit 1
fi
for file in "${files[@]}"; do
  # More than two seconds of 16-bit sound at 8 kHz, not all of it silence. What is not zero is counted to the end: a
  # reader that leaves early would kill the writer before it, and `pipefail` would take that for a file without sound.
  sounding=$(tail -c +45 "$file" | tr -d '\0' | wc -c)
  if (($(stat -c %s "$file") < 32000 || sounding < 16000)); then
    echo "demo.sh: $file holds no sound ($sounding bytes are not zero)" >&2
    exit 1
  fi
done
echo "demo.sh: ${#files[@]} files hold sound"
