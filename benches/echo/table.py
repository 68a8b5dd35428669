#!/usr/bin/env python3
"""Hears the scenes of `cargo bench --bench echo -- --write` and makes docs/echo.md.

Needs espeak-ng, numpy, scipy, pystoi and libspeexdsp; flite for a second pair of voices, and the binary of
benches/echo/peers for sonora. Run it in the repository:

    cargo build --release --manifest-path benches/echo/peers/Cargo.toml
    python3 benches/echo/table.py FOLDER
"""

import concurrent.futures
import ctypes
import ctypes.util
import os
import shutil
import subprocess
import sys

import numpy as np
from pystoi import stoi
from scipy.io import wavfile
from scipy.signal import correlate, resample_poly

RATE = 8000
FAR, BOTH, NEAR = 20, 12, 4
PEERS = "benches/echo/peers/target/release/echo-peers"
TEXT = [
    "The quick brown fox jumps over the lazy dog. Please call me back when you have found the papers on the kitchen "
    "table. We decided to meet at seven near the old station, although the weather was not very promising. He asked "
    "whether the train would be late again, and nobody could give him a proper answer. Fresh bread, cold butter and a "
    "little salt is all that you need. The engineers measured the echo in every room of the building. ",
    "I have been thinking about the holidays, and I believe that we should go to the mountains this year. My sister "
    "bought a red bicycle from her neighbour, who moved to another city last week. Could you tell me how much the "
    "tickets cost, and whether children pay less? The doctor said that everything looked fine, but wanted to see him "
    "again in spring. Seven large ships were waiting outside the harbour for the storm to pass. ",
]
VOICES = [
    ([["espeak-ng", "-v", "en-us+m3", "-s", "165"], ["espeak-ng", "-v", "en-gb+f3", "-s", "170"]], "1,3,5"),
    ([["flite", "-voice", "rms"], ["flite", "-voice", "slt"]], "2,4"),
]


def mu_law(sound):
    bent = np.sign(sound) * np.log1p(255 * np.abs(sound).clip(0, 1)) / np.log(256)
    bent = np.round(bent * 127) / 127
    return np.sign(bent) * np.expm1(np.abs(bent) * np.log(256)) / 255


def voice(command, text, path, over_the_line):
    wav = path + ".wav"
    if command[0] == "flite":
        subprocess.run(command + ["-t", text, "-o", wav], check=True)
    else:
        subprocess.run(command + ["-w", wav, text], check=True)
    rate, sound = wavfile.read(wav)
    sound = resample_poly(sound.astype(float) / 32768, RATE, rate)
    sound *= 0.05 / np.sqrt(np.mean(sound**2))
    if over_the_line:
        sound = mu_law(sound)
    sound.astype("<f4").tofile(path)


def load(path):
    return np.fromfile(path, "<f4").astype(float)


class Speex:
    """Speex's canceller with its preprocessor, at 16 kHz with 400 ms of tail."""

    FRAME, TAIL = 160, 6400

    def __init__(self):
        name = ctypes.util.find_library("speexdsp") or "libspeexdsp.so.1"
        self.lib = ctypes.CDLL(name)
        for make in (self.lib.speex_echo_state_init, self.lib.speex_preprocess_state_init):
            make.restype = ctypes.c_void_p

    def run(self, far, heard):
        lib, rate = self.lib, ctypes.c_int(16000)
        echo = ctypes.c_void_p(lib.speex_echo_state_init(self.FRAME, self.TAIL))
        lib.speex_echo_ctl(echo, 24, ctypes.byref(rate))
        after = ctypes.c_void_p(lib.speex_preprocess_state_init(self.FRAME, 16000))
        lib.speex_preprocess_ctl(after, 24, echo)
        far, heard = (np.round(x * 32767).clip(-32768, 32767).astype("<i2") for x in (far, heard))
        out = np.zeros(len(heard), "<i2")
        pointer = lambda x, n: x[n : n + self.FRAME].ctypes.data_as(ctypes.c_void_p)
        for n in range(0, len(heard) - self.FRAME + 1, self.FRAME):
            lib.speex_echo_cancellation(echo, pointer(heard, n), pointer(far, n), pointer(out, n))
            lib.speex_preprocess_run(after, pointer(out, n))
        lib.speex_preprocess_state_destroy(after)
        lib.speex_echo_state_destroy(echo)
        return out.astype(float) / 32767


def late(near, out):
    """How many samples `out` is behind the near end where that talks alone."""
    a, b = (FAR + BOTH) * RATE, (FAR + BOTH + NEAR) * RATE - 800
    n = len(near[a:b])
    found = correlate(out[a:b], near[a:b], "full")[n - 1 : n + 400]
    return int(np.argmax(found))


def score(name):
    far, near, heard = (load(f"{name}.{what}") for what in ("far", "near", "mic"))
    outs = {"offhook": load(f"{name}.offhook")}
    up = lambda x: resample_poly(x, 2, 1)
    outs["Speex"] = resample_poly(Speex().run(up(far), up(heard)), 1, 2)
    if os.path.exists(f"{name}.at16.sonora"):
        outs["sonora"] = resample_poly(load(f"{name}.at16.sonora"), 1, 2)
    rows = {}
    for who, out in outs.items():
        out = np.concatenate([out, np.zeros(len(near) - len(out) + 400)])
        shift = late(near, out)
        out = out[shift : shift + len(near)]
        power = lambda x, a, b: np.mean(x[int(a * RATE) : int(b * RATE)] ** 2) + 1e-14
        erle = lambda a, b: 10 * np.log10(power(heard, a, b) / power(out, a, b))
        a, b = FAR * RATE, (FAR + BOTH) * RATE
        rows[who] = (erle(0.2, 1), erle(1, FAR - 0.1), stoi(near[a:b], out[a:b], RATE))
    a, b = FAR * RATE, (FAR + BOTH) * RATE
    rows["nothing"] = (0, 0, stoi(near[a:b], heard[a:b], RATE))
    return os.path.basename(name), rows


def main():
    folder = os.path.abspath(sys.argv[1])
    os.makedirs(folder, exist_ok=True)
    bench = os.environ.get("ECHO_BENCH", "cargo bench --bench echo --").split()
    for k, (commands, seeds) in enumerate(VOICES):
        if not shutil.which(commands[0][0]):
            sys.exit(f"{commands[0][0]} is not there")
        paths = [os.path.join(folder, f"{who}{k}.voice") for who in ("far", "near")]
        voice(commands[0], TEXT[0] + TEXT[1], paths[0], True)
        voice(commands[1], TEXT[1] + TEXT[0], paths[1], False)
        subprocess.run(bench + ["--write", folder, *paths, seeds], check=True)
    names = sorted(os.path.join(folder, f[:-4]) for f in os.listdir(folder) if f.endswith(".mic") and ".at16" not in f)
    if os.path.exists(PEERS):
        for name in names:
            for what in ("far", "mic"):
                resample_poly(load(f"{name}.{what}"), 2, 1).astype("<f4").tofile(f"{name}.at16.{what}")
        subprocess.run([PEERS], input="\n".join(f"{n}.at16" for n in names) + "\n", text=True, check=True)
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        scored = list(pool.map(score, names))
    kinds = {}
    for name, rows in scored:
        kinds.setdefault(tuple(float(x) for x in name.split("_")[:5]), []).append(rows)
    write(kinds)


def write(kinds):
    who = [w for w in ("offhook", "sonora", "Speex") if all(w in rows for found in kinds.values() for rows in found)]
    lines = [
        "| decay | direct | delay | echo | drift | STOI untouched | " + " | ".join(f"{w}: ERLE | STOI" for w in who) + " |",
        "|" + "---|" * (6 + 2 * len(who)),
    ]
    worst = {w: [np.inf, np.inf, np.inf] for w in who}
    for (decay, direct, delay, echo, drift), found in sorted(kinds.items()):
        least = lambda w, n: min(rows[w][n] for rows in found)
        cells = []
        for w in who:
            for n in range(3):
                worst[w][n] = min(worst[w][n], least(w, n))
            cells.append(f"{least(w, 1):.1f} | {least(w, 2):.2f}")
        lines.append(
            f"| {decay:.0f} ms | {direct:+.0f} dB | {delay:.0f} ms | {echo:.0f} dB | {drift:.0f} ppm | "
            f"{least('nothing', 2):.2f} | " + " | ".join(cells) + " |"
        )
    lines += ["", "| worst of all rooms | ERLE 0.2 to 1 s | ERLE 1 to 20 s | STOI in double talk |", "|---|---|---|---|"]
    lines += [f"| {w} | {a:.1f} dB | {b:.1f} dB | {c:.2f} |" for w, (a, b, c) in worst.items()]
    page = open("docs/echo.md").read()
    begin, end = "<!-- table -->\n", "<!-- end of table -->\n"
    head, rest = page.split(begin)
    page = head + begin + "\n".join(lines) + "\n" + end + rest.split(end)[1]
    open("docs/echo.md", "w").write(page)


if __name__ == "__main__":
    main()
