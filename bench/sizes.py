#!/usr/bin/env python3
"""Are areas and diameters right? Measured on synthetic smears, whose truth is exact, from the output of `trainer predict`.

    for seed in 99 1001 1002 1003 1004; do
        trainer synth --out S/$seed --train 0 --test 150 --seed $seed
        trainer predict --out OUT/$seed S/$seed/test/images
    done
    python3 bench/sizes.py OUT S                (needs numpy, scipy, pillow)

Compares each cell that the image's edge does not cut with the instance that covers it with an IoU above 0.5: the cells that
border on no other one, whose whole outline is against the background, and the rest. Then the mean diameter of each smear, as
in summary.csv, with that of its true whole cells.
"""
import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage


def read(path):
    return np.array(Image.open(path)).astype(np.int64)


def diameter(area):
    """Equivalent diameter: that of the disc of equal area."""
    return np.sqrt(area * 4 / np.pi)


def cut(labels):
    """The labels at the image's edge."""
    return set(np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])))


def cells(truth, found):
    """For each whole true cell that an instance matches: its area, the instance's, and whether it borders on another."""
    count = found.max() + 1
    both = np.bincount((truth * count + found).ravel(), minlength=(truth.max() + 1) * count).reshape(-1, count)
    areas, others, edge = both.sum(1), both.sum(0), cut(truth)
    for label, place in enumerate(ndimage.find_objects(truth), 1):
        if place is None or label in edge or count == 1:
            continue
        match = 1 + both[label, 1:].argmax()
        if 3 * both[label, match] > areas[label] + others[match]:  # an IoU above 0.5
            around = truth[tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in place)]
            ring = ndimage.binary_dilation(around == label) & (around != label)
            yield areas[label], others[match], bool((around[ring] > 0).any())


def means(truth, row):
    """The mean diameter of a smear's whole cells: the true one, and that of summary.csv."""
    areas, edge = np.bincount(truth.ravel()), cut(truth)
    whole = [areas[label] for label in range(1, len(areas)) if areas[label] and label not in edge]
    return len(whole), diameter(np.array(whole)).mean() if whole else 0.0, float(row["diameter_px_mean"] or 0)


def tell(name, ratios):
    print(
        f"{name}: {len(ratios)}, off by {np.mean(ratios) - 1:+.2%} on average, {np.abs(ratios - 1).mean():.2%} in absolute terms, "
        f"SD {ratios.std():.2%}, median {np.median(ratios) - 1:+.2%}"
    )


def main():
    out, smears = map(Path, sys.argv[1:3])
    found, mean = [], []
    for folder in sorted(folder for folder in smears.iterdir() if (folder / "test/labels").is_dir()):
        rows = {row["name"]: row for row in csv.DictReader((out / folder.name / "summary.csv").open())}
        for file in sorted((folder / "test/labels").glob("*.png")):
            truth = read(file)
            found += cells(truth, read(out / folder.name / f"{file.stem}.labels.png"))
            mean.append(means(truth, rows[file.stem]))
    true, seen, borders = np.array(found, float).T
    for name, which in (("cells that border on no other", borders == 0), ("cells that do", borders == 1)):
        tell(f"{name}, area", seen[which] / true[which])
        tell(f"{name}, diameter", diameter(seen[which]) / diameter(true[which]))
        offset = (diameter(seen[which]) - diameter(true[which])) / 2
        print(f"    their outline lies {offset.mean():+.2f} px from the true one on average, median {np.median(offset):+.2f}")
    tell("smears with 20 whole cells or more, mean diameter", np.array([m / t for count, t, m in mean if count >= 20]))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main()
