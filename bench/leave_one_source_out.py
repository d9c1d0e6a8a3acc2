#!/usr/bin/env python3
"""Trains on the smears of one laboratory and measures on those of the other, and vice versa.

    python3 bench/leave_one_source_out.py TRAINER DATA OUT [TRAIN OPTIONS...]

DATA holds rbc-164/ and fields/. For each of the two sources (malaria, expert), crops are drawn only from its own
fields, and the mean IoU is measured on the training crops of the other source; the 40 test images are not used.
"""
import csv
import json
import subprocess
import sys
from pathlib import Path

PARTS = {"crops": ("rbc-164/train", "rbc-164/manifest.csv"), "fields": ("fields", "fields/manifest.csv")}


def source(row):
    return "expert" if "expert" in row["source_set"] else "malaria"


def select(data, out, who):
    """Makes folders with links to one source's images and masks."""
    for part, (folder, manifest) in PARTS.items():
        rows = [row for row in csv.DictReader(open(data / manifest)) if source(row) == who]
        names = {Path(row["name"]).stem for row in rows}
        target = out / who / part
        for kind in ("images", "masks"):
            (target / kind).mkdir(parents=True, exist_ok=True)
            for file in (data / folder / kind).iterdir():
                link = target / kind / file.name
                if file.stem in names and not link.exists():
                    link.symlink_to(file.resolve())
        with open(target / "manifest.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)


def main():
    trainer, data, out, *options = sys.argv[1:]
    data, out = Path(data), Path(out)
    for who in ("malaria", "expert"):
        select(data, out, who)
    for who, other in (("malaria", "expert"), ("expert", "malaria")):
        run = out / f"run-{who}"
        train = [trainer, "train", "--data", out / who / "crops", "--fields", out / who / "fields", "--out", run]
        subprocess.run([*train, "--folds", "1", *options], check=True)
        measure = [trainer, "evaluate", "--weights", run / "rbc.safetensors", "--data", out / other / "crops"]
        subprocess.run([*measure, "--out", out / f"report-{who}", "--worst", "0"], check=True, capture_output=True)
        report = json.load(open(out / f"report-{who}" / "report.json"))
        print(
            f"trained on {who}, measured on {other}: {len(report['images'])} images, "
            f"mean IoU {report['mean_iou']:.4f}, median {report['median_iou']:.4f}, minimum {report['min_iou']:.4f}",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main()
