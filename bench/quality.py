#!/usr/bin/env python3
"""Which images does `trainer predict` warn of? Smears should draw no warning, photographs and blurred smears should.

    python3 bench/quality.py TRAINER FOLDER...

Prints how many images drew a warning: for each folder, for the first folder's images blurred with a standard deviation
of 1, 2 and 3 twenty-eighths of the cell diameter, and for the photographs that come with scikit-image. Needs pillow,
scikit-image.
"""

import csv
import pathlib
import re
import subprocess
import sys
import tempfile

import skimage
from PIL import Image, ImageFilter


def warned(trainer, folder, out):
    run = [trainer, "predict", "--device", "cpu", "--out", str(out), str(folder)]
    text = subprocess.run(run, capture_output=True, text=True).stderr
    files = set(re.findall(r"^warning: .*: (.+)$", text, re.M))
    total = sum(1 for _ in open(out / "summary.csv")) - 1
    print(f"{len(files):4} of {total:4} warned of: {folder}", flush=True)


def diameters(out):
    rows = csv.DictReader(open(out / "summary.csv"))
    return {row["name"]: float(row["diameter_px_median"] or 0) for row in rows}


def main(trainer, *folders):
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        for index, folder in enumerate(folders):
            warned(trainer, folder, scratch / str(index))
        sizes = diameters(scratch / "0")
        for sigma in (1, 2, 3):
            blurred = scratch / f"blurred-by-{sigma}"
            blurred.mkdir()
            for path in sorted(pathlib.Path(folders[0]).iterdir()):
                if size := sizes.get(path.stem):
                    radius = sigma * size / 28
                    picture = Image.open(path).convert("RGB").filter(ImageFilter.GaussianBlur(radius))
                    picture.save(blurred / f"{path.stem}.png")
            warned(trainer, blurred, scratch / f"out-{sigma}")
        photographs = scratch / "photographs"
        photographs.mkdir()
        for path in (pathlib.Path(skimage.__file__).parent / "data").iterdir():
            if path.suffix in (".png", ".jpg"):
                (photographs / path.name).symlink_to(path)
        warned(trainer, photographs, scratch / "out-photographs")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
