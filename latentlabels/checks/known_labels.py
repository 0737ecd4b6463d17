"""What can be checked of an annotation from known labels alone, with a stated false-alarm rate.

All that known labels show is which label is known on which image. Two checks of it:

- `known_label_check`: is each label the known one as often as a fit says it should be (`known_probs`)? On images that were not
  fitted. Detects bad fits, mistakes, and label spaces or annotations that no probabilities of labels can reconcile.
- `linked_label_check`: the label space says that some labels are present equally often (two exhaustive groups; a group and the
  label that it requires), or at most as often. Divided by how readily the annotation reports them, their known counts have to
  say so too. Needs no fit.

- `even_count_check`: are labels known more evenly than chance would have it, as in folders that were filled label by label?

None can tell annotations apart that explain the same known labels by other prevalences: where all labels are free, a label
that is rarely named and a label that is rarely there look alike. Complete labels of a few images tell; these checks do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats

from ..annotation import Annotation
from ..distributions import LabelVector
from ..errors import ConfigError, DataError
from ..observed.known_table import KnownTable, table_of
from ..space import LabelSpace, OneOf
from ..words import any_of

Floats = npt.NDArray[np.float64]

_EXACT = 300  # counts up to which the tails of the sum of unequal coins are summed; beyond they are normal ones


class KnownCount(NamedTuple):
    """One label of `known_label_check`.

    Attributes:
        label: its name.
        expected: number of images on which it should be the known one.
        seen: number of images on which it is.
        z: their difference in standard deviations; positive: seen more often than expected.
        p: two-sided probability of a difference like this if the probabilities are right.
    """

    label: str
    expected: float
    seen: int
    z: float
    p: float


class LinkedCount(NamedTuple):
    """One claim of the label space, as `linked_label_check` finds it.

    Attributes:
        group: the group that is present as often as `other`, or at most as often.
        other: the group with the label that `group` requires, or "exhaustive groups" where there are several.
        equal: whether they should be present equally often; otherwise `group` at most as often as `other`.
        left: known labels of `group`, each divided by how readily it is reported.
        right: as `left`, of `other`.
        z: `left` less `right` in standard deviations.
        p: probability of a difference like this if annotation and label space are right; at most that if not `equal`.
    """

    group: str
    other: str
    equal: bool
    left: float
    right: float
    z: float
    p: float

    @property
    def claim(self) -> str:
        """The claim for a table: ``"doors = car"``, ``"vehicle <= colour"``."""
        return f"{self.group} {'=' if self.equal else '<='} {self.other}"


_TINY = 1e-300
_DRAWN = 5_000_000  # counts at most that are drawn by chance
_ROUNDING = 1e-4  # float32 sums of probabilities leave [0, 1] by this much at most

Count = TypeVar("Count", KnownCount, LinkedCount)


def known_probs(q: LabelVector, how: Annotation) -> npt.NDArray[np.float64]:
    """p(label k is the known one | x): what a fit says of known labels that it has not seen.

    Args:
        q: p(y | x), batch shape (N,), for example ``LatentLabels.posterior(images).distribution``.
        how: the annotation.

    Returns:
        (N, K). For annotations that pick one known positive, given that the image has one: rows sum to 1. For `Scar`: that
        the label is reported, each by itself.

    Raises:
        ConfigError: `Ignorable`, which does not say which labels become known.
    """
    if not how.says_which:
        raise ConfigError('the annotation "ignorable" does not say which labels become known, so it cannot be checked')
    with torch.no_grad():
        if how.one_by_one:
            present = (1 - how.noise) * q.marginals.double().cpu() + how.noise
            return present.numpy() * how.readiness(q.space.num_labels)
        columns = []
        for label in range(q.space.num_labels):
            one = torch.full(q.event_shape, -1, dtype=torch.int8, device=q.logits.device)
            one[label] = 1
            columns.append(q.log_marginal(one.expand(*q.batch_shape, -1), how).double())
        return torch.stack(columns, -1).softmax(-1).cpu().numpy()


def known_label_check(
    observed: npt.ArrayLike, probs: npt.ArrayLike, space: LabelSpace, *, fitted_on: int | None = None
) -> list[KnownCount]:
    """Is each label known as often as a fit expects, on images that it has not seen?

    Args:
        observed: (N, K) of 1, 0 and -1. Where each row of `probs` sums to 1, images without exactly one known positive, or
            with known absences, are left out: `probs` does not describe them.
        probs: (N, K) of `known_probs`.
        space: the K labels.
        fitted_on: number of images that the fit has seen. Its own counts were a draw as well, so that the variance of the
            difference is larger by about N / `fitted_on`; None takes `probs` as certain.

    Returns:
        One for each label, in the order of the space. The p of K labels together is K times the smallest one at most; see
        `alarms`. Small counts are compared exactly, so that alarms are false at most as often as is said.

    Raises:
        DataError: shapes that do not agree, other values than those, no image that can be compared.
    """
    known, p = np.asarray(observed), np.asarray(probs, np.float64)
    if known.shape != p.shape or p.ndim != 2 or p.shape[1] != space.num_labels:
        raise DataError(f"observed has shape {known.shape}, probs {p.shape}; both should be (images, {space.num_labels})")
    if not np.isin(known, (-1, 0, 1)).all():
        raise DataError("observed holds values other than 1 (present), 0 (absent) and -1 (unknown)")
    if not ((p > -_ROUNDING) & (p < 1 + _ROUNDING)).all():
        raise DataError("probs holds NaN or values outside of [0, 1]; give what known_probs returns")
    if np.allclose(p.sum(1), 1, atol=_ROUNDING):
        compared = ((known == 1).sum(1) == 1) & (known != 0).all(1)
        known, p = known[compared], p[compared]
    if not len(p):
        raise DataError("no image has exactly one known label, so there is nothing to compare")
    p = p.clip(0.0, 1.0)
    seen, expected, variance = (known == 1).sum(0), p.sum(0), (p * (1 - p)).sum(0)
    wider = variance * (1.0 if fitted_on is None else 1 + len(p) / max(fitted_on, 1))
    z = _over(seen - expected, np.sqrt(wider))
    chance = _two_sided(seen, p)
    # where the fit is uncertain too, the normal tails of the wider variance; counts are whole, so that half a one is in either
    gap = np.maximum(np.abs(seen - expected) - 0.5, 0.0)
    normal = 2 * stats.norm.sf(_over(gap, np.sqrt(wider)))
    exact = (seen <= _EXACT) & (fitted_on is None)
    chance = np.where(exact, chance, np.maximum(normal, np.where(seen <= _EXACT, chance, 0.0)))
    return [
        KnownCount(label, float(expected[k]), int(seen[k]), float(z[k]), float(min(chance[k], 1.0)))
        for k, label in enumerate(space.labels)
    ]


def linked_label_check(observed: npt.ArrayLike | KnownTable, space: LabelSpace, how: Annotation) -> list[LinkedCount]:
    """Do the known labels agree with what the label space says of how often labels are present, under the annotation?

    For every annotation that picks known positives, the expected count of a label known, divided by its weight or rate, is in
    proportion to how often it is present. So two groups that each show one label in every image have equal sums of such counts;
    so have a group and the label that it requires, if it then always applies; and nothing else has more than an exhaustive
    group, or than the label that it requires. Nothing is fitted, and images are not looked at.

    Args:
        observed: (N, K) of 1, 0 and -1.
        space: the K labels.
        how: the annotation. Of `Ignorable` nothing is claimed.

    Returns:
        One for each claim; none where the space makes none, as where all labels are free. "At most as often" is one-sided.

    Raises:
        DataError: an array that does not fit the space.
    """
    shape = observed.shape if isinstance(observed, KnownTable) else np.shape(observed)
    if len(shape) != 2 or shape[1] != space.num_labels:
        raise DataError(f"observed has shape {shape}; it should be (images, {space.num_labels})")
    known = table_of(observed)
    claims = space.exhaustive_sets or any(space.parent(group) is not None for group in space.groups)
    if not how.says_which or not len(known) or not claims:
        return []
    found: list[_Gap] = []
    for block in known.blocks():
        for number, (group, other, equal, left, right) in enumerate(_claims(_shares(block.values, space, how), space)):
            if not block.start:
                found.append(_Gap(group, other, equal))
            found[number].add(left, right)
    return [gap.count() for gap in found]


def _shares(known: npt.NDArray[np.int8], space: LabelSpace, how: Annotation) -> Floats:
    """(B, K) known labels of some images, each divided by how readily it is reported."""
    positive, weights = known == 1, how.readiness(space.num_labels)
    share: Floats = positive / weights
    if how.noise:  # a mistaken pick takes any label that is not known absent, and says nothing of what is present
        open_ = known != 0
        picks = (
            1.0
            if how.one_by_one
            else positive.sum(1, keepdims=True) / np.maximum((open_ * weights).sum(1, keepdims=True), _TINY)
        )
        share = share - how.noise * open_ * picks
    return share


def _claims(share: Floats, space: LabelSpace) -> Iterator[tuple[str, str, bool, Floats, Floats]]:
    """What the space says of them: two names, whether equal, and both sides, (B,) each; always in one order."""

    def known_of(labels: Sequence[str]) -> Floats:
        return np.asarray(share[:, [space.index(label) for label in labels]].sum(1))

    everywhere = [(any_of(one.groups), known_of(one.labels)) for one in space.exhaustive_sets]
    always = np.mean([known for _, known in everywhere], axis=0) if everywhere else None
    inside = {name for one in space.exhaustive_sets for name in one.groups}
    for number, (name, known_one) in enumerate(everywhere):
        others = [other for place, other in enumerate(everywhere) if place != number]
        if others and (number or len(others) > 1):
            other = others[0][0] if len(others) == 1 else "other exhaustive groups"
            yield name, other, True, known_one, np.mean([one for _, one in others], axis=0)
    for group in space.groups:
        parent = space.parent(group)
        equal = isinstance(group, OneOf) and not group.optional and parent is not None and not parent.none
        while parent is not None and parent.none:  # what stands above bounds what is excluded there, too
            parent = space.parent(space.named(parent.group))
        if parent is not None:
            yield group.name, any_of(parent.labels), equal, known_of(group.labels), known_of(parent.labels)
        elif always is not None and group.name not in inside:
            name = everywhere[0][0] if len(everywhere) == 1 else "exhaustive groups"
            yield group.name, name, False, known_of(group.labels), always


def even_count_check(observed: npt.ArrayLike | KnownTable, draws: int = 4999) -> float | None:
    """Are labels known more evenly than chance would have it? Then somebody chose how many images each label got.

    Known labels of images that were come across are draws, and their counts scatter, least where all labels are equally
    frequent (the distance from even counts is Schur-convex: Rinott, 1973). Folders that were filled label by label do not.

    Args:
        observed: (N, K) of 1, 0 and -1.
        draws: of counts by chance, with a fixed seed.

    Returns:
        The probability of counts at least as even as these, at most, whatever the prevalences are; None where that cannot be
        said: one image in ten or more has no or several known positives, fewer than three labels, or fewer than ten images for
        each.
    """
    if not isinstance(observed, KnownTable) and np.ndim(observed) != 2:
        return None
    known = table_of(observed)
    size, alone = known.shape[1], np.flatnonzero(known.num_present == 1)
    if size < 3 or len(alone) < max(10 * size, 0.9 * len(known)):
        return None
    counts, even = known.take(alone).counts()[0], np.full(size, 1 / size)
    draws = min(draws, max(_DRAWN // len(counts), 999))
    by_chance = np.random.default_rng(0).multinomial(len(alone), even, size=draws)
    as_even = ((by_chance - counts.mean()) ** 2).sum(1) <= ((counts - counts.mean()) ** 2).sum()
    return float((1 + as_even.sum()) / (1 + draws))


def alarms(checks: Sequence[Count], level: float = 0.01) -> list[Count]:
    """The checks that fail, the least probable first; if all is right, one or more do with probability `level` at most."""
    return sorted((check for check in checks if check.p < level / len(checks)), key=lambda check: check.p)  # Bonferroni


class _Gap:
    """The difference of two sides of a claim, over images.

    Args:
        group: the left one.
        other: the right one.
        equal: whether they should be equal; otherwise the left one at most the right one.
    """

    def __init__(self, group: str, other: str, equal: bool):
        self.group, self.other, self.equal, self.left, self.right = group, other, equal, 0.0, 0.0
        self.told, self.above, self.total, self.squares = 0, 0, 0.0, 0.0  # of images where the sides differ
        self.least, self.most = np.inf, -np.inf

    def add(self, left: Floats, right: Floats) -> None:
        """Both sides of some images."""
        self.left, self.right = self.left + float(left.sum()), self.right + float(right.sum())
        gap = left - right
        gap = gap[gap != 0]
        self.told, self.above = self.told + len(gap), self.above + int((gap > 0).sum())
        self.total, self.squares = self.total + float(gap.sum()), self.squares + float((gap**2).sum())
        size = np.abs(gap)
        self.least, self.most = min(self.least, size.min(initial=np.inf)), max(self.most, size.max(initial=-np.inf))

    def count(self) -> LinkedCount:
        """The claim about all images."""
        z = self.total / float(np.sqrt(self.squares)) if self.squares else 0.0
        if not self.told:
            p = 1.0
        elif self.most - self.least < 1e-9:  # a coin for each image
            tail = stats.binom.sf(self.above - 1, self.told, 0.5)
            p = 2 * min(tail, stats.binom.cdf(self.above, self.told, 0.5)) if self.equal else tail
        else:
            p = float(2 * stats.norm.sf(abs(z)) if self.equal else stats.norm.sf(z))
        return LinkedCount(self.group, self.other, self.equal, self.left, self.right, z, float(min(p, 1.0)))


def _over(gap: npt.NDArray[np.float64], deviation: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """gap / deviation, 0 where both are 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(gap) < 1e-9, 0.0, gap / deviation)


def _two_sided(seen: npt.NDArray[np.int64], p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Twice the smaller tail of a sum of N unequal coins, for counts up to `_EXACT`: (K,)."""
    small = np.minimum(seen, _EXACT)
    pmf = np.zeros((len(seen), int(small.max()) + 1))  # of the count so far, up to the largest one that was seen
    pmf[:, 0] = 1.0
    for row in p:
        moved = pmf[:, :-1] * row[:, None]
        pmf *= 1 - row[:, None]
        pmf[:, 1:] += moved
    at_most = pmf.cumsum(1)
    columns = np.arange(len(seen))
    below = np.where(small > 0, at_most[columns, np.maximum(small - 1, 0)], 0.0)
    result: npt.NDArray[np.float64] = 2 * np.minimum(at_most[columns, small], 1 - below)
    return result
