"""An ImageFolder, ``label/image`` or ``group/label/image``, read as known labels."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np

from ..errors import DataError, ObservationError, nearest
from ..labels import LabelSpace
from .core import Observed
from .files import find_images, is_image, listed, report


def read_folder(root: Path, space: LabelSpace | None, strict: bool) -> Observed:
    """See `Observed.from_folder`."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; give a folder with one folder of images for each label")
    folders = _label_folders(root, space)
    if not folders:
        stray = len(find_images(root))
        raise DataError(
            f"{root}: holds no folder of images"
            + (f", but {stray} images outside of any; sort them into one folder for each label, or give a table" if stray else "")
        )
    if space is None:
        space = LabelSpace.free(folders)
    found: list[tuple[Path, str]] = []
    empty: list[str] = []
    for label, folder in folders.items():
        images = find_images(folder)
        found += [(image, label) for image in images]
        if not images:
            empty.append(label)
    if not found:
        raise DataError(f"{root}: its {len(folders)} folders hold no images")
    _report_left_out(root, list(folders.values()), empty, strict)
    rows = _merge(found, strict)
    values = np.full((len(rows), space.num_labels), -1, dtype=np.int8)
    for row, (_, labels) in enumerate(rows):
        for label in labels:
            values[row, space.index(label)] = 1
    return Observed(values, space, tuple(path.relative_to(root).as_posix() for path, _ in rows))


def _label_folders(root: Path, space: LabelSpace | None) -> dict[str, Path]:
    """The folder of each label, in order of name."""
    groups = {} if space is None else {group.name: group for group in space.groups}
    folders: dict[str, Path] = {}

    def add(label: str, folder: Path) -> None:
        if label in folders:
            raise ObservationError(
                f'{folder}: label "{label}" has the folder {folders[label]} already; label names are unique, rename one'
            )
        folders[label] = folder

    for top in _folders(root):
        inner = _folders(top)
        holds_images = any(is_image(path.name) for path in top.iterdir() if path.is_file())
        is_group = not holds_images and bool(inner)
        if space is not None and (not is_group or top.name in groups):
            is_group = is_group and set(groups[top.name].labels) != {top.name}
        if not is_group:
            if space is not None and top.name not in space.labels:
                raise ObservationError(
                    f'{top}: "{top.name}" is no label of the label space{nearest(top.name, space.labels)}; rename the folder '
                    "or add the label"
                )
            add(top.name, top)
            continue
        if space is not None and top.name in space.labels and top.name not in groups:
            add(top.name, top)  # a label whose images are sorted further
            continue
        if space is not None and top.name not in groups:
            raise ObservationError(
                f'{top}: "{top.name}" is neither a label nor a group of the label space'
                f"{nearest(top.name, [*groups, *space.labels])}; rename the folder"
            )
        for folder in inner:
            if space is not None and folder.name not in groups[top.name].labels:
                raise ObservationError(
                    f'{folder}: "{folder.name}" is no label of group "{top.name}"{nearest(folder.name, groups[top.name].labels)}'
                    f" (its labels: {', '.join(groups[top.name].labels)})"
                )
            add(folder.name, folder)
    return folders


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _report_left_out(root: Path, folders: list[Path], empty: list[str], strict: bool) -> None:
    if empty:
        report(f"{root}: {len(empty)} label folders without images: {listed(empty)}", strict)
    inside = [path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    others = [path.relative_to(root).as_posix() for path in inside if not is_image(path.name)]
    if others:
        report(f"{root}: {len(others)} files that are no images by their names, left out: {listed(others)}", strict)
    within = set(inside)
    stray = [path.relative_to(root).as_posix() for path in find_images(root) if path not in within]
    if stray:
        report(f"{root}: {len(stray)} images outside of label folders, left out: {listed(stray)}", strict)


def _merge(found: list[tuple[Path, str]], strict: bool) -> list[tuple[Path, list[str]]]:
    """One row for each image: files of the same bytes are the same image."""
    by_size: dict[int, list[tuple[Path, str]]] = defaultdict(list)
    for path, label in found:
        by_size[path.stat().st_size].append((path, label))
    first: dict[object, int] = {}
    rows: list[tuple[Path, list[str]]] = []
    copies: list[str] = []
    for path, label in found:
        # only files of equal size can be equal
        alone = len(by_size[path.stat().st_size]) == 1
        key: object = path if alone else hashlib.sha256(path.read_bytes()).digest()
        if key in first:
            rows[first[key]][1].append(label)
            copies.append(f"{path} = {rows[first[key]][0]}")
        else:
            first[key] = len(rows)
            rows.append((path, [label]))
    if copies:
        report(f"{len(copies)} files are copies of other images, merged into one row each: {listed(copies, 3)}", strict)
    return rows
