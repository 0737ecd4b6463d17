"""Open Images: ``ImageID,Source,LabelName,Confidence`` with labels verified as present (1) or absent (0), and boxes.

Only verified labels are known: those of a machine (Source "machine", or a confidence between 0 and 1) are not, and what
they mean has to be stated. A label without a row is unknown. Label names are identifiers such as ``/m/01yrx``;
``*class-descriptions*.csv`` in the same folder gives their names.

Sources: https://storage.googleapis.com/openimages/web/download_v7.html; A. Kuznetsova et al. (2020), The Open Images
Dataset V4, International Journal of Computer Vision 128.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import AmbiguousError, Choice, DataError
from ...words import count, listed
from ...writing import writing
from ..image_files import warn
from ..options import ReadOptions
from ..record import Statements
from .entries import first_of_each, image_name
from .registry import Labelled

NAME = "open-images"
TITLE = "Open Images labels or boxes (CSV)"
WRITES = frozenset({"known", "probabilities"})

_HEADER = ("ImageID", "Source", "LabelName", "Confidence")
_MACHINE = "machine"


class _Rows(NamedTuple):
    """A file's rows: S numbers of images, labels and sources, with their names, and confidences."""

    image: NDArray[np.int32]
    images: list[str]
    label: NDArray[np.int32]
    labels: list[str]
    machine: NDArray[np.bool_]
    confidence: NDArray[np.float64]


def recognise(path: Path, head: bytes) -> bool:
    """A first line with the columns ImageID and LabelName, and Confidence or a box."""
    columns = {*_columns(head)}
    return {"ImageID", "LabelName"} <= columns and bool(columns & {"Confidence", "XMin"})


def read(path: Path, options: ReadOptions) -> Statements:
    """Verified labels and boxes as known; see `Format.read`.

    Raises:
        AmbiguousError: besides, labels of a machine where nothing says what they mean.
    """
    rows = _rows(path)
    unsure = rows.machine | ((rows.confidence > 0) & (rows.confidence < 1))
    meaning = _meaning_of_machine(path, options, int(unsure.sum()), len(unsure))
    value = (rows.confidence == 1).astype(np.int8)
    value[unsure & (rows.confidence > 0)] = 1
    kept = np.flatnonzero(~unsure) if meaning != "present" else np.arange(len(unsure))
    first = first_of_each(rows.image[kept].astype(np.int64), rows.label[kept] * 2 + value[kept], 2 * len(rows.labels))
    kept = kept[first]
    labels, unnamed, descriptions = _names(path, rows.labels)
    reading = [
        ("present, absent", "rows of Confidence 1, 0; boxes are present labels"),
        ("other labels", "unknown (the format says so)"),
    ]
    if unsure.any():
        reading.append(("labels of a machine", f"{count(int(unsure.sum()), 'row')}, read as {meaning}"))
    reading.append(("label names", _of_names(descriptions, unnamed)))
    return Statements(
        source=str(path),
        format=NAME,
        images=rows.images,
        labels=labels,
        image=rows.image[kept],
        label=rows.label[kept],
        value=value[kept],
        where=kept + 2,
        unlisted="unknown",
        reading=reading,
    )


def write(path: Path, content: Labelled) -> None:
    """Known labels as verified, with Confidence 1 or 0; probabilities of the others as labels of a machine."""
    with writing(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_HEADER)
        labels = content.space.labels
        for number, name in enumerate(content.images):
            known = [-1] * len(labels) if content.known is None else content.known[number].tolist()
            writer.writerows((name, "verification", labels[k], value) for k, value in enumerate(known) if value != -1)
            if content.probabilities is not None:
                numbers = content.probabilities[number].tolist()
                writer.writerows(
                    (name, _MACHINE, labels[k], f"{numbers[k]:.6g}") for k, value in enumerate(known) if value == -1
                )


def _columns(head: bytes) -> list[str]:
    line = re.split(r"[\r\n]", head.decode("utf-8-sig", errors="replace").lstrip(), maxsplit=1)[0]
    try:
        return [cell.strip() for cell in next(csv.reader([line]), [])]
    except csv.Error:
        return []


def _meaning_of_machine(path: Path, options: ReadOptions, unsure: int, rows: int) -> str:
    """What labels of a machine mean: "present" or "unknown"."""
    if not unsure:
        return "unknown"
    for meaning in ("present", "unknown"):
        if _MACHINE in options.stated(meaning, "Source"):  # type: ignore[arg-type]
            return meaning
    question = AmbiguousError(
        f"{path}: {unsure:,} of {rows:,} rows are labels of a machine, which nobody verified",
        [
            Choice({"unknown": _MACHINE}, "the verified labels alone count"),
            Choice({"present": _MACHINE}, "each counts as present; remove those of low confidence before"),
        ],
    )
    if options.ambiguous == "refuse" or options.strict:
        raise question
    warn(f"{question}. Read for now as: unknown")
    return "unknown"


def _rows(path: Path) -> _Rows:
    """The rows of a file; tens of millions are read in columns.

    Raises:
        DataError: a row that is wrong; its line is named.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow

    if not path.is_file():
        raise DataError(f"{path}: file not found")
    with path.open("rb") as file:
        columns = _columns(file.read(65536))
    for name in ("ImageID", "LabelName"):
        if columns.count(name) != 1:
            raise DataError(
                f"{path}:1: expected one column {name}, and Source and Confidence; the columns are {listed(columns)}"
            )
    texts = pa.dictionary(pa.int32(), pa.string())
    types = {"ImageID": texts, "LabelName": texts, "Source": texts, "Confidence": pa.float64()}
    types = {name: kind for name, kind in types.items() if name in columns}
    try:
        table = arrow.read_csv(
            path,
            read_options=arrow.ReadOptions(column_names=columns, skip_rows=1),
            parse_options=arrow.ParseOptions(newlines_in_values=True),
            convert_options=arrow.ConvertOptions(column_types=types, include_columns=list(types), null_values=[""]),
        )
    except pa.ArrowInvalid as error:
        raise DataError(_what_is_wrong(path, columns) or f"{path}: not valid CSV ({error})") from None
    if not len(table):
        raise DataError(f"{path}: has a header but no rows")
    table = table.unify_dictionaries().combine_chunks()
    confidence = table["Confidence"].to_numpy() if "Confidence" in columns else np.ones(len(table))
    if not ((confidence >= 0) & (confidence <= 1)).all():  # NaN too
        raise DataError(_what_is_wrong(path, columns) or f"{path}: Confidence outside of 0 to 1")
    image, ids = _codes(table["ImageID"])
    label, labels = _codes(table["LabelName"])
    if "" in ids or "" in labels:
        raise DataError(_what_is_wrong(path, columns) or f"{path}: a row without ImageID or LabelName")
    names: dict[str, int] = {}
    renumbered = np.asarray([names.setdefault(image_name(name), len(names)) for name in ids], np.int32)
    machine = np.zeros(len(table), bool)
    if "Source" in columns:
        source, sources = _codes(table["Source"])
        machine = np.asarray([name == _MACHINE for name in sources])[source]
    return _Rows(renumbered[image], list(names), label, labels, machine, confidence)


def _codes(column: Any) -> tuple[NDArray[np.int32], list[str]]:
    """A dictionary column as numbers, and the texts that they stand for."""
    array = column.chunk(0)
    return array.indices.to_numpy(zero_copy_only=False).astype(np.int32), array.dictionary.to_pylist()


def _what_is_wrong(path: Path, columns: list[str]) -> str | None:
    """The first row that is wrong, line by line: for the message about a file that could not be read in columns."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); save it as CSV in UTF-8"
    reader = csv.reader(io.StringIO(text))
    next(reader)
    line = 2
    for row in reader:
        if len(row) != len(columns) and row:
            cells = count(len(row), "cell")
            return f"{path}:{line}: {cells}, but the header has {len(columns)} columns; the file is cut off or edited"
        named = dict(zip(columns, row, strict=False))
        for name in ("ImageID", "LabelName"):
            if row and not named[name]:
                return f"{path}:{line}: {name} is empty"
        if row and "Confidence" in named and not _in_range(named["Confidence"]):
            return f"{path}:{line}: Confidence: expected a number from 0 to 1, not {named['Confidence']!r}"
        line = reader.line_num + 1
    return None


def _in_range(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1 and not math.isnan(float(text))
    except ValueError:
        return False


def _names(path: Path, ids: list[str]) -> tuple[list[str], list[str], list[str]]:
    """The labels' names by the class descriptions beside the file, those without one, and the files' names."""
    described: dict[str, str] = {}
    files = sorted(one for one in path.parent.glob("*class-descriptions*.csv") if one != path)
    for one in files:
        try:
            for row in csv.reader(io.StringIO(one.read_text(encoding="utf-8-sig"))):
                if len(row) == 2 and row[1].strip():
                    described.setdefault(row[0].strip(), row[1].strip())
        except UnicodeDecodeError as error:
            raise DataError(f"{one}: not UTF-8 text ({error.reason} at byte {error.start}); save it as CSV in UTF-8") from None
    names = [described.get(key, key) for key in ids]
    often = Counter(names)  # some names are those of two labels: a jaguar may be an animal or a car
    labels = [f"{name} ({key})" if often[name] > 1 else name for name, key in zip(names, ids, strict=True)]
    return labels, [key for key in ids if key not in described], [one.name for one in files]


def _of_names(descriptions: list[str], unnamed: list[str]) -> str:
    """Where label names are from."""
    if not descriptions:
        return "LabelName as it is (a *class-descriptions*.csv in the same folder would give names)"
    rest = f"; {count(len(unnamed), 'label')} not there ({listed(unnamed, 3)})" if unnamed else ""
    return f"{', '.join(descriptions)}{rest}"
