"""A uniform random sample of the images of a fit, for somebody to label completely."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..config import Config
from ..errors import ConfigError, DataError, LatentLabelsError, ObservationError
from ..inputs.embeddings import load_embeddings
from ..inputs.image_file import read_image
from ..kind import Kind
from ..observed import Observed, list_images, match_names
from ..observed.options import ReadOptions
from ..space import LabelSpace
from ..words import count
from .training_data import known_of, reading_of, space_of


@dataclass(frozen=True)
class Sample:
    """Images to label.

    Attributes:
        images: names, in random order: the first of them are a random sample, too.
        space: the labels.
        num_images: of how many images they were drawn.
        left_out: of these, images that cannot be read.
        before: rows that were labelled before, by name; empty cells are -1.
    """

    images: tuple[str, ...]
    space: LabelSpace
    num_images: int
    left_out: tuple[str, ...] = ()
    before: Observed | None = None


def sample_images(config: Config, number: int, seed: int, fewer: bool = False) -> Sample:
    """Draw images of which nobody has said all, each with the same probability. Nothing but what is drawn is opened.

    Args:
        config: whose `data` and `labels` are read; images in its table `data.complete` are not drawn again.
        number: how many. A smaller sample of the same seed is the beginning of a larger one.
        seed: of the draw.
        fewer: give what there is, where there are fewer.

    Raises:
        ConfigError: no labels.
        DataError: fewer images than that.
    """
    names, space, open_ = _listed(config)
    before = None
    if config.data.complete is not None:
        before = Observed.read(config.data.complete, ReadOptions(space=space, unlisted="unknown", absent=("0",)))
        done = {row for row in match_names(before.images or (), names) if row is not None}
        names = [name for row, name in enumerate(names) if row not in done]
    if number > len(names) and not fewer:
        what = "images" if before is None else f"images that {config.data.complete} does not have"
        raise DataError(f"{number:,} images wanted, but there are {len(names):,} {what}; give -n {len(names)} at most")
    images, left_out = draw(names, number, seed, open_)
    if len(images) < number and not fewer:
        raise DataError(
            f"{number:,} images wanted, but {count(len(left_out), 'image')} of {len(names):,} cannot be read; give "
            f"-n {len(images)} at most"
        )
    return Sample(tuple(images), space, len(names), tuple(left_out), before)


def draw(
    names: Sequence[str], number: int, seed: int, can_be_read: Callable[[str], bool]
) -> tuple[list[str], list[str]]:  # fmt: skip
    """Names of images in random order, at most so many; and those that were drawn and cannot be read."""
    images: list[str] = []
    left_out: list[str] = []
    for row in np.random.default_rng(seed).permutation(len(names)).tolist():
        if len(images) == number:
            break
        (images if can_be_read(names[row]) else left_out).append(names[row])
    return images, left_out


def _listed(config: Config) -> tuple[Sequence[str], LabelSpace, Callable[[str], bool]]:
    """Names of the images, the labels, and what says whether an image can be read."""
    config.check_files()
    data, space = config.data, config.space()
    if data.embeddings is not None and data.observed is None:
        stored = load_embeddings(data.embeddings)
        return stored.names, space_of(config, space, data.embeddings), lambda name: True
    options = replace(reading_of(data), space=space, listing=True)
    if data.observed is not None:
        table = known_of(data.observed, Kind.IMAGES if data.embeddings is None else Kind.EMBEDDINGS, data.images, options)
        if table.images is None:
            raise DataError(f"{data.observed}: has no names of images; give it a column image")
        return table.images, table.space, _opener(data.images)
    assert data.images is not None  # check_files has seen to it
    names, found = _in_folder(data.images, options)
    return names, found, _opener(data.images)


def _opener(root: Path | None) -> Callable[[str], bool]:
    """What says whether the image of a name can be read; yes of all where they are in no folder."""
    return (lambda name: True) if root is None or not root.is_dir() else lambda name: _can_be_read(root / name)


def _in_folder(root: Path, options: ReadOptions) -> tuple[Sequence[str], LabelSpace]:
    """Images and labels of an ImageFolder, or of any folder where the labels are stated."""
    space = options.space
    try:
        found = Observed.read(root, options) if not root.is_dir() else Observed.from_folder(root, space, options=options)
    except (DataError, ObservationError) as error:
        if space is None:
            raise ConfigError(f"{error}. Or give the labels: --labels labels.yaml") from None
        return [Path(path).relative_to(root).as_posix() for path in list_images(root)], space
    assert found.images is not None  # of a folder
    return found.images, found.space


def _can_be_read(path: Path) -> bool:
    try:
        read_image(path)
    except (LatentLabelsError, OSError):
        return False
    return True
