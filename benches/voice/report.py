"""Marks what was heard, and writes docs/voice.md's tables, docs/voice/*.svg, and spectrograms in DIR/picture.

    python report.py DIR DOCS

DIR is what `voice --write`, NetEq and `voice --measure` left. In DOCS/voice.md every part between `<!-- NAME -->` and
`<!-- end -->` is written anew; the rest stays.
"""

import collections
import datetime
import functools
import importlib.metadata
import multiprocessing
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
from pesq import pesq

import picture
from sound import RATE, read

ENGINES = ("ours", "neteq", "fixed")
NAMES = {"ours": "ours", "neteq": "NetEq", "fixed": "fixed 60 ms"}
CHUNK = 10 * RATE
TOLD = [
    ("concealed", ENGINES),
    ("slower", ("ours", "neteq")),
    ("faster", ("ours", "neteq")),
    ("dropped", ("ours", "fixed")),
]
STALLS = ("stall-200", "stall-500", "stall-2000")
# What waits in the buffer of the ideal listener, in samples: 40 ms.
IN_HAND = 40 * RATE // 1000


@functools.cache
def samples_of(path):
    return read(path)[0]


def table_of(path):
    lines = path.read_text().splitlines()
    return [line.split("\t") for line in lines]


def power_of(sound, length):
    """Returns the power of every stretch of `length` samples, by where it begins."""
    sum_to = np.concatenate([[0], np.cumsum(sound**2)])
    return sum_to[length:] - sum_to[:-length]


def borders(source):
    """Cuts a sound about every 10 s, in the middle of the quietest 100 ms."""
    power = np.pad(power_of(source, 800), (400, 400), mode="edge")
    cuts = [0]
    while cuts[-1] + CHUNK + CHUNK // 2 < len(source):
        near = cuts[-1] + CHUNK + np.arange(-RATE, RATE, 80)
        cuts.append(int(near[np.argmin(power[near])]))
    return [*cuts, len(source) // 80 * 80]


def mark(source, heard, place):
    """Returns the mean PESQ (P.862.1, narrow band) of pieces of some 10 s; `place` maps the source to what was heard."""
    marks = []
    cuts = borders(source)
    for begin, end in zip(cuts, cuts[1:]):
        piece = heard[max(place(begin), 0) : max(place(end), 0)]
        marks.append(pesq(RATE, source[begin:end], piece, "nb"))
    return float(np.mean(marks))


def mark_of_run(job):
    """Marks one sound through one network and one engine; of a sound played several times the last time."""
    folder, trace, rounds, source, engine = job
    original = samples_of(folder / f"source/{source}.wav")
    original = original[: len(original) // 160 * 160]
    if engine == "bare":
        return mark(original, samples_of(folder / f"wav/{source}.bare.wav"), lambda at: at)
    heard = samples_of(folder / f"wav/{trace}.{source}.{engine}.wav")
    places = np.loadtxt(folder / f"log/{trace}.{source}.{engine}.places.tsv", dtype=int)
    skipped = (rounds - 1) * len(original)

    def place(at):
        known = np.searchsorted(places[:, 0], at + skipped)
        if known == len(places):
            return places[-1, 1] + at + skipped - places[-1, 0]
        return places[known, 1] + at + skipped - places[known, 0]

    return mark(original, heard, place)


def mark_of_ideal(job):
    """Marks what an ideal listener to a stall would hear.

    `caught-up`: the sound pauses for what the 40 ms in hand do not cover, and the same length goes where 2 s of sound after
    the stall (4 s after one of 2 s) are quietest. `kept`: it pauses, and the delay stays. `lost`: what is late is silence.
    """
    folder, trace, source, way = job
    original = samples_of(folder / f"source/{source}.wav")
    original = original[: len(original) // 160 * 160]
    sound = samples_of(folder / f"wav/{source}.bare.wav")
    arrivals = np.loadtxt(folder / f"trace/{trace}.{source}.txt", dtype=int)
    waited = np.diff(arrivals[:, 2])
    heard, map_from, map_to = [], [0], [0]
    at = 0

    def play(until):
        nonlocal at
        heard.append(sound[at:until])
        at = until

    def joined():
        map_from.append(at)
        map_to.append(sum(map(len, heard)))

    for late in np.flatnonzero(waited > 80_000 + 20_000) + 1:
        begin, due, came = arrivals[late]
        gap = int((came - due) * RATE / 1_000_000) - IN_HAND
        if begin < at:
            continue
        play(begin)
        heard.append(np.zeros(gap))
        if way == "lost":
            at = begin + gap
        joined()
        if way == "caught-up":
            window = sound[begin : begin + max(2 * RATE, 2 * gap)]
            if len(window) <= gap:
                continue
            play(begin + int(np.argmin(power_of(window, gap))))
            at += gap
            joined()
    play(len(sound))
    heard = np.concatenate(heard)

    def place(where):
        known = max(np.searchsorted(map_from, where, side="right") - 1, 0)
        return map_to[known] + where - map_from[known]

    return mark(original, heard, place)


def write_part(text, name, lines):
    part = "\n".join([f"<!-- {name} -->", *lines, "<!-- end -->"])
    found, count = re.subn(rf"<!-- {re.escape(name)} -->.*?<!-- end -->", lambda _: part, text, flags=re.DOTALL)
    assert count == 1, f"the document has no part {name}"
    return found


def rows(head, body):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in body)]


def version(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]


class Report:
    def __init__(self, folder):
        self.folder = folder
        self.traces = [(name, int(rounds), what) for name, rounds, what in table_of(folder / "traces.tsv")]
        self.sources = sorted(path.stem for path in (folder / "source").glob("*.wav"))
        head, *body = table_of(folder / "figures.tsv")
        self.figures = collections.defaultdict(dict)
        for row in body:
            row = dict(zip(head, row))
            self.figures[row["trace"], row["engine"]][row["source"]] = row
        jobs = [
            (folder, trace, rounds, source, engine)
            for trace, rounds, _ in self.traces
            for engine in ENGINES
            for source in self.sources
        ]
        jobs += [(folder, "", 1, source, "bare") for source in self.sources]
        ideals = [
            (folder, trace, source, way)
            for trace in STALLS
            for way in ("caught-up", "kept", "lost")
            for source in self.sources
        ]
        with multiprocessing.Pool() as pool:
            marks = pool.map(mark_of_run, jobs, chunksize=1)
            ideal_marks = pool.map(mark_of_ideal, ideals, chunksize=1)
        self.marks = {(job[1], job[4], job[3]): value for job, value in zip(jobs, marks)}
        self.ideals = {job[1:]: value for job, value in zip(ideals, ideal_marks)}
        with open(folder / "marks.tsv", "w") as file:
            for (trace, engine, source), value in self.marks.items():
                print(trace, engine, source, f"{value:.3f}", sep="\t", file=file)

    def pesq(self, trace, engine):
        return float(np.mean([self.marks[trace, engine, source] for source in self.sources]))

    def figure(self, trace, engine, column):
        """Returns the mean over the sounds, or nothing where the engine does not tell."""
        words = [self.figures[trace, engine][source][column] for source in self.sources]
        return None if "-" in words else float(np.mean([float(word) for word in words]))

    def ms(self, trace, engine, column):
        value = self.figure(trace, engine, column)
        return "–" if value is None else f"{value:.0f}"

    def back(self, trace, engine):
        """Returns the median of medians, and the longest, over the sounds."""
        number = lambda word: float("inf") if word == "never" else float(word)
        figures = self.figures[trace, engine].values()
        usual = [number(row["back"]) for row in figures if row["back"] != "-"]
        longest = [number(row["longest"]) for row in figures if row["longest"] != "-"]
        if not usual:
            return "–"
        word = lambda ms: "not before the next" if np.isinf(ms) else f"{ms:.0f}"
        return f"{word(np.sort(usual)[len(usual) // 2])} / {word(max(longest))}"

    def main_table(self):
        head = ["network"]
        head += [f"delay, {NAMES[engine]}" for engine in ENGINES] + [f"PESQ, {NAMES[engine]}" for engine in ENGINES]
        body = []
        for trace, _, _ in self.traces:
            row = [f"`{trace}`"]
            row += [f"{self.ms(trace, engine, 'median')} / {self.ms(trace, engine, '95th')}" for engine in ENGINES]
            marks = [f"{self.pesq(trace, engine):.2f}" for engine in ENGINES]
            row += [f"**{value}**" if value == max(marks) else value for value in marks]
            body.append(row)
        return rows(head, body)

    def figures_table(self, columns):
        """Returns a row for each network: `columns` says which figure of which engines."""
        head = ["network"]
        for column, engines in columns:
            head += [f"{column}: {NAMES[engines[0]]}", *(NAMES[engine] for engine in engines[1:])]
        body = []
        for trace, _, _ in self.traces:
            row = [f"`{trace}`"]
            for column, engines in columns:
                row += [
                    f"{self.figure(trace, engine, column):.2f}" if column == "step" else self.ms(trace, engine, column)
                    for engine in engines
                ]
            body.append(row)
        return rows(head, body)

    def stall_table(self):
        head = ["network", *(NAMES[engine] for engine in ENGINES)]
        stalled = [trace for trace, _, _ in self.traces if self.back(trace, "ours") != "–"]
        return rows(head, [[f"`{trace}`", *(self.back(trace, engine) for engine in ENGINES)] for trace in stalled])

    def ideal_table(self):
        head = ["network", "caught up", "kept for good", "lost", *(NAMES[engine] for engine in ENGINES)]
        body = []
        for trace in STALLS:
            ways = [
                np.mean([self.ideals[trace, source, way] for source in self.sources])
                for way in ("caught-up", "kept", "lost")
            ]
            body.append(
                [f"`{trace}`", *(f"{way:.2f}" for way in ways), *(f"{self.pesq(trace, engine):.2f}" for engine in ENGINES)]
            )
        return rows(head, body)

    def voice_table(self):
        head = ["voice", "bare G.711", *(NAMES[engine] for engine in ENGINES)]
        body = []
        for source in self.sources:
            means = [np.mean([self.marks[trace, engine, source] for trace, _, _ in self.traces]) for engine in ENGINES]
            body.append([f"`{source}`", f"{self.marks['', 'bare', source]:.2f}", *(f"{mean:.2f}" for mean in means)])
        return rows(head, body)

    def comparison(self):
        """Says in words who is ahead where, so that it is true whatever the figures become."""
        lines = []
        for other in ("neteq", "fixed"):
            ahead = collections.defaultdict(list)
            for trace, _, _ in self.traces:
                difference = round(self.pesq(trace, "ours"), 2) - round(self.pesq(trace, other), 2)
                if abs(difference) >= 0.05:
                    ahead["PESQ", difference > 0].append(trace)
                sooner = self.figure(trace, other, "median") - self.figure(trace, "ours", "median")
                if abs(sooner) >= 5:
                    ahead["delay", sooner > 0].append(trace)
            name = {"neteq": "NetEq", "fixed": "the fixed buffer"}[other]
            for what, unit in (("PESQ", "PESQ higher by 0.05 or more"), ("delay", "median delay lower by 5 ms or more")):
                for ours, who in ((True, f"ours against {name}"), (False, f"{name} against ours")):
                    names = ", ".join(f"`{trace}`" for trace in ahead[what, ours]) or "nowhere"
                    lines.append(f"* {who}, {unit}: {names}.")
        return lines

    def conditions(self):
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        rustc = version(["rustc", "--version"]).split()[1]
        packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("pesq", "numpy"))
        espeak = re.search(r"[\d.]+", version(["espeak-ng", "--version"]))[0]
        day = {sign: (self.folder / f"day{sign}200.txt").read_text().split() for sign in "+-"}
        return [
            f"Measured on {today}, on a machine of {os.cpu_count()} shared cores; rustc {rustc}, neteq 0.9.1, {packages},",
            f"espeak-ng {espeak}. All of it runs in simulated time, so the machine has no part in the figures. Bare G.711 is",
            f"marked {np.mean([self.marks['', 'bare', source] for source in self.sources]):.2f} on the same pieces: nothing"
            " that a buffer does can be marked better, but by chance.",
            "",
            f"Through 24 simulated hours our delay stayed between {day['+'][0]} and {day['+'][1]} ms with the carrier's clock",
            f"200 ppm fast, and between {day['-'][0]} and {day['-'][1]} ms with it 200 ppm slow (by our own book-keeping, from",
            "the second minute on).",
        ]

    def trace_list(self):
        return rows(["network", "what it does"], [[f"`{trace}`", what] for trace, _, what in self.traces])

    def write(self, docs):
        document = docs / "voice.md"
        text = document.read_text()
        for name, lines in (
            ("conditions", self.conditions()),
            ("networks", self.trace_list()),
            ("delay and marks", self.main_table()),
            ("ahead", self.comparison()),
            ("stalls", self.stall_table()),
            ("ideal", self.ideal_table()),
            ("sound", self.figures_table([(column, ENGINES) for column in ("made-up", "left-out", "step")])),
            ("told", self.figures_table(TOLD)),
            ("voices", self.voice_table()),
        ):
            text = write_part(text, name, lines)
        document.write_text(text)

    def stalls(self, trace, source):
        """Returns when the stalls of a trace begin and end, in s."""
        came = np.loadtxt(self.folder / f"trace/{trace}.{source}.txt", dtype=int)[:, 2] / 1e6
        late = np.flatnonzero(np.diff(came) > 0.1)
        return [(came[n], came[n + 1]) for n in late]

    def draw(self, docs):
        (docs / "voice").mkdir(exist_ok=True)
        (self.folder / "picture").mkdir(exist_ok=True)
        source = "person-en"
        for trace, which, shown in (("stall-200", 4, 3), ("stall-500", 2, 3), ("stall-2000", 1, 6)):
            begin, end = self.stalls(trace, source)[which]
            curves = []
            for engine in ENGINES:
                points = np.loadtxt(self.folder / f"log/{trace}.{source}.{engine}.delay.tsv")
                curves.append((NAMES[engine], points / [1000, 1]))
            title = f"Nothing comes for {trace.removeprefix('stall-')} ms, then all at once"
            svg = picture.delays(title, curves, (begin - 1, end + shown), (begin, end))
            (docs / f"voice/{trace}.svg").write_text(svg)
        for trace, which in (("stall-200", 4), ("stall-2000", 1), ("mobile", 0)):
            begin, end = self.stalls(trace, source)[which]
            begin, end = begin - 1.5, end + 3
            strips = [samples_of(self.folder / f"wav/{source}.bare.wav")]
            strips += [samples_of(self.folder / f"wav/{trace}.{source}.{engine}.wav") for engine in ENGINES]
            strips = [strip[int(begin * RATE) : int(end * RATE)] for strip in strips]
            (self.folder / f"picture/{trace}.png").write_bytes(picture.spectrograms(strips, RATE))


def main():
    folder, docs = map(pathlib.Path, sys.argv[1:3])
    report = Report(folder)
    report.draw(docs)
    report.write(docs)


if __name__ == "__main__":
    main()
