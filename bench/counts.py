#!/usr/bin/env python3
"""Are cells separated and counted correctly? Measured on smears never trained on, from the output of `trainer predict`.

    trainer evaluate --data DATA/rbc-164 --out OUT/test40
    trainer predict --out OUT/chula DATA/chula-count/images
    trainer predict --out OUT/bccd DATA/bccd-count/images
    for seed in 99 1001 1002 1003 1004; do
        trainer synth --out S/$seed --train 0 --test 150 --seed $seed
        trainer predict --out OUT/synthetic/$seed S/$seed/test/images
    done
    python3 bench/counts.py DATA OUT S          (needs numpy, scipy, pillow)

Test images: F1 of cells at IoU 0.5, for the malaria images, whose masks separate touching cells, and for all. Chula:
the share of marked cell centres that lie in an instance of their own. BCCD: the share of boxes of red blood cells that
an instance's bounding box overlaps with an IoU of at least 0.5, first by any instance, then matched one to one.
Synthetic smears: the error of the counts, for smears with less and with more than a third of the cells touching another
one, and for those with 20 cells or more; for each set and for all together, since a single miscounted cell in a small
smear changes the mean of 150 by a tenth of a percent.
"""
import csv
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.optimize import linear_sum_assignment


def labels(folder, name):
    return np.array(Image.open(folder / f"{name}.labels.png"))


def alone(rows, found, lit):
    """How many of one image's lit, marked centres lie in an instance of their own, and how many there are."""
    height, width = found.shape
    places = [(min(int(float(r["y"])), height - 1), min(int(float(r["x"])), width - 1)) for r in rows]
    ids = [found[place] for place in places if lit[place]]
    times = Counter(ids)
    return sum(1 for i in ids if i and times[i] == 1), len(ids)


def overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(0, width) * max(0, height)
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])
    return both / max(area(a) + area(b) - both, 1e-9)


def sides(row):
    return [float(row[key]) for key in ("xmin", "ymin", "xmax", "ymax")]


def centre_lit(row, lit):
    left, top, right, bottom = sides(row)
    return lit[int(top + bottom) // 2, int(left + right) // 2]


def meets(rows, found, lit):
    """Which of one image's lit boxes of red cells (rows) overlap which of its instances (columns) enough."""
    slices = ndimage.find_objects(found)
    instances = [(s[1].start, s[0].start, s[1].stop, s[0].stop) for s in slices if s]
    boxes = [sides(row) for row in rows if row["class"] == "RBC" and centre_lit(row, lit)]
    return np.array([[overlap(box, other) >= 0.5 for other in instances] for box in boxes], bool).reshape(len(boxes), len(instances))


def met(rows, found, lit):
    """How many boxes some instance overlaps, and how many there are; one instance may overlap several boxes."""
    pairs = meets(rows, found, lit)
    return int(pairs.any(axis=1).sum()), len(pairs)


def matched(rows, found, lit):
    """How many boxes a maximum one-to-one matching assigns to an instance, and how many there are."""
    pairs = meets(rows, found, lit)
    return int(pairs[linear_sum_assignment(pairs, maximize=True)].sum()), len(pairs)


def all_of(count, tables, out):
    """Sums what `count` returns over all images of a data set."""
    hit = total = 0
    for file in sorted(tables.glob("*.csv")):
        found = labels(out, file.stem)
        one, of = count(list(csv.DictReader(file.open())), found, np.ones(found.shape, bool))
        hit, total = hit + one, total + of
    return hit, total


def crowded(truth):
    """The share of cells that touch another one."""
    at_border = set()
    for a, b in ((truth[:, 1:], truth[:, :-1]), (truth[1:], truth[:-1])):
        meet = (a != b) & (a > 0) & (b > 0)
        at_border.update(a[meet], b[meet])
    return len(at_border) / max(1, len(np.unique(truth[truth > 0])))


def synthetic(smears, out):
    rows = []
    for file in sorted((smears / "test/labels").glob("*.png")):
        truth = np.array(Image.open(file))
        found = np.count_nonzero(np.unique(labels(out, file.stem)))
        true = len(np.unique(truth[truth > 0]))
        if true:  # a small one may show none
            rows.append((true, found, crowded(truth)))
    return rows


def off(rows):
    """Mean absolute count error, with its standard error, in percent."""
    errors = np.array([abs(found - true) / true for true, found, _ in rows])
    return f"{errors.mean():.2%} (± {errors.std() / len(errors) ** 0.5:.2%}) of {len(rows)}"


def tell(name, rows):
    print(f"synthetic {name}: {sum(row[1] for row in rows)} of {sum(row[0] for row in rows)} cells; off by {off(rows)} smears")
    for part, which in (
        ("less than a third crowded", lambda row: row[2] < 1 / 3),
        ("more", lambda row: row[2] >= 1 / 3),
        ("20 cells or more", lambda row: row[0] >= 20),
    ):
        print(f"    {part}: {off([row for row in rows if which(row)])}")


def f1(images):
    true, found, both = (sum(image["instances"][key] for image in images) for key in ("cells_true", "cells_predicted", "matched"))
    figure = 2 * both / (true + found)
    return f"{figure:.3f} ({both} matched, {true - both} missed, {found - both} false positives; {len(images)} images)"


def main():
    data, out, smears = map(Path, sys.argv[1:4])
    report = out / "test40/report.json"
    if report.exists():
        images = json.loads(report.read_text())["images"]
        rows = csv.DictReader((data / "rbc-164/manifest.csv").open())
        expert = {Path(row["name"]).stem for row in rows if row["split"] == "test" and "expert" in row["source_set"]}
        print(f"test images, malaria: F1 {f1([image for image in images if image['name'] not in expert])}")
        print(f"test images, all: F1 {f1(images)}")
    hit, total = all_of(alone, data / "chula-count/points", out / "chula")
    print(f"chula: centres alone {hit} of {total} ({hit / total:.1%})")
    hit, total = all_of(met, data / "bccd-count/boxes", out / "bccd")
    print(f"bccd: boxes met {hit} of {total} ({hit / total:.1%})")
    hit, total = all_of(matched, data / "bccd-count/boxes", out / "bccd")
    print(f"bccd: boxes matched one to one {hit} of {total} ({hit / total:.1%})")
    sets = sorted(folder for folder in smears.iterdir() if (folder / "test/labels").is_dir())
    rows = {folder.name: synthetic(folder, out / "synthetic" / folder.name) for folder in sets}
    for name in rows:
        tell(name, rows[name])
    tell("all", sum(rows.values(), []))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main()
