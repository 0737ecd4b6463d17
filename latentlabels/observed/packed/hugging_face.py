"""A `datasets.Dataset` of Hugging Face: its images by row, and its columns of labels. The library itself is not imported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import DataError
from ...words import listed
from ..features import of_schema
from .arrow import content
from .contents import Contents
from .layout import BY_ROW, ROWS, TableLayout, checked_names, image_columns, is_label, layout_of, without_boxes

if TYPE_CHECKING:
    import pyarrow as pa

SOURCE = "the Dataset"
"""What a Dataset object is called in messages."""


def is_hugging_face(given: object) -> bool:
    """Whether something is a Dataset of Hugging Face's library `datasets`.

    Raises:
        DataError: several splits, or a stream without a length.
    """
    if type(given).__module__.partition(".")[0] != "datasets":
        return False
    if isinstance(given, dict):
        first = next(iter(given), "train")
        raise DataError(f'this DatasetDict holds the splits {listed(list(given))}; give one of them, dataset["{first}"]')
    if not hasattr(given, "__len__"):
        raise DataError("this Dataset is read as a stream and has no length; load it without streaming=True")
    return hasattr(given, "features") and hasattr(given, "with_format")


def layout(dataset: Any, image_column: str | None = None) -> TableLayout:
    """Which columns of a Dataset hold the images and their names.

    Raises:
        DataError, AmbiguousError: as `layout_of`.
    """
    schema = dataset.features.arrow_schema
    return layout_of(SOURCE, schema, of_schema(schema.metadata, SOURCE), image_column)


def names_of(dataset: Any, how: TableLayout) -> tuple[list[str], str]:
    """The names of the images, and where they are from; "0", "1", ... where nobody names them."""
    import pyarrow.compute as pc

    names: list[object] = []
    column = how.naming or how.column
    if how.naming != ROWS:
        read = dataset.select_columns([column]).with_format("arrow")
        for start in range(0, len(dataset), _ROWS):
            part = read[start : start + _ROWS].column(0)
            has_path = how.naming is not None or "path" in [field.name for field in part.type]
            if not has_path:
                return [str(row) for row in range(len(dataset))], BY_ROW
            names += (part if how.naming is not None else pc.struct_field(part, "path")).to_pylist()
    found, where = checked_names(SOURCE, names, [str(row) for row in range(len(dataset))], how)
    return found, where


_ROWS = 256  # rows whose paths are read at once: the bytes of their images are read as well


def label_table(dataset: Any, how: TableLayout) -> pa.Table:
    """The columns that can hold labels."""
    schema = dataset.features.arrow_schema
    images = {how.column, *image_columns(schema, how.features)}
    wanted = [field.name for field in schema if field.name not in images and field.name != how.naming and is_label(field.type)]
    return without_boxes(dataset.select_columns(wanted).with_format("arrow")[:])


class DatasetImages:
    """The encoded images of a Dataset, by row.

    Args:
        dataset: the Dataset.
        column: of the images.
    """

    def __init__(self, dataset: Any, column: str):
        self._rows = dataset.select_columns([column]).with_format("arrow")

    def place(self, row: int) -> str:
        """Where an image is, for messages."""
        return f"{SOURCE}, row {row}"

    def read(self, row: int) -> bytes:
        """The encoded image of a row.

        Raises:
            DataError: the row has none.
        """
        return content(self._rows[row].column(0)[0].as_py(), self.place(row), Path())


def contents_of_dataset(dataset: Any, image_column: str | None = None) -> Contents:
    """The images of a Dataset.

    Raises:
        DataError, AmbiguousError: no column of images, several of them, or images of one name.
    """
    how = layout(dataset, image_column)
    names, naming = names_of(dataset, how)
    return Contents(SOURCE, DatasetImages(dataset, how.column), names, naming=naming)
