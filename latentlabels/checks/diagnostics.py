"""What a fit says of itself, as data: what it saw, where it stopped, what it gains on predicting prevalences.

And what known labels say of the label space and the annotation before anything is fitted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..annotation import Annotation
from ..fitting import TrainingResult
from ..inputs.completed import Completed
from ..observed import Observed
from ..program.starting_point import Anchor
from ..words import finite
from .complete_images import complete_images
from .finding import Finding, Kind, Severity, Todo
from .known_labels import LinkedCount, alarms, even_count_check, linked_label_check
from .prevalence_baseline import chance_of_ranking, known_log_likelihood

FALSE_ALARM = 0.001
_CLOSE = 1.25  # ratio of predicted to expected number of labels that is no reason to worry
DRIFT = 1.5  # ratio of predicted to expected number of labels beyond which a fit warns
_CLAIMS = 3  # that are kept


def contradiction(table: Observed, how: Annotation) -> Finding | None:
    """What known labels contradict of the label space and the annotation together; None if nothing.

    Seldom by chance: where both are right, something is found with probability 0.001 at most.
    """
    wrong = alarms(linked_label_check(table.known, table.space, how), FALSE_ALARM)
    if not wrong:
        return None
    facts = {"claims": [_claim(one) for one in wrong[:_CLAIMS]], "more": max(len(wrong) - _CLAIMS, 0)}
    return Finding(Kind.CONTRADICTION, Severity.ACT, facts=facts, todo=(Todo.WEIGHT_LABELS,))


def _claim(one: LinkedCount) -> dict[str, Any]:
    names = {"group": one.group, "other": one.other, "equal": one.equal}
    return names | {"left": round(one.left, 3), "right": round(one.right, 3)}


def evenness(table: Observed, how: Annotation) -> Finding | None:
    """Whether labels are known as if images had been collected label by label; None if not, or if that is assumed.

    Seldom by chance: with probability 0.001 at most.
    """
    p = None if how.by_label or not how.says_which else even_count_check(table.known)
    if p is None or p > FALSE_ALARM:
        return None
    counts = [present for present, _ in table.counts().values()]
    facts = {"least": int(min(counts)), "most": int(max(counts))}
    return Finding(Kind.EVENNESS, Severity.LOOK, facts=facts, todo=(Todo.SAY_PER_LABEL_SEARCH,))


def diagnose(
    table: Observed,
    how: Annotation,
    anchor: Anchor,
    result: TrainingResult,
    count: float,
    ours: bool,
    held: Any = (),
    nonempty: bool = False,
    completed: Completed | None = None,
) -> dict[str, Any]:
    """The diagnostics of a fit.

    Args:
        table: what was known.
        how: the annotation.
        anchor: prevalences before training.
        result: of training.
        count: predicted labels per held-out image.
        ours: whether label probabilities were fitted by their likelihood, so that their scale should be that expected.
        held: rows that were held out.
        nonempty: whether the empty label set counts little.
        completed: what a table of complete images said.

    Returns:
        Numbers and names as JSON has them; `contradiction`, `evenness`, `complete_images` and `warnings` hold findings, see
        `Finding.to_dict`.
    """
    rows = np.asarray(held, np.int64)
    row = next((row for row in result.history if row["epoch"] == result.best_epoch), {})
    contradicted, even = contradiction(table, how), evenness(table, how)
    told = [one for one in complete_images(table, how, completed) if ours or one.kind is Kind.MISTAKEN]
    counted = {
        "read_as": None if table.how_read is None else table.how_read.summary(),
        "expected_labels": anchor.expected_labels,
        "expected_labels_source": anchor.source,
        "expected_labels_identified": anchor.identified,
        "expected_labels_error": anchor.error,
        "num_complete": anchor.num_complete,
        "predicted_count": count,
    }
    drift = scale(counted, ours)
    warned = [contradicted, drift if drift is not None and drift.severity is Severity.ACT else None]
    warned += [one for one in told if one.severity is Severity.ACT]
    return {
        "num_images": len(table),
        "num_labels": table.space.num_labels,
        **counted,
        "best_epoch": result.best_epoch,
        "stopped_early": result.stopped_early,
        "held_out_log_likelihood": row.get("held_out_log_likelihood"),
        "without_image": _without_image(table, rows, how, anchor, result, ours, nonempty),
        "seconds": round(result.seconds, 2),
        "never_known": list(anchor.never_known),
        "prior": {label: round(float(p), 6) for label, p in zip(table.space.labels, anchor.prevalence, strict=True)},
        "known_counts": {label: list(counts) for label, counts in table.counts().items()},
        "contradiction": None if contradicted is None else contradicted.to_dict(),
        "evenness": None if even is None else even.to_dict(),
        "complete_images": [one.to_dict() for one in told],
        "warnings": [one.to_dict() for one in warned if one is not None],
    }


def _without_image(
    table: Observed,
    held: NDArray[np.int64],
    how: Annotation,
    anchor: Anchor,
    result: TrainingResult,
    ours: bool,
    nonempty: bool,
) -> dict[str, Any]:
    """What held-out known labels say of predictions that never look at an image, to compare the fit with."""
    found: dict[str, Any] = {}
    if ours and (score := known_log_likelihood(table.known, held, table.space, how, anchor, nonempty)) is not None:
        found |= {"held_out_log_likelihood": score.log_likelihood, "num_held_out": score.num_images}
    ranked = result.kept.get("known-map")
    known = table.known.take(held[table.num_known[held] > 0])
    if ranked is not None and math.isfinite(ranked.score) and (chance := chance_of_ranking(known)) is not None:
        found |= {"known_map": ranked.score, "known_map_by_chance": chance[0], "known_map_largest_by_chance": chance[1]}
    return found


def scale(diagnostics: Mapping[str, Any], ours: bool) -> Finding | None:
    """How the predicted number of labels per image compares with the expected one; None where one of them is missing.

    Args:
        diagnostics: with `predicted_count`, `expected_labels`, and where it comes from.
        ours: whether the fit aims at that number.
    """
    predicted, expected = finite(diagnostics.get("predicted_count")), finite(diagnostics.get("expected_labels"))
    if predicted is None or not expected:
        return None
    identified = bool(diagnostics.get("expected_labels_identified"))
    source = str(diagnostics.get("expected_labels_source") or "")
    facts = {"predicted": predicted, "expected": expected, "source": source, "identified": identified}
    ratio = predicted / expected
    if 1 / _CLOSE <= ratio <= _CLOSE:
        return Finding(Kind.COUNT, Severity.FINE, facts=facts)
    if not ours:
        return Finding(Kind.COUNT, Severity.LOOK, facts=facts, todo=(Todo.COMPARE_WITH_COLLAPSED,))
    if 1 / DRIFT <= ratio <= DRIFT:
        return Finding(Kind.COUNT, Severity.LOOK, facts=facts, todo=(Todo.DECIDE_COUNT,))
    todo = Todo.CHECK_ANNOTATION if identified else Todo.STATE_COUNT
    return Finding(Kind.COUNT, Severity.ACT, facts=facts, todo=(todo,))
