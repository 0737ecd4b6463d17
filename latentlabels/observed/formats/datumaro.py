"""Datumaro's JSON: categories, and items with annotations of any kind; CVAT and OpenVINO write it too.

An annotation with a label says that it is present, be it of the whole image or of a region. What an unlisted label means
is not in the file. Exclusive label groups and parents become groups of a label space.

Source: https://openvinotoolkit.github.io/datumaro/latest/docs/data-formats/datumaro_format.html.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from ...errors import DataError, LabelSpaceError
from ...space import Free, LabelSpace, OneOf
from ...words import count, listed
from ..options import ReadOptions
from ..record import Statements
from .entries import SPLITS, Entries, image_name
from .json_files import checked, column, key_paths, load, part
from .registry import Labelled

NAME = "datumaro"
TITLE = "Datumaro annotations (JSON)"
WRITES: frozenset[str] = frozenset()


def recognise(path: Path, head: bytes) -> bool:
    """A JSON object with Datumaro's version or its categories; or a folder of such files."""
    if path.is_dir():
        files = _files(path)
        if not files:
            return False
        with files[0].open("rb") as file:
            head = file.read(4096)
    keys = key_paths(head)
    return "dm_format_version" in keys or "categories.label" in keys or {"categories", "items"} <= keys


def read(path: Path, options: ReadOptions) -> Statements:
    """Every annotation with a label as present, of a file or of all subsets in a folder; see `Format.read`."""
    files = _files(path) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: holds no annotations/*.json; give Datumaro's folder or one of its files")
    documents = [(file, checked(load(file), dict, str(file))) for file in files]
    names = {file: [_name(item, file, number) for number, item in enumerate(_items(one, file), 1)] for file, one in documents}
    often = Counter(name for many in names.values() for name in many)
    entries = Entries()
    split: dict[int, str] = {}
    unlabelled = 0
    found: list[tuple[int, str, int, Any]] = []
    for file, document in documents:
        labels = _labels(document, file)
        for label in labels:
            entries.label(label)
        for number, (item, name) in enumerate(zip(_items(document, file), names[file], strict=True), 1):
            if often[name] > 1 and len(files) > 1:  # images/train/1.jpg and images/val/1.jpg
                name = f"{file.stem}/{name}"
            if name in entries.images:
                raise DataError(f'{file}: item {number}: "{name}" is there twice; remove one')
            image = entries.image(name)
            split[image] = SPLITS.get(file.stem.lower(), file.stem)
            labelled, without = _annotations(item, labels, file)
            found += [(image, label, number, score) for label, score in labelled]
            unlabelled += without
    entries.add_scored(found, path, options)
    reading = [
        ("image names", "image.path of each item, or its id"),
        ("present labels", "annotations with a label; several of one label count once"),
        ("other labels", "the file does not say"),
    ]
    if unlabelled:
        reading.append(("annotations without a label", f"{unlabelled:,}, not read"))
    space = _space(documents[0][1], tuple(entries.labels)) if len(documents) == 1 else None
    if space is not None:
        reading.append(("groups of labels", "by label_groups and parent"))
    extra = {"split": tuple(split[image] for image in range(len(split)))} if len(files) > 1 else {}
    return entries.statements(path, NAME, unit="item", space=space, extra=extra, reading=reading)


def write(path: Path, content: Labelled) -> None:
    """Not written: the format has no place for absent labels or probabilities of whole images.

    Raises:
        DataError: always.
    """
    raise DataError(
        f"{path}: Datumaro files cannot say which labels are absent or how probable; write coco, which Datumaro reads"
    )


def _files(folder: Path) -> list[Path]:
    inner = folder / "annotations"
    return sorted((inner if inner.is_dir() else folder).glob("*.json"))


def _items(document: dict[str, Any], file: Path) -> list[Any]:
    items: list[Any] = part(document, "items", list, str(file))
    return items


def _labels(document: dict[str, Any], file: Path) -> list[str]:
    categories = part(document, "categories", dict, str(file))
    if "label" not in categories:
        raise DataError(f'{file}: categories: no "label", so there are no labels')
    where = f"{file}: categories.label"
    names: list[str] = column(part(categories["label"], "labels", list, where), "name", (str,), f"{where}.labels")
    doubled = [name for name, often in Counter(names).items() if often > 1]
    if doubled:
        raise DataError(f"{where}.labels: {listed(doubled, 3)} occurs more than once; rename one")
    return names


def _name(item: Any, file: Path, number: int) -> str:
    where = f"{file}: item {number}"
    text = part(item, "id", str, where)
    for key in ("image", "media"):
        media = item.get(key)
        if isinstance(media, dict) and isinstance(media.get("path"), str) and media["path"]:
            text = media["path"]
            break
    if not text.strip():
        raise DataError(f"{where}: the id is empty")
    return image_name(text)


def _annotations(item: dict[str, Any], labels: list[str], file: Path) -> tuple[list[tuple[str, Any]], int]:
    """The labels that are annotated in an item, with their scores, and how many annotations have no label."""
    where = f'{file}: item "{item["id"]}"'
    found: list[tuple[str, Any]] = []
    without = 0
    for one in checked(item.get("annotations") or [], list, f"{where}: annotations"):
        key = checked(one, dict, f"{where}: annotation").get("label_id")
        if key is None:
            without += 1
        elif type(key) is not int or not 0 <= key < len(labels):
            raise DataError(f"{where}: label_id {key!r} is none of the {count(len(labels), 'label')} (0 to {len(labels) - 1})")
        else:
            found.append((labels[key], (one.get("attributes") or {}).get("score")))
    return found, without


def _space(document: dict[str, Any], labels: tuple[str, ...]) -> LabelSpace | None:
    """The groups that the file describes: exclusive ones, each below the parent of its labels; None where there are none."""
    described = document["categories"]["label"]
    parent = {one["name"]: one.get("parent") or None for one in described["labels"]}
    grouped = [
        (str(one.get("name")), [name for name in one.get("labels") or [] if name in parent])
        for one in described.get("label_groups") or []
        if isinstance(one, dict) and str(one.get("group_type", "")).lower() == "exclusive"
    ]
    grouped = [(name, members) for name, members in grouped if len(members) > 1]
    if not grouped and not any(parent.values()):
        return None
    groups: list[Free | OneOf] = []
    inside = {label for _, members in grouped for label in members}
    for name, members in grouped:
        above = {parent[label] for label in members}
        groups.append(OneOf(name, members, True, above.pop() if len(above) == 1 else None))
    groups += [Free(label, parent[label]) for label in labels if label not in inside]
    try:
        return LabelSpace(groups)
    except LabelSpaceError:  # groups that overlap, parents that are no labels: the user says what they are
        return None
