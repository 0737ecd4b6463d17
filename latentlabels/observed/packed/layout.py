"""Which column of a table holds images, which names them, and which can hold labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import AmbiguousError, Choice, DataError
from ...words import listed
from ..features import LABEL_FIELDS, Features

if TYPE_CHECKING:
    import pyarrow as pa

BY_ROW = "file and row"
"""Where names are from that nobody gave."""
ROWS = "#"
"""Asked for as the column of names: images are named by file and row."""
NAME_COLUMNS = ("file_name", "filename", "image_name", "image_path", "path", "file", "image_id", "key", "__key__", "id")


@dataclass(frozen=True)
class TableLayout:
    """How the images of a table are stored and named.

    Attributes:
        column: of the images.
        naming: the column of their names, "path" inside of the struct (None), or `ROWS`.
        features: what is said of the columns.
    """

    column: str
    naming: str | None
    features: Features


def layout_of(source: str, schema: pa.Schema, features: Features, asked: str | None) -> TableLayout:
    """Which column holds the images, and which names them.

    Args:
        source: for messages.
        schema: the columns.
        features: what is said of them.
        asked: a column that the user states: that of the images, or that of their names; `ROWS` for none.

    Raises:
        AmbiguousError: several columns of images.
        DataError: none, or a stated column that is not there.
    """
    import pyarrow as pa

    images = image_columns(schema, features)
    if not images:
        raise DataError(
            f"{source}: no column of images (columns: {listed(schema.names, 10)}); expected a binary column, or a struct of "
            "bytes "
            "and path. Give a table of labels as the table, and its images as a folder"
        )
    if asked is not None and asked != ROWS and asked not in schema.names:
        raise DataError(f'{source}: no column "{asked}" (columns: {listed(schema.names, 10)}); correct the name of the column')
    if asked in images:
        images, asked = [asked], None
    if len(images) > 1:
        choices = [Choice({"image_column": one}, "the images to use") for one in images]
        raise AmbiguousError(f"{source}: several columns hold images", choices)
    if asked is not None:
        return TableLayout(images[0], asked, features)
    texts = [name for name in NAME_COLUMNS if name in schema.names and name not in images]
    texts = [name for name in texts if pa.types.is_string(kind := schema.field(name).type) or pa.types.is_large_string(kind)]
    inside = pa.types.is_struct(schema.field(images[0]).type)
    return TableLayout(images[0], texts[0] if texts else None if inside else ROWS, features)


def checked_names(source: str, names: Sequence[object], by_row: Sequence[str], how: TableLayout) -> tuple[list[str], str]:
    """Names of images that are all there and different, and where they are from, in words.

    Args:
        source: for messages.
        names: as the table has them; none where images are named by row.
        by_row: what the rows are called.
        how: where the names are.

    Raises:
        DataError: a name that is missing, or that two rows have.
    """
    if how.naming == ROWS or (how.naming is None and not all(names)):
        return list(by_row), BY_ROW
    where = f'column "{how.naming}"' if how.naming else f'"{how.column}.path"'
    seen: dict[str, int] = {}
    for row, given in enumerate(names):
        name = "" if given is None else str(given).replace("\\", "/")
        if not name:
            raise DataError(f'{by_row[row]}: its name in {where} is missing; name it, or give image_column="{ROWS}"')
        if seen.setdefault(name, row) != row:
            raise DataError(
                f'{source}: the image name "{name}" is in {by_row[seen[name]]} and in {by_row[row]} ({where}); remove one '
                "of the rows, "
                f"name another column of names by image_column, or give image_column={ROWS} to name images by file and row"
            )
    return list(seen), where


def image_columns(schema: pa.Schema, features: Features) -> list[str]:
    """The columns that hold encoded images: those that are said to, else structs with `bytes` and binary columns."""
    import pyarrow as pa

    said = [name for name in features.images if name in schema.names]
    if said:
        return said
    out = []
    for field in schema:
        kind = field.type
        inner = [kind.field(number).name for number in range(kind.num_fields)] if pa.types.is_struct(kind) else []
        if "bytes" in inner or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            out.append(field.name)
    return out


def is_label(kind: pa.DataType) -> bool:
    """Whether a type can hold labels: numbers and texts, lists of whole numbers or texts, structs with a field of labels."""
    import pyarrow as pa

    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
        if pa.types.is_floating(kind):
            return False
    if pa.types.is_struct(kind):
        return any(kind.field(number).name in LABEL_FIELDS for number in range(kind.num_fields))
    return not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_map(kind))


def without_boxes(table: pa.Table) -> pa.Table:
    """Structs reduced to their field of labels: the boxes beside it are most of what they hold."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for number, field in enumerate(table.schema):
        if pa.types.is_struct(field.type):
            inner = next(
                field.type.field(place).name
                for place in range(field.type.num_fields)
                if field.type.field(place).name in LABEL_FIELDS
            )
            column = table.column(number).combine_chunks()
            kept = pa.StructArray.from_arrays([pc.struct_field(column, inner)], [inner])
            table = table.set_column(number, field.name, kept)
    return table
