"""What the numbers of a fit say, and what to do about each: findings, the most pressing first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .. import objectives
from ..observed.few import FEW_IMAGES
from ..words import finite
from .diagnostics import FALSE_ALARM, scale
from .finding import Finding, Kind, Severity, Todo

_GAP = 0.5  # nats per image between training and held-out images that point to overfitting
_EVERYWHERE = 0.98  # share of images from which a label tells nothing
_MISCALIBRATED = 0.05
_FEW_HELD_OUT = 50
LEAST_HELD_OUT = 10
"""Held-out images with a known label below which they say nothing of a fit."""
_LITTLE = 1.25  # how many times as probable known labels should be as without looking at the image


def advise(
    diagnostics: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    config: Mapping[str, Any],
    metrics: Mapping[str, Any] | None = None,
    prevalence: Mapping[str, float] | None = None,
) -> list[Finding]:
    """What to do after a fit.

    Args:
        diagnostics: `LatentLabels.diagnostics_`; what is missing is not spoken of.
        history: a mapping for each epoch.
        config: sections `model` and `fit`.
        metrics: against complete labels, `Metrics.to_dict()`, with `without_image` the same of that prediction.
        prevalence: label -> share of images that show it, as the fit says.

    Returns:
        One for each thing that could be looked at, the most pressing first; whether the fit learned anything, first of all.
    """
    ours = objectives.of_run(config).is_likelihood
    found = [
        skill(diagnostics, history, ours),
        ranking(diagnostics),
        _measured(metrics or {}),
        _source(diagnostics, ours),
        scale(diagnostics, ours),
        _length(diagnostics, history),
        _overfitting(diagnostics, history, ours),
        _held_out(diagnostics, config),
        *_known(diagnostics),
        _stored(diagnostics, "contradiction", Kind.CONTRADICTION),
        _stored(diagnostics, "evenness", Kind.EVENNESS),
        _everywhere(diagnostics, prevalence or {}),
        *_complete_images(diagnostics),
    ]
    order = list(Severity)
    return sorted((one for one in found if one is not None), key=lambda one: order.index(one.severity))


def poor(findings: Sequence[Finding]) -> Finding | None:
    """The finding that says that a fit is no better than one that never looks at an image; None if none says so."""
    kinds = (Kind.MEASURED, Kind.SKILL, Kind.RANKING)
    found = [one for kind in kinds for one in findings if one.kind is kind and one.severity is Severity.ACT]
    return found[0] if found else None


def skill(d: Mapping[str, Any], history: Sequence[Mapping[str, Any]], ours: bool) -> Finding | None:
    """What looking at images adds: held-out known labels under the fit, and under each label's prevalence.

    Were the prevalences all there is to say, the likelihood ratio of a fit on n held-out images would exceed 1000 with a
    probability of 0.001 at most (its expectation is 1, so that Markov's inequality holds), and the largest of E epochs 1000 E.
    """
    stored = d.get("without_image")
    stored = stored if isinstance(stored, Mapping) else {}
    value, plain = finite(d.get("held_out_log_likelihood")), finite(stored.get("held_out_log_likelihood"))
    size = finite(stored.get("num_held_out"))
    if not ours or value is None or plain is None or not size:
        return None
    gain, epochs = value - plain, max(len(history), 1)
    facts = {"fit": value, "without_image": plain, "gain": gain, "num_images": int(size)}
    by_chance = gain * size <= math.log(epochs / FALSE_ALARM)
    facts["by_chance"] = by_chance
    if size < LEAST_HELD_OUT:
        return Finding(Kind.SKILL, Severity.LOOK, facts=facts | {"by_chance": True}, todo=(Todo.LABEL_COMPLETELY,))
    if by_chance and gain <= math.log(_LITTLE):
        return Finding(Kind.SKILL, Severity.ACT, facts=facts, todo=(Todo.LEARN_MORE,))
    if by_chance or gain <= math.log(_LITTLE):
        return Finding(Kind.SKILL, Severity.LOOK, facts=facts, todo=(Todo.LEARN_MORE,))
    return Finding(Kind.SKILL, Severity.FINE, facts=facts)


def ranking(d: Mapping[str, Any]) -> Finding | None:
    """Whether held-out images are ranked better than in random order, against known labels."""
    stored = d.get("without_image")
    stored = stored if isinstance(stored, Mapping) else {}
    keys = ("known_map", "known_map_by_chance", "known_map_largest_by_chance")
    score, chance, largest = (finite(stored.get(key)) for key in keys)
    if score is None or chance is None or largest is None:
        return None
    facts = {"score": score, "chance": chance}
    if score > largest:
        return Finding(Kind.RANKING, Severity.FINE, facts=facts)
    return Finding(Kind.RANKING, Severity.ACT, facts=facts, todo=(Todo.LEARN_MORE,))


def _source(d: Mapping[str, Any], ours: bool) -> Finding | None:
    identified, source = d.get("expected_labels_identified"), d.get("expected_labels_source")
    if identified is None or not source or not ours:
        return None
    facts = {"source": str(source), "identified": bool(identified)}
    if identified:
        return Finding(Kind.SCALE, Severity.FINE, facts=facts)
    return Finding(Kind.SCALE, Severity.LOOK, facts=facts, todo=(Todo.STATE_COUNT,))


def _length(d: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> Finding | None:
    best = finite(d.get("best_epoch"))
    if best is None or best < 0 or not history:
        return None
    last = int(finite(history[-1].get("epoch")) or len(history) - 1)
    facts = {"best": int(best), "last": last, "improving": best >= last and not d.get("stopped_early")}
    if facts["improving"]:
        return Finding(Kind.LENGTH, Severity.LOOK, facts=facts, todo=(Todo.TRAIN_LONGER,))
    if best == 0 and last > 0:
        return Finding(Kind.LENGTH, Severity.LOOK, facts=facts, todo=(Todo.TRAIN_SLOWER,))
    return Finding(Kind.LENGTH, Severity.FINE, facts=facts)


def _overfitting(d: Mapping[str, Any], history: Sequence[Mapping[str, Any]], ours: bool) -> Finding | None:
    row = next((row for row in history if row.get("epoch") == d.get("best_epoch")), {})
    train, held = finite(row.get("train_log_likelihood")), finite(row.get("held_out_log_likelihood"))
    if train is None or held is None or not ours:
        return None
    facts = {"gap": train - held}
    if train - held <= _GAP:
        return Finding(Kind.OVERFITTING, Severity.FINE, facts=facts)
    return Finding(Kind.OVERFITTING, Severity.LOOK, facts=facts, todo=(Todo.REGULARISE,))


def _held_out(d: Mapping[str, Any], config: Mapping[str, Any]) -> Finding | None:
    total, share = finite(d.get("num_images")), finite((config.get("fit") or {}).get("held_out"))
    if total is None or share is None:
        return None
    facts = {"num_images": round(total * share)}
    if facts["num_images"] >= _FEW_HELD_OUT:
        return Finding(Kind.HELD_OUT, Severity.FINE, facts=facts)
    return Finding(Kind.HELD_OUT, Severity.LOOK, facts=facts, todo=(Todo.HOLD_OUT_MORE,))


def _known(d: Mapping[str, Any]) -> list[Finding]:
    given = d.get("known_counts")
    if not isinstance(given, Mapping):
        return []
    pairs = {label: pair for label, pair in given.items() if isinstance(pair, list | tuple)}
    counts = {str(label): pair[0] for label, pair in pairs.items() if pair and finite(pair[0]) is not None}
    if not counts:
        return []
    never = tuple(label for label, number in counts.items() if not number)
    rare = tuple(label for label, number in counts.items() if 0 < number < FEW_IMAGES)
    found = []
    if never:
        facts = {"num_labels": len(counts)}
        found.append(Finding(Kind.NEVER_KNOWN, Severity.ACT, never, facts, (Todo.FIND_OR_DROP,)))
    if rare:
        found.append(Finding(Kind.RARELY_KNOWN, Severity.LOOK, rare, {"fewer_than": FEW_IMAGES}, (Todo.FIND_IMAGES,)))
    if not never and not rare:
        found.append(Finding(Kind.KNOWN, Severity.FINE, facts={"least": min(counts.values())}))
    return found


def _stored(d: Mapping[str, Any], key: str, kind: Kind) -> Finding | None:
    """A finding that the fit has kept; a sentence where version 0.1 did."""
    if key not in d:
        return None
    given = d[key]
    if not given:
        return Finding(kind, Severity.FINE) if kind is Kind.CONTRADICTION else None
    found = Finding.from_dict(given)
    if found is not None and found.kind is Kind.NOTE and kind is Kind.EVENNESS:
        return Finding(Kind.NOTE, Severity.LOOK, facts=found.facts)
    return found


def _complete_images(d: Mapping[str, Any]) -> list[Finding | None]:
    given = d.get("complete_images")
    return [Finding.from_dict(one) for one in given] if isinstance(given, list | tuple) else []


def _everywhere(d: Mapping[str, Any], prevalence: Mapping[str, float]) -> Finding | None:
    prior = d.get("prior")
    if not isinstance(prior, Mapping):
        return None
    found = tuple(
        str(label)
        for label, share in prevalence.items()
        if share > _EVERYWHERE and (finite(prior.get(label)) or 1.0) < _EVERYWHERE - 0.05
    )
    return Finding(Kind.EVERYWHERE, Severity.LOOK, found, todo=(Todo.STATE_COUNT,)) if found else None


def _measured(metrics: Mapping[str, Any]) -> Finding | None:
    """How the fit does on completely labelled images, beside the prediction that never looks at one."""
    pooled, above = (finite(metrics.get(key)) for key in ("calibration_error", "calibration_error_above"))
    error = pooled if above is None else above  # absent labels near 0 fill the pooled one
    if error is None:
        return Finding(Kind.UNMEASURED, Severity.LOOK, todo=(Todo.LABEL_COMPLETELY,))
    plain = metrics.get("without_image")
    plain = plain if isinstance(plain, Mapping) else {}
    facts: dict[str, Any] = {"num_images": int(finite(metrics.get("num_images")) or 0), "calibration_error": error}
    if above is not None:
        facts |= {"above": True, "calibration_error_without_image": finite(plain.get("calibration_error_above"))}
    for key in ("map", "nll", "brier"):
        facts |= {key: finite(metrics.get(key)), f"{key}_without_image": finite(plain.get(key))}
    lost = [key for key in ("map", "nll", "brier") if _worse(facts, key, higher=key == "map")]
    if "map" in lost or len(lost) == 2:
        return Finding(Kind.MEASURED, Severity.ACT, facts=facts, todo=(Todo.LEARN_MORE,))
    if error > _MISCALIBRATED or lost:
        return Finding(Kind.MEASURED, Severity.LOOK, facts=facts, todo=(Todo.CALIBRATE,))
    return Finding(Kind.MEASURED, Severity.FINE, facts=facts)


def _worse(facts: Mapping[str, Any], key: str, higher: bool) -> bool:
    value, plain = facts[key], facts[f"{key}_without_image"]
    return value is not None and plain is not None and (value <= plain if higher else value >= plain)
