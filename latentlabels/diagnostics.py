"""What a fit says of itself: what it saw, where it stopped, and whether its scale has drifted from the prior."""

from __future__ import annotations

from typing import Any

from .anchor import Anchor
from .observed import Observed
from .training import TrainingResult

_DRIFT = 1.5  # ratio of predicted to expected number of labels beyond which a fit says so


def diagnose(table: Observed, anchor: Anchor, result: TrainingResult, count: float, ours: bool) -> dict[str, Any]:
    """The diagnostics of a fit.

    Args:
        table: what was known.
        anchor: prevalences before training.
        result: of training.
        count: predicted labels per held-out image.
        ours: whether label probabilities were fitted by their likelihood, so that their scale should be that expected.

    Returns:
        Numbers and names as JSON has them; `warnings` holds what a user should be told.
    """
    row = next((row for row in result.history if row["epoch"] == result.best_epoch), {})
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
        "warnings": [_drift(count, anchor)] if drifted else [],
    }


def _drift(count: float, anchor: Anchor) -> str:
    why = (
        "the two contradict each other; look at the annotation and its rates, and at the label space"
        if anchor.identified
        else "the known labels fix label probabilities only up to a scale, which has drifted; state expected_labels, "
        "declare exhaustive groups, train for fewer epochs or set beta above 0"
    )
    return f"the fit predicts {count:.2f} labels per image, {anchor.expected_labels:.2f} were expected ({anchor.source}): {why}"
