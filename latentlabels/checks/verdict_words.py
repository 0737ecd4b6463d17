"""The verdict in words: the one place where it gets them, for the terminal, the report, notebooks and the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..words import count, number, percent, percent_of
from .finding import Basis, Level, Reason

NAMED = 3
"""Weak labels that a sentence names."""

_TODO = {
    Reason.NEVER_KNOWN: "Label images that show it, or remove it from the label space.",
    Reason.FEW_IMAGES: "Label more images that show it.",
    Reason.CONFUSED: "Label more images of both, above all those that look alike; or make them one label.",
    Reason.NOT_LEARNED: "Look at its images: check their labels, label more, or try a stronger encoder.",
    Reason.PREVALENCE: "Its ranking can be used, its probability cannot: label about 100 random images completely and run "
    "latentlabels calibrate.",
}


def because(level: Level, basis: Basis, facts: Mapping[str, Any]) -> str:
    """How good a fit is and why, after the level; facts that are missing make it shorter, never an error."""
    try:
        return _SAID[basis](level, facts)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return "the run folder does not hold its figures."


def weakest(named: Sequence[tuple[str, str]], total: int, num_labels: int) -> str:
    """The weakest labels in a sentence, the weakest first.

    Args:
        named: label and reason of the first few.
        total: weak labels.
        num_labels: all labels.
    """
    if not named:
        return ""
    verb = "is" if total == 1 else "are"
    shown = ", ".join(f'"{label}" ({reason})' for label, reason in named)
    more = f" and {total - len(named):,} more" if total > len(named) else ""
    first = "" if total == 1 else ", the weakest first"
    return f"{total:,} of {count(num_labels, 'label')} {verb} weak{first}: {shown}{more}."


def reason(why: Reason, facts: Mapping[str, Any]) -> str:
    """Why a label is weak."""
    known, size = facts.get("known"), facts.get("num_images")
    measured = ""
    if "average_precision" in facts:
        chance = percent_of(facts.get("true_share"), size)
        measured = f"average precision {percent_of(facts['average_precision'], size)}, {chance} by chance"
    elif "area" in facts:
        measured = f"{percent(facts['area'])} of pairs of held-out images in the right order, 50 % by chance"
    if why is Reason.PREVALENCE:
        shown = percent_of(facts.get("true_share"), size)
        return f"predicted in {percent_of(facts.get('predicted_share'), size)} of images, shown by {shown}"
    said = {
        Reason.NEVER_KNOWN: "never known to be present",
        Reason.FEW_IMAGES: f"known in only {count(int(known or 0), 'image')}",
        Reason.NOT_LEARNED: "hardly distinguished from other images",
        Reason.CONFUSED: f'confused with "{facts.get("with")}"',
    }[why]
    if why is Reason.CONFUSED and facts.get("share") is not None:
        said += f": {percent(facts['share'])} of the images wrongly ranked first show it"
    return f"{said}; {measured}" if measured else said


def todo(why: Reason) -> str:
    """What to do about a weak label."""
    return _TODO[why]


_OFF = 0.1  # calibration error of probabilities above 5 % from which it is said
_SHORT = {
    "ranking_skill": "mAP",
    "nll_skill": "likelihood",
    "brier_skill": "squared error",
    "decision_skill": "F1",
    "of_full_labels": "what complete training labels give",
    "calibration_error_above": "calibration",
    "known_labels_mistaken": "known labels",
    "num_images": "too few complete images",
    "num_impossible": "impossible labels",
    "weak_labels": "weak labels",
    "few_images": "labels with few images",
    "predicted_count": "number of labels",
}


def _complete(level: Level, f: Mapping[str, Any]) -> str:
    del level
    size = f["num_images"]
    parts = []
    gain = None if f.get("nll") is None or f.get("nll_without_image") is None else f["nll_without_image"] - f["nll"]
    if f.get("map") is not None and f.get("map_without_image") is not None:
        value, plain = (percent_of(f[key], size) for key in ("map", "map_without_image"))
        parts.append(f"the mAP is {value} ({plain} without looking at the image)")
    if gain is not None:
        lower = "lower" if gain >= 0 else "higher"
        parts.append(f"the negative log-likelihood of label sets is {number(abs(gain), 2)} nats per image {lower}")
    if f.get("brier_skill") is not None:
        smaller = "smaller" if f["brier_skill"] >= 0 else "larger"
        parts.append(f"the squared error of the probabilities is {percent(abs(f['brier_skill']))} {smaller}")
    if f.get("macro_f1") is not None and f.get("macro_f1_without_image") is not None:
        value, plain = (percent_of(f[key], size) for key in ("macro_f1", "macro_f1_without_image"))
        parts.append(f"the F1 of a label at probability 0.5 is {value} on average ({plain})")
    said = f"on {count(size, 'completely labelled image')}, {_joined(parts)}."
    if (gain is not None and gain < 0) or f.get("brier_skill", 0) < 0:
        said += " Its probabilities are worse than prevalences alone."
    if (f.get("calibration_error_above") or 0.0) > _OFF:
        off = round(100 * f["calibration_error_above"])
        said += f" Probabilities above 5 % are off by {off} percentage points on average: run latentlabels calibrate."
    if f.get("short"):
        named = [_SHORT[key] for key in f["short"]]
        said += f" Not {f['short_of']} because of: {', '.join(named)}."
    said += _mistaken(**f.get("known_labels_mistaken", {"share": 0.0, "low": 0.0, "high": 0.0}))
    if f.get("num_impossible"):
        said += f" It calls the true labels of {count(f['num_impossible'], 'image')} impossible."
    if f.get("of_full_labels") is not None:
        said += f" At least {percent(max(f['of_full_labels'], 0.0))} of what complete training labels give is reached."
    return said


def _mistaken(share: float, low: float, high: float) -> str:
    """What complete images say of the known labels; "" where nothing is wrong beyond doubt."""
    if high < -DOUBT or low > 1:
        return " The known labels were not picked as the annotation assumes."
    if low <= DOUBT:
        return ""
    span = f"{percent(low)} to {percent(min(high, 1.0))} with 95 % confidence"
    return (
        f" About {percent(min(share, 1.0))} of the known labels ({span}) look wrong, or were not picked as the annotation "
        "assumes: run latentlabels mistakes."
    )


DOUBT = 0.1
"""Share of wrong known labels that the interval has to exclude before it is said."""
_UNMEASURED = " It was not measured on complete labels, so whether its probabilities are too high or too low is unknown."


def _known(level: Level, f: Mapping[str, Any]) -> str:
    gain, images = float(f["gain"]), count(int(f["num_images"]), "held-out image")
    unmeasured = _UNMEASURED
    if level is Level.UNKNOWN:
        return f"known labels of {images} are too few to tell how good the fit is.{unmeasured}"
    if f.get("by_chance") and gain <= math.log(1.25):
        worse = "less" if gain < 0 else "no more"
        return f"known labels of {images} are {worse} probable than without looking at the image.{unmeasured}"
    times = f"{math.exp(min(gain, 700)):,.1f} times"
    only = "only " if level is Level.WEAK else ""
    chance = ", which may be chance" if f.get("by_chance") else ""
    return (
        f"known labels of {images} are {only}{times} as probable as without looking at the image "
        f"(a gain of {number(gain, 2)} nats per image){chance}.{_limits(f)}{unmeasured}"
    )


def _limits(f: Mapping[str, Any]) -> str:
    """What makes a fit weak whatever held-out known labels say."""
    said = ""
    if "few_images" in f.get("short", ()):
        said += " Most labels are known in too few images to be judged."
    if "predicted_count" in f.get("short", ()):
        predicted, expected = number(f["predicted_count"], 2), number(f["expected_labels"], 2)
        said += f" It predicts {predicted} labels per image, but known labels determine {expected}."
    return said


def _ranking(level: Level, f: Mapping[str, Any]) -> str:
    only = "only " if level is Level.WEAK else ""
    return (
        f"held-out images are ranked with an mAP of {only}{percent(f['score'])} against known labels "
        f"({percent(f['chance'])} by chance).{_limits(f)}{_UNMEASURED}"
    )


def _nothing(level: Level, f: Mapping[str, Any]) -> str:
    del level, f
    return (
        "this fit was not compared with a prediction that never looks at the image, because no image was held out or its "
        "objective has no likelihood. Run latentlabels evaluate on about 100 completely labelled images."
    )


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"


_SAID = {Basis.COMPLETE: _complete, Basis.KNOWN: _known, Basis.RANKING: _ranking, Basis.NOTHING: _nothing}
