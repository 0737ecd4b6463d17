"""Hugging Face's imagefolder: images beside a metadata.csv, .jsonl or .parquet whose column `file_name` names them.

See https://huggingface.co/docs/datasets/image_dataset. A split is a folder with metadata of its own (train/metadata.csv),
and names are
relative to it. Class numbers are named by the dataset card README.md, or by the user.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import AmbiguousError, Choice, DataError, ObservationError
from ...words import listed
from ..features import of_card
from ..image_files import Tree
from ..options import ReadOptions
from ..record import SPLIT, Statements
from ..sheet import Sheet, recoded
from ..sheet_files import read_sheet
from .classed import statements
from .registry import Labelled

NAME = "imagefolder"
TITLE = "Hugging Face imagefolder: metadata.csv, .jsonl or .parquet beside the images"
WRITES: frozenset[str] = frozenset()
FILES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_ONE, _MANY = "file_name", "file_names"


def metadata_of(folder: Path, tree: Tree | None = None) -> list[Path]:
    """The metadata files of a folder: its own, or those of the folders in it."""
    tree = Tree() if tree is None else tree
    folders, files, *_ = tree.entries(folder)
    own = [folder / name for name in FILES if name in files]
    if own:
        return own
    return [folder / inner / name for inner in folders for name in FILES if name in tree.entries(folder / inner)[1]]


def recognise(path: Path, head: bytes) -> bool:
    """A folder with metadata in it or in its folders, or such a file itself, with a column of file names."""
    if path.is_dir():
        return is_imagefolder(path)
    return path.name in FILES and _names_files(path)


def is_imagefolder(folder: Path, tree: Tree | None = None) -> bool:
    """Whether a folder has metadata of this format; `tree` holds folders that were listed before."""
    return any(_names_files(file) for file in metadata_of(folder, tree)[:1])


def _names_files(path: Path) -> bool:
    if path.suffix == ".parquet":
        from pyarrow import parquet

        try:
            return bool(_file_columns(parquet.read_schema(path).names))
        except (OSError, ValueError):
            return False
    with path.open("rb") as file:
        return _ONE.encode() in file.read(1 << 16)


def _file_columns(names: Sequence[str]) -> list[str]:
    return [name for name in names if name in (_ONE, _MANY) or name.endswith((f"_{_ONE}", f"_{_MANY}"))]


def read(path: Path, options: ReadOptions) -> Statements:
    """What the metadata of a folder state.

    Raises:
        DataError: no metadata, or files that cannot be read; file and line are named.
        ObservationError: rows without a name, several images in a row, splits whose columns differ.
        AmbiguousError: which column names the images, or what class numbers mean, is unclear.
    """
    files = metadata_of(path) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: no {listed(FILES)} in it or in its folders; put one beside the images")
    root = path if path.is_dir() else path.parent
    doubled = [file for file in files[1:] if file.parent == files[0].parent]
    if doubled:
        raise AmbiguousError(
            f"{root}: holds {files[0].name} and {doubled[0].name}",
            [Choice({"observed": str(file)}, "to read this one") for file in (files[0], doubled[0])],
        )
    sheets = [read_sheet(file, (_ONE,)) for file in files]
    folders = ["" if file.parent == root else f"{file.parent.relative_to(root).as_posix()}/" for file in files]
    heading = _image_column(sheets[0], options)
    sheet = _joined(str(files[0] if len(files) == 1 else path), sheets, folders, heading)
    card = next((found for found in map(of_card, (root, root.parent)) if found.classes), of_card(root))
    splits = [folder.strip("/") for folder in folders if folder]
    reading = (("image names", f'column "{heading}"'), *((("splits", listed(splits)),) if splits else ()))
    stated = statements(sheet, card, options, NAME, reading)
    if not splits:
        return stated
    return replace(stated, extra={**stated.extra, SPLIT: [name.partition("/")[0] for name in stated.images]})


def write(path: Path, content: Labelled) -> None:
    """Not written.

    Raises:
        DataError: always.
    """
    raise DataError(f"{path}: this format is not written; write a table metadata.csv and rename its column to file_name")


def _image_column(sheet: Sheet, options: ReadOptions) -> str:
    if options.image_column is not None:
        if sheet.column(options.image_column) is None:
            raise ObservationError(f'{sheet.head}: no column "{options.image_column}" (columns: {listed(sheet.names)})')
        return options.image_column
    found = _file_columns(sheet.names)
    if not found:
        raise ObservationError(f"{sheet.head}: no column file_name (columns: {listed(sheet.names)}); imagefolder needs one")
    several = [name for name in found if name.endswith(_MANY)]
    if several and len(several) == len(found):
        raise ObservationError(f'{sheet.head}: each row of "{several[0]}" names several images; give one row for each image')
    found = [name for name in found if name not in several]
    if len(found) > 1 and _ONE not in found:
        raise AmbiguousError(
            f"{sheet.head}: several columns name images",
            [Choice({"image_column": name}, "these are the images to use") for name in found],
        )
    return _ONE if _ONE in found else found[0]


def _joined(source: str, sheets: Sequence[Sheet], folders: Sequence[str], heading: str) -> Sheet:
    """The metadata of all splits as one table, with names relative to the folder above; the image column comes first."""
    first = sheets[0]
    for sheet in sheets[1:]:
        if {*sheet.names} != {*first.names}:
            raise ObservationError(
                f"{sheet.source}: has other columns than {first.source} "
                f"({listed(sorted({*sheet.names} ^ {*first.names}))}); splits "
                "need the same columns"
            )
    image = first.column(heading)
    assert image is not None
    names = [image.name, *(name for name in first.names if name != image.name)]
    columns = []
    for name in names:
        texts: dict[str, int] = {}
        parts = []
        for sheet, folder in zip(sheets, folders, strict=True):
            column = next(one for one in sheet.columns if one.name == name)
            prefix = folder if name == image.name else ""
            new = [texts.setdefault(prefix + text if text else "", len(texts)) for text in column.texts]
            parts.append(np.asarray(new, np.int32)[column.codes])
        columns.append(recoded(name, np.concatenate(parts), list(texts)))
    if len(sheets) == 1:
        return Sheet(source, tuple(columns), first.unit, first.places)
    starts = np.cumsum([0, *(sheet.num_rows for sheet in sheets)])

    def locate(row: int) -> str:
        number = int(np.searchsorted(starts, row, "right")) - 1
        return sheets[number].at(row - int(starts[number]))

    return Sheet(source, tuple(columns), "row", lambda: range(1, int(starts[-1]) + 1), locate)
