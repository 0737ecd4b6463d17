"""Tiny data sets in the layout of published ones, with the files that a user has after unpacking them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CERTAINTIES = ("not visible", "guessing", "probably", "definitely")


def write_pictures(folder: Path, names: Sequence[str], truth: NDArray[np.int8], side: int = 24) -> None:
    """A picture for each name; each label that is present colours a stripe of its own."""
    for row, name in enumerate(names):
        pixels = np.full((side, side, 3), 20 + row % 7, np.uint8)
        for k in np.flatnonzero(truth[row] == 1).tolist():
            width = side // truth.shape[1]
            pixels[:, k * width : (k + 1) * width, k % 3] = 220
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def write_cub(
    root: Path,
    truth: NDArray[np.int8],
    certainty: NDArray[np.int8] | None = None,
    train: Sequence[int] | None = None,
    pictures: bool = False,
) -> tuple[list[str], list[str]]:
    """CUB_200_2011 as CUB_200_2011.tgz has it, attributes.txt beside the folder; the names of images and attributes."""
    N, K = truth.shape
    images = [f"{row % 3 + 1:03d}.Bird_{row % 3}/Bird_{row:04d}_{row * 7}.jpg" for row in range(N)]
    attributes = [f"has_bill_shape::kind_{k}_(up or down)" for k in range(K)]
    (root / "attributes").mkdir(parents=True)
    (root / "images.txt").write_text("".join(f"{row + 1} {name}\n" for row, name in enumerate(images)))
    (root.parent / "attributes.txt").write_text("".join(f"{k + 1} {name}\n" for k, name in enumerate(attributes)))
    lines = []
    for row in range(N):
        for k in range(K):
            sure = 4 if certainty is None else int(certainty[row, k])
            odd = "0 " if (row, k) == (1, 0) else ""  # some lines of the original have a field too many
            lines.append(f"{row + 1} {k + 1} {truth[row, k]} {sure} {odd}{1.5 + k:.3f}\n")
    (root / "attributes" / "image_attribute_labels.txt").write_text("".join(lines))
    (root / "attributes" / "certainties.txt").write_text("".join(f"{n} {name}\n" for n, name in enumerate(CERTAINTIES, 1)))
    if train is not None:
        (root / "train_test_split.txt").write_text("".join(f"{row + 1} {one}\n" for row, one in enumerate(train)))
    if pictures:
        write_pictures(root / "images", images, truth)
    return images, attributes


def write_nus_wide(
    root: Path, truth: NDArray[np.int8], train: int, concepts: Sequence[str] | None = None, pictures: bool = False
) -> tuple[list[str], list[str]]:
    """NUS-WIDE as its archives unpack: image lists of Windows, and a file for each concept; the first `train` are for
    training."""
    N, K = truth.shape
    names = list(concepts or [f"concept{k}" for k in range(K)])
    images = [f"actor{row % 2}/{row:04d}_{row * 31}.jpg" for row in range(N)]
    windows = ["C:\\ImageData\\Flickr\\" + name.replace("/", "\\") for name in images]
    for folder in ("ImageList", "Groundtruth/AllLabels", "Groundtruth/TrainTestLabels", "ConceptsList"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, rows in (("", slice(None)), ("Train", slice(0, train)), ("Test", slice(train, None))):
        (root / "ImageList" / f"{name}Imagelist.txt").write_text("\r\n".join(windows[rows]) + "\r\n")
        folder = root / "Groundtruth" / ("TrainTestLabels" if name else "AllLabels")
        for k, concept in enumerate(names):
            ending = f"_{name}" if name else ""
            (folder / f"Labels_{concept}{ending}.txt").write_text("".join(f"{one}\n" for one in truth[rows, k]))
    (root / "ConceptsList" / "Concepts81.txt").write_text("\n".join(names))
    if pictures:
        write_pictures(root / "Flickr", images, truth)
    return images, names
