"""The verdict on a fit: strong, fair or weak beside a prediction that never looks at an image, and its weakest labels.

On complete labels four figures decide: the Brier skill score, the share by which the negative log-likelihood is smaller, and
how far the mAP and the macro-F1 at 0.5 are on their way from chance to 1; see `prevalence_baseline.skill_figures`. Each of
them is 0 for a model that never looks at an image, whereas the calibration error is best for it. The macro-F1 is among them
because a fit still ranks images if half of the known labels are wrong, but hardly any probability reaches 0.5. Without
complete labels it is the gain in the likelihood of held-out known labels; that cannot tell how good the scale of
probabilities is, so that no fit is called strong by it.

docs/reports.md says how the thresholds were found.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..words import finite
from . import verdict_words
from .advice import ranking, skill
from .diagnostics import DRIFT
from .finding import Basis, Level, Reason, Severity
from .weak_labels import WeakLabel, labels_of, weak_labels

STRONG = {"ranking_skill": 0.5, "nll_skill": 0.35, "brier_skill": 0.35, "decision_skill": 0.3}
FAIR = {"ranking_skill": 0.3, "nll_skill": 0.15, "brier_skill": 0.15, "decision_skill": 0.15}
MARGIN = {"ranking_skill": 1.0, "nll_skill": 0.5, "brier_skill": 0.5, "decision_skill": 0.5}
"""What is added to these thresholds on N complete images, times sqrt(N): chance moves a figure by about two thirds of that, and
the average precision of few images is too high by half of it."""
FAIR_KNOWN, FAIR_RANKING = 0.2, 0.15
"""Gain on held-out known labels as a share of their negative log-likelihood without looking; of other objectives, ranking."""
STRONG_OF_FULL, FAIR_OF_FULL = 0.75, 0.4
"""Shares of what a fit on complete labels gains, in the worst of these figures."""
OFF = 0.2
"""Calibration error of probabilities above 5 % above which a fit is not strong."""
MANY, SOME = 1 / 3, 1 / 5
"""Shares of weak labels above which a fit is weak, and not strong. Labels that were only counted do not count, but a fit whose
labels are known in few images by more than the first share is not strong."""
ENOUGH_MEASURED = 50
"""Complete images from which a fit can be called strong."""
LEAST_HELD_OUT = 10
"""Held-out images with a known label below which they do not tell how good a fit is."""
FEW = 1 / 2
"""Share of labels with few images, or none, above which a fit is weak by known labels: held-out images hardly show them."""


@dataclass(frozen=True)
class Verdict:
    """What is said of a fit first.

    Attributes:
        level: strong, fair, weak or unknown.
        basis: what that rests on.
        facts: the figures behind it, as JSON holds them.
        weakest: the weak labels, the weakest first.
    """

    level: Level
    basis: Basis
    facts: Mapping[str, Any] = field(default_factory=dict)
    weakest: tuple[WeakLabel, ...] = ()

    @property
    def sentence(self) -> str:
        """The verdict in words: "Strong: on 1,000 completely labelled images ..."."""
        return f"{self.level.value.capitalize()}: {self.because}"

    @property
    def because(self) -> str:
        """The same without the level, which stands before it."""
        return verdict_words.because(self.level, self.basis, self.facts)

    @property
    def weakest_sentence(self) -> str:
        """The weakest labels in words; "" where none is weak."""
        named = [(one.label, one.reason) for one in self.weakest[: verdict_words.NAMED]]
        return verdict_words.weakest(named, len(self.weakest), int(self.facts.get("num_labels", 0)))

    def to_dict(self, most: int = 20) -> dict[str, Any]:
        """As JSON holds it, with so many weak labels at most."""
        return {
            "level": self.level.value,
            "sentence": self.sentence,
            "weakest_sentence": self.weakest_sentence,
            "basis": self.basis.value,
            "figures": dict(self.facts),
            "num_weak": len(self.weakest),
            "weakest": [one.to_dict() for one in self.weakest[:most]],
        }


def verdict_of(
    diagnostics: Mapping[str, Any],
    metrics: Mapping[str, Any] | None = None,
    history: Sequence[Mapping[str, Any]] = (),
) -> Verdict:
    """The verdict on a fit.

    Args:
        diagnostics: `LatentLabels.diagnostics_`, or a run folder's diagnostics.json.
        metrics: on complete labels, as evaluation.json holds them; with `full_labels`, figures of a fit on complete labels.
        history: a mapping for each epoch.

    Returns:
        Whatever is missing or strange is not spoken of; where nothing is left the level is unknown.
    """
    metrics = metrics or {}
    labels = labels_of(diagnostics, metrics)
    weak = sorted(weak_labels(labels, diagnostics, metrics), key=lambda one: one[0])
    weakest = tuple(label for _, label in weak)
    common = {"num_labels": len(labels), "num_weak": len(weakest)}
    for judge in (_by_complete, _by_known, _by_ranking):
        found = judge(diagnostics, metrics, history)
        if found is not None:
            level, basis, facts = found
            short = [*facts.pop("short", ()), *_of_weak_labels(level, basis, weakest, len(labels))]
            if basis is not Basis.COMPLETE and _drifted(diagnostics):
                short.append((Level.FAIR, "predicted_count"))
                facts |= {key: finite(diagnostics[key]) for key in ("predicted_count", "expected_labels")}
            return _lowered(level, basis, {**facts, **common}, short, weakest)
    return Verdict(Level.UNKNOWN, Basis.NOTHING, common, weakest)


def _of_weak_labels(
    level: Level, basis: Basis, weakest: Sequence[WeakLabel], num_labels: int
) -> Iterator[tuple[Level, str]]:  # fmt: skip
    """What weak labels keep a fit from."""
    certain = sum(one.why is not Reason.FEW_IMAGES or one.is_measured for one in weakest) / max(num_labels, 1)
    few = sum(one.why in (Reason.FEW_IMAGES, Reason.NEVER_KNOWN) for one in weakest) / max(num_labels, 1)
    if certain > MANY:
        yield Level.FAIR, "weak_labels"
    elif certain > SOME and level is Level.STRONG:
        yield Level.STRONG, "weak_labels"
    if few > FEW and basis is not Basis.COMPLETE and level is not Level.UNKNOWN:
        yield Level.FAIR, "few_images"
    elif few > MANY and level is Level.STRONG:
        yield Level.STRONG, "few_images"


def _drifted(diagnostics: Mapping[str, Any]) -> bool:
    """Whether a fit predicts far more or fewer labels per image than the known ones determine."""
    predicted, expected = (finite(diagnostics.get(key)) for key in ("predicted_count", "expected_labels"))
    if not predicted or not expected or diagnostics.get("expected_labels_identified") is not True:
        return False
    return not 1 / DRIFT <= predicted / expected <= DRIFT


def _lowered(
    level: Level, basis: Basis, facts: dict[str, Any], short: Sequence[tuple[Level, str]], weakest: tuple[WeakLabel, ...]
) -> Verdict:  # fmt: skip
    """The verdict below all levels that a fit falls short of, with what keeps it from the next one."""
    missed = [one for one, _ in short]
    if Level.FAIR in missed:
        level = Level.WEAK
    elif Level.STRONG in missed and level is Level.STRONG:
        level = Level.FAIR
    above = {Level.WEAK: Level.FAIR, Level.FAIR: Level.STRONG}.get(level)
    why = list(dict.fromkeys(key for one, key in short if one is above))
    return Verdict(level, basis, {**facts, **({"short_of": above.value, "short": why} if above and why else {})}, weakest)


_Judged = tuple[Level, Basis, dict[str, Any]] | None


def _by_complete(
    diagnostics: Mapping[str, Any], metrics: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
) -> _Judged:  # fmt: skip
    del diagnostics, history
    plain = metrics.get("without_image")
    size = finite(metrics.get("num_images"))
    if not isinstance(plain, Mapping) or size is None or size < 1:
        return None
    skills = {key: value for key in STRONG if (value := finite(metrics.get(key))) is not None}
    if not skills:
        return None
    facts: dict[str, Any] = {
        "num_images": int(size),
        **skills,
        "num_impossible": int(finite(metrics.get("num_impossible")) or 0),
    }
    for key in ("map", "nll", "brier", "macro_f1"):
        facts |= {key: finite(metrics.get(key)), f"{key}_without_image": finite(plain.get(key))}
    facts["calibration_error_above"] = finite(metrics.get("calibration_error_above"))
    mistaken = _mapping(metrics.get("known_labels_mistaken"))
    if None not in (values := {key: finite(mistaken.get(key)) for key in ("share", "low", "high")}).values():
        facts["known_labels_mistaken"] = values
    of_full = _of_full(skills, metrics.get("full_labels"))
    if of_full is not None:
        facts["of_full_labels"] = of_full
    facts["short"] = list(_short(skills, of_full, facts))
    return Level.STRONG, Basis.COMPLETE, facts


def _short(skills: Mapping[str, float], of_full: float | None, facts: Mapping[str, Any]) -> Iterator[tuple[Level, str]]:
    """Each level that a figure falls short of, and which figure."""
    size = facts["num_images"]
    for level, wanted, full in ((Level.FAIR, FAIR, FAIR_OF_FULL), (Level.STRONG, STRONG, STRONG_OF_FULL)):
        for key, least in wanted.items():
            if key in skills and skills[key] < least + MARGIN[key] / math.sqrt(size):
                yield level, key
        if of_full is not None and of_full < full:
            yield level, "of_full_labels"
    if size < ENOUGH_MEASURED or len(skills) < 2:
        yield Level.STRONG, "num_images"
    if (facts["calibration_error_above"] or 0.0) > OFF:
        yield Level.STRONG, "calibration_error_above"
    mistaken = facts.get("known_labels_mistaken", {"low": 0.0, "high": 0.0})
    if mistaken["low"] > verdict_words.DOUBT or mistaken["high"] < -verdict_words.DOUBT:
        yield Level.STRONG, "known_labels_mistaken"
    if facts["num_impossible"]:
        yield Level.STRONG, "num_impossible"


def _of_full(skills: Mapping[str, float], full: Any) -> float | None:
    """The smallest share of what a fit on complete labels gains; None where that is not known, or gains nothing."""
    if not isinstance(full, Mapping):
        return None
    theirs = {key: value for key in skills if (value := finite(full.get(key))) is not None and value > 0}
    return min(skills[key] / value for key, value in theirs.items()) if theirs else None


def _by_known(
    diagnostics: Mapping[str, Any], metrics: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
) -> _Judged:  # fmt: skip
    del metrics
    found = skill(diagnostics, history, True)
    if found is None:
        return None
    facts = dict(found.facts)
    facts["share"] = facts["gain"] / -facts["without_image"] if facts["without_image"] < 0 else None
    enough = (facts["share"] or 0.0) >= FAIR_KNOWN
    if facts["num_images"] < LEAST_HELD_OUT or (enough and facts["by_chance"]):
        return Level.UNKNOWN, Basis.KNOWN, facts
    return (Level.FAIR if enough and found.severity is not Severity.ACT else Level.WEAK), Basis.KNOWN, facts


def _by_ranking(
    diagnostics: Mapping[str, Any], metrics: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
) -> _Judged:  # fmt: skip
    del metrics, history
    found = ranking(diagnostics)
    if found is None:
        return None
    facts = dict(found.facts)
    chance = facts["chance"]
    facts["share"] = (facts["score"] - chance) / (1 - chance) if chance < 1 else 0.0
    enough = found.severity is Severity.FINE and facts["share"] >= FAIR_RANKING
    return (Level.FAIR if enough else Level.WEAK), Basis.RANKING, facts


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}
