"""Labels that by their name say that an image shows none of the others: "no finding", "healthy", "none of these".

Such a label beside another one in an image can be a mistake, or mean something else ("healthy" beside "tomato"). A label
space says which (`Free.excludes`); where it does not, somebody has to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from ..errors import ObservationError
from ..space import Free, LabelSpace
from ..words import count, listed
from .known_table import KnownTable
from .options import ReadOptions

_WHOLE = re.compile(
    r"(other )?none( of (these|them|the above|the others|all))?|nothing|normal|healthy|unremarkable|negative|no"
    r"|(no|without|not?) (significant |acute |visible |known |other )*"
    r"(findings?|abnormalit(y|ies)|pathology|disease|illness|lesions?|defects?|damage|anomal(y|ies)|objects?|labels?|tags?|class"
    r"|category|attributes?|symptoms?|injur(y|ies)|faults?|errors?|issues?|problems?|weeds?|pests?|animals?|event|diagnosis)"
)


def means_none(label: str) -> bool:
    """Whether a label's name says that an image shows none of the others, however it is spelt.

    >>> means_none("No_Finding"), means_none("other/none"), means_none("no entry")
    (True, True, False)
    """
    plain = " ".join(re.sub(r"[\W_]+", " ", label.casefold()).split())
    return _WHOLE.fullmatch(plain) is not None


def undecided(space: LabelSpace) -> list[str]:
    """The labels of such a name for which the space does not say what they exclude."""
    alone = [group.label for group in space.groups if isinstance(group, Free) and group.excludes is None]
    return [label for label in alone if means_none(label)]


def ask_about_none(known: KnownTable, space: LabelSpace, images: Sequence[str], source: str, options: ReadOptions) -> list[str]:
    """Ask where a label that says "none of the others" is known to be present beside another one that an image need not have.

    Returns:
        What was found, as sentences, where `options` do not refuse what can mean two things.

    Raises:
        ObservationError: there is such an image, and what can mean two things is refused.
    """
    labels = undecided(space)
    if not labels:
        return []
    optional = np.array([space.group_of(label).optional for label in space.labels])
    row, column = known.entries(1)
    row, column = row[optional[column]], column[optional[column]]
    number = np.bincount(row, minlength=len(known))
    notes = []
    for label in labels:
        mine = row[column == space.index(label)]
        beside = mine[number[mine] > 1]
        if not len(beside):
            continue
        first = int(beside[0])
        others = _others(space, column[row == first].tolist(), label)
        what = (
            f'"{label}" is known to be present together with {others} in {images[first]}'
            f"{_more(len(beside) - 1)}, and the label space does not say whether it excludes other labels"
        )
        if options.ambiguous == "refuse":
            raise ObservationError(
                f"{source}: {what}; write in labels.yaml {{name: {label}, excludes: all}} (such images are mistakes), or "
                f"{{name: {label}, excludes: []}} (it can be present with any label), or list the labels that it excludes"
            )
        notes.append(f"{what}: it is read like any other label; state excludes: all or excludes: [] in the label space")
    return notes


def _others(space: LabelSpace, columns: Iterable[int], label: str) -> str:
    return listed([f'"{space.labels[k]}"' for k in columns if space.labels[k] != label], 3)


def _more(number: int) -> str:
    return f" and {count(number, 'more image')}" if number else ""
