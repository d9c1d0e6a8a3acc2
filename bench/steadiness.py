#!/usr/bin/env python3
"""Do counts depend on rounding? Compares smears with copies that differ by one grey level in a few samples.

    python3 bench/steadiness.py TRAINER OUT FOLDER...          (needs numpy, pillow)

Segments each image and three changed copies. Prints for each folder: how many images do not give the same count all
four times, the mean ratio of the counts' standard deviation to their mean, and how much the cell diameters that the
images were segmented with vary, on average and at most.
"""
import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

TIMES = 4


def changed(image, seed):
    """The samples of an image, one in a thousand of them changed by one grey level; unchanged for seed 0."""
    if seed == 0:
        return image
    random = np.random.default_rng(seed)
    where = random.random(image.shape) < 1 / 1000
    return np.clip(image + where * random.choice([-1, 1], image.shape), 0, 255)


def predicted(trainer, folder, out, seed):
    """Count and cell diameter by image name, for the images of a folder changed with this seed."""
    images, results = out / str(seed), out / f"results-{seed}"
    images.mkdir(parents=True, exist_ok=True)
    for file in sorted(folder.iterdir()):
        samples = np.array(Image.open(file).convert("RGB")).astype(int)
        Image.fromarray(changed(samples, seed).astype(np.uint8)).save(images / f"{file.stem}.png", compress_level=1)
    run = [trainer, "predict", "--device", "cpu", "--out", results, images]
    subprocess.run(run, check=True, capture_output=True)
    rows = csv.DictReader((results / "summary.csv").open())
    return {row["name"]: (int(row["cells"]), float(row["expected_diameter_px"])) for row in rows}


def main(trainer, out, *folders):
    for folder in map(Path, folders):
        place = Path(out) / f"{folder.parent.name}-{folder.name}"
        times = [predicted(trainer, folder, place, seed) for seed in range(TIMES)]
        figures = np.array([[time[name] for time in times] for name in times[0]])  # image, time, figure
        counts, diameters = figures[..., 0], figures[..., 1]
        unsteady = np.count_nonzero(np.ptp(counts, axis=1))
        deviation = (counts.std(axis=1) / np.maximum(counts.mean(axis=1), 1)).mean()
        apart = diameters.max(axis=1) / diameters.min(axis=1) - 1
        print(
            f"{folder}: counts differ in {unsteady} of {len(counts)} images, by {deviation:.2%}; "
            f"diameters by {apart.mean():.2%}, at most {apart.max():.1%}",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
