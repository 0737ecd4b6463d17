"""The labels of a fit that are not to be relied on, each with the first reason that holds.

docs/reports.md says how the thresholds were found.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..observed.few import FEW_IMAGES
from ..words import finite
from . import verdict_words
from .finding import Reason

WEAK_LABEL = 0.2
"""Way of a label's average precision from chance to 1 below which the label is weak."""
WEAK_AREA = 0.75
"""Area under the ROC curve of held-out known labels, likewise."""
FAR_OFF = 2.0
"""Ratio of predicted to true share of images, either way, that is far off."""
_SUPPORT = 5  # complete images that show a label from which it counts as measured
_DEVIATIONS = 3.0
_SOMETHING = 0.05  # of the way from chance to 1, from which a label is confused with another rather than not learned


@dataclass(frozen=True)
class WeakLabel:
    """A label that is not to be relied on.

    Attributes:
        label: its name.
        why: the first reason that holds.
        facts: the figures behind it, as JSON holds them.
    """

    label: str
    why: Reason
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_measured(self) -> bool:
        """Whether held-out or complete labels say so, beside the number of known ones."""
        return "average_precision" in self.facts or "area" in self.facts

    @property
    def reason(self) -> str:
        """The reason, in words."""
        return verdict_words.reason(self.why, self.facts)

    @property
    def todo(self) -> str:
        """What to do, in words."""
        return verdict_words.todo(self.why)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"label": self.label, "reason": self.reason, "todo": self.todo, "why": self.why.value, **self.facts}


def labels_of(diagnostics: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[str]:
    """The names of all labels, as far as the figures hold them."""
    counts, measured = diagnostics.get("known_counts"), metrics.get("per_label_ap")
    given = counts if isinstance(counts, Mapping) and counts else measured
    return [str(label) for label in given] if isinstance(given, Mapping) else []


def weak_labels(
    labels: Sequence[str], diagnostics: Mapping[str, Any], metrics: Mapping[str, Any]
) -> Iterator[tuple[float, WeakLabel]]:  # fmt: skip
    """Each weak label with what it is sorted by: how far it is from chance.

    Args:
        labels: their names.
        diagnostics: of the fit.
        metrics: on complete labels; empty where there are none.
    """
    counts, areas = (_mapping(diagnostics.get(key)) for key in ("known_counts", "known_ranking"))
    measured, size = _mapping(metrics.get("per_label")), finite(metrics.get("num_images")) or 0.0
    for label in labels:
        known = _first(counts.get(label))
        facts = {} if known is None else {"known": int(known)}
        figures = _mapping(measured.get(label))
        support, precision = finite(figures.get("support")), finite(figures.get("average_precision"))
        if size and support is not None and precision is not None and _SUPPORT <= support < size:
            found = _measured(facts, figures, support, precision, size)
        else:
            found = _from_known(facts, areas.get(label))
        if found is not None:
            yield found[0], WeakLabel(label, found[1], found[2])


_Weak = tuple[float, Reason, dict[str, Any]] | None


def _measured(
    facts: dict[str, Any], figures: Mapping[str, Any], support: float, precision: float, size: float
) -> _Weak:  # fmt: skip
    share = support / size
    way = (precision - share) / (1 - share)
    facts |= {"average_precision": precision, "true_share": share, "num_images": int(size)}
    predicted = finite(figures.get("predicted"))
    if way >= WEAK_LABEL:
        if predicted is None or not _far_off(predicted, support, size):
            return None
        return way, Reason.PREVALENCE, facts | {"predicted_share": predicted}
    if facts.get("known") == 0:
        return -1.0, Reason.NEVER_KNOWN, facts
    if "known" in facts and facts["known"] < FEW_IMAGES:
        return way, Reason.FEW_IMAGES, facts
    confused = figures.get("confused_with")
    if way >= _SOMETHING and isinstance(confused, Mapping) and isinstance(confused.get("label"), str):
        return way, Reason.CONFUSED, facts | {"with": confused["label"], "share": finite(confused.get("share"))}
    return way, Reason.NOT_LEARNED, facts


def _far_off(predicted: float, support: float, size: float) -> bool:
    expected, error = predicted * size, math.sqrt(support + 1)
    ratio = (expected + 0.5) / (support + 0.5)
    return not 1 / FAR_OFF <= ratio <= FAR_OFF and abs(expected - support) > _DEVIATIONS * error


def _from_known(facts: dict[str, Any], ranked: Any) -> _Weak:
    known = facts.get("known")
    if known == 0:
        return -1.0, Reason.NEVER_KNOWN, facts
    area = finite(ranked[1]) if isinstance(ranked, Sequence) and not isinstance(ranked, str) and len(ranked) == 2 else None
    if area is not None and area < WEAK_AREA:
        reason = Reason.FEW_IMAGES if known is not None and known < FEW_IMAGES else Reason.NOT_LEARNED
        return 2 * area - 1, reason, facts | {"area": area, "num_held_out": int(finite(ranked[0]) or 0)}
    if area is None and known is not None and known < FEW_IMAGES:
        return known / FEW_IMAGES, Reason.FEW_IMAGES, facts
    return None


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _first(pair: Any) -> float | None:
    return finite(pair[0]) if isinstance(pair, list | tuple) and pair else None
