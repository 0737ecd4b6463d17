"""Kinds of columns: headings that are known, whether cells are values, and what the columns of a table are taken for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import Choice
from ..words import count, listed
from .meaning import is_value, key
from .options import MEANINGS, ReadOptions
from .sheet import Column

IMAGE_NAMES = (
    *("image", "file_name", "filename", "file", "path", "filepath", "file_path", "image_path", "image_name", "image_file"),
    *("imageid", "image_id", "fname", "img", "img_name", "img_path", "photo", "picture"),
)
LABEL_NAMES = (
    *("label", "labels", "labelname", "label_name", "tag", "tags", "class", "classes", "class_name", "category", "categories"),
    *("choice", "choices"),
)
VALUE_NAMES = ("value", "confidence", "present")
ANSWER_NAMES = frozenset(("time", "kind", "decision", "question", "choices", "probability", "gain"))
"""Columns beside `image,label,value` in tables of questions and answers, which say how a value came about."""
SPLIT_NAMES = ("is_valid", "valid", "is_val", "is_test", "is_train", "split", "fold", "set", "subset", "partition")
TOGETHER_NAMES = ("site", "hospital", "patient", "patient_id", "subject", "camera", "session", "batch")
OTHER_NAMES = (
    *("id", "index", "unnamed: 0", "annotation_id", "task_id", "image_url", "url", "md5", "sha256", "hash"),
    *("annotator", "annotator_id", "rater", "reviewer", "labeler", "labeller", "user", "worker", "worker_id"),
    *("source", *TOGETHER_NAMES),
    *("comment", "comments", "note", "notes", "date", "time", "timestamp", "created_at", "updated_at", "lead_time"),
    *("width", "height", "score", "confidence", "weight", "age"),
)
ASIDE = frozenset((*SPLIT_NAMES, *OTHER_NAMES))
_STRANGE, _SLIPS, _WORDS = 3, 0.1, 0.5  # texts that are no values, and the share of numbers and of words among cells


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


def of_values(column: Column, options: ReadOptions) -> bool:
    """Whether all that a column holds says present, absent or unknown."""
    return all(is_said(text, column, options) for text in column.texts)


def is_said(text: str, column: Column, options: ReadOptions) -> bool:
    """Whether a text of a column says present, absent or unknown, usually or as the user states it."""
    return is_value(text) or key(text) in {key(one) for meaning in MEANINGS for one in options.stated(meaning, column.name)}


def mostly_values(column: Column, options: ReadOptions) -> bool:
    """Whether a column holds values but for a few cells, whose meaning is then asked: a slip, or a word such as "maybe"."""
    if of_values(column, options):
        return True
    strange = [place for place, text in enumerate(column.texts) if not is_said(text, column, options)]
    rows = np.isin(column.codes, strange)
    filled = rows | np.isin(column.codes, [place for place, text in enumerate(column.texts) if text and place not in strange])
    slips = any(is_number(column.texts[place]) for place in strange)
    return len(strange) <= _STRANGE and float(rows.sum()) <= (_SLIPS if slips else _WORDS) * float(filled.sum())


def is_number(text: str) -> bool:
    """Whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def leave(number: int) -> str:
    """What it means to ignore so many columns, in words."""
    return "to leave it out" if number == 1 else "to leave them out"


def as_together(columns: Sequence[Column]) -> list[Choice]:
    """The choice that the images of one value of a column belong together, where its heading says so."""
    return [
        Choice({"together": column.name}, f"images of one {column.name} belong together")
        for column in columns
        if column.name.lower() in TOGETHER_NAMES
    ][:1]


def as_split(columns: Sequence[Column]) -> list[Choice]:
    """The choice that the first column which looks like it says which images are held out, if one does."""
    return [
        Choice({"split": column.name}, "it says which images are held out")
        for column in columns
        if column.name.lower() in SPLIT_NAMES
    ][:1]


def some_words(column: Column) -> str:
    """The first words of a column, for messages."""
    return listed(list(column.words[:4]), 3) or "empty"
