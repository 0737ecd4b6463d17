"""An ImageFolder, ``label/image`` or ``group/label/image``, read as known labels."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..errors import DataError, ObservationError, nearest
from ..space import LabelSpace
from ..space.feasibility import check_consistent, feasible
from ..words import count, listed
from .image_files import Tree, find_images, is_image, report, walk
from .record import KnownLabels

Copies = list[tuple[Path, Path]]  # (a file, the earlier one that it is a copy of)


def read_folder(root: Path, space: LabelSpace | None, merge: bool, strict: bool) -> KnownLabels:
    """See `Observed.from_folder`."""
    if not root.is_dir():
        raise DataError(f"{root}: folder not found; give a folder with one folder of images for each label")
    tree = Tree()
    folders, empty = _label_folders(root, space, tree)
    files = {label: sorted(walk(folder, tree)) for label, folder in folders.items()}
    found = [(file, label) for label, inside in files.items() for file in inside if is_image(file.name)]
    if not found:
        stray = len(find_images(root, tree))
        inside = f"no images in its {count(len(folders), 'label folder')}" if folders else "has no folders of images"
        outside = f", but {count(stray, 'image')} outside of them" if stray else ""
        raise DataError(
            f"{root}: {inside}{outside}; sort the images into one folder for each label, or give a table of known labels"
        )
    with_images = {label for _, label in found}
    empty += [label for label in folders if label not in with_images]
    mixed: list[str] = []  # a label whose images are sorted further, or a group with stray images? Only a space can say
    if space is None:
        space = LabelSpace.free(folders)
        depths: dict[str, set[int]] = defaultdict(set)
        for file, label in found:
            depths[label].add(len(file.relative_to(root).parts))
        mixed = [label for label, depth in depths.items() if 2 in depth and len(depth) > 1]
    rows, copies = _merge(found) if merge else ([[one] for one in found], [])
    values = np.full((len(rows), space.num_labels), -1, dtype=np.int8)
    for row, labelled in enumerate(rows):
        for _, label in labelled:
            values[row, space.index(label)] = 1
    try:
        names = tuple(labelled[0][0].relative_to(root).as_posix() for labelled in rows)
        check_consistent(values, space, names)
    except ObservationError as error:
        same = rows[int(np.flatnonzero(~feasible(values, space))[0])]
        where = listed([path.relative_to(root).as_posix() for path, _ in same])
        raise ObservationError(f"{root}: {error}; the same image is stored as {where}") from None
    _report_left_out(root, files, find_images(root, tree), empty, copies, sorted(mixed), strict)
    return KnownLabels(values, space, names)


def _label_folders(root: Path, space: LabelSpace | None, tree: Tree) -> tuple[dict[str, Path], list[str]]:
    """The folder of each label, in order of name; and folders of groups that are empty."""
    groups = {} if space is None else {group.name: group for group in space.groups}
    folders: dict[str, Path] = {}
    empty: list[str] = []

    def add(folder: Path) -> None:
        label = folder.name
        if label in folders:
            raise ObservationError(
                f'{folder}: label "{label}" already has the folder {folders[label]}; move the images '
                "into one of the two, or rename one"
            )
        folders[label] = folder

    for top in tree.folders(root):
        inner, pictures = tree.folders(top), tree.images(top)
        if space is None:
            for folder in inner if inner and not pictures else [top]:
                add(folder)
            continue
        group = groups.get(top.name)
        if group is not None and inner and not pictures and group.labels != (group.name,):
            for folder in inner:
                if folder.name not in group.labels:
                    raise ObservationError(
                        f'{folder}: "{folder.name}" is not a label of group "{group.name}"{nearest(folder.name, group.labels)} '
                        f"(its labels: {listed(group.labels)}); rename the folder or add the label"
                    )
                add(folder)
        elif top.name in space.labels:
            add(top)
        elif group is None:
            labels_inside = inner and all(folder.name in space.labels or folder.name in groups for folder in inner)
            raise ObservationError(
                f'{top}: "{top.name}" is neither a label nor a group of the label space'
                f"{nearest(top.name, [*space.labels, *groups])}; "
                + (
                    f"its inner folders are, so give {top} as the folder of images"
                    if labels_inside
                    else "rename the folder or add the label"
                )
            )
        elif pictures:
            raise ObservationError(
                f'{top}: images of group "{group.name}" lie outside of its label folders: {listed(pictures)}; move each '
                f"into the folder of its label ({listed(group.labels)})"
            )
        else:
            empty.append(top.name)
    return folders, empty


def _report_left_out(
    root: Path,
    files: dict[str, list[Path]],
    images: list[Path],
    empty: list[str],
    copies: Copies,
    mixed: list[str],
    strict: bool,
) -> None:
    def name(path: Path) -> str:
        return path.relative_to(root).as_posix()

    if empty:
        report(f"{root}: {count(len(empty), 'label folder')} without images: {listed(empty)}", strict)
    if mixed:
        report(
            f"{root}: {count(len(mixed), 'folder')} with both images and folders of images: {listed(mixed)}. Each is read "
            "as one label; "
            "give a label space if the inner folders are labels",
            strict,
        )
    inside = {file for some in files.values() for file in some}
    others = [name(file) for file in sorted(inside) if not is_image(file.name)]
    if others:
        report(f"{root}: {count(len(others), 'file')} left out, without the ending of an image file: {listed(others)}", strict)
    stray = [name(file) for file in images if file not in inside]
    if stray:
        report(f"{root}: {count(len(stray), 'image')} left out, outside of label folders: {listed(stray)}", strict)
    if copies:
        shown = listed([f"{name(path)} = {name(first)}" for path, first in copies], 3)
        report(f"{root}: {count(len(copies), 'file')} merged with the image of the same content: {shown}", strict)


def _merge(found: list[tuple[Path, str]]) -> tuple[list[list[tuple[Path, str]]], Copies]:
    """One row for each image: files of the same bytes are the same image."""
    sizes = {path: path.stat().st_size if path.exists() else 0 for path, _ in found}
    number: dict[int, int] = defaultdict(int)
    for size in sizes.values():
        number[size] += 1
    first: dict[object, int] = {}
    rows: list[list[tuple[Path, str]]] = []
    copies: Copies = []
    for path, label in found:
        key = path if number[sizes[path]] == 1 else _fingerprint(path)  # only files of equal size can be equal
        if key in first:
            rows[first[key]].append((path, label))
            copies.append((path, rows[first[key]][0][0]))
        else:
            first[key] = len(rows)
            rows.append([(path, label)])
    return rows, copies


def _fingerprint(path: Path) -> object:
    """Equal for equal images. Files that are not images are never equal, since two failed downloads are not copies."""
    try:
        content = path.read_bytes()
    except OSError:  # the reader of images names the file
        return path
    return hashlib.sha256(content).digest() if _begins_as_an_image(content[:16]) else path


def _begins_as_an_image(head: bytes) -> bool:
    """Whether any of Pillow's formats begins with these bytes; nothing is decoded."""
    from PIL import Image

    Image.init()
    for _, accept in Image.OPEN.values():
        with suppress(Exception):  # a format's check may stumble over very short files
            if accept is not None and accept(head) is True:
                return True
    return False
