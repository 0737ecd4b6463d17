"""What labels that were given moved, which groups stayed as they were, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..annotation import WeightedPositive
from ..distributions import LabelVector
from ..space import LabelSpace, Shared, Tie, ties
from ..words import listed

SEEN = 0.0005
"""The smallest change of a probability that counts: a tenth of a percentage point, rounded."""

_MOVED = {
    Tie.STATED: "a label of the group is given",
    Tie.LINKED: "`requires` or `excludes` ties it to what is given",
    Tie.SHARED: "a sum over all labels ties it to what is given",
}
_SHARED = {
    Shared.COUNT: "the number of labels, from which the known ones were picked, ties all groups together",
    Shared.WEIGHTS: "the weights of the present labels, by which the known one was picked, tie all groups together",
    Shared.ONE_AT_LEAST: "the image has at least one label, which ties all groups together",
    Shared.MIXTURE: "the kinds of images of the mixture tie all groups together",
}
_STAYED = {
    Tie.SETTLED: "what is given says nothing new about {it}",
    Tie.INDEPENDENT: "no `requires` or `excludes` ties {it} to what is given, and groups are independent given the image",
}
_HARDLY = "{its} probabilities change by less than 0.1 percentage points"


@dataclass(frozen=True)
class MovedLabel:
    """A label whose probability changed.

    Attributes:
        label: its name.
        before: its probability before.
        after: and given the labels.
    """

    label: str
    before: float
    after: float


@dataclass(frozen=True)
class GroupMovement:
    """A group, and how it is tied to the given labels.

    Attributes:
        group: its name.
        tie: what ties it to them.
        shared: what ties all groups together.
        moved: its labels whose probability changed.
    """

    group: str
    tie: Tie
    shared: Shared
    moved: tuple[MovedLabel, ...]

    @property
    def reason(self) -> str:
        """Why it moved, or why not, in words."""
        return self._reason(1)

    def _reason(self, number: int) -> str:
        words = {"it": "it", "its": "its"} if number == 1 else {"it": "them", "its": "their"}
        if not self.moved:
            return _STAYED.get(self.tie, _HARDLY).format(**words)
        return _SHARED[self.shared] if self.tie is Tie.SHARED else _MOVED[self.tie]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"group": self.group, "tie": self.tie.value, "reason": self.reason}


def movements(
    space: LabelSpace,
    before: Sequence[float],
    after: Sequence[float],
    known: Mapping[str, int],
    stated: Mapping[str, int],
    shared: Shared = Shared.NOTHING,
) -> tuple[GroupMovement, ...]:
    """How each group was moved by labels that are stated.

    Args:
        space: the label space.
        before: (K,) probabilities.
        after: the same, given the labels that are stated.
        known: what was known before: 1 or 0 by label.
        stated: what is stated, likewise.
        shared: what ties all labels together; see `shared_by`.
    """
    tied = _ties(space, frozenset(known.items()), frozenset(stated.items()), shared)
    out = []
    for group in space.groups:
        columns = zip(group.labels, space.columns(group), strict=True)
        moved = (MovedLabel(label, float(before[k]), float(after[k])) for label, k in columns)
        changed = tuple(one for one in moved if abs(one.after - one.before) >= SEEN)
        out.append(GroupMovement(group.name, tied[group.name], shared, changed))
    return tuple(out)


@lru_cache(maxsize=256)
def _ties(
    space: LabelSpace, known: frozenset[tuple[str, int]], stated: frozenset[tuple[str, int]], shared: Shared
) -> dict[str, Tie]:  # fmt: skip
    """The same for all images with the same statement."""
    return ties(space, dict(known), dict(stated), shared)


def shared_by(before: LabelVector, after: LabelVector) -> Shared:
    """What ties all labels of an image together, by the distributions before and after labels were stated."""
    if before.nonempty:
        return Shared.ONE_AT_LEAST
    for given in (after.given, before.given):
        if given is not None and given.how.picks_present and not given.how.one_by_one:
            return Shared.WEIGHTS if isinstance(given.how, WeightedPositive) else Shared.COUNT
    return Shared.MIXTURE if max(before.num_components, after.num_components) > 1 else Shared.NOTHING


def unmoved_sentences(found: Sequence[GroupMovement]) -> Iterator[str]:
    """What did not move and why, a sentence for each reason."""
    stayed: dict[Tie, list[GroupMovement]] = {}
    for one in found:
        if not one.moved:
            stayed.setdefault(one.tie if one.tie in _STAYED else Tie.STATED, []).append(one)
    for several in stayed.values():
        names = listed([one.group for one in several])
        yield f"{names} did not move: {several[0]._reason(len(several))}."
