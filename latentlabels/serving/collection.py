"""`Collection`: the images of a run that the service shows, their pictures and their known labels. Nothing is decoded."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..config import Config, read_config
from ..errors import DataError, DataWarning, LatentLabelsError
from ..estimator import LatentLabels
from ..fitting.training_data import known_of, reading_of
from ..inputs import InputStream
from ..inputs.alignment import in_rows_of, selected
from ..inputs.embeddings import load_embeddings
from ..inputs.stream import FileStream
from ..kind import Kind
from ..observed import Observed, list_images, match_names
from ..observed.packed import PackedImage
from ..shards import is_packed


@dataclass(frozen=True, eq=False)
class Collection:
    """N images.

    Attributes:
        names: as tables call them.
        stream: reads them for the model.
        pictures: a picture to show for each: a file, an image inside of a file, or None; empty without pictures.
        known: int8 (N, K) of 1, 0, -1: what the run's table of known labels says.
        place: the folder or file that the images come from.
        fitted: bool (N,) images that the run was fitted on: not those that its table of known labels leaves out.
        of_the_fit: whether these are the images of the fit's folder or file.
        of_embeddings: whether the model sees embeddings in place of pictures.
    """

    names: tuple[str, ...]
    stream: InputStream
    pictures: Sequence[Path | PackedImage | None]
    known: NDArray[np.int8]
    place: Path
    fitted: NDArray[np.bool_]
    of_the_fit: bool = False
    of_embeddings: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def rows_of_fit(self, names: Sequence[str]) -> list[int | None]:
        """For each name the image of the fit that it means; None where there is none."""
        return [None if row is None or not self.fitted[row] else row for row in match_names(names, self.names)]


def open_collection(run: Path, model: LatentLabels, images: Path | None = None, embeddings: Path | None = None) -> Collection:
    """The images of a run, or those of another folder.

    Args:
        run: the run folder, whose config names its data.
        model: the run's estimator.
        images: a folder of images, or packed files. For a run on embeddings, the pictures to show.
        embeddings: for a run on embeddings, the file; None for that of the fit.

    Raises:
        DataError: nothing there, or data of the other kind.
    """
    config = read_config(run / "config.yaml")
    own = config.data.embeddings or config.data.images
    vectors = model.kind is Kind.EMBEDDINGS
    place = (embeddings if vectors else images) or own
    if place is None:
        option = "--embeddings FILE" if vectors else "--images DIR"
        raise DataError(f"{run}: its config names no {model.kind}; give {option}")
    if not is_packed(place) and not place.exists():
        raise DataError(f"{place}: not found; give the {'file by --embeddings FILE' if vectors else 'folder by --images DIR'}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # the fit has said what is doubtful about its data
        stream = model.stream(place)
        names = _names(stream, place)
        same = own is not None and Path(own).resolve() == Path(place).resolve()
        observed = _known(config, model, place) if same else None
        if observed is not None and observed.images is not None and place.is_dir() and config.data.observed is None:
            names = list(observed.images)  # a fit to a folder takes a copy for the image it is a copy of, and so do answers
            stream = model.stream([place / name for name in names])
        known, fitted = np.full((len(names), model.space_.num_labels), -1, np.int8), np.full(len(names), same)
        if observed is not None and vectors and observed.images is not None and load_embeddings(place).images is None:
            names = list(in_rows_of(None, observed, len(names), "observed").images or names)  # the table is in their order
        if observed is not None:
            rows = np.arange(len(names)) if observed.images is None else selected(names, observed, str(place), "observed")
            known[rows] = observed.in_space(model.space_).known.dense()
            fitted = np.isin(np.arange(len(names)), rows)
    pictures = _matched(names, images) if vectors else _pictures(stream)
    return Collection(tuple(names), stream, pictures, known, Path(place), fitted, same, vectors)


def images_of_fit(run: Path, model: LatentLabels) -> Collection | None:
    """The images that a run was fitted on; None where they are not there any more."""
    try:
        return open_collection(run, model)
    except (LatentLabelsError, OSError):
        return None


def _names(stream: InputStream, place: Path) -> list[str]:
    """As tables call them: files of a folder by their path in it."""
    if not place.is_dir() or not isinstance(stream, FileStream):
        return [str(name) for name in stream.names]
    return [Path(name).relative_to(place).as_posix() for name in stream.names]


def _pictures(stream: InputStream) -> list[Path | PackedImage | None]:
    if not isinstance(stream, FileStream):
        return []
    return [file if isinstance(file, PackedImage) else Path(file) for file in stream.files]


def _matched(names: Sequence[str], folder: Path | None) -> list[Path | PackedImage | None]:
    """The pictures of embeddings, by their names."""
    if folder is None:
        return []
    files = list_images(folder)
    inside = [Path(file).relative_to(folder).as_posix() for file in files]
    found = match_names(names, inside)
    return [None if row is None else Path(files[row]) for row in found]


def _known(config: Config, model: LatentLabels, place: Path) -> Observed | None:
    """What the data of a config say to be known, read as the fit read it."""
    data = config.data
    options = replace(reading_of(data), space=model.space_, ambiguous="warn", strict=False)
    if data.observed is not None:
        return known_of(data.observed, model.kind, data.images, options)
    if model.kind is Kind.EMBEDDINGS:
        stored = load_embeddings(place)
        return stored.known(model.space_, "observed") if stored.has("observed") else None
    if is_packed(place):
        return Observed.read(place, options)
    return Observed.from_folder(place, model.space_, options=options, merge=not model.annotation_.one_positive)
