"""COCO: objects (`instances_*.json`), labels of whole images, and LVIS with its verified absences.

An annotation of an object says that its category is present. COCO itself annotated every object of its categories, but
the file does not say so, and many files of other tools are not exhaustive: what an unlisted label means is asked. LVIS
does say it: an image lists the categories that were checked and found absent (``neg_category_ids``), and everything
else is unknown.

Sources: https://cocodataset.org/#format-data, https://cocodataset.org/#format-results, https://www.lvisdataset.org/dataset.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...words import count, listed
from ...writing import writing
from ..options import ReadOptions, Unlisted
from ..record import Statements
from .entries import first_of_each, image_name, predictions_in
from .json_files import checked, column, dumped, key_paths, load, part, shown
from .registry import Labelled

NAME = "coco"
TITLE = "COCO or LVIS annotations (JSON)"
WRITES = frozenset({"known", "probabilities"})

_HEAVY = ("segmentation", "counts", "keypoints")  # lists of numbers that say nothing about labels
_KEYS = {
    *("images.[].file_name", "images.[].coco_url", "categories.[].supercategory"),
    *(f"annotations.[].{key}" for key in ("image_id", "category_id", "segmentation", "bbox", "iscrowd")),
}
"""Any of these tells the format; a file may begin with any section."""
_PRESENT, _ABSENT, _OPEN = "pos_category_ids", "neg_category_ids", "not_exhaustive_category_ids"
_Found = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def recognise(path: Path, head: bytes) -> bool:
    """A JSON object with images, annotations or categories as COCO has them."""
    keys = key_paths(head)
    return bool(
        keys & _KEYS or {"images", "categories"} <= keys or {"images", "annotations"} <= keys or {"info", "licenses"} <= keys
    )


def read(path: Path, options: ReadOptions) -> Statements:
    """Every annotation as a present label, LVIS's ``neg_category_ids`` as absent ones; see `Format.read`."""
    document = checked(load(path, without=_HEAVY), dict, str(path))
    if "categories" not in document:
        raise DataError(
            f'{path}: no "categories", so there are no labels; of COCO\'s own files instances_*.json has them, '
            "captions_*.json and image_info_*.json do not"
        )
    images = part(document, "images", list, str(path))
    annotations = part(document, "annotations", list, str(path))
    rows, names, left_out = _images(images, path)
    labels, label_of, notes = _categories(document["categories"], annotations, path)
    found = _annotations(annotations, rows, label_of, path, options)
    lvis = any(_ABSENT in one or _PRESENT in one for one in images)
    value = np.ones(len(found[0]), np.int8)
    where, unit = found[2], "annotation"
    if lvis:  # absences have no annotation, so the place is the image
        ids = np.asarray([one["id"] if type(one["id"]) is int else number for number, one in enumerate(images, 1)], np.int64)
        first = np.zeros(len(names), np.int64)
        first[[rows[one["id"]] for one in reversed(images)]] = ids[::-1]
        image, label, value = _with_absences(images, found, rows, label_of, path)
        found, where, unit = (image, label, first[image]), first[image], "image id"
    kept = first_of_each(found[0], found[1] * 3 + value + 1, 3 * len(labels))
    unlisted: Unlisted | None = "unknown" if any(_ABSENT in one for one in images) else None
    return Statements(
        source=str(path),
        format=NAME,
        images=names,
        labels=labels,
        image=found[0][kept],
        label=found[1][kept],
        value=value[kept],
        where=where[kept],
        unit=unit,
        unlisted=unlisted,
        usually=("absent", "COCO's own files list every object of their categories"),
        reading=_facts(document, annotations, lvis),
        left_out=(*left_out, *notes),
    )


def write(path: Path, content: Labelled) -> None:
    """Labels of whole images: annotations without boxes, absent labels as ``neg_category_ids``, probabilities as ``score``."""
    categories = [{"id": number, "name": name} for number, name in enumerate(content.space.labels, 1)]
    with writing(path) as file:
        file.write('{"info": ' + dumped({"description": content.model}))
        file.write(',\n"categories": [\n' + ",\n".join(dumped(one) for one in categories))
        file.write('\n],\n"images": [\n')
        for number, name in enumerate(content.images):
            entry: dict[str, Any] = {"id": number + 1, "file_name": name}
            if content.known is not None:
                entry |= {_ABSENT: (np.flatnonzero(content.known[number] == 0) + 1).tolist(), _OPEN: []}
            file.write((",\n" if number else "") + dumped(entry))
        file.write('\n],\n"annotations": [\n')
        for number, line in enumerate(_lines(content), 1):
            file.write(f'{"," if number > 1 else ""}\n{{"id": {number}, {line}}}')
        file.write("\n]}\n")


def _lines(content: Labelled) -> Iterator[str]:
    """The annotations, one for each present label, and one with a score for each label that has a probability."""
    known, probabilities = content.known, content.probabilities
    for number in range(len(content.images)):
        start = f'"image_id": {number + 1}, "category_id": '
        present = np.zeros(content.space.num_labels, bool) if known is None else known[number] == 1
        for label in np.flatnonzero(present).tolist():
            yield f"{start}{label + 1}"
        if probabilities is not None:
            open_ = np.ones_like(present) if known is None else known[number] == -1
            scores = probabilities[number].tolist()
            for label in np.flatnonzero(open_).tolist():
                yield f'{start}{label + 1}, "score": {scores[label]:.6g}'


def _images(images: list[Any], path: Path) -> tuple[dict[Any, int], list[str], list[str]]:
    """The row of each image id, the names of the rows, and what is odd about them."""
    where = f"{path}: images"
    ids = column(images, "id", (int, str, float), where)
    if len({*ids}) < len(ids):
        raise DataError(f"{where}: {_twice(ids, 'id')}; each image needs an id of its own")
    try:
        texts = [one["file_name"] for one in images]
    except KeyError:
        texts = [_name_of(one, f"{where}, entry {number}") for number, one in enumerate(images, 1)]
    if not all(type(text) is str and text for text in texts):
        bad = next(number for number, text in enumerate(texts) if type(text) is not str or not text)
        raise DataError(f'{where}, entry {bad + 1}: "file_name" is {shown(texts[bad])}; expected the name of a file')
    names: dict[str, int] = {}
    rows = {key: names.setdefault(image_name(text), len(names)) for key, text in zip(ids, texts, strict=True)}
    if len(names) == len(ids):
        return rows, list(names), []
    doubled = f"{count(len(ids) - len(names), 'entry', 'entries')} of images with the file_name of an earlier one"
    return rows, list(names), [f"{doubled}, joined to it ({_twice([image_name(text) for text in texts], 'file_name')})"]


def _name_of(image: dict[str, Any], where: str) -> str:
    """The file name of an image; LVIS gives an address instead: its folder and file are what users have."""
    if "file_name" in image:
        return part(image, "file_name", str, where)
    if "coco_url" not in image:
        raise DataError(f'{where}: no "file_name"')
    return "/".join(urlsplit(part(image, "coco_url", str, where)).path.strip("/").split("/")[-2:])


def _twice(values: list[Any], what: str) -> str:
    """The first values that occur more than once, as a clause."""
    seen: set[Any] = set()
    doubled = list(dict.fromkeys(value for value in values if value in seen or seen.add(value)))  # type: ignore[func-returns-value]
    return f"{what} {listed(doubled, 3)} occurs more than once"


def _categories(categories: Any, annotations: list[Any], path: Path) -> tuple[list[str], dict[Any, int], list[str]]:
    """The labels, the label of each category id, and what was left out.

    Roboflow writes the name of the data set as a first category, above all others and never used: it is no label.
    """
    where = f"{path}: categories"
    checked(categories, list, where)
    ids = column(categories, "id", (int, str, float), where)
    names = [str(name).strip() for name in column(categories, "name", (str, int, float), where)]
    if len({*ids}) < len(ids):
        raise DataError(f"{where}: {_twice(ids, 'id')}; each category needs an id of its own")
    if not all(names):
        raise DataError(f"{where}, entry {names.index('') + 1}: the name is empty")
    above = {one.get("supercategory") for one in categories}
    used: set[Any] = set()
    if above & {*names}:
        used = {one.get("category_id") for one in annotations if isinstance(one, dict)}
    labels: dict[str, int] = {}
    label_of: dict[Any, int] = {}
    left_out = []
    for key, name, one in zip(ids, names, categories, strict=True):
        if name in above and key not in used and one.get("supercategory") in (None, "", "none"):
            left_out.append(f'category "{name}": only the supercategory of others, without annotations')
            continue
        if name in labels:
            left_out.append(f'category "{name}" is there twice, under two ids; read as one label')
        label_of[key] = labels.setdefault(name, len(labels))
    if not labels:
        raise DataError(f"{where}: there are none, so there are no labels")
    return list(labels), label_of, left_out


def _annotations(
    annotations: list[Any], rows: dict[Any, int], label_of: dict[Any, int], path: Path, options: ReadOptions
) -> _Found:
    """Image, label and place of each annotation."""
    where = f"{path}: annotations"
    if annotations and isinstance(annotations[0], dict) and "segments_info" in annotations[0]:
        raise DataError(f"{where}: panoptic segments, which are not read; give the instances_*.json of the same images")
    image_ids = column(annotations, "image_id", (int, str, float), where)
    category_ids = column(annotations, "category_id", (int, str, float), where)
    image = np.asarray([rows.get(key, -1) for key in image_ids], np.int64)
    label = np.asarray([label_of.get(key, -1) for key in category_ids], np.int64)
    for found, ids, key, section in (
        (image, image_ids, "image_id", "images"),
        (label, category_ids, "category_id", "categories"),
    ):
        lost = np.flatnonzero(found < 0)
        if len(lost):
            which = listed(sorted({str(ids[number]) for number in lost.tolist()}), 3)
            raise DataError(
                f'{where}, entry {lost[0] + 1}: {key} {shown(ids[lost[0]])} is not in "{section}" '
                f"({count(len(lost), 'annotation')} in all; ids: {which}); the file is cut down or put together from several"
            )
    kept = ~np.asarray(predictions_in([one.get("score") for one in annotations], where, options), bool)
    place = [one.get("id") for one in annotations]
    numbers = np.asarray([key if type(key) is int else number for number, key in enumerate(place, 1)], np.int64)
    return image[kept], label[kept], numbers[kept]


def _with_absences(
    images: list[Any], found: _Found, rows: dict[Any, int], label_of: dict[Any, int], path: Path
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int8]]:
    """Image, label and value of what LVIS states: annotated, present in the image, checked and absent, or left open."""
    parts: list[tuple[list[int], list[int], int]] = []
    for key, value in ((_PRESENT, 1), (_ABSENT, 0), (_OPEN, -1)):
        image: list[int] = []
        label: list[int] = []
        for number, one in enumerate(images, 1):
            where = f"{path}: images, entry {number}: {key}"
            for category in checked(one.get(key) or [], list, where):
                if category not in label_of:
                    raise DataError(f'{where}: {shown(category)} is not in "categories"')
                image.append(rows[one["id"]])
                label.append(label_of[category])
        parts.append((image, label, value))
    width = max(label_of.values()) + 1
    stated = {*(found[0] * width + found[1]).tolist()}
    stated |= {i * width + k for image, label, value in parts for i, k in zip(image, label, strict=True) if value >= 0}
    # "not exhaustive" is said of annotated categories too: some object is marked, not all of them
    open_ = [(i, k) for i, k in zip(*parts[2][:2], strict=True) if i * width + k not in stated]
    parts[2] = ([i for i, _ in open_], [k for _, k in open_], -1)
    all_images = [found[0], *(np.asarray(image, np.int64) for image, _, _ in parts)]
    all_labels = [found[1], *(np.asarray(label, np.int64) for _, label, _ in parts)]
    values = np.repeat(np.asarray([1, 1, 0, -1], np.int8), [len(image) for image in all_images])
    return np.concatenate(all_images), np.concatenate(all_labels), values


def _facts(document: dict[str, Any], annotations: list[Any], lvis: bool) -> tuple[tuple[str, str], ...]:
    """How the file was read."""
    boxes = sum("bbox" in one for one in annotations)
    kind = "objects" if boxes == len(annotations) else "whole images" if not boxes else f"{boxes:,} of them objects"
    above = sorted({str(one.get("supercategory")) for one in document["categories"] if one.get("supercategory")})
    facts = [("present labels", f"{count(len(annotations), 'annotation')} ({kind}); several of one label count once")]
    if lvis:
        facts += [("absent labels", f"{_ABSENT} of each image"), ("unknown labels", f"all others, and {_OPEN}")]
    else:
        facts.append(("other labels", "the file does not say; in COCO's own files they are absent"))
    if above:
        facts.append(("supercategories", f"not labels ({listed(above, 4)})"))
    return tuple(facts)
