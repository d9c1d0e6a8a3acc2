#!/usr/bin/env python3
"""Are cells still found in another light? Changes smears never trained on as another lamp, camera or file would.

    python3 bench/light.py TRAINER DATA OUT [--without] [--weights FILE]          (needs numpy, scipy, pillow)

With --without, the record of the training lights is removed from the shipped weights, so that no light is corrected.

Uses every second image. Prints for each change: the share of the centres marked in chula-count that lie in an instance
of their own; the share of the red cells' boxes of bccd-count that an instance's box overlaps with an IoU of 0.5; how
many boxes of white cells are mostly covered by cells; the mean IoU of the mask with that of the unchanged image; and
how many cells lie where the image shows no smear. All but the last are restricted to where it does.
"""
import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import counts


def luma(a):
    return (a @ np.array([0.3, 0.59, 0.11]))[..., None]


def hue(a, degrees):
    """Rotates the hue in YIQ, about the axis of greys."""
    yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    angle = np.deg2rad(degrees)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    return a @ (np.linalg.inv(yiq) @ turn @ yiq).T


def from_centre(a):
    """Distance of each pixel from the centre, in half heights of the image."""
    y, x = np.mgrid[: a.shape[0], : a.shape[1]] - np.array(a.shape[:2]).reshape(2, 1, 1) / 2
    return np.hypot(x, y)[..., None] / (a.shape[0] / 2)


def jpeg(a, quality):
    file = io.BytesIO()
    Image.fromarray(a.astype(np.uint8)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).astype(float)


def eyepiece(a):
    return from_centre(a) < 1.1


def frame(a):
    """True except in a border of a tenth of the width."""
    inside = np.zeros(a.shape[:2] + (1,), bool)
    border = a.shape[1] // 10
    inside[border:-border, border:-border] = True
    return inside


CHANGES = {
    "as taken": lambda a: a,
    "yellow lamp (1, 0.85, 0.6)": lambda a: a * [1.0, 0.85, 0.6],
    "blue light (0.65, 0.85, 1)": lambda a: a * [0.65, 0.85, 1.0],
    "half the exposure": lambda a: a * 0.5,
    "gamma 0.45": lambda a: 255 * (a / 255) ** 0.45,
    "gamma 2": lambda a: 255 * (a / 255) ** 2,
    "haze, half the contrast": lambda a: a * 0.5 + 110,
    "haze, a third of the contrast": lambda a: a * 0.35 + 150,
    "colours 1.8 times as strong": lambda a: luma(a) + 1.8 * (a - luma(a)),
    "hue turned by 40 degrees": lambda a: hue(a, 40),
    "hue turned by -40 degrees": lambda a: hue(a, -40),
    "grey": lambda a: np.repeat(luma(a), 3, 2),
    "corners at half the light": lambda a: a * (1 - 0.5 * from_centre(a) ** 2 / from_centre(a).max() ** 2),
    "through an eyepiece, black around it": lambda a: a * np.clip(40 * (1.1 - from_centre(a)), 0, 1),
    "in a white frame": lambda a: np.where(frame(a), a, 255),
    "JPEG at quality 15": lambda a: jpeg(a, 15),
    "noise of 12 grey levels": lambda a: a + np.random.default_rng(1).normal(0, 12, a.shape),
}

# Where the changed image still shows the smear, if not everywhere.
SHOWN = {"through an eyepiece, black around it": eyepiece, "in a white frame": frame}


def mask(folder, name):
    return np.array(Image.open(folder / f"{name}.mask.png")) > 0


class Tally:
    """The results of all images under one change."""

    def __init__(self):
        self.own, self.centres, self.met, self.boxes, self.taken, self.whites = 0, 0, 0, 0, 0, 0
        self.ious = []
        self.invented = 0

    def chula(self, rows, found, lit):
        own, centres = counts.alone(rows, found, lit)
        self.own, self.centres = self.own + own, self.centres + centres

    def bccd(self, rows, found, lit):
        met, boxes = counts.met(rows, found, lit)
        self.met, self.boxes = self.met + met, self.boxes + boxes
        for row in rows:
            if row["class"] == "WBC" and counts.centre_lit(row, lit):
                left, top, right, bottom = map(int, counts.sides(row))
                self.taken += (found[top:bottom, left:right] > 0).mean() > 0.4
                self.whites += 1


def without_lights(out):
    """Writes a copy of the shipped weights whose metadata lacks the training lights; returns its path."""
    content = (Path(__file__).parent.parent / "model-weights/rbc.safetensors").read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    config = json.loads(header["__metadata__"]["rbc.config"])
    del config["lights"]
    header["__metadata__"]["rbc.config"] = json.dumps(config)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    out.mkdir(parents=True, exist_ok=True)
    path = out / "without-lights.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[end:])
    return path


def main():
    trainer, data, out, *options = sys.argv[1:]
    data, out = Path(data), Path(out)
    if "--without" in options:
        options.remove("--without")
        options += ["--weights", str(without_lights(out))]
    print("| | Chula | BCCD | white cells taken for red | IoU | cells beyond |\n|---|---|---|---|---|---|")
    for number, (name, change) in enumerate(CHANGES.items()):
        tally = Tally()
        for part, kind in (("chula", "points"), ("bccd", "boxes")):
            images, found = out / "images" / str(number) / part, out / str(number) / part
            images.mkdir(parents=True, exist_ok=True)
            for file in sorted((data / f"{part}-count/images").iterdir())[::2]:
                pixels = change(np.asarray(Image.open(file).convert("RGB")).astype(float))
                changed = Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))
                changed.save(images / f"{file.stem}.png", compress_level=1)
            subprocess.run([trainer, "predict", *options, "--out", found, images], check=True, capture_output=True)
            for file in images.iterdir():
                pixels = np.array(Image.open(file))
                lit = SHOWN[name](pixels)[..., 0] if name in SHOWN else np.ones(pixels.shape[:2], bool)
                a, b = mask(found, file.stem) & lit, mask(out / "0" / part, file.stem) & lit
                tally.ious.append((a & b).sum() / max(1, (a | b).sum()))
                rows = list(csv.DictReader((data / f"{part}-count/{kind}/{file.stem}.csv").open()))
                labels = counts.labels(found, file.stem)
                seen = np.bincount(labels[lit], minlength=labels.max() + 1)
                tally.invented += int((seen < 0.5 * np.bincount(labels.ravel()))[1:].sum())
                getattr(tally, part)(rows, labels, lit)
        t = tally
        print(
            f"| {name} | {t.own} of {t.centres} ({t.own / t.centres:.1%}) | {t.met} of {t.boxes} ({t.met / t.boxes:.1%}) "
            f"| {t.taken} of {t.whites} | {np.mean(t.ious):.3f} | {t.invented} |",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main()
