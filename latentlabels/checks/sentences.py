"""Findings in words: the one place where they get them, for the terminal, the report, notebooks and warnings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..kind import PASSED_THROUGH
from ..words import count, epoch_number, listed, number, percent, percent_of, whole
from .finding import Finding, Kind, Severity, Todo, stored_warnings

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


# --- kind by kind ---------------------------------------------------------------------------------------


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


def _contradiction(f: Finding) -> str:
    if f.severity is Severity.FINE:
        return "Known labels do not contradict them, as far as this shows without complete labels."
    claims = [
        f'"{one["group"]}" should be known {"" if one["equal"] else "at most "}as often as "{one["other"]}" '
        f"(it is {whole(one['left'])} against {whole(one['right'])})"
        for one in f.facts["claims"]
    ]
    more = f", and {f.facts['more']} more" if f.facts.get("more") else ""
    return f"Known labels contradict the label space and the annotation: {', '.join(claims)}{more}."


def _evenness(f: Finding) -> str:
    least, most = f.facts["least"], f.facts["most"]
    span = f"in {count(least, 'image')}" if least == most else f"in {least:,} to {most:,} images"
    return f"Each label is known {span}: more even than chance would make it."


def _everywhere(f: Finding) -> str:
    return f"The fit finds {listed(f.labels)} in nearly every image, which was not expected."


def _exclusive(f: Finding) -> str:
    expected, images = float(f.facts["expected"]), count(f.facts["num_images"], "image")
    text = f"Never two of them in one of {images}; {number(expected, 1)} images with two were to be expected by chance."
    one, none = int(f.facts.get("with_one", 0)), int(f.facts.get("with_none", 0))
    if one + none:
        share = f"{none:,} of {one + none:,}" if none else f"none of {one:,}"
        text += f" Among images for which all of these labels are known, {share} show{'s' if none == 1 else ''} none."
    return text


def _excludes_all(f: Finding) -> str:
    size, alone = int(f.facts["num_images"]), f.facts.get("others_alone")
    known = f"Known in {count(size, 'image')}, never with another label" if size else "Never known to be present"
    if alone is None:
        return f"{known}; its name says that an image shows none of the others."
    return f"{known}; of the known labels of others, {percent_of(alone, size)} are the only one of their image."


def _requires(f: Finding) -> str:
    above = f.facts["required"]
    return (
        f'Never without "{above}": it is present in each of {count(f.facts["num_images"], "image")} that show'
        f"{'s' if f.facts['num_images'] == 1 else ''} one of these, and in {percent(f.facts['share'])} of all."
    )


def _times(factor: Any) -> str:
    """A ratio with two digits that count, or one after the point."""
    value = float(factor)
    return number(value, 1 if value >= 1 else 2)


def _pick(f: Finding) -> str:
    images = count(int(f.facts["num_complete"]), "complete image")
    rates = f.facts["annotation"] == "scar"
    assumed = "uniform pick" if f.facts["even"] and not rates else f'annotation "{f.facts["annotation"]}"'
    p = float(f.facts["p_value"])
    if f.severity is Severity.FINE:
        return f"Known labels are chosen as assumed ({assumed}), as far as {images} can tell (p = {p:.2g})."
    verbs = (" is named", *[""] * (len(f.labels) - 1))
    pairs = zip(f.labels, verbs, f.facts["factors"], strict=True)
    named = [f'"{label}"{verb} {_times(factor)} times' for label, verb, factor in pairs]
    holds = "does not hold" if f.severity is Severity.ACT else "may not hold"
    which = "the rates" if rates else "its presence" if len(named) == 1 else "their presence"
    said = f"p {'≤' if p <= 0.001 else '='} {p:.1g}, {images}"
    return f"The assumed {assumed} {holds}: {', '.join(named)} as often as {which} would have it ({said})."


def _pick_untold(f: Finding) -> str:
    size = int(f.facts["num_complete"])
    are = "is" if size == 1 else "are"
    have = f"There {are} only {count(size, 'complete image')}" if size else "There are no completely labelled images"
    return f"{have} to tell whether known labels were chosen as the annotation assumes, and how many labels images have."


def _learned(f: Finding) -> str:
    what, factor = str(f.facts["parameter"]), _times(f.facts["factor"])
    if not f.facts["num_complete"]:
        return (
            f"The {what} were learned from the exhaustive groups {listed(f.facts['groups'])}: one number for each. What varies "
            "inside a group is unknown."
        )
    which = f"The {what} is" if what == "noise" else f"Half of the {what} are"
    known = f"{which} known to within a factor of {factor}, from {count(f.facts['num_complete'], 'complete image')}."
    if "more" not in f.facts:
        return known
    more = count(int(f.facts["more"]), "more image")
    return f"{known} With {more} labelled completely, it would be a factor of about {_times(f.facts['factor_then'])}."


def _mistaken(f: Finding) -> str:
    wrong, size = int(f.facts["num_mistaken"]), int(f.facts["num_checked"])
    verb = "is a mistake" if wrong == 1 else "are mistakes"
    shown = [f'"{label}" of {name}' for name, label in f.facts["images"]]
    which = f": {listed(shown, 3)}" if shown else ""
    share = f"{percent(f.facts['low'], 1)} to {percent(f.facts['high'], 1)} of all, with 95 % confidence"
    assumed = f"; {percent(f.facts['noise'], 1)} assumed" if f.severity is not Severity.FINE else ""
    return f"{wrong:,} of {count(size, 'known label')} {verb} by the complete labels of their images ({share}{assumed}){which}."


_SAID: dict[Kind, Callable[[Finding], str]] = {
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
    Kind.CONTRADICTION: _contradiction,
    Kind.EVENNESS: _evenness,
    Kind.EVERYWHERE: _everywhere,
    Kind.NOTE: lambda f: str(f.facts["text"]),
    Kind.DECLARED: lambda f: (
        f"As declared, or as a column of the table says; known in {count(f.facts['num_images'], 'image')}."
    ),
    Kind.EXCLUSIVE: _exclusive,
    Kind.EXCLUDES_ALL: _excludes_all,
    Kind.REQUIRES: _requires,
    Kind.ALWAYS_TOGETHER: lambda f: (
        f'"{f.labels[0]}" and "{f.labels[1]}" are never apart in {count(f.facts["num_images"], "image")}: are they one label?'
    ),
    Kind.UNDECIDED: lambda f: (
        f"{len(f.labels):,} of {count(f.facts['num_labels'], 'label')} {'is' if len(f.labels) == 1 else 'are'} known with "
        f"others too rarely to tell what excludes them: {listed(f.labels)}."
    ),
    Kind.NO_ABSENCES: lambda f: "No label is known to be absent, so known labels cannot tell which label requires another.",
    Kind.NOTHING: lambda f: (
        f"None of {count(f.facts['num_images'], 'image')} has several known labels or a known absence, so known labels cannot "
        "tell which labels can be present together."
    ),
    Kind.PICK: _pick,
    Kind.PICK_UNTOLD: _pick_untold,
    Kind.LEARNED: _learned,
    Kind.MISTAKEN: _mistaken,
}
