"""Tables whose labels may be class numbers, as statements: shared by the formats that have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..classes import prepare
from ..features import Features
from ..names import label_name
from ..options import ReadOptions
from ..record import SEVERAL, Statements
from ..sheet import Sheet
from .table import of_sheet


def statements(
    sheet: Sheet,
    features: Features,
    options: ReadOptions,
    format: str,
    reading: Sequence[tuple[str, str]],
    left_out: Sequence[str] = (),
) -> Statements:
    """What a table states; class numbers become names, and every class is a label, also one that no image has.

    Args:
        sheet: the table; its first column names the images.
        features: the names behind class numbers.
        options: what the user states.
        format: the name of the format.
        reading: where image names and labels are from.
        left_out: what was passed over.
    """
    made = prepare(sheet, features, options)
    stated = of_sheet(made.sheet, made.options)
    if made.classes and stated.matrix is None and stated.space is None:
        labels = list(dict.fromkeys([*map(label_name, made.classes), *stated.labels]))
        place = np.asarray([labels.index(label) for label in stated.labels], np.int64)
        stated = replace(stated, labels=labels, label=place[stated.label], outcome_of=None)
    said = {what for what, _ in reading} | ({SEVERAL} if made.classes else set())  # the lists are ours
    return replace(
        stated,
        format=format,
        reading=(*reading, *made.reading, *(fact for fact in stated.reading[1:] if fact[0] not in said)),
        left_out=(*left_out, *stated.left_out),
    )
