#!/bin/sh
# Makes the sentences anew. Needs espeak-ng and opus-tools (opusenc); run it anywhere.
set -eu
cd "$(dirname "$0")"

speak() { # name, language, voice, sentence
    espeak-ng -v "$3" -s 145 -w "$1-$2.wav" "$4"
    opusenc --quiet --speech --bitrate 16 --framesize 60 --discard-comments "$1-$2.wav" "$1-$2.opus"
    rm "$1-$2.wav"
}

speak greeting en en-us "Hello. Nobody can take your call right now. Please leave a message after the tone."
speak greeting fr fr-fr "Bonjour. Personne ne peut prendre votre appel pour le moment. \
Veuillez laisser un message après le bip."
speak notice en en-us "This call is being recorded."
speak notice fr fr-fr "Cet appel est enregistré."
