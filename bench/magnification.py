#!/usr/bin/env python3
"""Are masks as good at other magnifications? Resamples the images and masks of a data set, or every Nth of them.

    python3 bench/magnification.py DATA/rbc-164/test OUT [N]       (needs pillow)
    for scale in 0.25 0.5 1 2 3; do trainer evaluate --data OUT/$scale --out OUT/report-$scale; done
"""
import sys
from pathlib import Path

from PIL import Image


def main():
    source, out = map(Path, sys.argv[1:3])
    every = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    for scale in (0.25, 0.5, 1, 2, 3):
        for part in ("images", "masks"):
            (out / str(scale) / part).mkdir(parents=True, exist_ok=True)
        for file in sorted((source / "images").iterdir())[::every]:
            image = Image.open(file).convert("RGB")
            mask = Image.open(next((source / "masks").glob(f"{file.stem}.*"))).convert("L")
            mask = mask.point(lambda value: 255 if value else 0)
            size = tuple(round(side * scale) for side in image.size)
            image.resize(size, Image.BICUBIC if scale > 1 else Image.BOX).save(out / str(scale) / "images" / file.name)
            mask = mask.resize(size, Image.BILINEAR).point(lambda value: 255 if value >= 128 else 0)
            mask.save(out / str(scale) / "masks" / f"{file.stem}.png")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main()
