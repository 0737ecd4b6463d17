"""Features in place of pixels: what is kept is not decoded, and the features of other images are computed block by block.

While the network is busy with one block of pictures, threads read and decode the next one. Pictures with more than 8 bits wait
until all have been looked at, because black and white are those of the data set; they are decoded a second time then.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..observed.packed import PackedImage
from ..progress import Phase, phase
from .content import Content, Stamp, digest_of, read_content, stamp_of
from .copies import Print, fingerprint
from .depth import Deep
from .feature_source import Facts, Featured, Features
from .image_file import at_size, read_picture
from .images import MANY, Checked, LeftOut, known_before, quietly
from .levels import BYTES, Levels, Scale
from .looks import Look, conclude, look_at
from .rgb import Interpolation, Size

_PIXELS = 24 << 20  # bytes of the pictures of a block
_MOST = 256  # pictures of a block

Files = Sequence[Path | PackedImage]


@dataclass(frozen=True, eq=False)
class FeaturedFiles(Checked):
    """Image files as features.

    Attributes:
        items: the features.
        kept: the numbers of the files that the N rows are; the others are left out.
    """

    items: Featured
    kept: NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """How image files become pictures for the network.

    Attributes:
        size: (height, width).
        interpolation: how they are resized.
        white: the value of white that the user states.
        known: the levels of the fit, for files that a fitted model is asked about.
        recognise: whether copies are looked for, so that each picture's print is needed.
    """

    size: Size
    interpolation: Interpolation = "bilinear"
    white: float | None = None
    known: Levels | None = None
    recognise: bool = False

    @property
    def side(self) -> int:
        """What the decoded pictures depend on: a JPEG is decoded no larger than is needed."""
        return max(self.size)

    @property
    def before(self) -> Levels:
        """The levels that do not depend on the pictures."""
        return known_before(self.white, self.known)

    def scale_before(self, look: Look) -> Scale | None:
        """Black and white of a picture where they do not depend on the others."""
        numbers = look.span.numbers
        if numbers == "byte" and self.known is None and self.white is not None and self.white < BYTES.white:
            return None
        return self.before.of(numbers)


def features_of_files(files: Files, asked: Asked, features: Features) -> FeaturedFiles:
    """The features of image files; those that cannot be read have no row.

    Args:
        files: the image files.
        asked: how they become pictures.
        features: of the encoder, at that size.
    """
    with quietly(), ThreadPoolExecutor(min(os.cpu_count() or 1, 16)) as pool, ThreadPoolExecutor(1) as ahead:
        return _Pass(files, asked, features, pool, ahead).run()


@dataclass(eq=False)
class _Read:
    """What is known of one file, or what its decoding gave.

    Attributes:
        row: its number.
        why: why it cannot be read; "" where it can.
        content: the hash of its bytes.
        stamp: by which the file is recognised, where it was read now.
        facts: what its picture is.
        scale: its black and white, where they are known.
        number: of its features; -1 where there are none.
        pixels: uint8 (3, H, W), where they were decoded.
        new: whether the facts are to be remembered.
    """

    row: int
    why: str = ""
    content: bytes = b""
    stamp: Stamp | None = None
    facts: Facts | None = None
    scale: Scale | None = None
    number: int = -1
    pixels: NDArray[np.uint8] | None = None
    new: bool = False

    @property
    def key(self) -> bytes:
        """By which its features are kept: its content, and black and white where they are not those of 8 bits."""
        assert self.facts is not None
        assert self.scale is not None
        if self.facts.look.span.numbers == "byte" and self.scale == BYTES:
            return self.content
        return digest_of(self.content + repr(self.scale).encode())


@dataclass
class _Pass:
    """All files, once."""

    files: Files
    asked: Asked
    features: Features
    pool: Executor
    ahead: Executor
    looks: list[Look | None] = field(default_factory=list)
    prints: list[Print | None] = field(default_factory=list)
    why: list[str] = field(default_factory=list)

    def run(self) -> FeaturedFiles:
        """Look at all of them, then compute what had to wait for levels."""
        number = len(self.files)
        self.looks, self.prints, self.why = [None] * number, [None] * number, [""] * number
        self.numbers = np.full(number, -1, np.int64)
        self._go_through(np.arange(number), None)
        seen = [row for row, look in enumerate(self.looks) if look is not None]
        names, looks = [str(self.files[row]) for row in seen], [look for look in self.looks if look is not None]
        levels, notes = conclude(names, looks, self.asked.white, self.asked.known)
        waiting = np.array([row for row in seen if self.numbers[row] < 0], np.int64)
        self._go_through(waiting, levels)
        kept = np.array([row for row, reason in enumerate(self.why) if not reason], np.int64)
        left_out = tuple(LeftOut(str(self.files[row]), reason) for row, reason in enumerate(self.why) if reason)
        prints = tuple(one for row in kept.tolist() if (one := self.prints[row]) is not None)
        return FeaturedFiles(left_out, levels, notes, prints, Featured(self.features.kept, self.numbers[kept]), kept)

    def _go_through(self, rows: NDArray[np.int64], levels: Levels | None) -> None:
        """Compute what is missing of some files, the next block being read meanwhile; without levels, as far as they go."""
        height, width = self.asked.size
        size = max(1, min(_MOST, _PIXELS // (3 * height * width)))
        blocks = [rows[first : first + size].tolist() for first in range(0, len(rows), size)]
        with phase(Phase.FEATURES, "computing features", len(rows), alone=len(rows) > MANY) as step:
            for block in _one_ahead(self.ahead, lambda part: self._prepare(part, levels), blocks):
                self._take_in(block)
                step(len(block))

    def _take_in(self, block: list[_Read]) -> None:
        """Run the network on a block, and remember what was found."""
        missing = [one for one in block if one.pixels is not None]
        if missing:
            pixels = np.stack([one.pixels for one in missing if one.pixels is not None])
            numbers = self.features.add([one.key for one in missing], pixels)
            for one, found in zip(missing, numbers.tolist(), strict=True):
                one.number = found
        for one in block:
            self.why[one.row], self.numbers[one.row] = one.why, one.number
            if one.facts is not None and not one.why:
                self.looks[one.row], self.prints[one.row] = one.facts.look, one.facts.print
        read = {
            file: (one.stamp, one.content)
            for one in block
            if one.stamp is not None and isinstance(file := self.files[one.row], Path)
        }
        facts = {one.content: one.facts for one in block if one.new and one.facts is not None}
        self.features.contents.remember(read, facts, self.asked.side)

    # --- in threads -------------------------------------------------------------------------------------

    def _prepare(self, rows: list[int], levels: Levels | None) -> list[_Read]:
        """Look up a block, and decode of it what is missing."""
        reads = [_Read(row) for row in rows]
        stamps = {file: stamp_of(file) for row in rows if isinstance(file := self.files[row], Path)}
        named = {file: stamp for file, stamp in stamps.items() if stamp is not None}
        digests = self.features.contents.digests(named) if named else {}
        for one in reads:
            file = self.files[one.row]
            one.content = digests.get(file, b"") if isinstance(file, Path) else b""
        self._look_up([one for one in reads if one.content], levels)
        return list(self.pool.map(lambda one: one if self._is_done(one, levels) else self._read(one, levels), reads))

    def _look_up(self, reads: list[_Read], levels: Levels | None) -> None:
        """What is remembered of contents, and their features."""
        facts = self.features.contents.facts([one.content for one in reads], self.asked.side)
        for one in reads:
            one.facts = facts.get(one.content)
            if one.facts is not None:
                one.scale = self._scale(one.facts.look, levels)
        ready = [one for one in reads if one.scale is not None]
        for one, number in zip(ready, self.features.find([one.key for one in ready]).tolist() if ready else [], strict=True):
            one.number = number

    def _scale(self, look: Look, levels: Levels | None) -> Scale | None:
        return self.asked.scale_before(look) if levels is None else levels.of(look.span.numbers)

    def _is_done(self, one: _Read, levels: Levels | None) -> bool:
        """Whether nothing has to be decoded, now."""
        if one.facts is None or (self.asked.recognise and one.facts.print is None):
            return False
        return one.number >= 0 or one.scale is None

    def _read(self, one: _Read, levels: Levels | None) -> _Read:
        """Read a file, and decode it where that is needed."""
        try:
            content = read_content(self.files[one.row])
            if content.digest != one.content:
                one = _Read(one.row, content=content.digest, stamp=content.stamp)
                self._look_up([one], levels)
            return one if self._is_done(one, levels) else self._decoded(one, content, levels)
        except DataError as error:
            return _Read(one.row, why=str(error))

    def _decoded(self, one: _Read, content: Content, levels: Levels | None) -> _Read:
        picture, pages = read_picture(content.image, self.asked.size)
        if one.facts is None or (self.asked.recognise and one.facts.print is None):
            shape = picture.size if isinstance(picture, Deep) else (picture.height, picture.width)
            found = fingerprint(picture) if self.asked.recognise else None
            one.facts, one.new = Facts(shape, look_at(picture, pages), found), True
            one.scale = self._scale(one.facts.look, levels)
            if one.number < 0 and one.scale is not None:
                one.number = int(self.features.find([one.key])[0])
        if one.number < 0 and one.scale is not None:
            chosen = self.asked.before if levels is None else levels
            one.pixels = at_size(picture, self.asked.size, self.asked.interpolation, chosen)
        return one


def _one_ahead(
    ahead: Executor, prepare: Callable[[list[int]], list[_Read]], blocks: Sequence[list[int]]
) -> Iterator[list[_Read]]:
    """The prepared blocks; while one is worked on, the next is prepared."""
    coming: Future[list[_Read]] | None = None
    for block in blocks:
        before, coming = coming, ahead.submit(prepare, block)
        if before is not None:
            yield before.result()
    if coming is not None:
        yield coming.result()


# --- pictures in memory, or of a Dataset --------------------------------------------------------------------------------


def features_of_pixels(number: int, pixels: Callable[[range], NDArray[np.uint8]], size: Size, features: Features) -> Featured:
    """The features of pictures by their pixels.

    Args:
        number: N.
        pixels: some of the pictures, by number: uint8 (B, 3, H, W), each time the same.
        size: (height, width).
        features: of the encoder, at that size.
    """
    most = max(1, min(_MOST, _PIXELS // (3 * size[0] * size[1])))
    numbers = np.full(number, -1, np.int64)
    with phase(Phase.FEATURES, "computing features", number, alone=number > MANY) as step:
        for first in range(0, number, most):
            rows = range(first, min(first + most, number))
            block = pixels(rows)
            keys = [digest_of(b"pixels " + one.tobytes()) for one in block]
            found = features.find(keys)
            missing = np.flatnonzero(found < 0)
            if len(missing):
                found[missing] = features.add([keys[row] for row in missing], block[missing])
            numbers[first : rows.stop] = found
            step(len(rows))
    return Featured(features.kept, numbers)
