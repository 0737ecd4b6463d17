"""NUS-WIDE: an image list, and for each of 81 concepts a file with 0 or 1 on each line.

Files: ImageList/TrainImagelist.txt, TestImagelist.txt or Imagelist.txt; Groundtruth/TrainTestLabels/Labels_NAME_Train.txt or
Groundtruth/AllLabels/Labels_NAME.txt; ConceptsList/Concepts81.txt. Read by an image list or by the folder above. Also read:
the lists of
later publications, an image and its 0s and 1s on each line. See https://lms.comp.nus.edu.sg/research/NUS-WIDE.htm.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import AmbiguousError, Choice, DataError, ObservationError
from ...words import count, listed
from ..options import ReadOptions
from ..record import Statements
from .registry import Labelled

NAME = "nus-wide"
TITLE = "NUS-WIDE: an image list, and a file of 0 and 1 for each concept"
WRITES: frozenset[str] = frozenset()
_CONCEPTS = "Concepts81.txt"
_LINE = re.compile(rb"^\S+(?:[ \t]+[01]){2,}[ \t]*\r?$")
_FOLDER = "/flickr/"


def recognise(path: Path, head: bytes) -> bool:
    """The folder of Groundtruth, an image list, or a list of images with 0s and 1s."""
    if path.is_dir():
        return (path / "Groundtruth").is_dir() and bool(_lists(path))
    if path.suffix.lower() != ".txt":
        return False
    if path.name.lower().endswith("imagelist.txt"):
        return _root(path) is not None
    lines = head.split(b"\n")
    return len(lines) > 1 and all(_LINE.match(line) for line in lines[:-1][:3])


def read(path: Path, options: ReadOptions) -> Statements:
    """What the files state: every concept of every image is 1 or 0.

    Args:
        path: an image list; the folder above, for all images; or a list of images with 0s and 1s.
        options: `classes` names the columns of a list.

    Raises:
        DataError: files that are not there, lines other than 0 and 1, files of other lengths than the list; they are named.
        AmbiguousError: a list whose columns have no names.
    """
    if path.is_file() and not path.name.lower().endswith("imagelist.txt"):
        return _of_list(path, options)
    root = path if path.is_dir() else _root(path)
    if root is None:
        raise DataError(f"{path}: no folder Groundtruth beside the image list; unpack Groundtruth.zip there")
    lists = [path] if path.is_file() else _lists(root)
    parts = [(_images(one), *_labels(root, one)) for one in lists]
    labels = parts[0][1]
    for one, (_, other, _) in zip(lists[1:], parts[1:], strict=True):
        if other != labels:
            raise DataError(
                f"{root}: the concepts of {one.name} differ from those of {lists[0].name}; unpack Groundtruth.zip again"
            )
    images = [name for names, _, _ in parts for name in names]
    matrix = np.concatenate([values for names, _, values in parts])
    where = np.concatenate([np.arange(1, len(names) + 1) for names, _, _ in parts])
    return _statements(
        path, images, labels, matrix, where, _splits(root, lists, parts, images), f"lines of {listed([x.name for x in lists])}"
    )


def write(path: Path, content: Labelled) -> None:
    """Not written.

    Raises:
        DataError: always.
    """
    raise DataError(f"{path}: this format is not written; write a table")


def _statements(
    path: Path,
    images: Sequence[str],
    labels: Sequence[str],
    matrix: NDArray[np.int8],
    where: NDArray[np.int64],
    extra: dict[str, list[str]],
    names: str,
) -> Statements:
    doubled = len(images) - len({*images})
    if doubled:
        seen: set[str] = set()
        name = next(one for one in images if one in seen or seen.add(one))  # type: ignore[func-returns-value]
        raise ObservationError(f"{path}: the image {name} is listed twice ({doubled:,} such lines); list each image once")
    empty = np.zeros(0, np.int64)
    return Statements(
        str(path), NAME, images, labels, empty, empty, empty.astype(np.int8),
        where=where, matrix=matrix, unlisted="unknown", extra=extra,
        reading=(("image names", names), ("labels", f"{count(len(labels), 'concept')}, 0 or 1 for every image")),
    )  # fmt: skip


def _root(image_list: Path) -> Path | None:
    """The folder that holds Groundtruth: that of the list, or the one above."""
    return next((one for one in (image_list.parent, image_list.parent.parent) if (one / "Groundtruth").is_dir()), None)


def _lists(root: Path) -> list[Path]:
    """The image lists of a folder: that of all images, or else those of both parts."""
    folder = root / "ImageList" if (root / "ImageList").is_dir() else root
    by_name = {one.name.lower(): one for one in folder.iterdir() if one.name.lower().endswith("imagelist.txt")}
    if "imagelist.txt" in by_name and (root / "Groundtruth" / "AllLabels").is_dir():
        return [by_name["imagelist.txt"]]
    return [by_name[name] for name in ("trainimagelist.txt", "testimagelist.txt") if name in by_name]


def _images(path: Path) -> list[str]:
    """The names in an image list: those of Windows, often with the folders of the authors' computer."""
    out = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        name = line.strip().replace("\\", "/")
        if name:
            at = name.lower().find(_FOLDER)
            out.append(name[at + len(_FOLDER) :] if at >= 0 else name)
    if not out:
        raise DataError(f"{path}: empty")
    return out


def _labels(root: Path, image_list: Path) -> tuple[list[str], NDArray[np.int8]]:
    """The concepts, and the values (N, K) of a list's images."""
    kind = image_list.name.lower().removesuffix("imagelist.txt")
    folder = root / "Groundtruth" / ("TrainTestLabels" if kind else "AllLabels")
    ending = f"_{kind.capitalize()}.txt" if kind else ".txt"
    if not folder.is_dir():
        raise DataError(f"{folder}: folder not found; {image_list.name} needs it: unpack Groundtruth.zip")
    files = {one.name[7 : -len(ending)]: one for one in sorted(folder.glob(f"Labels_*{ending}"))}
    if not files:
        raise DataError(f"{folder}: no files Labels_NAME{ending}; unpack Groundtruth.zip again")
    labels = _concepts((root / "ConceptsList", root), [*files])
    size = len(_images(image_list))
    return labels, np.stack([_values(files[label], size, image_list) for label in labels], 1)


def _concepts(folders: Sequence[Path], found: list[str]) -> list[str]:
    """The concepts in the order of their list, which has to be that of the files; in order of name without one."""
    path = next((one / _CONCEPTS for one in folders if (one / _CONCEPTS).is_file()), None)
    if path is None:
        return found
    said = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    lost, strange = [name for name in said if name not in found], [name for name in found if name not in said]
    if lost or strange:
        what = f"no file for {listed(lost)}" if lost else f"{listed(strange)} not in it"
        raise DataError(f"{path}: {what}; the list and the files of concepts differ, unpack both again")
    return said


def _values(path: Path, size: int, image_list: Path) -> NDArray[np.int8]:
    """A file of 0 and 1, one on each line."""
    lines = path.read_bytes().split()
    raw = b"".join(lines)
    values = np.frombuffer(raw, np.uint8)
    if len(values) != len(lines) or not np.isin(values, (48, 49)).all():
        line = next(number for number, text in enumerate(lines) if text not in (b"0", b"1"))
        raise DataError(
            f"{path}:{line + 1}: expected 0 or 1, not {lines[line][:20].decode(errors='replace')!r}; unpack the file again"
        )
    if len(values) != size:
        raise DataError(
            f"{path}: {len(values):,} lines, but {image_list.name} lists {size:,} images; one of the two was cut off or is "
            "of another part"
        )
    return (values - 48).astype(np.int8)


def _splits(
    root: Path, lists: Sequence[Path], parts: Sequence[tuple[list[str], list[str], NDArray[np.int8]]], images: Sequence[str]
) -> dict[str, list[str]]:
    """The official split, where all images are read and its lists are there."""
    if len(lists) > 1:
        return {"split": [name for name, part in zip(("train", "test"), parts, strict=True) for _ in part[0]]}
    if lists[0].name.lower() != "imagelist.txt":
        return {}
    paths = {one.name.lower(): one for one in lists[0].parent.iterdir()}
    train, test = paths.get("trainimagelist.txt"), paths.get("testimagelist.txt")
    if train is None or test is None:
        return {}
    of = {**dict.fromkeys(_images(test), "test"), **dict.fromkeys(_images(train), "train")}
    return {"split": [of.get(name, "") for name in images]}


def _of_list(path: Path, options: ReadOptions) -> Statements:
    """Lines of an image and its 0s and 1s."""
    images, rows = [], []
    width = 0
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fields = text.split()
        if not fields:
            continue
        width = width or len(fields) - 1
        if len(fields) - 1 != width or not {*fields[1:]} <= {"0", "1"}:
            raise DataError(
                f"{path}:{line}: expected an image and {width} values of 0 or 1, not {text[:60]!r}; was the file cut off?"
            )
        images.append(fields[0].replace("\\", "/"))
        rows.append("".join(fields[1:]))
    labels: Sequence[str] = options.classes
    beside = [one / _CONCEPTS for one in (path.parent, path.parent / "ConceptsList")]
    if not labels and any(one.is_file() for one in beside):
        labels = _names(next(one for one in beside if one.is_file()))
    if len(labels) != width:
        given = f", but {count(len(labels), 'name is', 'names are')} given" if labels else ""
        raise AmbiguousError(
            f"{path}: {width} values of each image{given}; nothing says which labels they are",
            [Choice({"classes": "NAME,NAME,..."}, f"the {width} names in order, or a file with one on each line")],
        )
    matrix = (np.frombuffer("".join(rows).encode(), np.uint8).reshape(len(rows), width) - 48).astype(np.int8)
    return _statements(path, images, labels, matrix, np.arange(1, len(images) + 1), {}, "the first field of each line")


def _names(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
