#!/bin/sh
# Makes the greetings anew. Needs espeak-ng and opus-tools (opusenc); run it anywhere.
set -eu
cd "$(dirname "$0")"

speak() { # language, voice, sentence
    espeak-ng -v "$2" -s 150 -w "$1.wav" "$3"
    opusenc --quiet --speech --bitrate 16 --framesize 60 --discard-comments "$1.wav" "greeting-$1.opus"
    rm "$1.wav"
}

speak en en-us "Hello. This is a test call from Offhook's own simulator. \
After the tone, please speak for three seconds. You will then hear yourself."
speak fr fr-fr "Bonjour. Ceci est un appel d'essai du simulateur d'Offhook. \
Après le bip, parlez pendant trois secondes. Vous entendrez ensuite votre voix."
