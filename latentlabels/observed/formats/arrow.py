"""Parquet and Arrow tables with the images inside, as Hugging Face stores data sets: a column of images, others of labels.

Names of classes are in the schema (https://huggingface.co/docs/datasets/about_arrow); images are not read here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ... import shards
from ...errors import DataError
from ..features import Features, of_card
from ..options import ReadOptions
from ..packed import arrow
from ..record import Statements
from ..sheet import Sheet, encoded
from ..sheet_arrow import columns_of_arrow
from .classed import statements
from .registry import Labelled

NAME = "arrow"
TITLE = "Parquet or Arrow with the images inside, as Hugging Face stores data sets"
WRITES: frozenset[str] = frozenset()


def recognise(path: Path, head: bytes) -> bool:
    """Parquet or Arrow that has a column of images; without one it is a table."""
    looks = head[:4] == b"PAR1" or head[:6] == b"ARROW1" or path.suffix.lower() == ".arrow"
    return looks and path.is_file() and arrow.has_images(path)


def read(path: Path, options: ReadOptions) -> Statements:
    """What the columns beside the images state; `path` may be a glob or have numbers in braces.

    Raises:
        DataError: files that are not there or not whole, or images of one name.
        AmbiguousError: what columns or class numbers mean is unclear.
    """
    files = [arrow.open_shard(one) for one in shards.expand(path)]
    how = arrow.layout(str(path), files, options.image_column)
    names, naming = arrow.names_of(str(path), files, how)
    features = how.features if how.features.classes else replace(of_card(files[0].path.parent), images=how.features.images)
    return of_columns(str(path), arrow.label_table(files, how), names, naming, features, options, NAME)


def of_columns(
    source: str, table: object, names: list[str], naming: str, features: Features, options: ReadOptions, format: str
) -> Statements:
    """What the columns of an Arrow table state of images of these names."""
    columns = columns_of_arrow(table)
    taken = {column.name for column in columns}
    heading = next(one for one in ("image", "image name", "name of the image") if one not in taken)
    sheet = Sheet(source, (encoded(heading, names), *columns), "row", lambda: range(1, len(names) + 1))
    return statements(sheet, features, options, format, (("image names", naming),))


def write(path: Path, content: Labelled) -> None:
    """Not written.

    Raises:
        DataError: always.
    """
    raise DataError(f"{path}: labels cannot be written into files of images; write a table")
