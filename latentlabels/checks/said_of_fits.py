"""What is found of a fit, in words: what images add, the number of labels, training, how often labels are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from ..words import count, epoch_number, listed, number, percent_of
from .finding import Finding, Kind, Severity


def _skill(f: Finding) -> str:
    gain, images = float(f.facts["gain"]), count(f.facts["num_images"], "held-out image")
    values = f"log-likelihood {number(f.facts['fit'])} against {number(f.facts['without_image'])} nats per image, on {images}"
    if f.severity is Severity.ACT:
        worse = "worse than" if gain < 0 else "no better than"
        return f"The fit predicts known labels {worse} prevalences alone, without looking at the image ({values})."
    times = f"{math.exp(min(gain, 700)):,.1f} times as probable"
    if f.facts.get("by_chance"):
        return f"With the image, known labels are {times} as from prevalences alone, which may be chance ({values})."
    only = "only " if f.severity is Severity.LOOK else ""
    return f"With the image, known labels are {only}{times} as from prevalences alone ({values})."


def _ranking(f: Finding) -> str:
    score, chance = (number(f.facts[key], 3) for key in ("score", "chance"))
    if f.severity is Severity.ACT:
        return f"Images are ranked no better than in random order (mAP against known labels {score}, by chance {chance})."
    return f"Images are ranked better than in random order (mAP against known labels {score}, by chance {chance})."


def _measured(f: Finding) -> str:
    size = f.facts["num_images"]
    images = count(size, "completely labelled image")
    if f.severity is Severity.ACT:
        said = "; ".join(_beside(f, key) for key in ("map", "nll", "brier") if _beside(f, key))
        return f"On {images} the fit is no better than prevalences alone, without looking at the image ({said})."
    of = " of probabilities above 5 %" if f.facts.get("above") else ""
    plain = f.facts.get("calibration_error_without_image")
    beside = "" if plain is None else f" ({percent_of(plain, size)} without looking at the image)"
    text = f"The calibration error{of} is {percent_of(f.facts['calibration_error'], size)} on {images}{beside}."
    lost = [_beside(f, key) for key in ("nll", "brier") if _lost(f, key)]
    return f"{text} It ranks images, but its probabilities are worse than prevalences alone ({lost[0]})." if lost else text


def _beside(f: Finding, key: str) -> str:
    """A figure of the fit beside that of the prediction without looking at the image; "" where one is missing."""
    value, plain = f.facts.get(key), f.facts.get(f"{key}_without_image")
    if value is None or plain is None:
        return ""
    name = {"map": "mAP", "nll": "negative log-likelihood", "brier": "Brier score"}[key]
    shown = [percent_of(x, f.facts["num_images"]) if key == "map" else number(x) for x in (value, plain)]
    return f"{name} {shown[0]} against {shown[1]}"


def _lost(f: Finding, key: str) -> bool:
    value, plain = f.facts.get(key), f.facts.get(f"{key}_without_image")
    return value is not None and plain is not None and value >= plain


def _count(f: Finding) -> str:
    source = f.facts.get("source")
    why = f" (source: {source})" if source and f.severity is Severity.ACT else ""
    predicted, expected = number(f.facts["predicted"], 2), number(f.facts["expected"], 2)
    return f"The fit predicts {predicted} labels per image; {expected} were expected{why}."


def _scale(f: Finding) -> str:
    return f"How it was determined: {f.facts['source']}."


def _length(f: Finding) -> str:
    best, last = f.facts["best"], f.facts["last"]
    if f.facts["improving"]:
        return f"Epoch {epoch_number(best)}, the last one, was the best: held-out images were still improving."
    if best == 0 and f.severity is Severity.LOOK:
        return "Held-out images got worse after the first epoch."
    return f"Epoch {epoch_number(best)} of {epoch_number(last)} was the best and was kept."


def _overfitting(f: Finding) -> str:
    gap = float(f.facts["gap"])
    if gap <= 0.05:
        return "Held-out images are predicted about as well as training images."
    return f"Known labels are {number(gap, 2)} nats per image less probable on held-out images than on training images."


def _held_out(f: Finding) -> str:
    size = f.facts["num_images"]
    return f"{count(size, 'held-out image')} chose the epoch." if size else "No image was held out; the last epoch was kept."


def _never(f: Finding) -> str:
    verb = "is" if len(f.labels) == 1 else "are"
    total = count(f.facts["num_labels"], "label")
    return f"{len(f.labels):,} of {total} {verb} never known to be present: {listed(f.labels)}."


def _rarely(f: Finding) -> str:
    verb = "is" if len(f.labels) == 1 else "are"
    few = f.facts["fewer_than"]
    return f"{count(len(f.labels), 'label')} {verb} known to be present in fewer than {few} images: {listed(f.labels)}."


def _everywhere(f: Finding) -> str:
    return f"The fit finds {listed(f.labels)} in nearly every image, which was not expected."


SAID_OF_FITS: Mapping[Kind, Callable[[Finding], str]] = {
    Kind.SKILL: _skill,
    Kind.RANKING: _ranking,
    Kind.MEASURED: _measured,
    Kind.UNMEASURED: lambda f: "It was not measured on new complete images: how good its probabilities are is unknown.",
    Kind.COUNT: _count,
    Kind.SCALE: _scale,
    Kind.LENGTH: _length,
    Kind.OVERFITTING: _overfitting,
    Kind.HELD_OUT: _held_out,
    Kind.NEVER_KNOWN: _never,
    Kind.RARELY_KNOWN: _rarely,
    Kind.KNOWN: lambda f: f"Each label is known to be present in at least {count(f.facts['least'], 'image')}.",
    Kind.EVERYWHERE: _everywhere,
    Kind.NOTE: lambda f: str(f.facts["text"]),
}
"""Kind -> its sentence."""
