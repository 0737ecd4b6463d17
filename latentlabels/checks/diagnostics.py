"""What a fit says of itself: what it saw, where it stopped, and whether its scale has drifted from the prior.

And what known labels say of the label space and the annotation before anything is fitted.
"""

from __future__ import annotations

from typing import Any

from ..annotation import Annotation, Ignorable, PerLabelSearch
from ..fitting import TrainingResult
from ..observed import Observed
from ..program.starting_point import Anchor
from . import alarms, even_count_check, linked_label_check

_FALSE_ALARM = 0.001
_CLAIMS = 3  # that are spelt out
_DRIFT = 1.5  # ratio of predicted to expected number of labels beyond which a fit says so


def contradiction(table: Observed, how: Annotation) -> str | None:
    """What known labels contradict of the label space and the annotation together, in a sentence; None if nothing.

    Seldom by chance: where both are right, something is said with probability 0.001 at most.
    """
    wrong = alarms(linked_label_check(table.values, table.space, how), _FALSE_ALARM)
    if not wrong:
        return None
    said = []
    for one in wrong[:_CLAIMS]:
        equal = " = " in one.claim
        left, right = one.claim.split(" = " if equal else " <= ", 1)
        said.append(
            f'"{left}" {"" if equal else "at most "}as often as "{right}" (it is {one.left:,.0f} against {one.right:,.0f})'
        )
    more = f" and {len(wrong) - _CLAIMS} more" if len(wrong) > _CLAIMS else ""
    return (
        f"known labels contradict the label space and the annotation, by which one should be known {', '.join(said)}{more}; "
        "either some labels are named more readily than others (annotation weighted-positive or per-label-search, with "
        "weights), or a group that is declared to apply always does not"
    )


def evenness(table: Observed, how: Annotation) -> str | None:
    """Whether labels are known as if images had been collected label by label, in a sentence; None if not, or if assumed.

    Seldom by chance: with probability 0.001 at most.
    """
    p = None if isinstance(how, PerLabelSearch | Ignorable) else even_count_check(table.values)
    if p is None or p > _FALSE_ALARM:
        return None
    counts = [present for present, _ in table.counts().values()]
    span = f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
    return (
        f"labels are known in {span} images each, more evenly than chance would have it; if images were collected label by "
        "label, annotation per-label-search says so: how many images a label has then tells nothing of how frequent it is"
    )


def diagnose(
    table: Observed, how: Annotation, anchor: Anchor, result: TrainingResult, count: float, ours: bool
) -> dict[str, Any]:
    """The diagnostics of a fit.

    Args:
        table: what was known.
        how: the annotation.
        anchor: prevalences before training.
        result: of training.
        count: predicted labels per held-out image.
        ours: whether label probabilities were fitted by their likelihood, so that their scale should be that expected.

    Returns:
        Numbers and names as JSON has them; `warnings` holds what a user should be told.
    """
    row = next((row for row in result.history if row["epoch"] == result.best_epoch), {})
    contradicted = contradiction(table, how)
    drifted = ours and not 1 / _DRIFT <= count / anchor.expected_labels <= _DRIFT
    return {
        "num_images": len(table),
        "num_labels": table.space.num_labels,
        "expected_labels": anchor.expected_labels,
        "expected_labels_source": anchor.source,
        "expected_labels_identified": anchor.identified,
        "predicted_count": count,
        "best_epoch": result.best_epoch,
        "stopped_early": result.stopped_early,
        "held_out_log_likelihood": row.get("held_out_log_likelihood"),
        "seconds": round(result.seconds, 2),
        "never_known": list(anchor.never_known),
        "prior": {label: round(float(p), 6) for label, p in zip(table.space.labels, anchor.prevalence, strict=True)},
        "known_counts": {label: list(counts) for label, counts in table.counts().items()},
        "contradiction": contradicted,
        "evenness": evenness(table, how),
        "warnings": [*([contradicted] if contradicted else []), *([_drift(count, anchor)] if drifted else [])],
    }


def _drift(count: float, anchor: Anchor) -> str:
    why = (
        "the two contradict each other; look at the annotation and its rates, and at the label space"
        if anchor.identified
        else "the known labels fix label probabilities only up to a scale, which has drifted; state expected_labels, "
        "declare exhaustive groups, train for fewer epochs or set beta above 0"
    )
    return f"the fit predicts {count:.2f} labels per image, {anchor.expected_labels:.2f} were expected ({anchor.source}): {why}"
