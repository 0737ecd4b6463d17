"""Groups of labels: a free label, or labels that exclude each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import LabelSpaceError

NONE = "none"  # what the empty outcome of an optional group is called where its declaration says nothing else
ALL = "all"  # of `excludes`: every label of the other groups

Labels = str | tuple[str, ...]


@dataclass(frozen=True)
class Free:
    """One label that is present or absent (Bernoulli, one logit).

    Args:
        label: its name.
        requires: a label of another group without which this one cannot be present; or several labels of one group, any of
            which will do.
        excludes: labels that are absent where this one is present; ``"all"`` for the labels of all other groups; ``[]`` says
            that there are none, as None does without having been asked.
    """

    label: str
    requires: str | tuple[str, ...] | None = None
    excludes: str | tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "requires", _requires(self.label, self.requires))
        object.__setattr__(self, "excludes", _excludes(self.excludes))

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

    @property
    def required(self) -> tuple[str, ...]:
        """Labels, one of which it requires; () if none."""
        return _as_tuple(self.requires)


@dataclass(frozen=True)
class OneOf:
    """Labels that exclude each other (categorical).

    Args:
        name: what the group is called, for example ``"colour"``.
        labels: its labels, at least one.
        optional: whether "none of them" is an outcome as well; it has a logit of its own, the last.
        requires: a label of another group without which none of these can be present; or several labels of one group, any
            of which will do.
        none: what "none of them" is called in folders and tables, for example ``"no vehicle"``; ``"none"`` is understood
            as well.
        excludes: labels that are absent where one of these is present; ``"all"`` for the labels of all other groups.

    Raises:
        LabelSpaceError: no labels, or `none` of a group that always has one.
    """

    name: str
    labels: tuple[str, ...]
    optional: bool = False
    requires: str | tuple[str, ...] | None = None
    none: str | None = None
    excludes: str | tuple[str, ...] | None = None

    def __init__(
        self,
        name: str,
        labels: Sequence[str],
        optional: bool = False,
        requires: str | Sequence[str] | None = None,
        none: str | None = None,
        excludes: str | Sequence[str] | None = None,
    ):
        if isinstance(labels, str):
            raise LabelSpaceError(f'group "{name}": labels is a string, "{labels}"; give a list of label names')
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "labels", tuple(labels))
        object.__setattr__(self, "optional", bool(optional))
        object.__setattr__(self, "requires", _requires(name, requires))
        object.__setattr__(self, "none", none)
        object.__setattr__(self, "excludes", _excludes(excludes))
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

    @property
    def required(self) -> tuple[str, ...]:
        """Labels, one of which it requires; () if none."""
        return _as_tuple(self.requires)


Group = Free | OneOf


def _as_tuple(labels: Labels | None) -> tuple[str, ...]:
    return () if labels is None else (labels,) if isinstance(labels, str) else labels


def _requires(name: str, given: str | Sequence[str] | None) -> Labels | None:
    """One label as a string, several as a tuple: equal declarations are equal values."""
    if given is None or isinstance(given, str):
        return given
    labels = tuple(dict.fromkeys(given))
    if not labels:
        raise LabelSpaceError(f'"{name}" requires an empty list of labels; name at least one, or remove requires')
    return labels[0] if len(labels) == 1 else labels


def _excludes(given: str | Sequence[str] | None) -> Labels | None:
    if given is None:
        return None
    if isinstance(given, str):
        return ALL if given == ALL else (given,)
    return tuple(dict.fromkeys(given))
