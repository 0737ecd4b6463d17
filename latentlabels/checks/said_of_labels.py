"""What known labels and complete images say of the label space and the annotation, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..words import count, listed, number, percent, percent_of, whole
from .finding import Finding, Kind, Severity


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


SAID_OF_LABELS: Mapping[Kind, Callable[[Finding], str]] = {
    Kind.CONTRADICTION: _contradiction,
    Kind.EVENNESS: _evenness,
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
"""Kind -> its sentence."""
