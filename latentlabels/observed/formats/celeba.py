"""CelebA's lists: ``list_attr_celeba.txt`` with 1 (present) or -1 (absent) for each attribute of each image.

The first line is the number of images, the second the names of the attributes. ``list_eval_partition.txt`` in the same
folder gives the split: 0 train, 1 validation, 2 test. Copies as CSV (``image_id`` and one column for each attribute,
``image_id,partition``) are read under the same names.

Source: Z. Liu, P. Luo, X. Wang and X. Tang (2015), Deep learning face attributes in the wild, ICCV; the README of
https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...words import count, listed
from ...writing import writing
from ..options import ReadOptions
from ..record import Statements
from .entries import image_name
from .registry import Labelled

NAME = "celeba"
TITLE = "CelebA attribute list (list_attr_celeba.txt)"
WRITES = frozenset({"known"})

_SPLITS = {"0": "train", "1": "val", "2": "test"}
_CSV = "list_attr_celeba"


def recognise(path: Path, head: bytes) -> bool:
    """A number, a line of names, and rows of a name and as many 1 and -1; or CelebA's own CSV by its name."""
    named = path.name.startswith(_CSV)
    if named and path.suffix.lower() == ".csv":
        return head.removeprefix(b"\xef\xbb\xbf").startswith(b"image_id,")
    lines = [line.split() for line in head.decode("utf-8-sig", errors="replace").splitlines()]
    if len(lines) < 2 or len(lines[0]) != 1 or not lines[0][0].isdecimal() or not lines[1]:
        return False
    values = lines[2][1:] if len(lines) > 2 else []
    whole = len(values) == len(lines[1]) or (len(lines) == 3 and len(head) > 4000)  # the last line may be cut off
    return named or (whole and bool(values) and {*values} <= {"1", "-1"})


def read(path: Path, options: ReadOptions) -> Statements:
    """Every attribute of every image as present or absent; see `Format.read`."""
    text = _text(path)
    table = path.suffix.lower() == ".csv"
    names, body, first = _header(path, text, table)
    images, values = _rows(path, body, names, first, table)
    if not table:
        stated = int(text.split("\n", 1)[0])
        if stated != len(images):
            raise DataError(
                f"{path}:1: says {count(stated, 'image')}, but {count(len(images), 'line')} follow; the file is cut off or "
                "edited: get it again, or correct the number"
            )
    _check_unique(path, images, first)
    rows, columns = values.shape
    split = _split(path, images)
    reading = [("present, absent", "1, -1 (the format says so)"), ("image names", "the first column")]
    if split:
        reading.append(("split", f"{split[0].name}: 0 train, 1 val, 2 test"))
    return Statements(
        source=str(path),
        format=NAME,
        images=images,
        labels=names,
        image=np.repeat(np.arange(rows, dtype=np.int32), columns),
        label=np.tile(np.arange(columns, dtype=np.int32), rows),
        value=(values.ravel() > 0).astype(np.int8),
        where=np.repeat(np.arange(first, first + rows, dtype=np.int32), columns),
        unlisted="unknown",  # none is
        extra={"split": split[1]} if split else {},
        reading=reading,
    )


def write(path: Path, content: Labelled) -> None:
    """The list; every label of every image has to be known."""
    if content.known is None or (content.known == -1).any():
        raise DataError(f"{path}: CelebA lists have no value for unknown labels or probabilities; write coco or a table")
    for name in (*content.space.labels, *content.images):
        if len(name.split()) != 1:
            raise DataError(f"{path}: the name {name!r} has a blank, which CelebA lists cannot hold; write coco or a table")
    with writing(path) as file:
        file.write(f"{len(content.images)}\n{' '.join(content.space.labels)}\n")
        for name, row in zip(content.images, content.known.tolist(), strict=True):
            file.write(f"{name} {' '.join(' 1' if value else '-1' for value in row)}\n")


def _text(path: Path) -> str:
    if not path.is_file():
        raise DataError(f"{path}: file not found")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from None


def _header(path: Path, text: str, table: bool) -> tuple[list[str], str, int]:
    """The labels, the rows as text, and the line of the first row."""
    if not text.strip():
        raise DataError(f"{path}: empty")
    if table:
        head, _, body = text.partition("\n")
        names = [name.strip() for name in head.strip().split(",")][1:]
    else:
        number, _, rest = text.partition("\n")
        head, _, body = rest.partition("\n")
        names = head.split()
        if not number.strip().isdecimal():
            raise DataError(f"{path}:1: expected the number of images, not {number.strip()[:40]!r}")
    if not names:
        raise DataError(f"{path}:{1 if table else 2}: expected the names of the attributes, not an empty line")
    if len({*names}) < len(names):
        doubled = next(name for number, name in enumerate(names) if name in names[:number])
        raise DataError(f"{path}:{1 if table else 2}: two attributes are called {doubled!r}; rename one")
    if not body.strip():
        raise DataError(f"{path}: has a header but no rows")
    return names, body, 2 if table else 3


def _rows(path: Path, body: str, names: list[str], first: int, table: bool) -> tuple[list[str], NDArray[np.int8]]:
    """Image names, and values (N, K) of 1 and -1."""
    import pandas as pd

    types: dict[int, type] = {0: str, **dict.fromkeys(range(1, len(names) + 1), np.int8)}
    sep = "," if table else r"\s+"
    try:
        if len(body[: body.find("\n")].split("," if table else None)) != len(names) + 1:
            raise ValueError
        frame = pd.read_csv(
            io.StringIO(body), sep=sep, header=None, dtype=types, na_filter=False, quoting=3, skip_blank_lines=False
        )  # fmt: skip
        values = frame.iloc[:, 1:].to_numpy(np.int8)
        if frame.shape[1] != len(names) + 1 or not (np.abs(values) == 1).all():
            raise ValueError
    except (ValueError, OverflowError):  # of pandas' own errors too: find the line
        return _rows_slowly(path, body, names, first, table)
    return [image_name(name) for name in frame[0].tolist()], values


def _rows_slowly(path: Path, body: str, names: list[str], first: int, table: bool) -> tuple[list[str], NDArray[np.int8]]:
    """The same line by line, so that the line of a mistake is known."""
    images: list[str] = []
    values: list[list[int]] = []
    lines = body.rstrip().split("\n")
    for line, text in enumerate(lines, first):
        cells = [cell.strip() for cell in text.split(",")] if table else text.split()
        if len(cells) != len(names) + 1:
            last = line == first + len(lines) - 1
            raise DataError(
                f"{path}:{line}: expected the name of an image and {count(len(names), 'value')}, "
                f"not {count(len(cells), 'cell')}" + ("; the file is cut off: get it again" if last else "")
            )
        wrong = next((number for number, cell in enumerate(cells[1:]) if cell not in ("1", "-1")), None)
        if wrong is not None:
            raise DataError(f"{path}:{line}: {names[wrong]}: expected 1 or -1, not {cells[wrong + 1][:40]!r}")
        images.append(image_name(cells[0]))
        values.append([int(cell) for cell in cells[1:]])
    return images, np.asarray(values, np.int8)


def _check_unique(path: Path, images: list[str], first: int) -> None:
    if len({*images}) == len(images):
        return
    seen: dict[str, int] = {}
    for line, name in enumerate(images, first):
        if name in seen:
            raise DataError(f"{path}:{line}: {name} is in line {seen[name]} as well; remove one of the lines")
        seen[name] = line


def _split(path: Path, images: list[str]) -> tuple[Path, tuple[str, ...]] | None:
    """The split of each image by the list beside the attributes; None without one."""
    beside = [path.with_name("list_eval_partition" + ending) for ending in (path.suffix, ".txt", ".csv")]
    found = next((one for one in beside if one.is_file()), None)
    if found is None:
        return None
    split: dict[str, str] = {}
    for line, text in enumerate(_text(found).splitlines(), 1):
        cells = text.replace(",", " ").split()
        if not cells or (line == 1 and cells[-1] == "partition"):
            continue
        if len(cells) != 2 or cells[1] not in _SPLITS:
            raise DataError(f"{found}:{line}: expected the name of an image and 0, 1 or 2, not {text.strip()[:60]!r}")
        split[image_name(cells[0])] = _SPLITS[cells[1]]
    lost = [name for name in images if name not in split]
    if lost:
        raise DataError(f"{found}: has no line for {count(len(lost), 'image')} of {path.name} ({listed(lost, 3)})")
    return found, tuple(split[name] for name in images)
