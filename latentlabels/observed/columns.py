"""What the columns of a table are: image names, values of one label each, names of labels, or neither."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import AmbiguousError, Choice, ObservationError, nearest
from ..space import Free, LabelSpace, OneOf
from ..words import listed, shown
from .by_look import by_look
from .column_kinds import (
    ANSWER_NAMES,
    ASIDE,
    IMAGE_NAMES,
    LABEL_NAMES,
    VALUE_NAMES,
    Roles,
    as_split,
    as_together,
    leave,
    of_values,
)
from .names import rough
from .options import ALL, ReadOptions
from .sheet import Column, Sheet

_PROPOSED = 4  # columns that could name the images, in a message


def roles(sheet: Sheet, space: LabelSpace | None, options: ReadOptions) -> Roles:
    """Decide what the columns of a table are.

    Raises:
        AmbiguousError: a column that looks like neither a label nor an image name, or that can be either.
        ObservationError: a column that is named but not there; no column of image names; no column of labels.
    """
    image = _image_column(sheet, space, options)
    extra = tuple(_stated(sheet, name, what) for what, name in _sides(sheet, options))
    ignored = [_stated(sheet, name, "ignore") for name in _expanded(sheet, options.ignore, must=False)]
    for name in options.stated_columns:
        _stated(sheet, name, "a stated value")
    taken = {image.name, *(column.name for column in (*extra, *ignored))}
    rest = [column for column in sheet.columns if column.name not in taken]
    if options.label_columns is not None:
        chosen = _named_labels(sheet, rest, options, options.label_columns)
        found = _chosen(image, chosen, space, sheet, options)
        left = [column.name for column in rest if column not in (*chosen, found.value)]
    elif space is not None:
        found, left = _by_space(sheet, image, rest, space, options)
    else:
        found, left = by_look(sheet, image, rest, options)
    if not found.values and not found.names:
        raise ObservationError(
            f"{sheet.head}: no columns of labels (columns: {listed(sheet.names)}); give a wide table (image, one column for "
            "each label) or a long one (image, label[, value])"
        )
    return Roles(
        image, found.values, found.names, found.grouped, found.value, extra, (*(column.name for column in ignored), *left)
    )


# --- the image ----------------------------------------------------------------------------------------------------------


def _image_column(sheet: Sheet, space: LabelSpace | None, options: ReadOptions) -> Column:
    if options.image_column is not None:
        return _stated(sheet, options.image_column, "image_column")
    labels = set() if space is None else {*space.labels}
    named = [column for column in sheet.columns if column.name.lower() in IMAGE_NAMES and column.name not in labels]
    if not named:  # a label is called "image", and has no column of its own in a long table
        named = [column for column in sheet.columns if column.name.lower() in IMAGE_NAMES and not of_values(column, options)]
    if len(named) > 1:  # a label can be called "image": its column holds 1 and 0
        named = [column for column in named if not of_values(column, options)] or named
    first = [column for column in named if column.name.lower() == "image"]
    if first or len(named) == 1:
        return (first or named)[0]
    if named:
        raise AmbiguousError(
            f"{sheet.head}: no column `image`, and several could name the images",
            [Choice({"image_column": column.name}, _sample(column)) for column in named],
        )
    near = nearest("image", sheet.names)
    likely = [column for column in sheet.columns if _could_name(column, options)]
    if likely and not near:
        raise AmbiguousError(
            f"{sheet.head}: no column `image`, and it is unclear which one names the images (columns: {listed(sheet.names)})",
            [Choice({"image_column": column.name}, _sample(column)) for column in likely[:_PROPOSED]],
        )
    raise ObservationError(
        f"{sheet.head}: no column `image`{near} (columns: {listed(sheet.names)}); name the column of image names "
        '(image_column="..."), and give a wide table (image, one column for each label) or a long one (image, label[, value])'
    )


def _could_name(column: Column, options: ReadOptions) -> bool:
    """Whether a column holds a different word in each row, or in most rows."""
    return len(column.words) * 2 > len(column.codes) and not of_values(column, options)


def _sample(column: Column) -> str:
    return f"for example {shown(column.words[0])}" if column.words else "it is empty"


def _stated(sheet: Sheet, name: str, what: str) -> Column:
    found = sheet.column(name)
    if found is None:
        raise ObservationError(
            f'{sheet.head}: no column "{name}", which {what} names{nearest(name, sheet.names)} (columns: {listed(sheet.names)})'
        )
    return found


def _sides(sheet: Sheet, options: ReadOptions) -> list[tuple[str, str]]:
    """Columns of a split and of what belongs together: where they are columns of this table, and not files."""
    out = []
    for what, text in (("split", options.split), ("together", options.together)):
        name = None if text is None else text if sheet.column(text) is not None else text.partition("=")[0]
        if name is not None and sheet.column(name) is not None:
            out.append((what, name))
    return out


def _expanded(sheet: Sheet, names: Iterable[str], must: bool = True) -> list[str]:
    """Names of columns; "a,b" are two where there is no column of that name. Names that are not there may be folders."""
    out: list[str] = []
    for name in names:
        parts = [name] if sheet.column(name) is not None or "," not in name else [part.strip() for part in name.split(",")]
        out += [part for part in parts if must or sheet.column(part) is not None]
    return list(dict.fromkeys(out))


def _named_labels(
    sheet: Sheet, rest: Sequence[Column], options: ReadOptions, names: Sequence[str]
) -> list[Column]:  # fmt: skip
    """The columns that are named as labels; `ALL` stands for those that look like it."""
    named = [_stated(sheet, name, "label_columns") for name in _expanded(sheet, [one for one in names if one != ALL])]
    if ALL not in names:
        return named
    looks = [column for column in rest if column.name.lower() not in ASIDE and of_values(column, options)]
    return [column for column in sheet.columns if column in looks or column in named]


# --- the labels ---------------------------------------------------------------------------------------------------------


def _chosen(
    image: Column, chosen: Sequence[Column], space: LabelSpace | None, sheet: Sheet, options: ReadOptions
) -> Roles:  # fmt: skip
    names = [column for column in chosen if not of_values(column, options)]
    values = [column for column in chosen if column not in names]
    groups = {} if space is None else {group.name: group for group in space.groups}
    several = len(names) > 1 or (bool(values) and bool(names) and names[0].name.lower() not in LABEL_NAMES)
    grouped = bool(names) and (several if space is None else all(column.name in groups for column in names))
    value = None
    if names and not grouped and not values:
        beside = [column for column in sheet.columns if column.name.lower() in VALUE_NAMES and column not in chosen]
        value = next((column for column in beside if of_values(column, options)), None)
    return Roles(image, tuple(values), tuple(names), grouped, value)


def _by_space(
    sheet: Sheet, image: Column, rest: Sequence[Column], space: LabelSpace, options: ReadOptions
) -> tuple[Roles, list[str]]:  # fmt: skip
    """What the columns are, where a label space says what the labels are; and the headings of those left out."""
    groups = {group.name for group in space.groups if not isinstance(group, Free)}
    empty = [group.none for group in space.groups if isinstance(group, OneOf) and group.none is not None]
    labels = {rough(label) for label in (*space.labels, *empty)}
    values, names, strange = [], [], []
    beside: Column | None = None
    for column in rest:
        if column.name in groups and not (column.name in space.labels and of_values(column, options)):
            names.append(column)
        elif rough(column.name) in labels:
            values.append(column)
        else:
            strange.append(column)
    grouped = bool(names)
    if not values and not names:
        names = [column for column in strange if column.name.lower() in LABEL_NAMES]
        if names:
            beside = next((column for column in strange if column.name.lower() in VALUE_NAMES), None)
        strange = [column for column in strange if column not in names and column is not beside]
    left = [] if beside is None else [column.name for column in strange if column.name.lower() in ANSWER_NAMES]
    strange = [column for column in strange if column.name not in left]
    if strange:
        named = listed([f'"{column.name}"' for column in strange])
        one = "is not a label" if len(strange) == 1 else "are not labels"
        raise AmbiguousError(
            f"{sheet.head}: the label space has no label {named}{nearest(strange[0].name, [*space.labels, *groups])}: "
            f"{'this column' if len(strange) == 1 else 'these columns'} {one} of it",
            [
                Choice({"ignore": tuple(column.name for column in strange)}, leave(len(strange))),
                *as_split(strange),
                *as_together(strange),
            ],
        )
    return Roles(image, tuple(values), tuple(names), grouped, beside), left
