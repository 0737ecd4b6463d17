"""Findings in words: the one place where they get them, for the terminal, the report, notebooks and warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .finding import Finding, Kind, Severity, Todo, stored_warnings
from .said_of_fits import SAID_OF_FITS
from .said_of_labels import SAID_OF_LABELS

_SAID = {**SAID_OF_FITS, **SAID_OF_LABELS}
_TITLES = {
    Kind.SKILL: "what images add",
    Kind.RANKING: "ranking",
    Kind.MEASURED: "complete labels",
    Kind.UNMEASURED: "complete labels",
    Kind.COUNT: "number of labels",
    Kind.SCALE: "average number of labels",
    Kind.LENGTH: "length of training",
    Kind.OVERFITTING: "overfitting",
    Kind.HELD_OUT: "held-out images",
    Kind.NEVER_KNOWN: "labels never known",
    Kind.RARELY_KNOWN: "labels rarely known",
    Kind.KNOWN: "known labels",
    Kind.CONTRADICTION: "label space and annotation",
    Kind.EVENNESS: "numbers of images",
    Kind.EVERYWHERE: "labels on nearly every image",
    Kind.NOTE: "note of the fit",
    Kind.DECLARED: "declared group",
    Kind.EXCLUSIVE: "labels that look exclusive",
    Kind.EXCLUDES_ALL: "a label that is alone",
    Kind.REQUIRES: "a label never without another",
    Kind.ALWAYS_TOGETHER: "labels never apart",
    Kind.UNDECIDED: "labels known too rarely",
    Kind.NO_ABSENCES: "no known absences",
    Kind.NOTHING: "one known label per image",
    Kind.PICK: "how known labels were chosen",
    Kind.PICK_UNTOLD: "how known labels were chosen",
    Kind.LEARNED: "learned numbers",
    Kind.MISTAKEN: "mistakes among known labels",
}

_TODO = {
    Todo.LEARN_MORE: "Do not rely on these probabilities. Check that images and labels belong together, start from published "
    "weights, train longer, or give more known labels.",
    Todo.CHECK_ANNOTATION: "One of the two is wrong: check the annotation, its rates, and the label space.",
    Todo.COMPARE_WITH_COLLAPSED: "This objective does not aim at true probabilities. Compare it with the objective collapsed "
    "before you rely on them.",
    Todo.STATE_COUNT: "Known labels determine probabilities only up to a common factor. State expected_labels, or declare a "
    "group with exactly one present label in every image.",
    Todo.DECIDE_COUNT: "Decide which number you believe. If you know it roughly, state it as expected_labels and fit again.",
    Todo.LABEL_COMPLETELY: "Label about 100 images completely and run latentlabels evaluate.",
    Todo.CALIBRATE: "Check the annotation and expected_labels: they determine the scale of the probabilities.",
    Todo.TRAIN_LONGER: "Train for more epochs (fit.epochs).",
    Todo.TRAIN_SLOWER: "Lower the learning rate (fit.learning_rate), or freeze the encoder (model.frozen).",
    Todo.REGULARISE: "Use more images, a frozen encoder with published weights, or a larger fit.weight_decay.",
    Todo.HOLD_OUT_MORE: "With so few images, chance decides which epoch is best. Raise fit.held_out.",
    Todo.FIND_IMAGES: "Their probabilities rest on almost nothing. Label more images that show them.",
    Todo.FIND_OR_DROP: "The fit cannot learn them; they keep their prior probability. Label images that show them, or remove "
    "them from the label space.",
    Todo.WEIGHT_LABELS: "Either some labels are named more readily than others (annotation weighted-positive or "
    "per-label-search, with weights), or a group declared to apply always does not.",
    Todo.SAY_PER_LABEL_SEARCH: "If images were collected label by label, use the annotation per-label-search: the number of "
    "images of a label then says nothing about how frequent it is.",
    Todo.LEARN_WEIGHTS: "Learn the weights: --set annotation.kind=weighted-positive --set annotation.weights=learn.",
    Todo.LEARN_RATES: "Learn the rates: --set annotation.rates=learn.",
    Todo.SAMPLE_COMPLETE: "Label about 100 random images completely: latentlabels sample-complete DIR -n 100 -o complete.csv, "
    "then fit with --complete complete.csv.",
    Todo.SAMPLE_MORE: "Draw further images: latentlabels sample-complete DIR -n NUMBER --complete complete.csv -o more.csv.",
    Todo.STATE_NOISE: "State the share of mistakes, for example --set annotation.noise=0.03 for 3 %.",
}


def title(finding: Finding) -> str:
    """What was looked at, in a few words."""
    return _TITLES[finding.kind]


def sentence(finding: Finding) -> str:
    """What was found; facts that a stored finding lacks make it shorter, never an error."""
    try:
        return _SAID[finding.kind](finding)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return f"{_TITLES[finding.kind]}: the run folder does not hold its figures."


def todo(finding: Finding) -> str:
    """What to do; "" where nothing is."""
    return " ".join(_TODO[one] for one in finding.todo)


def advised(what: Todo) -> str:
    """One thing to do, in words."""
    return _TODO[what]


def warning(finding: Finding) -> str:
    """What was found and what to do, in one text."""
    return " ".join(part for part in (sentence(finding), todo(finding)) if part)


def told(stored: Sequence[Mapping[str, Any]]) -> list[str]:
    """What complete images say of a fit, in words: what it warns of is left out.

    Args:
        stored: `diagnostics_["complete_images"]`.
    """
    found = [one for one in map(Finding.from_dict, stored) if one is not None and one.severity is not Severity.ACT]
    return [warning(one) for one in found]


def fit_warnings(diagnostics: Mapping[str, Any]) -> list[str]:
    """What a fit warned of, in words.

    Args:
        diagnostics: `LatentLabels.diagnostics_`, or a run folder's diagnostics.json.
    """
    return [warning(one) for one in stored_warnings(diagnostics)]
