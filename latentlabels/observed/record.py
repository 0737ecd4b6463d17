"""What readers return: plain records, from the statements of a file to the known labels that `Observed` wraps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..space import LabelSpace
from ..words import shown
from .known_table import KnownTable

if TYPE_CHECKING:
    from .options import Contradictions, Unlisted


SPLIT = "split"
"""What formats call the part of the data set that an image is in, among the further texts about images."""


SEVERAL = "labels in a cell"
"""What a fact is about that says how several labels share a cell."""


@dataclass(frozen=True, eq=False)
class Statements:
    """What a file of labels states, before anything is decided: one entry says of one image and one label what is known.

    Attributes:
        source: the file or folder, for messages.
        format: the name of its format.
        images: the names of N different images, in the order of the file; also those about which nothing is stated.
        labels: the names of L different labels, in the order of the file.
        image: (S,) which image an entry is about, from 0 to N - 1.
        label: (S,) which label, from 0 to L - 1.
        value: int8 (S,) 1 present, 0 absent, -1 said to be unknown.
        where: (S,) line, row or number of the entry in the file; None where the format has none.
        unit: what `where` counts ("line", "row", "annotation").
        locate: the place that a number in `where` stands for, as text; None: by `source` and `unit`.
        matrix: int8 (N, L) of 1, 0, -1 and -2 (left open), instead of entries: for tables that say something of nearly
            every image and label. `where` is then (N,), and `image`, `label` and `value` are empty.
        outcome_of: for each label the group whose "none" it may name, where a column says which; None otherwise.
        unlisted: what a label without an entry means, where the format itself says it; None where the user has to say it.
        usually: what an unlisted label means in most files of the format, and why, for the question that asks it.
        space: a label space that the file itself describes, for example one column for each group.
        extra: further texts about each image, N each, by name (a split, a site).
        reading: how the file was read, as facts for people: ("image names", 'column "file_name"').
        left_out: what was passed over, as sentences.
    """

    source: str
    format: str
    images: Sequence[str]
    labels: Sequence[str]
    image: NDArray[np.integer[Any]]
    label: NDArray[np.integer[Any]]
    value: NDArray[np.int8]
    where: NDArray[np.integer[Any]] | None = None
    unit: str = "line"
    locate: Callable[[int], str] | None = None
    matrix: NDArray[np.int8] | None = None
    outcome_of: Sequence[str | None] | None = None
    unlisted: Unlisted | None = None
    usually: tuple[Unlisted, str] | None = None
    space: LabelSpace | None = None
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)
    reading: Sequence[tuple[str, str]] = ()
    left_out: Sequence[str] = ()

    def at(self, number: int) -> str:
        """Where a number of `where` stands, as text: "labels.csv:12"."""
        if self.locate is not None:
            return self.locate(number)
        return f"{self.source}:{number}" if self.unit == "line" else f"{self.source}, {self.unit} {number}"


class Contradiction(NamedTuple):
    """Known labels of one image that cannot all be true.

    Attributes:
        image: its name.
        labels: the labels concerned.
        why: the reason in words.
        where: where each statement stands: "labels.csv:12".
    """

    image: str
    labels: tuple[str, ...]
    why: str
    where: tuple[str, ...]

    def __str__(self) -> str:
        return f"{shown(self.image)}: {self.why}" + (f" ({'; '.join(map(shown, self.where))})" if self.where else "")


@dataclass(frozen=True)
class HowRead:
    """What a reader took for what, so that a user can check it.

    Attributes:
        source: the file or folder.
        format: the name of its format.
        facts: (what, how): ("image names", 'column "file_name"').
        notes: what was left out or looks wrong, as sentences.
        contradictions: known labels that cannot all be true, as far as they were not refused.
        policy: what was done with them: "unknown" or "vote".
    """

    source: str
    format: str
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    policy: Contradictions = "refuse"

    def summary(self) -> dict[str, Any]:
        """What a run keeps: plain values for JSON, without the notes and with the number of contradictions alone."""
        facts = [list(fact) for fact in self.facts]
        return {"format": self.format, "facts": facts, "contradictions": len(self.contradictions), "policy": self.policy}

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {**asdict(self), "facts": [list(fact) for fact in self.facts],
                "contradictions": [one._asdict() for one in self.contradictions]}  # fmt: skip


class KnownLabels(NamedTuple):
    """Known labels as a reader found them.

    Attributes:
        values: int8 (N, K) of 1 known present, 0 known absent, -1 unknown; or a `KnownTable` of them.
        space: the label space of the columns.
        images: N names.
        how_read: what was taken for what.
        extra: further texts about each image, N each, by name.
    """

    values: NDArray[np.int8] | KnownTable
    space: LabelSpace
    images: tuple[str, ...]
    how_read: HowRead | None = None
    extra: Mapping[str, tuple[str, ...]] = {}
