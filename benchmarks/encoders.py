"""Which encoder, at which size, with which view of a picture: a head on frozen features, one known label for each image.

    python benchmarks/encoders.py DATA [--variants lite0:224:whole lite2:260:windows ...] [--seeds 3] [--keep FOLDER]

DATA holds images below train/ and val/images/, and `embeddings_train.npz` and `embeddings_val.npz` with their names (`image`),
known and complete labels (`observed`, `truth`, `labels`), and perhaps labels.yaml. Views: `whole` squeezes a picture into a
square; `middle` cuts a square from it; `padded` puts grey beside it; `windows` is the mean over two squares, one at each end;
`crops` is the whole picture and, beside it, the mean over five crops of 70 % of its sides. Features are kept in FOLDER.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from common import command, load, machine, measure, spread, table
from numpy.typing import NDArray
from PIL import Image, ImageOps

from latentlabels import LatentLabels
from latentlabels.encoders import build_encoder
from latentlabels.encoders.runtime import Extractor, choose_extractor
from latentlabels.inputs.rgb import resize

VARIANTS = ("lite0:224:whole", "lite0:224:windows", "lite2:260:whole", "lite2:260:windows")


def views(picture: Image.Image, view: str, side: int) -> list[NDArray[np.uint8]]:
    """Pictures (3, side, side) of a picture."""
    width, height = picture.size
    if view == "middle":
        return [resize(ImageOps.fit(picture, (side, side), Image.Resampling.BILINEAR), None)]
    if view == "padded":
        return [resize(ImageOps.pad(picture, (side, side), Image.Resampling.BILINEAR, (128, 128, 128)), None)]
    if view == "windows":
        both = resize(picture, (side, 2 * side), "bilinear windows")
        return [both[..., :side], both[..., side:]]
    whole = resize(picture, (side, side), "bilinear")
    if view == "whole":
        return [whole]
    wide, high = int(0.7 * width), int(0.7 * height)
    corners = [(x, y) for x in (0, width - wide) for y in (0, height - high)] + [((width - wide) // 2, (height - high) // 2)]
    return [whole, *(resize(picture.crop((x, y, x + wide, y + high)), (side, side), "bilinear") for x, y in corners)]


def features(files: Sequence[Path], extractor: Extractor, view: str, side: int) -> NDArray[np.float32]:
    """Features (N, D): the mean over the views, or that of the whole picture beside the mean over its crops."""

    def read(file: Path) -> NDArray[np.uint8]:
        with Image.open(file) as image:
            return np.stack(views(image.convert("RGB"), view, side))

    out = []
    with ThreadPoolExecutor(2) as pool:
        for start in range(0, len(files), 32):
            pixels = np.stack(list(pool.map(read, files[start : start + 32])))
            found = extractor(torch.from_numpy(pixels.reshape(-1, *pixels.shape[2:]))).numpy()
            found = found.reshape(len(pixels), -1, found.shape[-1])
            out.append(np.concatenate([found[:, 0], found[:, 1:].mean(1)], 1) if view == "crops" else found.mean(1))
    return np.concatenate(out)


def kept(folder: Path | None, name: str, files: Sequence[Path], variant: str) -> tuple[NDArray[np.float32], float]:
    """Features of some files, and the seconds that they took; of a folder where they are kept, nan."""
    path = None if folder is None else folder / f"{name}-{variant.replace(':', '-')}.npy"
    if path is not None and path.exists():
        return np.load(path), float("nan")
    encoder, side, view = variant.split(":")
    size = (int(side), int(side))
    module = build_encoder(encoder, "DEFAULT", size=size).module.eval()
    extractor, started = choose_extractor(module, size), time.perf_counter()
    found = features(files, extractor, view, int(side))
    seconds = time.perf_counter() - started
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, found)
    return found, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    data = load(args.data)
    names = {part: np.load(args.data / f"embeddings_{part}.npz")["image"] for part in ("train", "val")}
    by_name = {path.name: path for path in (args.data / "train").rglob("*") if path.is_file()}
    files = {
        "train": [by_name[Path(str(name)).name] for name in names["train"]],
        "val": [args.data / "val" / "images" / Path(str(name)).name for name in names["val"]],
    }
    print(f"{command()}\n{machine()}\n")
    rows = []
    for variant in ["given", *args.variants]:
        seconds = 0.0
        if variant == "given":
            train, test = data.train, data.test
        else:
            (train, first), (test, second) = (kept(args.keep, part, files[part], variant) for part in ("train", "val"))
            seconds = first + second
        found = []
        for seed in range(args.seeds):
            model = LatentLabels(data.space, encoder="embedding", seed=seed).fit(train, data.observed)
            found.append(measure(model.posterior(test), data.test_truth, data.space))
        rate = (len(train) + len(test)) / seconds if seconds > 0 else float("nan")
        rows.append([variant, spread(found, "mAP"), spread(found, "nll"), "-" if np.isnan(rate) else f"{rate:.0f}"])
        print(" | ".join(rows[-1]), flush=True)
    print("\n" + table(rows, ["encoder", "mAP, %", "NLL", "images a second"]))


if __name__ == "__main__":
    main()
