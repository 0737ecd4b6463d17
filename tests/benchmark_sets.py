"""Tiny data sets in the layout of published ones, with the files that a user has after unpacking them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CERTAINTIES = ("not visible", "guessing", "probably", "definitely")


def write_pictures(folder: Path, names: Sequence[str], truth: NDArray[np.int8], side: int = 24) -> None:
    """A picture for each name; each label that is present colours a stripe of its own."""
    for row, name in enumerate(names):
        pixels = np.random.default_rng(row).integers(0, 120, (side, side, 3), np.uint8)  # no two are equal
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


def write_coco(root: Path, truth: NDArray[np.int8], pictures: bool = True) -> list[str]:
    """COCO's train2014 or val2014, with annotations/instances_NAME.json; the names of the images."""
    N, K = truth.shape
    part = root.name
    images = [f"COCO_{part}_{row * 9 + 1:012d}.jpg" for row in range(N)]
    boxes = [(row, k) for row, k in np.argwhere(truth == 1).tolist() for _ in range(1 + (row + k) % 2)]
    document = {
        "info": {"year": 2014},
        "images": [{"id": row * 9 + 1, "file_name": name, "height": 24, "width": 24} for row, name in enumerate(images)],
        "annotations": [
            {"id": number, "image_id": row * 9 + 1, "category_id": 3 * k + 1, "bbox": [0, 0, 4, 4], "iscrowd": 0, "area": 16}
            for number, (row, k) in enumerate(boxes, 1)
        ],
        "categories": [{"id": 3 * k + 1, "name": f"thing {k}", "supercategory": "all"} for k in range(K)],
    }
    (root.parent / "annotations").mkdir(parents=True, exist_ok=True)
    (root.parent / "annotations" / f"instances_{part}.json").write_text(json.dumps(document))
    if pictures:
        write_pictures(root, images, truth)
    return images


def write_voc(root: Path, truth: NDArray[np.int8], train: int, pictures: bool = True) -> list[str]:
    """VOC2012 with the lists of the classification task: -1 in `truth` stands for difficult objects alone."""
    names = [f"2008_{row:06d}" for row in range(len(truth))]
    main = root / "ImageSets" / "Main"
    main.mkdir(parents=True)
    (root / "Annotations").mkdir()
    for part, rows in (("train", range(train)), ("val", range(train, len(names))), ("trainval", range(len(names)))):
        (main / f"{part}.txt").write_text("".join(f"{names[row]}\n" for row in rows))
        for k in range(truth.shape[1]):
            signs = {1: " 1", 0: "-1", -1: " 0"}
            lines = "".join(f"{names[row]} {signs[int(truth[row, k])]}\n" for row in rows)
            (main / f"kind{k}_{part}.txt").write_text(lines)
    if pictures:
        write_pictures(root / "JPEGImages", [f"{name}.jpg" for name in names], truth)
    return names


def write_celeba(root: Path, truth: NDArray[np.int8], parts: Sequence[int], pictures: bool = True) -> list[str]:
    """CelebA's lists and aligned pictures; parts are 0 (train), 1 (validation) and 2 (test)."""
    N, K = truth.shape
    names = [f"{row + 1:06d}.jpg" for row in range(N)]
    root.mkdir(parents=True)
    lines = [" ".join(" 1" if one else "-1" for one in line) for line in truth]
    rows = "".join(f"{name} {line}\n" for name, line in zip(names, lines, strict=True))
    (root / "list_attr_celeba.txt").write_text(f"{N}\n{' '.join(f'Attribute_{k}' for k in range(K))} \n{rows}")
    (root / "list_eval_partition.txt").write_text("".join(f"{name} {part}\n" for name, part in zip(names, parts, strict=True)))
    if pictures:
        write_pictures(root / "img_align_celeba", names, truth)
    return names
