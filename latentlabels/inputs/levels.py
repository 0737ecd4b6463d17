"""Which values are black and white: found once for a data set from the bits in use, or stated, and kept with the fit.

A file or an array does not say how many of its bits are in use: cameras and scanners write 10, 12 or 14 bits into containers
of 16, and floating point has any unit. One scale per picture would make dark pictures bright, so there is one scale for all
pictures of a data set, by the kind of their numbers:

    byte    8 bits                     white is 255
    whole   other whole numbers        white is 2^b - 1, with the fewest bits b that hold the largest value, at least 8
    real    floating point             white is 1 for values in [0, 1]; otherwise 2^b - 1, with the fewest bits b

Black is 0. Where there are values below 0, as in Hounsfield units, black is the least of them, and white lies as many bits
above it as hold the range. Where the value of white is stated, black is 0, and what lies below 0 is black.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = Literal["byte", "whole", "real"]
_OVERSHOOT = 0.1  # what sharpening or resizing may add to [0, 1] at either end
_HALF_A_STEP = 0.5 / 255  # of 8 bits: what rounding may add


class Span(NamedTuple):
    """The least and the largest value of one picture, or of many.

    Attributes:
        numbers: their kind.
        low: the least value.
        high: the largest value.
    """

    numbers: Numbers
    low: float
    high: float


class Scale(NamedTuple):
    """The values that are black and white; what lies beyond is black or white as well."""

    black: float
    white: float

    def to_bytes(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Values as 0 (black) to 255 (white), rounded to the nearest."""
        exact = values.dtype.itemsize < 4 or values.dtype == np.float32
        scaled: NDArray[Any] = values.astype(np.float32 if exact else np.float64)
        np.subtract(scaled, self.black, out=scaled)
        np.multiply(scaled, 255 / (self.white - self.black), out=scaled)
        np.rint(scaled, out=scaled)
        return scaled.clip(0, 255, out=scaled).astype(np.uint8)

    def beyond(self, span: Span) -> bool:
        """Whether values lie so far beyond black or white that they mean something else."""
        reach = self.white - self.black
        above = _OVERSHOOT * reach if span.numbers == "real" else reach if self.white > BYTES.white else 0
        return span.low < self.black - _OVERSHOOT * reach or span.high > self.white + above


BYTES = Scale(0.0, 255.0)
UNIT = Scale(0.0, 1.0)


@dataclass(frozen=True)
class Levels:
    """Black and white of a data set, for each kind of numbers.

    Attributes:
        byte: of pictures with 8 bits.
        whole: of those with other whole numbers; None where the data set has none.
        real: of those in floating point; None where the data set has none.
        stated: the value of white that the user states; None where it was found.
    """

    byte: Scale = BYTES
    whole: Scale | None = None
    real: Scale | None = None
    stated: float | None = None

    def of(self, numbers: Numbers) -> Scale | None:
        """The scale of a kind of numbers."""
        return {"byte": self.byte, "whole": self.whole, "real": self.real}[numbers]

    @property
    def are_usual(self) -> bool:
        """Whether white is 255 for bytes, and 1 for floating point, and there is nothing else."""
        return self.byte == BYTES and self.whole is None and self.real in (None, UNIT)

    def to_config(self) -> dict[str, Any]:
        """Plain values, from which `from_config` makes it again."""
        kinds: tuple[Numbers, ...] = ("byte", "whole", "real")
        return {kind: None if (scale := self.of(kind)) is None else list(scale) for kind in kinds} | {"stated": self.stated}

    @classmethod
    def from_config(cls, given: Mapping[str, Any] | None) -> Levels:
        """From what `to_config` gave; None, as of a run that stored nothing, gives the levels of pictures with 8 bits.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        if given is None:
            return cls()
        byte, whole, real = (_scale(given[kind]) for kind in ("byte", "whole", "real"))
        stated = given["stated"]
        return cls(BYTES if byte is None else byte, whole, real, None if stated is None else float(stated))


def _scale(given: Any) -> Scale | None:
    if given is None:
        return None
    black, white = (float(value) for value in given)
    if not (math.isfinite(black) and math.isfinite(white) and black < white):
        raise ValueError(f"levels are {given!r}; expected two numbers, black below white")
    return Scale(black, white)


def levels_of(spans: Iterable[Span], stated: float | None = None, known: Levels | None = None) -> Levels:
    """The levels of a data set.

    Args:
        spans: of its pictures; several of one kind are joined.
        stated: the value of white. It holds for pictures with 8 bits too, if it is below 255 and no picture has more.
        known: levels of the fit, which stay as they are; only kinds of numbers that the fit has not seen are added.
    """
    joined = _joined(spans)
    deep = {"whole", "real"} & joined.keys()
    out = known
    if out is None:
        squeezed = stated is not None and stated < BYTES.white and not deep and "byte" in joined
        out = Levels(Scale(0.0, float(stated or 1)) if squeezed else BYTES, stated=stated)
    white = out.stated if out.stated is not None else stated
    for numbers in ("whole", "real"):
        if numbers in joined and out.of(numbers) is None:
            scale = scale_in_use(joined[numbers]) if white is None else Scale(0.0, float(white))
            out = replace(out, whole=scale) if numbers == "whole" else replace(out, real=scale)
    return out


def _joined(spans: Iterable[Span]) -> dict[str, Span]:
    out: dict[str, Span] = {}
    for span in spans:
        before = out.get(span.numbers, span)
        out[span.numbers] = Span(span.numbers, min(before.low, span.low), max(before.high, span.high))
    return out


def scale_in_use(span: Span) -> Scale:
    """Black and white by the bits that a range of values needs; see the module."""
    numbers, low, high = span
    if numbers == "byte":
        return BYTES
    if numbers == "whole":
        return Scale(0.0, max(BYTES.white, _full(high))) if low >= 0 else Scale(low, low + _full(high - low))
    if low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT:
        return UNIT
    white = _full(high / (1 + _HALF_A_STEP))
    return Scale(0.0, white) if low >= -_HALF_A_STEP * white else Scale(low, low + _full((high - low) / (1 + _HALF_A_STEP)))


def white_for(numbers: Numbers, high: float) -> float:
    """The value of white that pictures with values up to `high` suggest."""
    return _full(high) if numbers != "real" or high > 1 + _OVERSHOOT else 1.0


def _full(value: float) -> float:
    """The least 2^b - 1 that is not below a value, at least 1."""
    return float(2 ** math.ceil(value).bit_length() - 1) if value > 1 else 1.0


def bits(scale: Scale) -> int | None:
    """How many bits whole numbers from black to white need; None for a range that is not one of whole bits."""
    reach = scale.white - scale.black
    return int(reach).bit_length() if reach == int(reach) and int(reach) & (int(reach) + 1) == 0 and reach > 1 else None
