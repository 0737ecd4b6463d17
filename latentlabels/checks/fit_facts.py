"""What a fit was made of, a line for each fact: how labels were read, its encoder, its expected count, its held-out images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..kind import PASSED_THROUGH
from ..words import count, number


def read_as(found: Mapping[str, Any]) -> str:
    """How known labels were read, in one line.

    Args:
        found: `HowRead.summary` or `HowRead.to_dict`.
    """
    return f"{found['format']}; " + "; ".join(f"{what}: {how}" for what, how in found["facts"])


def encoder_used(found: Mapping[str, Any]) -> str:
    """The encoder of a fit in one line: its name, its weights, whether it was trained, and why it was chosen.

    Args:
        found: `diagnostics_["encoder"]`.
    """
    name, weights = found["encoder"], found["weights"]
    if name == PASSED_THROUGH:
        return "none: embeddings as they were given"
    from_where = f", weights {weights}" if weights is not None else ", from random weights"
    how = "frozen: the head alone is trained" if found["frozen"] else "trained"
    how += ", two windows of each picture" if found["windows"] else ""
    return f"{name}{from_where}; {how}" + (f" ({found['why']})" if found["why"] else "")


def expected_labels(found: Mapping[str, Any]) -> str:
    """The expected number of labels per image in one line, with what says so.

    Args:
        found: `diagnostics_`; of another source its keys `expected_labels...` and `num_complete` are enough.
    """
    expected, error = number(found["expected_labels"], 2), found.get("expected_labels_error")
    if error is not None:
        return f"{expected} ± {number(error, 2)} expected, from {count(int(found['num_complete']), 'complete image')}"
    return f"{expected} expected ({found['expected_labels_source']})"


def begun_with(found: Mapping[str, Any]) -> str:
    """What a fit has from the run that it began with, in one line.

    Args:
        found: `diagnostics_`.
    """
    number, total = len(found["begun_with"]), int(found["num_labels"])
    return f"another run: its encoder, and its head for {number:,} of {count(total, 'label')}"


def held_out(found: Mapping[str, Any]) -> str:
    """The held-out part of a fit in one line: how many images, and how they were chosen.

    Args:
        found: `diagnostics_["held_out"]`.
    """
    size, total = int(found["num_held_out"]), int(found["num_held_out"]) + int(found["num_training"])
    chosen = "the same share of each label" if found["chosen_by"] == "labels" else f"by {found['chosen_by']}"
    said = f"{size:,} of {count(total, 'image')}" + (f", {chosen}" if size else "")
    if found["num_together"]:
        what = f"images of equal {found['together_by']}" if found["together_by"] else "copies"
        said += f"; {count(int(found['num_together']), 'group')} of {what} kept together"
    if found["num_test"]:
        said += f"; {count(int(found['num_test']), 'image')} for a test left out of the fit"
    return said
