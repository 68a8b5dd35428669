"""The sounds that are listened to: two synthetic voices and two people, 60 s each, 8 kHz, 16 bits, in DIR/source.

    python sound.py DIR PEOPLE

PEOPLE is where the Debian packages asterisk-core-sounds-en-wav and -fr-wav were unpacked.
"""

import pathlib
import subprocess
import sys
import wave

import numpy as np

RATE = 8000
SECONDS = 60

ENGLISH = """The kettle on the stove began to whistle just as the post arrived. Six thick letters and a thin blue parcel
lay on the mat. My neighbour asked whether the train to Oxford still leaves at a quarter past nine. Nobody could say for
sure, so we rang the station and waited. Please hold the line, a calm voice said, somebody will be with you shortly. Fresh
fish is sold by the harbour every Friday, and the queue reaches as far as the old church. Which of these chairs shall we
carry upstairs? The judge chose a large yellow one. A zebra, a giraffe and two sleepy lions watched us measure the garden
fence. Thank you for calling back so quickly; I had nearly given up. Could you spell that name for me once more, and give
me the number, digit by digit? Three, seven, nine, double five, zero, eight. She thought about the weather, shrugged, and
put her coat on. We shall meet on Thursday beside the big clock, rain or shine. How smoothly the river moves tonight. Good
morning, this is the workshop. Your bicycle is ready, and the brakes have been changed as you wished."""

FRENCH = """La bouilloire sifflait quand le facteur a sonné à la porte. Il apportait six lettres épaisses et un petit
paquet bleu. Ma voisine voulait savoir si le train de Lyon part toujours à neuf heures et quart. Personne n'en était sûr,
alors nous avons appelé la gare. Ne quittez pas, disait une voix tranquille, quelqu'un va vous répondre. Le vendredi, on
vend du poisson frais sur le port, et la file d'attente va jusqu'à l'église. Laquelle de ces chaises faut-il monter au
premier étage ? Le juge a choisi la grande jaune. Un zèbre, une girafe et deux lions endormis nous regardaient mesurer la
clôture du jardin. Merci de m'avoir rappelé si vite, j'allais renoncer. Pouvez-vous épeler ce nom encore une fois, et me
donner le numéro, chiffre par chiffre ? Trois, sept, neuf, deux fois cinq, zéro, huit. Elle pensait au temps qu'il ferait,
puis elle a mis son manteau. Nous nous verrons jeudi près de la grande horloge, qu'il pleuve ou non. Comme la rivière est
calme ce soir. Bonjour, ici l'atelier. Votre vélo est prêt, les freins ont été changés comme vous le souhaitiez."""


def read(path):
    with wave.open(str(path)) as file:
        assert file.getnchannels() == 1 and file.getsampwidth() == 2, path
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return samples.astype(float) / 32768, file.getframerate()


def write(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def at_line_rate(samples, rate):
    """Takes what a telephone line carries, 300 to 3,400 Hz, at 8 kHz."""
    spectrum = np.fft.rfft(samples)
    frequency = np.fft.rfftfreq(len(samples), 1 / rate)
    rise = np.clip((frequency - 200) / 100, 0, 1)
    fall = np.clip((3600 - frequency) / 200, 0, 1)
    length = int(len(samples) * RATE / rate)
    spectrum = (spectrum * rise * fall)[: length // 2 + 1]
    return np.fft.irfft(spectrum, length) * length / len(samples)


def levelled(samples):
    """Brings what is spoken to -22 dBFS, and adds a line's noise at -65 dBFS, without which silence has no place."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    power = (frames**2).mean(axis=1)
    spoken = power[power > power.max() * 1e-3].mean()
    noise = np.random.default_rng(1).normal(0, 10 ** (-65 / 20), len(samples))
    return samples * 10 ** (-22 / 20) / np.sqrt(spoken) + noise


def synthetic(voice, text, folder):
    path = folder / f"{voice}.spoken.wav"
    # A synthetic voice makes no pause by itself that is as long as a person's.
    subprocess.run(["espeak-ng", "-v", voice, "-s", "145", "-g", "1", "-w", str(path), " ".join(text.split())], check=True)
    samples, rate = read(path)
    path.unlink()
    return at_line_rate(samples, rate)


def main():
    folder, people = map(pathlib.Path, sys.argv[1:3])
    (folder / "source").mkdir(parents=True, exist_ok=True)
    sounds = {
        "synthetic-en": synthetic("en-us", ENGLISH, folder),
        "synthetic-fr": synthetic("fr", FRENCH, folder),
    }
    for name, recorded in (("person-en", "en_US_f_Allison"), ("person-fr", "fr_CA_f_June")):
        [path] = people.glob(f"**/{recorded}/demo-instruct.wav")
        sounds[name] = at_line_rate(*read(path))
    for name, samples in sounds.items():
        print(f"{name}: {len(samples) / RATE:.1f} s")
        assert len(samples) >= (SECONDS - 5) * RATE, f"{name} is too short"
        write(folder / f"source/{name}.wav", levelled(samples)[: SECONDS * RATE])


if __name__ == "__main__":
    main()
