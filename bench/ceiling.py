#!/usr/bin/env python3
"""How much of the error is due to the position of the outline, and not to missed or extra cells?

    python3 bench/ceiling.py TRAINER DATA [WEIGHTS]

DATA holds images/ and masks/. Segments the images and prints mean and median IoU of: the masks as they are; the masks
with the outline moved by the whole number of pixels that suits each image best (what a network that knew each
annotator's habit could reach with the same cells); the truth itself made one pixel smaller; and the truth resampled to
several working diameters and back, assuming cells of 85 pixels. Needs numpy, scipy, pillow.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image
from scipy import ndimage

REACH = 3
TYPICAL = 85
WORKING = (28, 34, 40)


def mask(path):
    return np.array(Image.open(path).convert("L")) > 0


def iou(a, b):
    either = (a | b).sum()
    return (a & b).sum() / either if either else 1.0


def moved(of, by):
    if by == 0:
        return of
    if by > 0:
        return ndimage.binary_dilation(of, iterations=by)
    return ndimage.binary_erosion(of, iterations=-by, border_value=1)


def through(of, working):
    """A mask resampled to a working diameter, as fractions of pixels, and back."""
    size = of.shape[::-1]
    small = [max(1, round(side * working / TYPICAL)) for side in size]
    picture = Image.fromarray(of.astype(np.uint8) * 255)
    return np.array(picture.resize(small, Image.BILINEAR).resize(size, Image.BILINEAR)) >= 128


def main(trainer, data, *weights):
    data = pathlib.Path(data)
    rows = []
    with tempfile.TemporaryDirectory() as out:
        command = [trainer, "predict", "--device", "cpu", "--out", out, str(data / "images")]
        subprocess.run(command + [word for file in weights for word in ("--weights", file)], check=True)
        for path in sorted((data / "masks").iterdir()):
            truth, found = mask(path), mask(pathlib.Path(out, f"{path.stem}.mask.png"))
            best = max(iou(moved(found, by), truth) for by in range(-REACH, REACH + 1))
            kept = [iou(through(truth, working), truth) for working in WORKING]
            rows.append((iou(found, truth), best, iou(moved(truth, -1), truth), *kept))
    names = ("as it is", "outline moved", "truth less 1 px", *(f"truth at {working} px" for working in WORKING))
    for name, column in zip(names, np.array(rows).T):
        above = (column >= 0.95).sum()
        print(f"{name:16} mean {column.mean():.4f} median {np.median(column):.4f} {above:3} of {len(column)} at or above 0.95")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
