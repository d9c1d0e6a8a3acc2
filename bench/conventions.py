#!/usr/bin/env python3
"""Do annotators draw the outline in different places, and does an image reveal where its annotator drew it?

    trainer train --data DATA/rbc-164 --fields DATA/fields --synthetic 72 --out RUN
    python3 bench/conventions.py TRAINER RUN DATA          (needs numpy, scipy, pillow; about 5 minutes)

Segments each whole field with the network of the fold that held it out, at several thresholds. Prints the mean IoU with
one threshold for all fields, with the best one for each field (what a network that knew each annotator's habit could
reach), and with the one predicted by a ridge regression on the field's colours, contrast and edge profile, fitted
without that field.
"""
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

THRESHOLDS = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
RIDGE = 30


def mask(path, margin):
    full = np.array(Image.open(path).convert("L")) > 0
    return full[margin:-margin, margin:-margin] if margin else full


def only(folder, stem):
    return next(folder.glob(f"{stem}.*"))


def held_out(run, data):
    """Yields each fold with the rows of the fields that its network has not seen."""
    source = {Path(row["name"]).stem: row["source_file"] for row in csv.DictReader(open(data / "rbc-164/manifest.csv"))}
    fields = list(csv.DictReader(open(data / "fields/manifest.csv")))
    for fold in json.load(open(run / "splits.json"))["folds"]:
        sources = {source[name] for name in fold["validation"]}
        yield fold["fold"], [row for row in fields if row["source_file"] in sources]


def looks(image, found):
    """Features of light, stain and focus: medians of background and rim, and green by distance from the outline."""
    inside, outside = ndimage.distance_transform_edt(found), ndimage.distance_transform_edt(~found)
    background, rim = (np.median(image[where], 0) for where in (outside > 8, (inside > 5) & (inside < 14)))
    contrast = max(background[1] - rim[1], 1)
    ring = lambda away, at: (background[1] - np.median(image[..., 1][(away > at) & (away <= at + 1)])) / contrast
    return [*background, *rim, contrast, *(ring(away, at) for away in (inside, outside) for at in range(4))]


def measure(trainer, run, data, out):
    scores, features = [], []
    for fold, rows in held_out(run, data):
        stems = [Path(row["name"]).stem for row in rows]
        images = [only(data / "fields/images", stem) for stem in stems]
        for threshold in THRESHOLDS:
            command = [trainer, "predict", "--device", "cpu", "--no-split", "--threshold", str(threshold)]
            command += ["--weights", run / f"fold-{fold}/rbc.safetensors", "--out", out / f"{threshold}", *images]
            subprocess.run(command, check=True, capture_output=True)
        for row, stem, image in zip(rows, stems, images):
            margin = int(row["unlabelled_margin_px"])
            truth = mask(only(data / "fields/masks", stem), margin)
            found = [mask(out / f"{threshold}/{stem}.mask.png", margin) for threshold in THRESHOLDS]
            scores.append([(truth & f).sum() / max((truth | f).sum(), 1) for f in found])
            pixels = np.array(Image.open(image).convert("RGB"), float)
            pixels = pixels[margin:-margin, margin:-margin] if margin else pixels
            features.append(looks(pixels, found[THRESHOLDS.index(0.5)]))
    return np.array(scores), np.array(features)


def predicted(features, best):
    """The best threshold of each field, predicted from the other fields."""
    scaled = np.c_[np.ones(len(best)), (features - features.mean(0)) / features.std(0)]
    penalty = RIDGE * np.diag([0] + [1] * features.shape[1])
    guesses = []
    for one in range(len(best)):
        x, y = np.delete(scaled, one, 0), np.delete(best, one)
        guesses.append(scaled[one] @ np.linalg.solve(x.T @ x + penalty, x.T @ y))
    return np.array(guesses)


def main(trainer, run, data):
    with tempfile.TemporaryDirectory() as out:
        scores, features = measure(trainer, Path(run), Path(data), Path(out))
    best = np.array(THRESHOLDS)[scores.argmax(1)]
    guesses = predicted(features, best)
    at_guess = [np.interp(guess, THRESHOLDS, row) for guess, row in zip(guesses, scores)]
    explained = 1 - ((guesses - best) ** 2).sum() / ((best - best.mean()) ** 2).sum()
    print(f"{len(best)} fields, each by a network that has not seen it; mean IoU")
    print(f"  one threshold for all:        {scores.mean(0).max():.4f} (at {THRESHOLDS[scores.mean(0).argmax()]})")
    print(f"  told by the image:            {np.mean(at_guess):.4f} ({explained:.0%} of the variance explained)")
    print(f"  the best for each:            {scores.max(1).mean():.4f} ({best.min()} to {best.max()})")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
