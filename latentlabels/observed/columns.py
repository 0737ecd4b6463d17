"""What the columns of a table are: image names, values of one label each, names of labels, or neither."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import AmbiguousError, Choice, ObservationError, nearest
from ..space import Free, LabelSpace
from ..words import count, listed, shown
from .image_files import warn
from .meaning import is_value, key
from .names import rough
from .options import ALL, MEANINGS, ReadOptions
from .sheet import Column, Sheet

IMAGE_NAMES = (
    *("image", "file_name", "filename", "file", "path", "filepath", "file_path", "image_path", "image_name", "image_file"),
    *("imageid", "image_id", "img", "img_name", "img_path", "photo", "picture"),
)
LABEL_NAMES = (
    *("label", "labels", "labelname", "label_name", "tag", "tags", "class", "classes", "class_name", "category", "categories"),
    *("choice", "choices"),
)
VALUE_NAMES = ("value", "confidence", "present")
SPLIT_NAMES = ("is_valid", "valid", "is_val", "is_test", "is_train", "split", "fold", "set", "subset", "partition")
OTHER_NAMES = (
    *("id", "index", "unnamed: 0", "annotation_id", "task_id", "image_url", "url", "md5", "sha256", "hash"),
    *("annotator", "annotator_id", "rater", "reviewer", "labeler", "labeller", "user", "worker", "worker_id"),
    *("site", "source", "hospital", "patient", "patient_id", "subject", "camera", "session", "batch"),
    *("comment", "comments", "note", "notes", "date", "time", "timestamp", "created_at", "updated_at", "lead_time"),
    *("width", "height", "score", "confidence", "weight", "age"),
)
_ASIDE = frozenset((*SPLIT_NAMES, *OTHER_NAMES))
_STRANGE, _SLIPS, _WORDS = 3, 0.1, 0.5  # texts that are no values, and the share of numbers and of words among cells
_NAMED = 8  # columns of labels that a message names one by one
_PROPOSED = 4  # columns that could name the images, in a message


@dataclass(frozen=True)
class Roles:
    """What each column of a table is.

    Attributes:
        image: holds the names of the images.
        values: one for each label, of 1, 0, -1 or empty.
        names: hold names of labels.
        grouped: whether each column of `names` is a group of labels that exclude each other.
        value: beside names of labels, whether they are present.
        extra: further texts about the images that somebody asked for.
        left_out: headings of columns that are not read.
    """

    image: Column
    values: tuple[Column, ...] = ()
    names: tuple[Column, ...] = ()
    grouped: bool = False
    value: Column | None = None
    extra: tuple[Column, ...] = ()
    left_out: tuple[str, ...] = ()

    def facts(self) -> list[tuple[str, str]]:
        """What was taken for what, in words."""
        out = [("image names", f'column "{self.image.name}"')]
        if self.values:
            out.append(("labels", f"a column for each of {count(len(self.values), 'label')}"))
        if self.names:
            shown = listed([f'"{column.name}"' for column in self.names], 4)
            one = "column" if len(self.names) == 1 else "columns"
            out.append(("labels", f"a column for each group: {shown}" if self.grouped else f"names in {one} {shown}"))
        if self.left_out:
            out.append(("columns left out", listed(self.left_out, 6)))
        return out


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
        found, left = _by_space(sheet, image, rest, space, options), []
    else:
        found, left = _by_look(sheet, image, rest, options)
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
    if len(named) > 1:  # a label can be called "image": its column holds 1 and 0
        named = [column for column in named if not _of_values(column, options)] or named
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
    return len(column.words) * 2 > len(column.codes) and not _of_values(column, options)


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
    looks = [column for column in rest if column.name.lower() not in _ASIDE and _of_values(column, options)]
    return [column for column in sheet.columns if column in looks or column in named]


# --- the labels ---------------------------------------------------------------------------------------------------------


def _of_values(column: Column, options: ReadOptions) -> bool:
    """Whether all that a column holds says present, absent or unknown."""
    return all(_is_said(text, column, options) for text in column.texts)


def _is_said(text: str, column: Column, options: ReadOptions) -> bool:
    return is_value(text) or key(text) in {key(one) for meaning in MEANINGS for one in options.stated(meaning, column.name)}


def _mostly_values(column: Column, options: ReadOptions) -> bool:
    """Whether a column holds values but for a few cells, whose meaning is then asked: a slip, or a word such as "maybe"."""
    if _of_values(column, options):
        return True
    strange = [place for place, text in enumerate(column.texts) if not _is_said(text, column, options)]
    rows = np.isin(column.codes, strange)
    filled = rows | np.isin(column.codes, [place for place, text in enumerate(column.texts) if text and place not in strange])
    slips = any(_is_number(column.texts[place]) for place in strange)
    return len(strange) <= _STRANGE and float(rows.sum()) <= (_SLIPS if slips else _WORDS) * float(filled.sum())


def _chosen(
    image: Column, chosen: Sequence[Column], space: LabelSpace | None, sheet: Sheet, options: ReadOptions
) -> Roles:  # fmt: skip
    names = [column for column in chosen if not _of_values(column, options)]
    values = [column for column in chosen if column not in names]
    groups = {} if space is None else {group.name: group for group in space.groups}
    several = len(names) > 1 or (bool(values) and bool(names) and names[0].name.lower() not in LABEL_NAMES)
    grouped = bool(names) and (several if space is None else all(column.name in groups for column in names))
    value = None
    if names and not grouped and not values:
        beside = [column for column in sheet.columns if column.name.lower() in VALUE_NAMES and column not in chosen]
        value = next((column for column in beside if _of_values(column, options)), None)
    return Roles(image, tuple(values), tuple(names), grouped, value)


def _by_space(sheet: Sheet, image: Column, rest: Sequence[Column], space: LabelSpace, options: ReadOptions) -> Roles:
    """What the columns are, where a label space says what the labels are."""
    groups = {group.name for group in space.groups if not isinstance(group, Free)}
    labels = {rough(label) for label in space.labels}
    values, names, strange = [], [], []
    beside: Column | None = None
    for column in rest:
        if column.name in groups and not (column.name in space.labels and _of_values(column, options)):
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
    if strange:
        named = listed([f'"{column.name}"' for column in strange])
        one = "is not a label" if len(strange) == 1 else "are not labels"
        raise AmbiguousError(
            f"{sheet.head}: the label space has no label {named}{nearest(strange[0].name, [*space.labels, *groups])}: "
            f"{'this column' if len(strange) == 1 else 'these columns'} {one} of it",
            [Choice({"ignore": tuple(column.name for column in strange)}, _leave(len(strange))), *_as_split(strange)],
        )
    return Roles(image, tuple(values), tuple(names), grouped, beside)


def _by_look(sheet: Sheet, image: Column, rest: Sequence[Column], options: ReadOptions) -> tuple[Roles, list[str]]:
    """What the columns are, by their headings and cells alone; and the headings of those left out."""
    side = [column for column in rest if column.name.lower() in _ASIDE]
    main = [column for column in rest if column not in side]
    holding = [column for column in main if column.name.lower() in LABEL_NAMES]
    values = [column for column in main if column not in holding and _mostly_values(column, options)]
    others = [column for column in main if column not in holding and column not in values]
    if holding and not (len(holding) == 1 and _of_values(holding[0], options) and (values or others)):
        return _long(sheet, image, holding, values, others, side, options)
    values = [column for column in main if column not in others]
    if others and not values:
        return _of_words(sheet, image, others, side, options)
    return Roles(image, tuple(values)), _left_out(sheet, [*others, *side], values, options)


def _of_words(
    sheet: Sheet, image: Column, others: Sequence[Column], side: Sequence[Column], options: ReadOptions
) -> tuple[Roles, list[str]]:
    """A table without a column of values or of names of labels by its heading: words in one column, or in several."""
    numbers = [column for column in others if all(_is_number(text) for text in column.words)]
    if len(numbers) == len(others):  # probabilities, counts: which value is wrong is said where values are read
        return Roles(image, tuple(others)), _left_out(sheet, side, others, options)
    names = tuple(column.name for column in others)
    one = len(others) == 1
    question = AmbiguousError(
        f"{sheet.head}: {count(len(others), 'column')} {'holds' if one else 'hold'} words "
        f"({listed(names, 4)}, with cells such as {_words(others[0])}), and no column holds 1 or 0",
        [
            Choice({"label_columns": names}, "it holds names of labels")
            if one
            else Choice({"label_columns": names}, "each column is a group of labels that exclude each other"),
            *([] if one else [Choice({"ignore": others[-1].name}, "a column that is not about labels")]),
        ],
    )
    if options.ambiguous == "refuse" or options.strict:
        raise question
    warn(f"{question}. Read for now as: {'names of labels' if one else 'a group for each column'}")
    return Roles(image, (), tuple(others), not one), _left_out(sheet, side, (), options)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _long(
    sheet: Sheet,
    image: Column,
    holding: Sequence[Column],
    values: Sequence[Column],
    others: Sequence[Column],
    side: Sequence[Column],
    options: ReadOptions,
) -> tuple[Roles, list[str]]:
    """A table of label names: beside them at most a column of values, and what is left out."""
    if len(holding) > 1:
        raise AmbiguousError(
            f"{sheet.head}: several columns could hold the names of labels",
            [Choice({"label_columns": column.name}, f"for example {_words(column)}") for column in holding],
        )
    beside = [column for column in (*values, *others, *side) if column.name.lower() in VALUE_NAMES]
    value = next((column for column in beside if column.name.lower() == "value" or _of_values(column, options)), None)
    if _of_values(holding[0], options) and holding[0].words and options.separator is None and value is None:
        name = holding[0].name
        raise AmbiguousError(
            f'{sheet.head}: column "{name}" holds {listed(holding[0].words, 3)}: values, or names of labels',
            [
                Choice({"label_columns": name}, f'whether the image shows the one label "{name}"'),
                Choice({"separator": ""}, "each cell is the name of a label"),
            ],
        )
    rest = [column for column in (*values, *others, *side) if column is not value]
    known = [column for column in rest if column in side]
    return Roles(image, (), tuple(holding), False, value), _left_out(
        sheet, [c for c in rest if c not in known], (), options, holding[0]
    ) + _noted(sheet, known, options)


def _left_out(
    sheet: Sheet, columns: Sequence[Column], values: Sequence[Column], options: ReadOptions, holding: Column | None = None
) -> list[str]:
    """Columns that look like no label: asked about, or left out with a warning."""
    if not columns:
        return []
    names = tuple(column.name for column in columns)
    one = len(columns) == 1
    labels = [holding.name] if holding is not None else [column.name for column in values]
    meant = [column for column in columns if column.name.lower() not in _ASIDE or _of_values(column, options)]
    first = labels if len(labels) <= _NAMED or holding is not None else [ALL]
    every = (*first, *(column.name for column in meant))
    words = "every label has a column" if holding is None else "these columns hold the labels"
    question = AmbiguousError(
        f"{sheet.head}: {'column' if one else 'columns'} {listed([f'{c.name!r} ({_words(c)})' for c in columns], 4)} "
        f"{'looks' if one else 'look'} like neither a label nor an image name",
        [
            Choice({"ignore": names}, _leave(len(columns))),
            *_as_split(columns),
            *([Choice({"label_columns": every}, words)] if len(meant) == len(columns) else []),
        ],
    )
    if options.ambiguous == "refuse" or options.strict:
        raise question
    warn(f"{question}. Left out for now")
    return [column.name for column in columns]


def _noted(sheet: Sheet, columns: Sequence[Column], options: ReadOptions) -> list[str]:
    """Columns beside the names of labels that are plainly about something else; whether one is a split is asked."""
    splits = [column for column in columns if column.name.lower() in SPLIT_NAMES]
    if splits:
        name = splits[0].name
        question = AmbiguousError(
            f'{sheet.head}: column "{name}" ({_words(splits[0])}) looks like a split into training and held-out images',
            [*_as_split(splits), Choice({"ignore": name}, "to leave it out")],
        )
        if options.ambiguous == "refuse" or options.strict:
            raise question
        warn(f"{question}. Left out for now")
    return [column.name for column in columns]


def _leave(number: int) -> str:
    return "to leave it out" if number == 1 else "to leave them out"


def _as_split(columns: Sequence[Column]) -> list[Choice]:
    return [
        Choice({"split": column.name}, "it says which images are held out")
        for column in columns
        if column.name.lower() in SPLIT_NAMES
    ][:1]


def _words(column: Column) -> str:
    return listed(list(column.words[:4]), 3) or "empty"
