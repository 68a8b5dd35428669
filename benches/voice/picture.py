"""Draws curves of delay as SVG, and spectrograms as PNG, with nothing but numpy."""

import struct
import zlib

import numpy as np

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 40, 44

# Each is readable on white and on black.
COLOURS = {"ours": "#2b8ae6", "NetEq": "#e0711c", "fixed 60 ms": "#2f9e57"}
TEXT = "#808080"

# A curve breaks where nothing new is heard for longer than this, in seconds.
BREAK = 0.035


def delays(title, curves, window, stall):
    """Draws delay in ms over time in s; time counts from the stall's beginning."""
    begin, end = window
    curves = [(name, points[(points[:, 0] >= begin) & (points[:, 0] <= end)]) for name, points in curves]
    top = max(points[:, 1].max() for _, points in curves if len(points))
    step = next(step for step in (20, 50, 100, 200, 500, 1000) if top / step <= 6)
    top = (int(top / step) + 1) * step

    def x(at):
        return LEFT + (at - begin) / (end - begin) * (WIDTH - LEFT - RIGHT)

    def y(delay):
        return HEIGHT - BOTTOM - delay / top * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">',
        f"<title>{title}: delay over time</title>",
        f'<rect x="{x(stall[0]):.1f}" y="{TOP}" width="{x(stall[1]) - x(stall[0]):.1f}" height="{HEIGHT - TOP - BOTTOM}"'
        f' fill="{TEXT}" fill-opacity="0.2"/>',
    ]
    for delay in range(0, top + 1, step):
        parts.append(
            f'<path d="M{LEFT} {y(delay):.1f}H{WIDTH - RIGHT}" stroke="{TEXT}" stroke-opacity="0.35"/>'
            f'<text x="{LEFT - 8}" y="{y(delay) + 4:.1f}" fill="{TEXT}" text-anchor="end">{delay}</text>'
        )
    for second in range(int(np.ceil(begin - stall[0])), int(end - stall[0]) + 1):
        parts.append(
            f'<text x="{x(stall[0] + second):.1f}" y="{HEIGHT - BOTTOM + 18}" fill="{TEXT}"'
            f' text-anchor="middle">{second}</text>'
        )
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" fill="{TEXT}" text-anchor="middle">'
        "seconds since the last frame before the stall</text>"
        f'<text x="{LEFT}" y="18" fill="{TEXT}">delay of what is heard, ms</text>'
    )
    for n, (name, points) in enumerate(curves):
        path, last = "", None
        for at, delay in points:
            pen = "M" if last is None or at - last > BREAK else "L"
            path += f"{pen}{x(at):.1f} {y(delay):.1f}"
            last = at
        parts.append(
            f'<path d="{path}" fill="none" stroke="{COLOURS[name]}" stroke-width="2" stroke-linecap="round"/>'
            f'<text x="{WIDTH - RIGHT - 260 + n * 85}" y="18" fill="{COLOURS[name]}" font-weight="bold">{name}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def spectrograms(strips, rate):
    """Draws strips of sound below each other, 0 to 4 kHz each, loud in white; returns a PNG."""
    length, hop = 256, 64
    pictures = []
    for strip in strips:
        count = (len(strip) - length) // hop
        frames = np.stack([strip[n * hop : n * hop + length] for n in range(count)]) * np.hanning(length)
        level = 20 * np.log10(np.abs(np.fft.rfft(frames)) + 1e-6)
        grey = np.clip((level + 50) / 70 * 255, 0, 255).astype(np.uint8)
        pictures += [grey.T[::-1], np.full((4, count), 255, np.uint8)]
    width = min(picture.shape[1] for picture in pictures)
    pixels = np.concatenate([picture[:, :width] for picture in pictures])
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)

    def block(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, pixels.shape[0], 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + block(b"IHDR", head) + block(b"IDAT", zlib.compress(lines, 9)) + block(b"IEND", b"")
