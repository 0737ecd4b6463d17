"""What the pictures of a data set look like once black and white are known: which come out black, white or in few greys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..words import count, printable
from .depth import Deep
from .levels import BYTES, UNIT, Levels, Numbers, Scale, Span, bits, levels_of, white_for

Doubt = Literal["black", "white", "few greys", "pages", "below 0", "any unit", "new to the model", "beyond white", "not used"]

_SIDE = 32  # pixels of a picture that are looked at, in each direction
_TAIL = 0.02  # share of values at either end that do not count: hot pixels, a white frame
_DARK, _BRIGHT = 16, 239  # of 255
_FEW = 8  # greys
_NAMED = 3
_MANY = 4  # pictures: among fewer of 8 bits or in [0, 1], dark ones are nothing special
_BYTE = Span("byte", 0.0, 255.0)


class Look(NamedTuple):
    """What one picture says of its values.

    Attributes:
        span: the least and the largest value.
        ends: the least and the largest value without a few at either end.
        sample: values that stand for all of them; None for 8 bits.
        inverted: whether 0 is white.
        pages: how many pages the file has.
    """

    span: Span
    ends: tuple[float, float]
    sample: NDArray[np.float32] | None = None
    inverted: bool = False
    pages: int = 1


@dataclass(frozen=True)
class PixelNote:
    """A doubt about the pixels of some pictures.

    Attributes:
        doubt: what kind of.
        names: the first few of the pictures.
        count: how many they are.
        total: how many pictures were looked at.
        low: the least value in them.
        high: the largest value in them.
        scale: what was read as black and white.
        proposed: the value of white that would suit these pictures; None where there is none to propose.
        fitted: whether black and white are those of a fit that is over.
    """

    doubt: Doubt
    names: tuple[str, ...]
    count: int
    total: int
    low: float = 0.0
    high: float = 0.0
    scale: Scale = BYTES
    proposed: float | None = None
    fitted: bool = False


def look_at(picture: Image.Image | Deep, pages: int = 1) -> Look:
    """Look at a picture: 8-bit RGB of Pillow, or one with more than 8 bits."""
    if isinstance(picture, Deep):
        return Look(picture.span, _ends(picture.sample), picture.sample, picture.inverted, pages)
    if picture.width > _SIDE or picture.height > _SIDE:
        picture = picture.resize((min(picture.width, _SIDE), min(picture.height, _SIDE)), Image.Resampling.NEAREST)
    return look_at_bytes(np.asarray(picture), pages)


def look_at_bytes(values: NDArray[np.uint8], pages: int = 1) -> Look:
    """Look at the values of a picture with 8 bits."""
    return Look(_BYTE, _ends_of_bytes(values), pages=pages)


def _ends(ordered: NDArray[np.float32]) -> tuple[float, float]:
    last = len(ordered) - 1
    return float(ordered[int(_TAIL * last)]), float(ordered[last - int(_TAIL * last)])


def _ends_of_bytes(values: NDArray[np.uint8]) -> tuple[float, float]:
    below = np.bincount(values.reshape(-1), minlength=256).cumsum()
    cut = int(_TAIL * below[-1])
    return float(np.searchsorted(below, cut, "right")), float(np.searchsorted(below, below[-1] - cut))


# --- conclusions --------------------------------------------------------------------------------------------------------


def conclude(
    names: Sequence[str], looks: Sequence[Look], stated: float | None = None, known: Levels | None = None
) -> tuple[Levels, tuple[PixelNote, ...]]:
    """Black and white of a data set, and what is doubtful about its pictures.

    Args:
        names: of the pictures.
        looks: at each of them.
        stated: the value of white.
        known: the levels of the fit, for pictures that a fitted model is asked about.
    """
    levels = levels_of((look.span for look in looks), stated, known)
    if not looks:
        return levels, ()
    notes: list[PixelNote] = []
    for numbers in ("byte", "whole", "real"):
        of_kind = [(name, look) for name, look in zip(names, looks, strict=True) if look.span.numbers == numbers]
        if of_kind:
            notes += _about(numbers, of_kind, len(looks), levels, known)
    several = [name for name, look in zip(names, looks, strict=True) if look.pages > 1]
    if several:
        notes.append(PixelNote("pages", tuple(several[:_NAMED]), len(several), len(looks)))
    return levels, tuple(notes)


def _about(
    numbers: Numbers, pictures: Sequence[tuple[str, Look]], total: int, levels: Levels, known: Levels | None
) -> list[PixelNote]:
    """Doubts about the pictures with one kind of numbers."""
    scale = levels.of(numbers)
    assert scale is not None  # of what was looked at, there is one
    notes: list[PixelNote] = []
    stated = levels.stated is not None

    def add(doubt: Doubt, chosen: Iterable[tuple[str, Look]]) -> None:
        some = list(chosen)
        if some:
            low, high = min(look.span.low for _, look in some), max(look.span.high for _, look in some)
            proposed = None if doubt == "white" else white_for(numbers, max(look.ends[1] for _, look in some))
            proposed = None if proposed == scale.white else proposed
            names = tuple(name for name, _ in some[:_NAMED])
            notes.append(PixelNote(doubt, names, len(some), total, low, high, scale, proposed, known is not None))

    if numbers == "byte":
        if known is None and levels.stated is not None and scale == BYTES and len(pictures) == total:
            add("not used", pictures)
    elif known is not None and known.of(numbers) is not None:
        add("beyond white", ((name, look) for name, look in pictures if look.ends[1] > scale.white))
    elif known is not None and not stated and scale not in (BYTES, UNIT):
        add("new to the model", pictures)
    elif scale.black < 0:
        add("below 0", ((name, look) for name, look in pictures if look.span.low < 0))
    elif numbers == "real" and not stated and scale.white != 1:
        add("any unit", pictures)
    usual = scale in (BYTES, UNIT) and numbers != "whole"
    if not usual or (known is None and len(pictures) >= _MANY):
        seen = [(_outcome(look, scale), name, look) for name, look in pictures]
        for doubt in ("black", "white") if usual else ("black", "white", "few greys"):
            some = [(name, look) for found, name, look in seen if found == doubt]
            if not usual or 2 * len(some) > len(pictures):
                add(doubt, some)
    return notes


def _outcome(look: Look, scale: Scale) -> Doubt | None:
    """How a picture comes out."""
    low, high = (int(value) for value in scale.to_bytes(np.array(look.ends)))
    if look.inverted:
        low, high = 255 - high, 255 - low
    if high < _DARK:
        return "black"
    if low > _BRIGHT:
        return "white"
    few = look.sample is not None and len(np.unique(scale.to_bytes(look.sample))) <= _FEW
    return "few greys" if few else None


def joined(notes: Iterable[PixelNote], total: int) -> list[PixelNote]:
    """Notes about parts of a data set of `total` pictures as notes about all of it, one for each doubt and scale."""
    out: dict[tuple[Doubt, Scale], PixelNote] = {}
    for note in notes:
        before = out.get((note.doubt, note.scale))
        if before is not None:
            proposed = max((each for each in (before.proposed, note.proposed) if each is not None), default=None)
            low, high = min(before.low, note.low), max(before.high, note.high)
            names, number = (before.names + note.names)[:_NAMED], before.count + note.count
            note = replace(note, names=names, count=number, low=low, high=high, proposed=proposed)
        out[note.doubt, note.scale] = replace(note, total=total)
    return [*out.values()]


# --- words --------------------------------------------------------------------------------------------------------------


def sentence(note: PixelNote) -> str:
    """A note in words: which pictures, what was read how, and what to do."""
    one = note.count == 1
    some = f"{note.count:,} of {count(note.total, 'image')}" if note.total > 1 else "the image"
    more = f" and {note.count - len(note.names):,} more" if note.count > len(note.names) else ""
    named = f" ({', '.join(map(printable, note.names))}{more})"
    black, white = shown(note.scale.black), shown(note.scale.white)
    ends = f"{shown(note.low)} to {shown(note.high)}"
    read = f"{black} is read as black and {white} as white{_bits(note.scale)}"
    have, come = ("has", "comes") if one else ("have", "come")
    if note.doubt == "pages":
        return f"{some} {have} several pages{named}; the first page is read"
    if note.doubt == "not used":
        return f"the value of white is stated, but all images have 8 bits{named}: {read}"
    if note.doubt == "below 0":
        return f"{some} {have} values below 0{named}, down to {shown(note.low)}: {read}; to make 0 black, {_state(note)}"
    if note.doubt == "any unit":
        return f"{some} {have} floating-point values of {ends}{named}: {read}; if white is another value, {_state(note)}"
    if note.doubt == "new to the model":
        return (
            f"{some} {have} values of {ends}{named}, but the model was fitted on images of another kind: {read}; if white is "
            f"another value, {_state(note)}"
        )
    if note.doubt == "beyond white":
        return f"{some} {have} values far above white{named}, up to {shown(note.high)}: {read}, as in the fit"
    greys = "with a handful of grey levels" if note.doubt == "few greys" else note.doubt
    return f"{some} {come} out {greys}{named}: {read}; if white is another value, {_state(note)}"


def levels_in_words(levels: Levels) -> str:
    """What is read as black and white, for kinds of numbers other than bytes: "" where there are none."""
    kinds = (("8 bits", levels.byte), ("more than 8 bits", levels.whole), ("floating point", levels.real))
    said = [
        f"{kind}: {shown(scale.black)} is black, {shown(scale.white)} is white{_bits(scale)}"
        for kind, scale in kinds
        if scale is not None and scale not in (BYTES, UNIT)
    ]
    return "; ".join(said) + (", as stated" if said and levels.stated is not None else "")


def _state(note: PixelNote) -> str:
    if note.fitted:
        return "scale the images to those of the fit, or fit again with white stated"
    if note.proposed is None:
        return "state it: white=VALUE (data.white: VALUE in a config, --white VALUE)"
    white = shown(note.proposed)
    return f"state it, for example white={white} (data.white: {white} in a config, --white {white})"


def _bits(scale: Scale) -> str:
    found = bits(scale)
    return "" if found is None or scale == BYTES else f" ({count(found, 'bit')})"


def shown(value: float) -> str:
    """A value of a picture: whole numbers without a point."""
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.4g}"
