"""Pascal VOC: a folder of XML files, one for each image, or the lists of ``ImageSets/Main``.

The lists are the classification task: for each label a file ``LABEL_SET.txt`` with a line for each image: 1 present,
-1 absent, 0 only difficult objects, which the task leaves out; here such a label is unknown. The XML files name the
objects of an image; a label with difficult objects alone is unknown as well. ``absent: [difficult]`` or
``present: [difficult]`` state it otherwise, as publications do that count them.

Source: M. Everingham and J. Winn (2012), The PASCAL Visual Object Classes Challenge 2012 Development Kit.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ...errors import DataError
from ...words import count, listed
from ...writing import ESCAPED, building
from ..file_kinds import IMAGE_SUFFIXES
from ..options import ReadOptions, Unlisted
from ..record import Statements
from .entries import SPLITS, Entries, image_name
from .registry import Labelled

NAME = "voc"
TITLE = "Pascal VOC (XML files or ImageSets/Main lists)"
WRITES = frozenset({"known"})

_ROOT = re.compile(rb"^\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<annotation[\s>]", re.DOTALL)
_VALUES = {"1": 1, "-1": 0, "0": -1}
_DIFFICULT = "difficult"
_STATED: tuple[tuple[Literal["present", "absent"], int], ...] = (("present", 1), ("absent", 0))
_WORDS = {1: "present", 0: "absent", -1: "unknown"}
_MAIN, _FILES = Path("ImageSets", "Main"), "Annotations"


def recognise(path: Path, head: bytes) -> bool:
    """A folder with VOC's parts, or of XML files whose root is ``annotation``; or one such file."""
    if not path.is_dir():
        return _ROOT.match(head.removeprefix(b"\xef\xbb\xbf")) is not None
    where = _inside(path)
    if _class_lists(where / _MAIN) or _class_lists(where):
        return True
    first = next(_xml_files(where), None)
    if first is None:
        return False
    with first.open("rb") as file:
        return _ROOT.match(file.read(4096).removeprefix(b"\xef\xbb\xbf")) is not None


def read(path: Path, options: ReadOptions) -> Statements:
    """The lists of a folder where it has them, else its XML files; see `Format.read`."""
    if not path.exists():
        raise DataError(f"{path}: file or folder not found")
    if path.is_file():
        return _read_files(path, path.parent, [path], options)
    where = _inside(path)
    for folder in (where / _MAIN, where):
        lists = _class_lists(folder)
        if lists:
            return _read_lists(path, folder, lists, options)
    files = list(_xml_files(where))
    if not files:
        raise DataError(
            f"{path}: neither {_FILES}/*.xml nor {_MAIN.as_posix()}/LABEL_SET.txt; give the folder that holds them, "
            "for example VOCdevkit/VOC2012"
        )
    return _read_files(path, where / _FILES if (where / _FILES).is_dir() else where, files, options)


def write(path: Path, content: Labelled) -> None:
    """A new folder with ``ImageSets/Main/LABEL_trainval.txt``: 1 present, -1 absent, 0 unknown."""
    if content.known is None:
        raise DataError(f"{path}: VOC lists hold known labels, no probabilities; write coco, label-studio or fiftyone")
    for label in content.space.labels:
        if "/" in label or len(f"{label}_trainval.txt".encode()) > 255 or label.startswith("."):
            raise DataError(f"{path}: label {label!r} cannot be part of a file name, as VOC lists need it; write coco")
    for name in content.images:
        if any(sign in name for sign in "\r\n"):
            raise DataError(f"{path}: image {name!r} has a line break in its name, which VOC lists cannot hold; write coco")
    if len({label.casefold() for label in content.space.labels}) < content.space.num_labels:
        raise DataError(f"{path}: two labels differ only in case, so their lists would be one file on many disks; write coco")
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise DataError(f"{path}: is there already; give a new folder")
    with building(path) as hidden:
        main = hidden / _MAIN
        main.mkdir(parents=True)
        names = [f'"{name}"' if " " in name else name for name in content.images]
        (main / "trainval.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8", errors=ESCAPED)
        for label, values in zip(content.space.labels, content.known.T.tolist(), strict=True):
            signs = ({1: " 1", 0: "-1", -1: " 0"}[value] for value in values)
            lines = (f"{name} {sign}\n" for name, sign in zip(names, signs, strict=True))
            (main / f"{label}_trainval.txt").write_text("".join(lines), encoding="utf-8", errors=ESCAPED)


def _inside(path: Path) -> Path:
    """The folder of a year: VOCdevkit holds one or several.

    Raises:
        DataError: it holds several.
    """
    if path.name == "Main" or (path / _FILES).is_dir() or (path / "ImageSets").is_dir():
        return path
    years = sorted(one for one in path.glob("VOC*") if (one / _FILES).is_dir() or (one / _MAIN).is_dir())
    if len(years) > 1:
        raise DataError(f"{path}: holds {listed([year.name for year in years])}; give one of them, for example {years[-1]}")
    return years[0] if years else path


# --- lists ----------------------------------------------------------------------------------------------------


def _class_lists(folder: Path) -> list[Path]:
    """The files ``LABEL_SET.txt`` of a folder: two columns, the second of 1, 0 and -1."""
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.glob("*_*.txt")) if path.is_file() and _is_class_list(path)]


def _is_class_list(path: Path) -> bool:
    with path.open("rb") as file:
        cells = file.readline().decode("utf-8", errors="replace").rsplit(None, 1)
    return len(cells) == 2 and cells[1] in _VALUES


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from None
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line.strip()


def _difficult(options: ReadOptions) -> int:
    """What a label means that has difficult objects alone."""
    for meaning, value in _STATED:
        if _DIFFICULT in {text.lower() for text in options.stated(meaning, _DIFFICULT)}:
            return value
    return -1


def _read_lists(source: Path, folder: Path, lists: list[Path], options: ReadOptions) -> Statements:
    entries = Entries()
    values = {**_VALUES, "0": _difficult(options)}
    seen: set[tuple[int, str, int]] = set()
    for path in lists:
        label = path.stem.rsplit("_", 1)[0]
        entries.label(label)
        for number, line in _lines(path):
            cells = line.rsplit(None, 1)
            value = values.get(cells[1]) if len(cells) == 2 else None
            if value is None:
                raise DataError(f"{path}:{number}: expected the name of an image and 1, -1 or 0, not {line[:60]!r}")
            one = (entries.image(_unquoted(cells[0])), label, value)
            if one not in seen:  # train and val again in trainval
                seen.add(one)
                entries.add(*one)
    reading = [
        ("present, absent", "1, -1 of the lists"),
        (_WORDS[values["0"]], "0 of the lists (difficult objects alone)"),
        ("lists", f"{count(len(lists), 'file')} LABEL_SET.txt in {folder}"),
    ]
    if (source / _FILES).is_dir():
        reading.append(("XML files", f"not read, since there are lists; give {source / _FILES} to read them"))
    split = _split_of_lists(folder, entries)
    return entries.statements(source, NAME, unlisted="unknown", extra=split, reading=reading)


def _split_of_lists(folder: Path, entries: Entries) -> dict[str, tuple[str, ...]]:
    """The set of each image, by train.txt, val.txt and test.txt."""
    split = dict.fromkeys(entries.images, "")
    for name in ("train", "val", "test"):
        if (folder / f"{name}.txt").is_file():
            for _, line in _lines(folder / f"{name}.txt"):
                image = _unquoted(line)
                if image in split:
                    split[image] = name
    return {"split": tuple(split.values())} if any(split.values()) else {}


def _unquoted(name: str) -> str:
    """An image's name; some tools put quotes around one with a blank."""
    quoted = len(name) > 2 and name[0] == name[-1] == '"'
    return image_name(name[1:-1] if quoted else name)


# --- XML ------------------------------------------------------------------------------------------------------


def _xml_files(where: Path) -> Iterator[Path]:
    """The XML files of a folder: in Annotations, in the folder, or in the folders of its splits."""
    folder = where / _FILES if (where / _FILES).is_dir() else where
    files = sorted(folder.glob("*.xml"))
    yield from files
    if not files:
        for inner in sorted(one for one in folder.iterdir() if one.name.lower() in SPLITS and one.is_dir()):
            yield from sorted(inner.glob("*.xml"))


def _read_files(source: Path, root: Path, files: list[Path], options: ReadOptions) -> Statements:
    entries, difficult = Entries(), _difficult(options)
    found = [_objects(path) for path in files]
    claimed = Counter(str(path.parent / name) for path, (name, _) in zip(files, found, strict=True))
    split: list[str] = []
    renamed: list[Path] = []
    open_ = 0
    for path, (name, objects) in zip(files, found, strict=True):
        if not name or claimed[str(path.parent / name)] > 1:
            name = path.stem
            renamed.append(path)
        above = path.parent.relative_to(root).as_posix() if path.parent != root else ""
        image = entries.image(f"{above}/{name}" if above else name)
        split.append(SPLITS.get(above.lower(), ""))
        for label, easy in objects.items():
            entries.add(image, label, 1 if easy else difficult)
            open_ += not easy
    if len(entries.images) < len(files):
        raise DataError(
            f"{source}: {count(len(files) - len(entries.images), 'file')} more than images; two are about one image"
        )
    reading = [
        ("image names", "<filename> of each file"),
        ("present labels", "<object><name>; several of one label count once"),
        ("other labels", "the files do not say; in the VOC data sets they are absent"),
    ]
    if open_:
        reading.append((f"{_WORDS[difficult]} labels", f"{open_:,} of difficult objects alone"))
    if renamed:
        why = "named by the file, since <filename> is missing or that of several files"
        reading.append(
            ("image names of some", f"{count(len(renamed), 'image')} {why} ({listed([p.name for p in renamed], 3)})")
        )
    extra = {"split": tuple(split)} if any(split) else {}
    usually: tuple[Unlisted, str] = ("absent", "the VOC data sets list every object of their labels")
    return entries.statements(source, NAME, usually=usually, extra=extra, reading=reading)


def _objects(path: Path) -> tuple[str, dict[str, bool]]:
    """The image's file name, "" without one, and by label whether any object of it is not difficult."""
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        line = error.position[0]
        raise DataError(f"{path}:{line}: not valid XML ({error}); the file is cut off or damaged, get it again") from None
    if root.tag != "annotation":
        raise DataError(f"{path}: the root is <{root.tag}>, but a VOC file has <annotation>")
    objects: dict[str, bool] = {}
    for number, one in enumerate(root.findall("object"), 1):
        label = (one.findtext("name") or "").strip()
        if not label:
            raise DataError(f"{path}: object {number} has no <name>")
        difficult = (one.findtext("difficult") or "0").strip()
        if difficult.lower() not in ("0", "1", "true", "false", "unspecified"):
            raise DataError(f'{path}: object {number}: <difficult> is "{difficult}"; expected 0 or 1')
        objects[label] = objects.get(label, False) or difficult.lower() not in ("1", "true")
    name = image_name(root.findtext("filename") or "").rsplit("/", 1)[-1]
    same = Path(name).stem == path.stem or Path(name).suffix.lower() in IMAGE_SUFFIXES
    return (name if same else ""), objects
