"""Pictures with what is said about them: the labels of single images as bars, the most probable images of each label."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checks import SuspectLabel
from ...space import LabelSpace
from ...words import count, listed, percent
from ..blocks import Bar, Beside, Block, Cell, Heading, Legend, Photo, Photos, Row, Span, Table, Words
from ..heat import overlay
from ..pixels import Embedded, embedded
from ..top_labels import Outcome, foremost

_BARS = 14  # labels of an image
_NAMES = 40  # that a sentence lists


def short_name(name: str) -> str:
    """An image's name with its folder, or its number."""
    return f"image {name}" if name.isdigit() else "/".join(PurePath(name).parts[-2:])


def examples(
    marginals: NDArray[Any],
    space: LabelSpace,
    images: Sequence[NDArray[np.uint8] | None],
    names: Sequence[str] = (),
    observed: NDArray[Any] | None = None,
    truth: NDArray[Any] | None = None,
) -> list[Block]:
    """A few images, each beside the probabilities of its foremost labels by group.

    Args:
        marginals: (N, K) probabilities of presence.
        space: the label space.
        images: N pictures, (3, side, side); None where there is none.
        names: N names of the images; none if empty.
        observed: (N, K) of 1, 0 and -1: known labels are coloured and say so.
        truth: (N, K) of 0 and 1: labels that are truly present say so.
    """
    shown = []
    for row, p in enumerate(marginals):
        above = [space.labels[k] for k in np.flatnonzero(p > 0.5)[:8]]
        alt = f"above 50 %: {listed(above, _NAMES) or 'none'}"
        known, true = (None if given is None else given[row] for given in (observed, truth))
        name = short_name(names[row]) if len(names) else ""
        shown.append(
            Photo(
                _small(images[row], alt),
                name,
                bars=label_bars(p, space, known, true),
            )
        )
    entries = [("blue", "probability that the label is present")]
    entries += [] if observed is None else [("orange", "known to be present"), ("grey", "known to be absent")]
    return [Legend(entries), Photos(shown, "photocards")]


def label_bars(
    p: NDArray[Any],
    space: LabelSpace,
    observed: NDArray[Any] | None = None,
    truth: NDArray[Any] | None = None,
) -> Table:
    """The probabilities of one image's foremost labels as bars, under a heading for each group.

    Args:
        p: (K,) probabilities of presence.
        space: the label space.
        observed: (K,) of 1, 0 and -1.
        truth: (K,) of 0 and 1.
    """
    found = foremost(p, space, observed, truth, _BARS)
    rows = []
    for heading, outcomes in itertools.groupby(found.shown, _heading):
        rows += [_remark(heading)] if heading else []
        rows += [_bar(o) for o in outcomes]
    if found.silent:
        above = percent(min(found.silent_above, 0.99))
        rows.append(_remark(f"do not apply, each above {above}: {listed(found.silent, 20)}"))
    if found.num_left_out:
        below = "" if found.below is None else f", each below {percent(found.below)}"
        rows.append(_remark(f"{count(found.num_left_out, 'label')} left out{below}"))
    return Table((), rows, frozenset([2]), kind="bars")


def _heading(o: Outcome) -> str:
    needs = "" if o.requires is None else f"(requires {o.requires})"
    return f"{o.group} {needs}".strip()


def _remark(text: str) -> Row:
    return Row((Cell(text, span=3),), "group")


def _bar(o: Outcome) -> Row:
    colour = "pale" if o.column is None else {1: "orange", 0: "grey"}.get(o.known, "blue")
    known = {1: "known", 0: "known absent"}.get(o.known)
    marks = [*([Span(known, "mark")] if known else []), *([Span("true", "mark true")] if o.true else [])]
    name = [o.text, *(part for mark in marks for part in (" ", mark))]
    return _row(name, o.probability, colour)


def _row(name: Words, probability: float, colour: str) -> Row:
    bar = Bar([(probability, colour)] if np.isfinite(probability) else [])
    return Row((Cell(name), Cell("", "bar", bar=bar), Cell(percent(float(probability)), value=float(probability))))


def contact_sheet(
    marginals: NDArray[Any],
    space: LabelSpace,
    images: Sequence[NDArray[np.uint8] | None],
    names: Sequence[str],
    labels: Sequence[str],
    observed: NDArray[Any],
    remarks: Sequence[str],
    per_label: int = 7,
) -> list[Block]:
    """The images that most probably show each label, by falling probability.

    Args:
        marginals: (N, K) probabilities of presence; images where one is NaN are left out for that label.
        space: the label space.
        images: N pictures; None where there is none.
        names: N names of the images; none if empty.
        labels: which ones, in this order.
        observed: (N, K) of 1, 0 and -1: images whose label is known have a coloured frame, and say so.
        remarks: what stands beside the name of each label.
        per_label: images of a label at most.
    """
    blocks: list[Block] = []
    for label, remark in zip(labels, remarks, strict=True):
        k = space.index(label)
        ranked = [int(i) for i in np.argsort(-marginals[:, k], kind="stable") if np.isfinite(marginals[i, k])][:per_label]
        shown = []
        for i in ranked:
            state = {1: "known", 0: "absent"}.get(int(observed[i, k]), "")
            said = percent(float(marginals[i, k])) + {"known": ", known", "absent": ", known absent"}.get(state, "")
            name = short_name(names[i]) if len(names) else ""
            shown.append(Photo(_small(images[i], f"{label}: {said}"), name, said, state))
        blocks += [Heading(f"{label} · {remark}"), Photos(shown)]
    return blocks


def suspects(found: Sequence[SuspectLabel], images: Sequence[NDArray[np.uint8] | None], names: Sequence[str]) -> list[Block]:
    """Known labels that a model finds improbable, beside what it finds more probable: possible mistakes.

    Args:
        found: those labels.
        images: a picture for each of them; None where there is none.
        names: what the image of each of them is called.
    """
    shown = []
    for one, image, name in zip(found, images, names, strict=True):
        stated: Words = [one.label if one.value else f"not {one.label}", " ", Span("known", "mark")]
        rows = [_row(stated, one.probability, "orange" if one.value else "grey")]
        if one.instead is not None:
            rows.append(_row(one.instead, one.instead_probability, "blue"))
        alt = f"known to be {'' if one.value else 'not '}{one.label}"
        shown.append(Photo(_small(image, alt), short_name(name), bars=Table((), rows, frozenset([2]), kind="bars")))
    entries = [(colour, f"known to be {what}") for value, colour, what in ((1, "orange", "present"), (0, "grey", "absent"))
               if any(one.value == value for one in found)]  # fmt: skip
    entries += [("blue", "more probable according to the fit")] if any(one.instead is not None for one in found) else []
    return [Legend(entries), Photos(shown, "photocards")]


def places(heat: NDArray[Any], images: Sequence[NDArray[np.uint8]], rows: Sequence[int], captions: Sequence[str]) -> Block:
    """Each picture beside the same with a heat map over it: in colour where a label probably is.

    Args:
        heat: (N, h, w) probabilities of places.
        images: N pictures, without margins.
        rows: which image each of them is: a picture is shown once.
        captions: what stands below each heat map.
    """
    shown: dict[int, list[Photo]] = {}
    for given, picture, row, caption in zip(heat, images, rows, captions, strict=True):
        strip = shown.setdefault(row, [Photo(embedded(picture, ""))])
        strip.append(Photo(embedded(overlay(picture, given), f"heat map of {caption}"), words=caption))
    return Beside([Photos(strip) for strip in shown.values()], "strips")


def _small(image: NDArray[np.uint8] | None, alt: str) -> Embedded | None:
    return None if image is None else embedded(without_white(image), alt)


def without_white(square: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A thumbnail, (3, size, size), without the white that pads it on two sides, which dark pages would show."""
    white = (square == 255).all(0)
    for axis in (0, 1):
        full = white.all(1 - axis)
        margin = min(int(np.argmin(full)), int(np.argmin(full[::-1])))
        if margin and not full.all():
            return square[:, margin:-margin] if axis == 0 else square[:, :, margin:-margin]
    return square
