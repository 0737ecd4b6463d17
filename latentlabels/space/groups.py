"""Groups of labels: a free label, or labels that exclude each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import LabelSpaceError

NONE = "none"  # what the empty outcome of an optional group is called where its declaration says nothing else


@dataclass(frozen=True)
class Free:
    """One label that is present or absent, whatever the others are (Bernoulli, one logit).

    Args:
        label: its name.
        requires: a label of another group without which this one cannot be present.
    """

    label: str
    requires: str | None = None

    @property
    def name(self) -> str:
        """The group's name: that of its label."""
        return self.label

    @property
    def labels(self) -> tuple[str, ...]:
        """The group's labels, here one."""
        return (self.label,)

    @property
    def optional(self) -> bool:
        """Whether the group can be without a present label: a free label always can."""
        return True

    @property
    def num_logits(self) -> int:
        """One: the log-odds of presence."""
        return 1


@dataclass(frozen=True)
class OneOf:
    """Labels that exclude each other (categorical).

    Args:
        name: what the group is called, for example ``"colour"``.
        labels: its labels, at least one.
        optional: whether "none of them" is an outcome as well; it has a logit of its own, the last.
        requires: a label of another group without which none of these can be present.
        none: what "none of them" is called in folders and tables, for example ``"no vehicle"``; ``"none"`` is understood
            as well.

    Raises:
        LabelSpaceError: no labels, or `none` of a group that always has one.
    """

    name: str
    labels: tuple[str, ...]
    optional: bool = False
    requires: str | None = None
    none: str | None = None

    def __init__(
        self,
        name: str,
        labels: Sequence[str],
        optional: bool = False,
        requires: str | None = None,
        none: str | None = None,
    ):
        if isinstance(labels, str):
            raise LabelSpaceError(f'group "{name}": labels is a string, "{labels}"; give a list of label names')
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "labels", tuple(labels))
        object.__setattr__(self, "optional", bool(optional))
        object.__setattr__(self, "requires", requires)
        object.__setattr__(self, "none", none)
        if not self.labels:
            raise LabelSpaceError(f'group "{name}" has no labels; give it at least one')
        if none is not None and not optional:
            raise LabelSpaceError(
                f'group "{name}" always has one of its labels, so "none of them" needs no name; add optional: true, '
                f"or remove none: {none}"
            )

    @property
    def empty_name(self) -> str:
        """What "none of them" is called: `none`, or "none"."""
        return NONE if self.none is None else self.none

    @property
    def num_logits(self) -> int:
        """One logit a label, and one for "none" if the group is optional."""
        return len(self.labels) + int(self.optional)


Group = Free | OneOf
