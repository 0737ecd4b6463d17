"""Images without any known label, beside those that a table names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..words import count, listed
from .file_kinds import IMAGE
from .folder_layout import stated_folders
from .image_files import Tree, files_below
from .known_table import DenseKnown, KnownTable
from .record import KnownLabels


def with_unlabelled(known: KnownLabels, root: Path, folders: tuple[str, ...], tree: Tree | None) -> KnownLabels:
    """Add the images of some folders that the table does not name, as rows without known labels.

    Args:
        known: rows whose images are files of the folder.
        root: the folder of images.
        folders: names of folders in it, or paths relative to it.
        tree: folders that were listed before.

    Raises:
        ObservationError: no such folder.
    """
    tree = Tree() if tree is None else tree
    named = {*known.images}
    found: dict[str, None] = {}
    for folder in stated_folders(root, folders, tree, "unlabelled"):
        before = folder.relative_to(root).as_posix() + "/"
        found |= {name: None for name, kind in files_below(folder, tree, (), before) if kind is IMAGE and name not in named}
    table = known.values if isinstance(known.values, KnownTable) else DenseKnown(known.values)
    extra = {name: (*texts, *([""] * len(found))) for name, texts in known.extra.items()}
    how_read = known.how_read
    if how_read is not None:
        fact = ("without known labels", f"{count(len(found), 'image')} of {listed(folders)} not in the table")
        how_read = replace(how_read, facts=(*how_read.facts, fact))
    return KnownLabels(table.with_unknown(len(found)), known.space, (*known.images, *found), how_read, extra)
