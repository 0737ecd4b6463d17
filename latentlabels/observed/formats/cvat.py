"""CVAT for images 1.1: an XML file of images with tags, boxes and other shapes.

Each tag or shape says that its label is present. What an unlisted label means is not in the file.

Source: https://docs.cvat.ai/docs/other/xml_format.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

from ...errors import DataError
from ...words import count, listed
from ..options import ReadOptions
from ..record import Statements
from .entries import SPLITS, Entries, image_name
from .registry import Labelled

NAME = "cvat"
TITLE = "CVAT for images 1.1 (XML)"
WRITES: frozenset[str] = frozenset()

_ROOT = re.compile(rb"^\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<annotations[\s>]", re.DOTALL)


def recognise(path: Path, head: bytes) -> bool:
    """An XML file whose root is ``annotations``, or a folder with one or several of them."""
    if path.is_dir():
        files = _files(path)
        if not files:
            return False
        with files[0].open("rb") as file:
            head = file.read(4096)
    return _ROOT.match(head.removeprefix(b"\xef\xbb\xbf")) is not None


def read(path: Path, options: ReadOptions) -> Statements:
    """Every tag and shape as a present label; see `Format.read`."""
    files = _files(path) if path.is_dir() else [path]
    if not files or not files[0].exists():
        raise DataError(f"{path}: {'holds no XML file' if path.is_dir() else 'file not found'}; give CVAT's annotations.xml")
    entries = Entries()
    split: dict[int, str] = {}
    joined = 0
    attributes: dict[str, None] = {}
    for file in files:
        declared: set[str] = set()
        for element in _elements(file):
            if element.tag == "meta":
                declared = _declared(element, entries)
                continue
            name = image_name(element.get("name") or "")
            if not name:
                raise DataError(f"{file}: image {element.get('id')} has no name")
            joined += name in entries.images
            image = entries.image(name)
            subset = element.get("subset") or (file.stem if len(files) > 1 else "")
            split[image] = SPLITS.get(subset.lower(), subset)
            for label in dict.fromkeys(_label(shape, name, declared, file) for shape in element):
                entries.add(image, label, 1, int(element.get("id") or -1))
            attributes |= {one.get("name") or "": None for shape in element for one in shape.findall("attribute")}
    if joined:
        entries.left_out.append(f"{count(joined, 'image')} with the name of an earlier one, joined to it")
    reading = [
        ("present labels", "tags and shapes; several of one label count once"),
        ("other labels", "the file does not say"),
    ]
    if attributes:
        reading.append(("attributes", f"not read ({listed([*attributes])})"))
    extra = {"split": tuple(split[image] for image in range(len(split)))} if any(split.values()) else {}
    return entries.statements(path, NAME, unit="image id", extra=extra, reading=reading)


def write(path: Path, content: Labelled) -> None:
    """Not written: the format has no place for absent labels or probabilities.

    Raises:
        DataError: always.
    """
    raise DataError(f"{path}: CVAT files cannot say which labels are absent or how probable; write coco, which CVAT reads")


def _files(folder: Path) -> list[Path]:
    whole = folder / "annotations.xml"
    return [whole] if whole.is_file() else sorted(folder.glob("*.xml"))


def _elements(file: Path) -> Iterator[ElementTree.Element]:
    """The description of the task, and the images; each is forgotten afterwards, since outlines make files long.

    Raises:
        DataError: no XML, another root, or the format for video.
    """
    root: ElementTree.Element | None = None
    try:
        for event, element in ElementTree.iterparse(file, ("start", "end")):
            if root is None:
                root = element
                if root.tag != "annotations":
                    raise DataError(f"{file}: the root is <{root.tag}>, but a CVAT file has <annotations>")
            elif element.tag == "track":
                raise DataError(f'{file}: holds tracks of a video; export the task as "CVAT for images 1.1"')
            elif event == "end" and element.tag in ("meta", "image"):
                yield element
                root.clear()
    except ElementTree.ParseError as error:
        line = error.position[0]
        raise DataError(f"{file}:{line}: not valid XML ({error}); the file is cut off or damaged, get it again") from None


def _declared(meta: ElementTree.Element, entries: Entries) -> set[str]:
    """The labels of the task, job or project; parts of a skeleton are none."""
    names = [
        (label.findtext("name") or "").strip()
        for labels in meta.iter("labels")
        for label in labels
        if label.find("parent") is None
    ]
    for name in names:
        if name:
            entries.label(name)
    return {name for name in names if name}


def _label(shape: ElementTree.Element, image: str, declared: set[str], file: Path) -> str:
    label = (shape.get("label") or "").strip()
    if not label:
        raise DataError(f'{file}: image "{image}": a <{shape.tag}> without a label')
    if declared and label not in declared:
        raise DataError(f'{file}: image "{image}": label "{label}" is not among those of the task ({listed(sorted(declared))})')
    return label
