#!/usr/bin/env python3
"""Adapts a network to another laboratory's smears with a few of its labelled crops, and measures it on the others.

    python3 bench/fine_tuning.py TRAINER DATA LEFT_OUT OUT CROPS [TRAIN OPTIONS...]

LEFT_OUT is the output of leave_one_source_out.py: networks that have seen one laboratory only. Each is measured on the
crops of the other laboratory as it is, then trained further (`--start-from`) on at least CROPS crops, those of the
other laboratory's first fields, and beside it a network from random weights on the same crops. Crops of a field are
never on both sides. The 40 test images are not used.
"""
import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

from leave_one_source_out import PARTS, source


def split(data, who, crops, out):
    """Links to one laboratory's crops, those of its first fields in OUT/few and the others in OUT/rest; returns the
    number of the few."""
    folder, manifest = PARTS["crops"]
    rows = [row for row in csv.DictReader(open(data / manifest)) if source(row) == who and row["split"] == "train"]
    few = set()
    for field in sorted({row["source_file"] for row in rows}):
        if len(few) < crops:
            few |= {Path(row["name"]).stem for row in rows if row["source_file"] == field}
    rest = {Path(row["name"]).stem for row in rows} - few
    for part, names in (("few", few), ("rest", rest)):
        for kind in ("images", "masks"):
            target = out / part / kind
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            for file in (data / folder / kind).iterdir():
                if file.stem in names:
                    (target / file.name).symlink_to(file.resolve())
    return len(few)


def measured(trainer, weights, data, out):
    command = [trainer, "evaluate", "--weights", weights, "--data", data, "--out", out, "--worst", "0"]
    subprocess.run(command, check=True, capture_output=True)
    report = json.load(open(out / "report.json"))
    return f"mean IoU {report['mean_iou']:.4f}, median {report['median_iou']:.4f}, of {len(report['images'])} crops"


def main():
    trainer, data, left_out, out, crops, *options = sys.argv[1:]
    data, left_out, out = Path(data), Path(left_out), Path(out)
    for first, other in (("malaria", "expert"), ("expert", "malaria")):
        here = out / other
        count = split(data, other, int(crops), here)
        before = left_out / f"run-{first}" / "rbc.safetensors"
        print(f"trained on {first}, used on {other}: {measured(trainer, before, here / 'rest', here / 'before')}", flush=True)
        for name, start in (("from there", ["--start-from", before]), ("from random weights", [])):
            run = here / name.replace(" ", "-")
            command = [trainer, "train", "--data", here / "few", "--out", run, "--folds", "1", *start, *options]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            found = measured(trainer, run / "rbc.safetensors", here / "rest", run / "report")
            print(f"    with {count} crops of {other}, {name}: {found}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 6:
        sys.exit(__doc__)
    main()
