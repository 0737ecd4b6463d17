"""CUB-200-2011: 312 attributes of 11,788 birds, with how certain the annotator was.

Files: images.txt, train_test_split.txt and attributes/image_attribute_labels.txt (image, attribute, is_present, certainty,
time; some
lines have a field too many before the time). An attribute that was "not visible" is unknown, unless the user states otherwise:
``absent: [not visible]`` reads the 0 of such lines as it stands, as most publications do. See
https://www.vision.caltech.edu/datasets/cub_200_2011/.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, ObservationError, nearest
from ..meaning import OPEN
from ..options import ReadOptions
from ..record import Statements
from .registry import Labelled

NAME = "cub"
TITLE = "CUB-200-2011 attributes: the folder CUB_200_2011"
WRITES: frozenset[str] = frozenset()
_LABELS = Path("attributes") / "image_attribute_labels.txt"
_CERTAINTIES = ("not visible", "guessing", "probably", "definitely")
_FIELDS = 8  # of a line, at most


def recognise(path: Path, head: bytes) -> bool:
    """The folder with images.txt and the attributes, or the file of attributes in it."""
    root = _root(path)
    return (root / "images.txt").is_file() and (root / _LABELS).is_file()


def _root(path: Path) -> Path:
    return path.parents[1] if path.name == _LABELS.name and len(path.parents) > 1 else path


def read(path: Path, options: ReadOptions) -> Statements:
    """What the attribute labels state.

    Args:
        path: the folder CUB_200_2011, or its attributes/image_attribute_labels.txt.
        options: `present`, `absent` and `unknown` may name certainties ("not visible", "guessing"), for the column "certainty".

    Raises:
        DataError: files that are not there or cut off; file and line are named.
        ObservationError: numbers of images or attributes that do not exist, or lines that disagree.
    """
    root = _root(path)
    images = _listed(root / "images.txt")
    attributes = _listed(next((one for one in _places(root) if one.is_file()), root / "attributes" / "attributes.txt"))
    labels = root / _LABELS
    image, attribute, present, certainty = _rows(labels)
    row, column = (
        _known(labels, image, images, "image", "images.txt"),
        _known(labels, attribute, attributes, "attribute", "attributes.txt"),
    )
    _check(labels, present, (0, 1), "is_present")
    _check(labels, certainty, (1, 2, 3, 4), "certainty")
    meaning, said = _meaning(options)
    value = np.where(meaning[certainty] == OPEN, present, meaning[certainty]).astype(np.int8)
    matrix = np.full((len(images), len(attributes)), OPEN, np.int8)
    matrix[row, column] = value
    _check_twice(labels, row, column, value, matrix, list(images.values()), list(attributes.values()))
    lines = np.full(len(images), 1, np.int64)
    lines[row[::-1]] = np.arange(len(row), 0, -1)  # the first line of each image
    empty = np.zeros(0, np.int64)
    return Statements(
        str(path), NAME, list(images.values()), list(attributes.values()), empty, empty, empty.astype(np.int8),
        where=lines, locate=lambda line: f"{labels}:{line}", matrix=matrix, unlisted="unknown", extra=_split(root, images),
        reading=(("image names", str(root / "images.txt")), ("values", f"is_present; {said}")),
    )  # fmt: skip


def write(path: Path, content: Labelled) -> None:
    """Not written.

    Raises:
        DataError: always.
    """
    raise DataError(f"{path}: this format is not written; write a table")


def _places(root: Path) -> tuple[Path, ...]:
    """Where attributes.txt is: the archive has it beside the folder."""
    return root / "attributes" / "attributes.txt", root / "attributes.txt", root.parent / "attributes.txt"


def _listed(path: Path, different: bool = True) -> dict[int, str]:
    """A file of numbers and names: "17 001.Black_footed_Albatross/x.jpg"; whether the names have to be different."""
    if not path.is_file():
        raise DataError(f"{path}: not found; CUB_200_2011.tgz holds it, unpack all of it")
    out: dict[int, str] = {}
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        number, _, name = text.strip().partition(" ")
        if not text.strip():
            continue
        if not number.isdecimal() or not name:
            raise DataError(f"{path}:{line}: expected a number and a name, not {text[:60]!r}; get the file again")
        if out.setdefault(int(number), name.strip()) != name.strip():
            raise DataError(f"{path}:{line}: the number {number} stands for {out[int(number)]} already; get the file again")
    if different and len({*out.values()}) < len(out):
        raise DataError(f"{path}: two numbers have the same name; get the file again")
    if not out:
        raise DataError(f"{path}: empty")
    return out


def _rows(path: Path) -> tuple[NDArray[np.int64], ...]:
    """The first four fields of each line, quickly; the careful reader finds the line of a mistake."""
    import pandas as pd

    types = dict.fromkeys(range(4), np.int64)
    try:
        frame = pd.read_csv(
            path, sep=r"\s+", header=None, names=range(_FIELDS), dtype=types, skip_blank_lines=False, engine="c"
        )
    except (ValueError, pd.errors.ParserError, OverflowError):
        raise _mistake(path) from None
    return tuple(frame[number].to_numpy() for number in range(4))


def _mistake(path: Path) -> DataError:
    line = 0
    with path.open(encoding="utf-8", errors="replace") as file:
        for line, text in enumerate(file, 1):
            fields = text.split()
            if len(fields) < 4 or len(fields) > _FIELDS or not all(field.isdecimal() for field in fields[:4]):
                return DataError(
                    f"{path}:{line}: expected image, attribute, is_present, certainty and time, not {text.strip()[:60]!r}; "
                    "if it is the "
                    "last line, the file was cut off: get it again"
                )
    return DataError(f"{path}: cannot be read as attribute labels, {line} lines; get it again")


def _known(path: Path, numbers: NDArray[np.int64], listed: dict[int, str], what: str, where: str) -> NDArray[np.int64]:
    """The places of numbers in a list."""
    known = np.asarray(list(listed), np.int64)
    order = np.argsort(known)
    at = np.minimum(np.searchsorted(known[order], numbers), len(known) - 1)
    strange = known[order][at] != numbers
    if strange.any():
        line = int(strange.argmax())
        raise ObservationError(
            f"{path}:{line + 1}: {what} {numbers[line]} is not in {where} ({len(listed):,} {what}s); the files are not of "
            "one data set"
        )
    return order[at]


def _check(path: Path, values: NDArray[np.int64], allowed: tuple[int, ...], what: str) -> None:
    wrong = ~np.isin(values, allowed)
    if wrong.any():
        line = int(wrong.argmax())
        raise DataError(
            f"{path}:{line + 1}: {what} is {values[line]}, expected one of {', '.join(map(str, allowed))}; get the file again"
        )


def _meaning(options: ReadOptions) -> tuple[NDArray[np.int8], str]:
    """What each certainty makes of its line: `OPEN` leaves is_present as it is."""
    out = np.asarray([OPEN, -1, OPEN, OPEN, OPEN], np.int8)
    for name, value in (("present", 1), ("absent", 0), ("unknown", -1)):
        for text in options.stated(name, "certainty"):  # type: ignore[arg-type]
            if text.lower() not in _CERTAINTIES:
                raise ObservationError(
                    f"{name}: no certainty of CUB is called {text!r}{nearest(text.lower(), _CERTAINTIES)} (known: "
                    f"{', '.join(_CERTAINTIES)})"
                )
            out[_CERTAINTIES.index(text.lower()) + 1] = value
    words = {1: "present", 0: "absent", -1: "unknown"}
    said = [f'"{one}" is {words[int(out[number])]}' for number, one in enumerate(_CERTAINTIES, 1) if out[number] != OPEN]
    return out, "; ".join(said) or "certainty is not read"


def _check_twice(
    path: Path, row: Any, column: Any, value: NDArray[np.int8], matrix: NDArray[np.int8], images: list[str], labels: list[str]
) -> None:
    """Lines about one image and attribute have to agree."""
    differing = np.flatnonzero(matrix[row, column] != value)
    if len(differing):
        line = int(differing[0])
        same = np.flatnonzero((row == row[line]) & (column == column[line]))
        raise ObservationError(
            f"{path}: lines {', '.join(str(at + 1) for at in same[:3].tolist())} disagree about {labels[int(column[line])]} of "
            f"{images[int(row[line])]}; keep one"
        )


def _split(root: Path, images: dict[int, str]) -> dict[str, list[str]]:
    """The official split, where its file is there."""
    path = root / "train_test_split.txt"
    if not path.is_file():
        return {}
    given = _listed(path, different=False)
    lost = [number for number in images if given.get(number) not in ("0", "1")]
    if lost:
        raise DataError(
            f"{path}: says neither 1 (train) nor 0 (test) of image {lost[0]} ({len(lost):,} such images); get it again"
        )
    return {"split": ["train" if given[number] == "1" else "test" for number in images]}
