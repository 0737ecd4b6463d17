"""An ImageFolder, ``label/image`` or ``group/label/image``, read as known labels."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..space import LabelSpace
from ..words import count, listed, shown
from .contradictions import ContradictionError, settle
from .file_kinds import IMAGE, FileKind
from .folder_labels import lay_out
from .folder_layout import Layout
from .identical_files import identical
from .image_files import Tree, files_below, passed_over, report_all
from .known_table import KnownTable
from .names import label_name
from .none_of_them import ask_about_none
from .options import ReadOptions
from .record import Contradiction, HowRead, KnownLabels
from .sparse import known_table


class _Found(NamedTuple):
    """An image file, and the columns of the labels that its folder says to be present, or absent."""

    name: str
    present: tuple[int, ...] = ()
    absent: tuple[int, ...] = ()


_File = tuple[str, FileKind]


@dataclass(frozen=True)
class _Files:
    """The files of an ImageFolder: names relative to it, and kinds.

    Attributes:
        labels: those of each label.
        none: those of images that show no label of a group, by the group's name.
        unlabelled: those without known labels.
        outside: those of none of these.
    """

    labels: dict[str, list[_File]]
    none: dict[str, list[_File]]
    unlabelled: list[_File]
    outside: list[_File]


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
    layout = lay_out(root, space, options, Tree() if options.tree is None else options.tree)
    files = _files_of(layout)
    if not any(kind is IMAGE for some in (*files.labels.values(), *files.none.values()) for _, kind in some):
        raise DataError(_nothing_found(layout, files))
    free = space is None
    space = LabelSpace.free(layout.labels) if space is None else space
    found = list(_images(files, space))
    groups = identical([os.path.join(root, one.name) for one in found]) if options.merge else [[n] for n in range(len(found))]
    rows = [[found[number] for number in group] for group in groups]
    known, contradictions = _known(layout, rows, space, options)
    layout.notes += _left_out(layout, files, rows, options, free)
    layout.notes += ask_about_none(known, space, [row[0].name for row in rows], shown(root), options)
    report_all(layout.notes, options.strict)
    facts = (("labels", f"{count(len(layout.labels), 'name')} of folders"), *_counted(layout), *layout.facts)
    how_read = HowRead(str(root), "folders", facts, tuple(layout.notes), tuple(contradictions), options.contradictions)
    return KnownLabels(known, space, tuple(row[0].name for row in rows), how_read)


def _files_of(layout: Layout) -> _Files:
    closed = layout.closed
    entered = {folder for folders in (*layout.labels.values(), *layout.none.values()) for folder in folders}

    def inside(folders: Sequence[Path]) -> list[_File]:
        return [
            file
            for folder in folders
            for file in files_below(folder, layout.tree, closed - {folder}, layout.relative(folder) + "/")
        ]

    return _Files(
        {label: inside(folders) for label, folders in layout.labels.items()},
        {group: inside(folders) for group, folders in layout.none.items()},
        inside(layout.unlabelled),
        list(files_below(layout.root, layout.tree, closed | entered)),
    )


def _images(files: _Files, space: LabelSpace) -> Iterator[_Found]:
    """The images of the labels, those that show none of a group, and those without known labels."""
    groups = {group.name: tuple(space.columns(group)) for group in space.groups}
    for label, some in files.labels.items():
        said = (space.index(label),)
        yield from (_Found(name, said) for name, kind in some if kind is IMAGE)
    for group, some in files.none.items():
        yield from (_Found(name, (), groups[group]) for name, kind in some if kind is IMAGE)
    yield from (_Found(name) for name, kind in files.unlabelled if kind is IMAGE)


def _nothing_found(layout: Layout, files: _Files) -> str:
    at, folders = shown(layout.root), sum(len(several) for several in layout.labels.values())
    stray = sum(kind is IMAGE for _, kind in files.outside)
    inside = f"no images in its {count(folders, 'label folder')}" if folders else "has no folders of images"
    outside = f", but {count(stray, 'image')} outside of them" if stray else ""
    every = [*(file for some in files.labels.values() for file in some), *files.outside]
    more = "".join(f"\n{line}" for line in (*passed_over(every, at, pictures_only=True), *_unreadable(layout)))
    mend = "sort the images into one folder for each label, or give a table of known labels"
    return f"{at}: {inside}{outside}; {mend}{more}"


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
    images = [row[0].name for row in rows]
    where = [tuple(one.name for one in row) for row in rows]
    both = (present > 0) & (absent > 0)
    if options.contradictions != "vote":
        values[both] = -1
    found = [
        Contradiction(images[row], (space.labels[k],), _both(space.labels[k], present[row, k], absent[row, k]), where[row])
        for row, k in np.argwhere(both).tolist()
    ]
    values, impossible = settle(values, votes.max(2), space, images, options.policy, where)
    found += impossible
    if found and options.refuses:
        raise ContradictionError(shown(layout.root), found)
    if found and not options.listing:
        did = "count as unknown" if options.contradictions == "unknown" else "are settled by a vote"
        listed_ = listed([str(one) for one in found], 3)
        layout.notes.append(f"{shown(layout.root)}: {count(len(found), 'contradiction')} {did}: {listed_}")
    return values, found


def _both(label: str, present: int, absent: int) -> str:
    return f'"{label}" is present by {count(int(present), "folder")} and absent by {count(int(absent), "folder")}'


# --- what is left out ---------------------------------------------------------------------------------------------------


def _left_out(
    layout: Layout, files: _Files, rows: Sequence[Sequence[_Found]], options: ReadOptions, free: bool
) -> list[str]:  # fmt: skip
    """Sentences on all that was left out."""
    at = shown(layout.root)
    notes: list[str] = []
    empty = layout.empty + [label for label, some in files.labels.items() if all(kind is not IMAGE for _, kind in some)]
    if empty:
        notes.append(f"{at}: {count(len(empty), 'label folder')} without images: {listed(empty)}")
    mixed = _sorted_further(files) if free else []
    if mixed:
        notes.append(
            f"{at}: {count(len(mixed), 'folder')} with both images and folders of images: {listed(mixed)}. Each is read "
            "as one label; give a label space if the inner folders are labels"
        )
    inside = [file for some in (*files.labels.values(), *files.none.values(), files.unlabelled) for file in some]
    notes += passed_over(inside, at)
    stray = [name for name, kind in files.outside if kind is IMAGE]
    if stray:
        notes.append(f"{at}: {count(len(stray), 'image')} left out, outside of label folders: {listed(stray)}")
    notes += passed_over(files.outside, at, pictures_only=True)
    notes += _system(layout, options)
    notes += _unreadable(layout)
    copies = [f"{shown(one.name)} = {shown(row[0].name)}" for row in rows for one in row[1:]]
    if copies:
        notes.append(f"{at}: {count(len(copies), 'file')} merged with the image of the same content: {listed(copies, 3)}")
    return notes


def _sorted_further(files: _Files) -> list[str]:
    """Folders with both images and folders of images: labels, or groups with stray images? Only a label space can say."""
    depths = {label: {name.count("/") for name, kind in some if kind is IMAGE} for label, some in files.labels.items()}
    return sorted(label for label, depth in depths.items() if 1 in depth and len(depth) > 1)


def _system(layout: Layout, options: ReadOptions) -> list[str]:
    """Folders of the system that hold images, which are no part of the data."""
    stated = {label_name(name) for name in options.ignore}
    read = {folder for folders in layout.labels.values() for folder in folders}
    numbers: dict[str, int] = defaultdict(int)
    for folder in layout.folders():
        for name in layout.tree.entries(folder).system:
            if folder / name not in read and label_name(name) not in stated:
                numbers[name] += _num_images(layout, folder / name)
    layout.facts += [
        ("left out, of the system", f"{shown(name)} ({count(number, 'image')})")
        for name, number in sorted(numbers.items())
        if number or not name.startswith(".")
    ]
    named = [f"{shown(name)} ({number:,})" for name, number in sorted(numbers.items()) if number]
    total = count(sum(numbers.values()), "image")
    what = "left out, in folders of the system or hidden ones"
    return [f"{shown(layout.root)}: {total} {what}: {listed(named)}"] if named else []


def _unreadable(layout: Layout) -> list[str]:
    below = [(Path(path), why) for path, why in layout.tree.unreadable.items()]
    mine = [f"{layout.name(path)} ({why})" for path, why in below if path == layout.root or layout.root in path.parents]
    return [f"{shown(layout.root)}: {count(len(mine), 'folder')} cannot be read: {listed(mine)}"] if mine else []


def _counted(layout: Layout) -> list[tuple[str, str]]:
    """What the user states about folders, with the number of their images."""
    out = []
    for what, folders in (("without known labels", layout.unlabelled), ("left out as stated", layout.ignored)):
        if folders:
            named = [f"{layout.name(one)} ({count(_num_images(layout, one), 'image')})" for one in folders]
            out.append((what, listed(named)))
    return out


def _num_images(layout: Layout, folder: Path) -> int:
    return sum(kind is IMAGE for _, kind in files_below(folder, layout.tree, layout.closed - {folder}))
