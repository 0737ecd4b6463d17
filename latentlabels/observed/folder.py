"""An ImageFolder, ``label/image`` or ``group/label/image``, read as known labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..space import LabelSpace
from ..words import count, listed, shown
from .contradictions import ContradictionError, settle
from .file_kinds import IMAGE
from .folder_labels import lay_out
from .folder_layout import Layout
from .identical_files import identical
from .image_files import Tree, passed_over, report_all, walk
from .known_table import KnownTable
from .names import label_name
from .options import ReadOptions
from .record import Contradiction, HowRead, KnownLabels
from .sparse import known_table


@dataclass(frozen=True)
class _Found:
    """An image file, and the columns of the labels that its folder says to be present, or absent."""

    file: Path
    present: tuple[int, ...] = ()
    absent: tuple[int, ...] = ()


def read_folder(root: Path, space: LabelSpace | None, options: ReadOptions) -> KnownLabels:
    """Read an ImageFolder; see `Observed.from_folder`.

    Args:
        root: the folder.
        space: the label space; None: every folder is a free label.
        options: what the user states; of a folder `unlabelled`, `ignore`, `contradictions`, `merge`, `strict` and `ambiguous`.

    Raises:
        DataError: no such folder, or no images in it.
        ObservationError: a folder that is no label of the space or can mean two things, or images whose labels exclude each
            other.
    """
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "folder not found"
        raise DataError(f"{shown(root)}: {what}; give a folder with one folder of images for each label")
    tree = Tree() if options.tree is None else options.tree
    layout = lay_out(root, space, options, tree)
    free = space is None
    files = {label: [file for folder in folders for file in walk(folder, tree, layout.closed)]
             for label, folders in layout.labels.items()}  # fmt: skip
    if space is None:
        space = LabelSpace.free(layout.labels) if layout.labels else LabelSpace.free(["none"])
    found = list(_images(layout, files, space))
    if not any(one.present or one.absent for one in found):
        raise DataError(_nothing_found(layout))
    with_images = {column for one in found for column in one.present}
    layout.empty += [label for label in layout.labels if space.index(label) not in with_images]
    groups = identical([one.file for one in found]) if options.merge else [[row] for row in range(len(found))]
    rows = [[found[number] for number in group] for group in groups]
    values, contradictions = _known(layout, rows, space, options)
    images = tuple(layout.relative(row[0].file) for row in rows)
    layout.notes += _left_out(layout, files, rows, options, free)
    report_all(layout.notes, options.strict)
    facts = (("known labels", f"folders: {count(len(layout.labels), 'label')}"), *_counted(layout), *layout.facts)
    how_read = HowRead(str(root), "folders", facts, tuple(layout.notes), tuple(contradictions), options.contradictions)
    return KnownLabels(values, space, images, how_read)


def _images(layout: Layout, files: dict[str, list[Path]], space: LabelSpace) -> Iterator[_Found]:
    """The image files of the labels, of the groups that have none, and those without known labels."""
    for label, inside in files.items():
        said = (space.index(label),)
        yield from (_Found(file, said) for file in inside if layout.tree.kind(file) is IMAGE)
    for name, folders in layout.none.items():
        columns = tuple(space.columns(next(group for group in space.groups if group.name == name)))
        every = (file for folder in folders for file in walk(folder, layout.tree, layout.closed))
        yield from (_Found(file, (), columns) for file in every if layout.tree.kind(file) is IMAGE)
    for folder in layout.unlabelled:
        outside = layout.closed - {folder}
        yield from (_Found(file) for file in walk(folder, layout.tree, outside) if layout.tree.kind(file) is IMAGE)


def _nothing_found(layout: Layout) -> str:
    root, folders = layout.root, [folder for several in layout.labels.values() for folder in several]
    stray = sum(layout.tree.kind(file) is IMAGE for file in walk(root, layout.tree, layout.closed))
    inside = f"no images in its {count(len(folders), 'label folder')}" if folders else "has no folders of images"
    outside = f", but {count(stray, 'image')} outside of them" if stray else ""
    others = passed_over(walk(root, layout.tree, layout.closed), layout.tree, root, pictures_only=True)
    more = "".join(f"\n{line}" for line in (*others, *_unreadable(layout)))
    mend = "sort the images into one folder for each label, or give a table of known labels"
    return f"{shown(root)}: {inside}{outside}; {mend}{more}"


# --- values -------------------------------------------------------------------------------------------------------------


def _known(
    layout: Layout, rows: Sequence[Sequence[_Found]], space: LabelSpace, options: ReadOptions
) -> tuple[KnownTable, list[Contradiction]]:
    """Known labels of each image, and those that cannot all be true; only copies of an image can contradict each other."""
    single = [number for number, row in enumerate(rows) if len(row) == 1]
    several = [number for number, row in enumerate(rows) if len(row) > 1]
    votes = np.zeros((len(several), space.num_labels, 2), dtype=np.int32)
    for at, number in enumerate(several):
        for one in rows[number]:
            votes[at, list(one.absent), 0] += 1
            votes[at, list(one.present), 1] += 1
    copied, found = _settled(layout, [rows[number] for number in several], votes, space, options)
    entries = [(number, column, 1) for number in single for column in rows[number][0].present]
    entries += [(number, column, 0) for number in single for column in rows[number][0].absent]
    place, columns = np.nonzero(copied != -1)
    lone = np.array(entries, dtype=np.int64).reshape(-1, 3)
    of_copies = np.stack([np.array(several, dtype=np.int64)[place], columns, copied[place, columns]], axis=1)
    row, column, value = np.concatenate([lone, of_copies]).T
    return known_table(row, column, value, (len(rows), space.num_labels), space.labels), found


def _settled(
    layout: Layout, rows: Sequence[Sequence[_Found]], votes: NDArray[np.int32], space: LabelSpace, options: ReadOptions
) -> tuple[NDArray[np.int8], list[Contradiction]]:
    """Known labels of images that lie in several folders: (N, K), of votes (N, K, 2) for "absent" and "present"."""
    absent, present = votes[..., 0], votes[..., 1]
    values = np.where(present > absent, 1, np.where(absent > present, 0, -1)).astype(np.int8)
    images = [layout.relative(row[0].file) for row in rows]
    where = [tuple(layout.relative(one.file) for one in row) for row in rows]
    both = (present > 0) & (absent > 0)
    if options.contradictions != "vote":
        values[both] = -1
    found = [
        Contradiction(images[row], (space.labels[k],), _both(space.labels[k], present[row, k], absent[row, k]), where[row])
        for row, k in np.argwhere(both).tolist()
    ]
    values, impossible = settle(values, votes.max(2), space, images, options.contradictions, where)
    found += impossible
    if found and options.contradictions == "refuse":
        raise ContradictionError(shown(layout.root), found)
    if found:
        did = "count as unknown" if options.contradictions == "unknown" else "are settled by a vote"
        listed_ = listed([str(one) for one in found], 3)
        layout.notes.append(f"{shown(layout.root)}: {count(len(found), 'contradiction')} {did}: {listed_}")
    return values, found


def _both(label: str, present: int, absent: int) -> str:
    return f'"{label}" is present by {count(int(present), "folder")} and absent by {count(int(absent), "folder")}'


# --- what is left out ---------------------------------------------------------------------------------------------------


def _left_out(
    layout: Layout, files: dict[str, list[Path]], rows: Sequence[Sequence[_Found]], options: ReadOptions, free: bool
) -> list[str]:
    """Sentences on all that was left out."""
    root, tree = layout.root, layout.tree
    at = shown(root)
    notes: list[str] = []
    if layout.empty:
        notes.append(f"{at}: {count(len(layout.empty), 'label folder')} without images: {listed(layout.empty)}")
    mixed = _sorted_further(layout, files) if free else []
    if mixed:
        notes.append(
            f"{at}: {count(len(mixed), 'folder')} with both images and folders of images: {listed(mixed)}. Each is read "
            "as one label; give a label space if the inner folders are labels"
        )
    inside = {file for some in files.values() for file in some}
    notes += passed_over(sorted(inside), tree, root)
    every = list(walk(root, tree, layout.closed))
    outside = [file for file in every if file not in inside]
    stray = [file for file in outside if tree.kind(file) is IMAGE]
    if stray:
        notes.append(f"{at}: {count(len(stray), 'image')} left out, outside of label folders: {layout.names(stray)}")
    notes += passed_over(outside, tree, root, pictures_only=True)
    notes += _system(layout, options)
    notes += _unreadable(layout)
    copies = [(one.file, row[0].file) for row in rows for one in row[1:]]
    if copies:
        pairs = listed([f"{layout.name(file)} = {layout.name(first)}" for file, first in copies], 3)
        notes.append(f"{at}: {count(len(copies), 'file')} merged with the image of the same content: {pairs}")
    return notes


def _sorted_further(layout: Layout, files: dict[str, list[Path]]) -> list[str]:
    """Folders with both images and folders of images: labels, or groups with stray images? Only a label space can say."""
    depths: dict[str, set[int]] = defaultdict(set)
    for label, inside in files.items():
        for file in inside:
            if layout.tree.kind(file) is IMAGE:
                depths[label].add(len(file.relative_to(layout.root).parts))
    return sorted(label for label, depth in depths.items() if 2 in depth and len(depth) > 1)


def _system(layout: Layout, options: ReadOptions) -> list[str]:
    """Folders of the system that hold images, which are no part of the data."""
    stated = {label_name(name) for name in options.ignore}
    read = {folder for folders in layout.labels.values() for folder in folders}
    numbers: dict[str, int] = defaultdict(int)
    for folder in layout.folders():
        for name in layout.tree.entries(folder).system:
            if folder / name not in read and label_name(name) not in stated:
                numbers[name] += sum(layout.tree.kind(file) is IMAGE for file in walk(folder / name, layout.tree))
    named = [f"{shown(name)} ({number:,})" for name, number in sorted(numbers.items()) if number]
    total = sum(numbers.values())
    if not named:
        return []
    what = "folders of the system or hidden ones"
    return [f"{shown(layout.root)}: {count(total, 'image')} left out, in {what}: {listed(named)}"]


def _unreadable(layout: Layout) -> list[str]:
    below = [(Path(path), why) for path, why in layout.tree.unreadable.items()]
    mine = [f"{layout.name(path)} ({why})" for path, why in below if path == layout.root or layout.root in path.parents]
    return [f"{shown(layout.root)}: {count(len(mine), 'folder')} cannot be read: {listed(mine)}"] if mine else []


def _counted(layout: Layout) -> list[tuple[str, str]]:
    """What the user states about folders, with the number of their images."""
    out = []
    for what, folders in (("without known labels", layout.unlabelled), ("left out as stated", layout.ignored)):
        if folders:
            closed = layout.closed
            sizes = [sum(layout.tree.kind(file) is IMAGE for file in walk(one, layout.tree, closed - {one})) for one in folders]
            named = [f"{layout.name(one)} ({count(size, 'image')})" for one, size in zip(folders, sizes, strict=True)]
            out.append((what, listed(named)))
    return out
