"""From what a user gave to `Inputs`: files are decoded, arrays and Datasets are looked at and scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import DataError
from ..kind import Kind
from ..observed import Observed
from ..observed.image_files import warn
from ..observed.packed import Contents, PackedImage
from ..words import listed
from .arrays import check_against, item_look, item_pixels, looks_at, pictures_of, rgb_of, span_of
from .batches import Batches, InMemory, Streamed
from .copies import Print, find_copies, prints_of
from .embeddings import vectors_of
from .feature_source import Featured, FeatureSource
from .images import FilePictures, LeftOut, check_images, decode_images, report_unreadable
from .inputs import Inputs, Pictures, Resized, Wanted
from .levels import BYTES, UNIT, Levels, Span
from .looks import Look, PixelNote, conclude, sentence
from .reading_features import Asked, features_of_files, features_of_pixels
from .rgb import Interpolation, Size, are_windows, resized
from .sample import SampleOfFiles, SampleOfPixels

if TYPE_CHECKING:
    import pandas as pd

    Images = (
        str | Path | Sequence[str] | Sequence[Path] | Dataset[object] | Tensor | ArrayLike | pd.DataFrame | Inputs
    )  # what a user may give


from .given import Given, Reading

MEMORY_BUDGET = 4 << 30  # bytes of decoded images that are kept; beyond it images are read as training goes
_LOOKED_AT = 4  # items of a Dataset that tell its size


@dataclass(frozen=True, eq=False)
class Loaded:
    """What was read, with a row for each of `kept`; None where these are all.

    The other attributes are those of `Inputs`.
    """

    items: Batches
    size: Size | None = None
    levels: Levels | None = None
    pictures: Pictures | None = None
    shapes: NDArray[np.int64] | None = None
    kept: NDArray[np.int64] | None = None
    left_out: tuple[LeftOut, ...] = ()
    prints: tuple[Print, ...] = ()
    notes: tuple[PixelNote, ...] = ()


def load(
    given: Given, table: Observed | None, truth: NDArray[np.int8] | None, wanted: Wanted, how: Reading
) -> Inputs:  # fmt: skip
    """Decode or check what was given.

    Args:
        given: what a user gave.
        table: its known labels, row by row; None where nothing is known.
        truth: its complete labels; None without them.
        wanted: what the model takes.
        how: details of reading.

    Raises:
        DataError: what cannot be read or used.
    """
    if isinstance(given.items, list | Contents):
        found = from_files(given.items, wanted, how)
    elif isinstance(given.items, Tensor):
        found = from_array(given.items, wanted, how)
    else:
        found = _from_dataset(given.items, wanted, how)
    _remark(found.notes, how)
    theirs = None if table is None else table.images
    names = given.shown or theirs
    out = Inputs(
        kind=wanted.kind,
        items=found.items,
        names=names or tuple(str(row) for row in range(len(given.rows))),
        rows=given.rows,
        given=len(given.rows),
        size=found.size,
        levels=found.levels,
        observed=table,
        truth=truth,
        pictures=found.pictures,
        shapes=found.shapes,
        left_out=found.left_out,
        notes=found.notes,
        features=wanted.features,
        named=names is not None,
        columns=given.columns,
        copies=find_copies(found.prints)._replace(of_files=isinstance(given.items, list | Contents)) if found.prints else None,
    )
    if found.kept is None or len(found.kept) == len(given.rows):
        return out
    # the loaded parts have the rows that could be read already, everything else does not yet
    kept = found.kept
    return replace(
        out,
        names=tuple(out.names[row] for row in kept),
        rows=out.rows[kept],
        observed=None if table is None else table.take(kept),
        truth=None if truth is None else truth[kept],
    )


def from_files(files: Sequence[Path | PackedImage], wanted: Wanted, how: Reading) -> Loaded:
    """Image files as pixels, or as features."""
    size = wanted.size or wanted.format.size
    if wanted.features is not None:
        asked = Asked(size, wanted.format.interpolation, how.white, wanted.levels, how.recognise)
        wanted.features.meet(size, SampleOfFiles(files, size, wanted.format.interpolation, how.white, wanted.levels))
        read = features_of_files(files, asked, wanted.features.at(size))
        judge(read.left_out, len(files), how)
        good = some_of(files, read.kept)
        return Loaded(read.items, size, read.levels, good, None, read.kept, read.left_out, read.prints, read.notes)
    budget = MEMORY_BUDGET if how.budget is None else how.budget
    if len(files) * 3 * size[0] * size[1] <= budget:
        found = decode_images(files, size, wanted.format.interpolation, how.white, wanted.levels, how.recognise)
        judge(found.left_out, len(files), how)
        good = some_of(files, found.kept)
        items: Batches = InMemory(torch.from_numpy(found.pixels), wanted.augment)
        windows = are_windows(size, wanted.format.interpolation)
        shapes = None if windows else found.shapes  # what is shown are the files then
        return Loaded(items, size, found.levels, good, shapes, found.kept, found.left_out, found.prints, found.notes)
    checked = check_images(files, how.white, wanted.levels, how.recognise)
    judge(checked.left_out, len(files), how)
    bad = {image.name for image in checked.left_out}
    kept = np.array([row for row, file in enumerate(files) if str(file) not in bad], np.int64)
    good = some_of(files, kept)
    pictures = FilePictures(good, size, wanted.format.interpolation, checked.levels)
    items = Streamed(pictures, wanted.workers, wanted.augment)
    return Loaded(items, size, checked.levels, good, None, kept, checked.left_out, checked.prints, checked.notes)


def some_of(files: Sequence[Path | PackedImage], rows: NDArray[np.int64]) -> Sequence[Path | PackedImage]:
    """Some of the files, by number."""
    return files.take(rows) if isinstance(files, Contents) else [files[row] for row in rows]


def judge(left_out: tuple[LeftOut, ...], total: int, how: Reading) -> None:
    """Say which images cannot be read, as it was asked for."""
    if how.unreadable == "error" and left_out:
        shown = listed([bad.why for bad in left_out], 10)
        raise DataError(f"{len(left_out):,} of {total:,} images cannot be read: {shown}; replace them, or leave out --strict")
    if how.unreadable == "warn" or (how.unreadable != "rows" and len(left_out) == total):
        report_unreadable(left_out, total)


def _remark(notes: Sequence[PixelNote], how: Reading) -> None:
    """Say what is doubtful about the pixels; an error where the reader is strict, unless all is collected.

    Of images that are read part by part, whoever reads them says it of all.
    """
    if how.unreadable == "rows":
        return
    said = [sentence(note) for note in notes]
    if said and how.strict and how.unreadable != "collect":
        raise DataError(f"{'; '.join(said)} (strict)")
    for words in said:
        warn(words)


def from_array(values: Tensor, wanted: Wanted, how: Reading) -> Loaded:
    """Arrays of pictures or of embeddings."""
    if wanted.kind is Kind.EMBEDDINGS:
        vectors = vectors_of(values)
        check_features(vectors.shape[1], wanted)
        return Loaded(InMemory(vectors))
    pictures = pictures_of(values)
    if wanted.levels is not None:
        _check_known(span_of(pictures), wanted.levels, "images")
    levels, notes = conclude(*looks_at(pictures), how.white, wanted.levels)
    given = rgb_of(pictures, levels)
    size = wanted.size or (given.shape[2], given.shape[3])
    prints = tuple(prints_of(given)) if how.recognise else ()
    if wanted.features is not None:
        items = features_of_array(given, size, wanted.format.interpolation, wanted.features)
        return Loaded(items, size, levels, given, prints=prints, notes=notes)
    pixels = resized(given, size, wanted.format.interpolation)
    return Loaded(InMemory(torch.from_numpy(pixels), wanted.augment), size, levels, given, prints=prints, notes=notes)


def _check_known(span: Span, levels: Levels, what: str) -> None:
    """Refuse values beyond those of the fit; whole numbers of more than 8 bits may be new to it."""
    if levels.of(span.numbers) is not None or span.numbers == "real":
        check_against(span, levels, what)


def check_features(number: int, wanted: Wanted) -> None:
    """Refuse embeddings of another size than the model was fitted on.

    Raises:
        DataError: both sizes are named.
    """
    if wanted.num_features not in (None, number):
        raise DataError(
            f"the embeddings have {number} numbers each, but the run was fitted on {wanted.num_features}; compute them with "
            "the same network"
        )


class _ItemPictures(Dataset[Tensor]):
    """The items of a user's Dataset as uint8 tensors (3, H, W), each checked when it is read."""

    def __init__(self, dataset: Dataset[object], levels: Levels):
        self.dataset, self.levels = dataset, levels

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, row: int) -> Tensor:
        return torch.from_numpy(item_pixels(self.dataset[row], row, self.levels))


def _from_dataset(dataset: Dataset[object], wanted: Wanted, how: Reading) -> Loaded:
    number = len(dataset)  # type: ignore[arg-type]
    if not number:
        raise DataError("no images: the Dataset is empty")
    looked_at = np.unique(np.linspace(0, number - 1, _LOOKED_AT).round().astype(int)).tolist()
    with torch.random.fork_rng(devices=[]):  # pictures may be drawn at random: to look is to change nothing
        levels, notes = _levels_of_items(dataset, looked_at, wanted, how)
        pictures = _ItemPictures(dataset, levels)
        shapes = {tuple(pictures[row].shape[-2:]) for row in looked_at}
    own = shapes.pop() if len(shapes) == 1 else wanted.format.size
    size = wanted.size or (int(own[0]), int(own[1]))
    at_size = Resized(pictures, size, wanted.format.interpolation)
    if wanted.features is not None:
        return Loaded(features_of_dataset(at_size, size, wanted.features), size, levels, pictures, notes=notes)
    items = Streamed(at_size, wanted.workers, wanted.augment)
    return Loaded(items, size, levels, pictures, notes=notes)


def features_of_array(pictures: NDArray[np.uint8], size: Size, interpolation: Interpolation, source: FeatureSource) -> Featured:
    """The features of pictures in memory, uint8 (N, 3, H, W)."""

    def pixels(rows: range) -> NDArray[np.uint8]:
        return resized(pictures[rows.start : rows.stop], size, interpolation)

    source.meet(size, SampleOfPixels(len(pictures), lambda rows: resized(pictures[rows], size, interpolation)))
    return features_of_pixels(len(pictures), pixels, size, source.at(size))


def features_of_dataset(pictures: Dataset[Tensor], size: Size, source: FeatureSource) -> Featured:
    """The features of a Dataset of uint8 pictures (3, H, W); what it draws at random is drawn once, by a fixed seed."""

    def pixels(rows: range) -> NDArray[np.uint8]:
        if not rows.start:
            torch.manual_seed(0)
        return np.stack([pictures[row].numpy() for row in rows])

    number = len(pictures)  # type: ignore[arg-type]
    source.meet(size, SampleOfPixels(number, lambda rows: np.stack([pictures[row].numpy() for row in rows])))
    with torch.random.fork_rng(devices=[]):
        return features_of_pixels(number, pixels, size, source.at(size))


def _levels_of_items(
    dataset: Dataset[object], rows: Sequence[int], wanted: Wanted, how: Reading
) -> tuple[Levels, tuple[PixelNote, ...]]:
    """Black and white of a Dataset: from a few items, or, where these have more than 8 bits and no white is known, from all."""
    looks: dict[int, Look] = {row: item_look(dataset[row], row) for row in rows}
    if wanted.levels is not None:
        for row, look in looks.items():
            _check_known(look.span, wanted.levels, f"item {row} of the Dataset")
    levels, _ = conclude([*map(str, looks)], [*looks.values()], how.white, wanted.levels)
    known = Levels() if wanted.levels is None else wanted.levels
    seen = {look.span.numbers for look in looks.values()}
    if levels.stated is None and any(known.of(kind) is None and levels.of(kind) not in (BYTES, UNIT) for kind in seen):
        looks = {row: looks[row] if row in looks else item_look(dataset[row], row) for row in range(len(dataset))}  # type: ignore[arg-type]
    return conclude([*map(str, looks)], [*looks.values()], how.white, wanted.levels)
