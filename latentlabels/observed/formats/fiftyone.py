"""FiftyOne's JSON of labelled images: ``{"classes": [...], "labels": {IMAGE: label or labels}}``.

A label is a number (a place among the classes) or, without classes, a text; or an object with ``label`` and perhaps
``confidence`` or a box. What an unlisted label means is not in the file.

Source: https://docs.voxel51.com/user_guide/dataset_creation/datasets.html#fiftyoneimageclassificationdataset.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import DataError
from ...words import count, listed
from ...writing import writing
from ..file_kinds import IMAGE_SUFFIXES
from ..options import ReadOptions
from ..record import Statements
from .entries import Entries, image_name
from .json_files import checked, dumped, key_paths, load, part, shown
from .registry import Labelled

NAME = "fiftyone"
TITLE = "FiftyOne image classification (labels.json)"
WRITES = frozenset({"probabilities"})

_FILE = "labels.json"


def recognise(path: Path, head: bytes) -> bool:
    """A JSON object with classes and labels by image, or FiftyOne's folder with such a file."""
    if path.is_dir():
        if not (path / _FILE).is_file():
            return False
        with (path / _FILE).open("rb") as file:
            head = file.read(4096)
    keys = key_paths(head)
    top = {key for key in keys if "." not in key}
    by_image = any(key.startswith("labels.") for key in keys) and not any(key.startswith("labels.[]") for key in keys)
    return top == {"classes", "labels"} or (top == {"classes"} and len(keys) == 1) or (top == {"labels"} and by_image)


def read(path: Path, options: ReadOptions) -> Statements:
    """Every label of an image as present; see `Format.read`."""
    file = path / _FILE if path.is_dir() else path
    document = checked(load(file, unique_keys=True), dict, str(file))
    classes = document.get("classes")
    labels = [] if classes is None else checked(classes, list, f"{file}: classes")
    for number, name in enumerate(labels, 1):
        if not isinstance(name, str) or not name.strip():
            raise DataError(f"{file}: classes, entry {number}: expected the name of a label, not {shown(name)}")
    doubled = [name for name, often in Counter(labels).items() if often > 1]
    if doubled:
        raise DataError(f"{file}: classes: {listed(doubled, 3)} occurs more than once; rename one")
    entries = Entries(labels)
    boxes = 0
    found: list[tuple[int, str, int, Any]] = []
    for number, (key, value) in enumerate(part(document, "labels", dict, str(file)).items(), 1):
        where = f'{file}: labels: "{key}"'
        if image_name(key) in entries.images:
            raise DataError(f"{where}: the image is there twice, under two spellings of its path; remove one")
        image = entries.image(image_name(key))
        many = value if isinstance(value, list) else [] if value is None else [value]
        boxes += sum(isinstance(one, dict) and "bounding_box" in one for one in many)
        for one in many:
            score = one.get("confidence") if isinstance(one, dict) else None
            found.append((image, _label(one, labels, where), number, score))
    entries.add_scored(found, file, options)
    kind = f" ({boxes:,} of objects; several of one label count once)" if boxes else ""
    reading = [
        ("image names", "keys of labels: names of files without their endings"),
        ("present labels", f"{count(len(entries), 'label')}{kind}"),
        ("other labels", "the file does not say"),
    ]
    return entries.statements(path, NAME, unit="entry", reading=reading)


def write(path: Path, content: Labelled) -> None:
    """Every label of every image with its probability as confidence.

    Raises:
        DataError: no probabilities, or two images that differ in the ending of their files alone.
    """
    if content.probabilities is None:
        raise DataError(f"{path}: FiftyOne labels are written with probabilities, and there are none; write coco or a table")
    keys = [_stem(name) for name in content.images]
    doubled = [key for key, often in Counter(keys).items() if often > 1]
    if doubled:
        raise DataError(
            f"{path}: FiftyOne names images without the ending of the file, and {listed(doubled, 3)} is that of several"
        )
    with writing(path) as file:
        file.write('{"classes": ' + dumped([*content.space.labels]) + ',\n"labels": {')
        for number, (key, row) in enumerate(zip(keys, content.probabilities, strict=True)):
            many = [{"label": k, "confidence": float(f"{value:.6g}")} for k, value in enumerate(row.tolist())]
            file.write(("," if number else "") + f"\n{dumped(key)}: {dumped(many)}")
        file.write("\n}}\n")


def _stem(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix.lower() in IMAGE_SUFFIXES else name


def _label(value: Any, labels: list[str], where: str) -> str:
    """The name of a label, given as a number among the classes, as a text, or in an object."""
    inner = value["label"] if isinstance(value, dict) and "label" in value else value
    if type(inner) is int and 0 <= inner < len(labels):
        return labels[inner]
    if isinstance(inner, str) and inner.strip() and (not labels or inner in labels):
        return inner
    known = f"a number from 0 to {len(labels) - 1}" if labels else "the name of a label"
    raise DataError(f"{where}: expected {known}, not {shown(inner)}")
