"""Prevalences from the known labels alone: the starting point of the head, and what fixes its scale.

The likelihood of known positives fixes label probabilities only up to a scale per image: (half cat, half dog)
and (both) explain one label per image equally well. The scale is anchored by what is stated: a root group that
is exhaustive has one label present on every image, so that under a uniform pick of one label the share of
images whose known label lies in it is E[1/N], N the number of present labels; otherwise by `expected_labels`. Complete images
say it best: what they show is added to what the others imply, which is taken to be right but for a factor (`_FACTOR`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..annotation import Annotation
from ..errors import DataError
from ..observed.known_table import KnownTable, table_of
from ..space import Free, LabelSpace, OneOf
from ..words import any_of
from ..words import count as count_of

DEFAULT_EXPECTED = 1.5
_FACTOR = 0.5  # deviation of the logarithm by which prevalences without complete images may be off, at a stated annotation
_LEARNED = 0.3  # the same beside the interval of numbers that were learned
_WORTH = (2.0, 2000.0)  # complete images that they may be worth
_ENOUGH = 10  # complete images whose number of labels a fit is held at
_WIDTHS = {True: 0.1, False: 1.0}  # how far off the number of labels may be without them, relative: identified by groups or not
_LEAST, _MOST = 1e-4, 0.98  # prevalences at which a head may start: further out its gradients vanish


class ScaleFrom(StrEnum):
    """What says how many labels an image shows."""

    STATED = "stated"
    GROUP = "exhaustive group"
    ANNOTATION = "annotation"
    COMPLETE = "complete images"
    DEFAULT = "default"


@dataclass(frozen=True)
class Anchor:
    """Prevalences before training.

    Attributes:
        expected_labels: the expected number of present labels per image.
        identified: whether the data fix it (an exhaustive group, reporting rates, known absences).
        source: where it comes from, in words.
        prevalence: (K,) p(y_k = 1) over images.
        logits: (L,) of the label space, at which a head and a label prior start.
        never_known: labels that are never known to be present.
        num_complete: how many images have all of their labels known.
        error: the standard error of `expected_labels`, where complete images say it.
        hold: the number of labels per image at which a fit is held: stated, or that of enough complete images; or None.
        scale_from: where `expected_labels` comes from; a guess where it is the default.
    """

    expected_labels: float
    identified: bool
    source: str
    prevalence: NDArray[np.float64]
    logits: Tensor
    never_known: tuple[str, ...]
    num_complete: int = 0
    error: float | None = None
    hold: float | None = None
    scale_from: ScaleFrom = ScaleFrom.DEFAULT


def derive_prior(
    space: LabelSpace,
    values: NDArray[np.int8] | KnownTable,
    annotation: Annotation,
    expected_labels: float | None = None,
) -> Anchor:
    """Work out prevalences from known labels.

    Args:
        space: the label space.
        values: (N, K) of 1, 0, -1, or a table of them.
        annotation: how the known labels came about.
        expected_labels: what the user states about the number of present labels per image.

    Returns:
        An `Anchor`: prevalences (K,), logits (L,), the expected number of labels and what fixes it.

    Raises:
        DataError: `expected_labels` is not a positive number up to the largest possible count.
    """
    if expected_labels is not None and not 0 < expected_labels <= space.num_labels:
        raise DataError(
            f"expected_labels is {expected_labels}, but must be above 0 and at most {space.num_labels}, the number of labels",
            key="model.expected_labels",
        )
    whole = table_of(values)
    rows = annotation.complete_rows(whole) if annotation.says_which else np.zeros(0, np.int64)
    complete = whole.rows(rows)
    table = whole.take(np.setdiff1d(np.arange(len(whole)), rows)) if len(rows) else whole
    present = table.counts()[0].astype(float)
    told = max(int((table.num_present > 0).sum()), 1)
    known = max(present.sum() / told, 1.0)  # known positives per image that has any
    rate = (present + 0.5) / (told + 1.0)
    seen = present + (complete == 1).sum(0)
    never = tuple(label for label, count in zip(space.labels, seen, strict=True) if count == 0)
    identified, implied = True, annotation.prevalence(table)
    if implied is not None:
        prevalence, source = implied
        scale_from = ScaleFrom.ANNOTATION
        expected = float(prevalence.sum())
    else:
        readiness = annotation.readiness(space.num_labels)
        rate = rate / (readiness / readiness.mean())
        expected, source, scale_from = _scale(space, rate, known)
        identified = scale_from is ScaleFrom.GROUP
        if expected_labels is not None:
            expected, source, scale_from = float(expected_labels), "set by expected_labels", ScaleFrom.STATED
        prevalence = rate * (expected / known if np.ptp(readiness) == 0 else expected / rate.sum())
    error, hold = None, expected_labels
    if len(complete):
        counted, spread = _counted(complete, expected, _WIDTHS[identified], alone=not len(table))
        if expected_labels is None:
            prevalence, expected, identified = prevalence * (counted / expected), counted, True
            error = spread
            source = f"{count_of(len(complete), 'complete image')}: {counted:.2f} ± {spread:.2f}"
            hold = counted if len(complete) >= _ENOUGH else None
            scale_from = ScaleFrom.COMPLETE
        prevalence = _with_complete(prevalence, complete, _spread(annotation), alone=not len(table))
    prevalence = np.clip(prevalence, _LEAST, 1.0)
    logits, prevalence = _forest(space, prevalence)
    return Anchor(float(expected), identified, source, prevalence, logits, never, len(complete), error, hold, scale_from)


def _counted(complete: NDArray[np.int8], expected: float, width: float, alone: bool) -> tuple[float, float]:
    """Labels per image by complete ones (D, K) and by what was expected without them, and the standard error."""
    counts = (complete == 1).sum(1)
    mean = float(counts.mean())
    chance = max(mean * (1 - mean / complete.shape[1]), 0.05)  # the variance of independent labels: few images may be alike
    least = (len(counts) * float(counts.var()) + 2 * chance) / (len(counts) + 2)
    error = float(np.sqrt(least / len(counts)))
    if alone:
        return max(mean, _LEAST), error
    before, now = 1 / (width * expected) ** 2, 1 / error**2
    return (before * expected + now * mean) / (before + now), float(1 / np.sqrt(before + now))


def _spread(annotation: Annotation) -> NDArray[np.float64] | float:
    """The deviation of the logarithm by which prevalences may be off that known labels imply, (K,) or one for all."""
    learned = [one for name, one in annotation.learned.items() if name != "noise"]
    if not learned:
        return _FACTOR
    wide = np.log(np.asarray(learned[0].high) / np.asarray(learned[0].low)) / (2 * 1.645)  # the interval holds 90 %
    return np.asarray(np.hypot(_LEARNED, wide))


def _with_complete(
    prevalence: NDArray[np.float64], complete: NDArray[np.int8], spread: NDArray[np.float64] | float, alone: bool
) -> NDArray[np.float64]:
    """Prevalences (K,) by what the others imply, up to a factor, and by complete images (D, K): of beta priors."""
    present, size = (complete == 1).sum(0), len(complete)
    if alone:
        found: NDArray[np.float64] = (present + 0.5) / (size + 1.0)
        return found
    before = np.clip(prevalence, _LEAST, 1.0 - _LEAST)
    worth = np.clip((1 - before) / (before * spread**2), *_WORTH)  # images whose share of a label varies as much
    return np.asarray((worth * before + present) / (worth + size))


def _scale(space: LabelSpace, rate: NDArray[np.float64], known: float) -> tuple[float, str, ScaleFrom]:
    """The expected number of labels, what says so in words, and as a value."""
    exhaustive = space.exhaustive_sets
    if exhaustive:
        columns = [[space.index(label) for label in one.labels] for one in exhaustive]
        share = float(np.mean([rate[own].sum() for own in columns])) / rate.sum()
        names = ", ".join(any_of([f'"{name}"' for name in one.groups]) for one in exhaustive[:3])
        names += ", ..." if len(exhaustive) > 3 else ""
        expected = min(max(1.0 / share, float(len(exhaustive))), float(space.num_labels))
        source = f"derived from the share of known labels in the exhaustive group{'s'[: len(exhaustive) - 1]} {names}"
        return expected, source, ScaleFrom.GROUP
    expected = min(DEFAULT_EXPECTED * known, float(space.num_labels))
    source = "the default, since no group is exhaustive; set expected_labels if you know the number"
    return expected, source, ScaleFrom.DEFAULT


def prior_logits(space: LabelSpace, prevalence: NDArray[np.float64]) -> Tensor:
    """(L,) logits of a forest whose marginals are `prevalence` (K,), as nearly as its groups allow."""
    return _forest(space, prevalence)[0]


def _forest(space: LabelSpace, prevalence: NDArray[np.float64]) -> tuple[Tensor, NDArray[np.float64]]:
    """Logits of the forest with these prevalences, as nearly as its groups allow, and what they then are."""
    found = np.zeros(space.num_labels)
    pieces: dict[str, list[float]] = {}
    empty: dict[str, float] = {}  # how often a group applies without one of its labels
    for group in space.parents_first:
        columns, parent = space.columns(group), space.parent(group)
        above = 1.0
        if parent is not None:
            above = float(sum(found[space.index(label)] for label in parent.labels)) + empty[parent.group] * parent.none
        share = np.clip(prevalence[columns] / max(above, _LEAST), _LEAST, _MOST)
        if isinstance(group, OneOf) and not group.optional:
            share, none = share / share.sum(), 0.0
            pieces[group.name] = np.log(share).tolist()
        else:
            share = share * min(1.0, _MOST / share.sum())
            none = 1.0 - share.sum()
            pieces[group.name] = [*np.log(share), np.log(none)] if isinstance(group, OneOf) else [np.log(share[0] / none)]
        found[columns] = above * share
        empty[group.name] = above * float(none)
    logits = [number for group in space.groups for number in pieces[group.name]]
    return torch.tensor(logits, dtype=torch.float32), found


def frozen_logits(space: LabelSpace, never_known: tuple[str, ...]) -> Tensor:
    """(L,) True for logits of labels that are never known present: nothing teaches them, so they stay where they start."""
    frozen: list[bool] = []
    for group in space.groups:
        inside = [label in never_known for label in group.labels]
        frozen += inside
        if isinstance(group, OneOf) and group.optional:
            frozen.append(all(inside))
        elif isinstance(group, Free):
            continue
    return torch.tensor(frozen)
