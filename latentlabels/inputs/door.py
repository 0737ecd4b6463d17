"""From what a user hands over, a folder, files, arrays or a Dataset, to batches and a table of what is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset

from ..errors import DataError, ObservationError
from ..observed import Observed, find_images
from ..space import LabelSpace
from ..words import listed
from .batches import Batches, InMemory, Streamed
from .images import ImageDataset, cache_images, check_images, eval_transform, train_transform

MEMORY_BUDGET = 4 << 30  # bytes of decoded images that are kept; beyond it images are read as training goes


def resolve_inputs(
    images: Any,
    observed: Any,
    space: LabelSpace | None,
    *,
    on_images: bool,
    image_size: int | Sequence[int],
    workers: int = 0,
    labelled: bool = True,
    merge: bool = True,
) -> tuple[Batches, Observed, tuple[str, ...]]:
    """Batches of inputs, what is known of them, and their names.

    Args:
        images: a folder, files, a Dataset, an array of images (N, 3, H, W), or of embeddings (N, D).
        observed: `Observed`, an array (N, K), or None.
        space: the label space, if it is known.
        on_images: whether the encoder takes images.
        image_size: pixels to resize files to.
        workers: processes that read images.
        labelled: whether a folder without `observed` is an ImageFolder; otherwise nothing is known.
        merge: whether copies of an image in several of its folders are one image.

    Raises:
        DataError: inputs of a kind or size that do not fit; both sizes are named.
    """
    many = isinstance(images, list | tuple) and images and isinstance(images[0], str | Path)
    if isinstance(images, str | Path) or many:
        if not on_images:
            raise DataError('encoder "embedding" takes an array of embeddings (N, D), not image files')
        if not many and labelled and observed is None:
            observed = Observed.from_folder(images, space, merge=merge)
        known = observed.images if isinstance(observed, Observed) else None
        if known is not None and not many and Path(images).is_dir():
            files = [Path(images) / name for name in known]
        else:
            files = find_images(images)
            if not files:
                raise DataError(f"{images}: no images found; give a folder, image files or a glob")
            if known is not None and len(known) == len(files):
                _check_order(files, known)
        table = _table(observed, space, tuple(str(file) for file in files))
        batches, kept = _from_files(files, image_size, workers)
        return batches, table if len(kept) == len(files) else table.take(kept), tuple(str(files[i]) for i in kept)
    batches = _from_values(images, on_images, workers)
    names = tuple(str(i) for i in range(len(batches)))
    if isinstance(observed, Observed) and observed.images is not None and len(observed) == len(batches):
        names = observed.images
    return batches, _table(observed, space, names), names


def _check_order(files: Sequence[Path], known: Sequence[str]) -> None:
    """Refuse known labels that are of the same images in another order: rows would go to the wrong images."""
    names = [PurePosixPath(name) for name in known]
    depth = min(len(name.parts) for name in names)
    mine, theirs = ([(*path.parts[-depth:-1], path.stem) for path in paths] for paths in (files, names))
    if mine != theirs and sorted(mine) == sorted(theirs):
        row = next(row for row, pair in enumerate(zip(mine, theirs, strict=True)) if pair[0] != pair[1])
        raise DataError(
            f"observed is in another order than the images: row {row} of observed is {known[row]}, image {row} is {files[row]}"
            "; give the files in the order of observed.images, or their folder"
        )


def _table(observed: Any, space: LabelSpace | None, names: tuple[str, ...]) -> Observed:
    if isinstance(observed, Observed):
        table = observed
        if space is not None and observed.space.labels != space.labels:
            raise ObservationError(
                f"the observed table has the labels {listed(observed.space.labels, 4)}, and the label space "
                f"{listed(space.labels, 4)}; read the table with this space"
            )
        if space is not None and observed.space != space:  # the same labels in other groups: what is known may contradict them
            table = Observed(observed.values, space, observed.images)
    elif space is None:
        raise DataError(
            f"observed is {'missing' if observed is None else 'an array'}, so that the labels have no names; give "
            "LatentLabels(space, ...), or an Observed"
        )
    else:
        if observed is None:
            observed = np.full((len(names), space.num_labels), -1, dtype=np.int8)
        values = observed.cpu().numpy() if isinstance(observed, torch.Tensor) else observed
        count = len(values) if getattr(values, "ndim", 1) else 0
        table = Observed.from_array(values, space, images=names if count == len(names) else None)
    if len(table) != len(names):
        raise DataError(f"{len(names)} images, but known labels of {len(table)}; give one row for each image")
    return table


def _from_files(files: Sequence[Path], image_size: int | Sequence[int], workers: int) -> tuple[Batches, list[int]]:
    size = (image_size, image_size) if isinstance(image_size, int) else (int(image_size[0]), int(image_size[1]))
    if len(files) * 3 * size[0] * size[1] <= MEMORY_BUDGET:
        pixels, kept = cache_images(files, size)
        return InMemory(torch.from_numpy(pixels)), list(kept)
    kept, _ = check_images(files)
    good = [files[i] for i in kept]
    return Streamed(ImageDataset(good, eval_transform(size)), ImageDataset(good, train_transform(size)), workers), list(kept)


def _from_values(images: Any, on_images: bool, workers: int) -> Batches:
    if isinstance(images, Dataset):
        if not on_images:
            raise DataError('encoder "embedding" takes an array of embeddings (N, D), not a Dataset of images')
        if isinstance(images, IterableDataset) or not hasattr(images, "__len__"):
            raise DataError("a Dataset of images has a length and items by number (__len__, __getitem__); this one has not")
        return Streamed(images, workers=workers)
    values = images if isinstance(images, torch.Tensor) else _tensor(images)
    if not on_images:
        if values.dim() != 2:
            raise DataError(f'encoder "embedding" takes embeddings (N, D), not an array of shape {tuple(values.shape)}')
        values = values.float()
        wrong = ~values.isfinite().all(1)
        if bool(wrong.any()):
            rows = wrong.nonzero().flatten().tolist()
            raise DataError(
                f"{len(rows)} of {len(values)} embeddings hold NaN or infinity (rows {listed(rows)}); "
                "leave those images out, or compute them again"
            )
        return InMemory(values)
    if values.dim() != 4 or 3 not in (values.shape[1], values.shape[3]):
        raise DataError(f"images are an array (N, 3, H, W) or (N, H, W, 3), not of shape {tuple(values.shape)}")
    if not values.numel():
        raise DataError(f"no images: the array has shape {tuple(values.shape)}")
    if values.shape[1] != 3:
        values = values.permute(0, 3, 1, 2)
    if values.dtype != torch.uint8:
        values = values.float()
        if not bool(values.isfinite().all()) or float(values.min()) < 0 or float(values.max()) > 1:
            raise DataError("images of floating point are in [0, 1]; divide by 255, or give uint8")
    return InMemory(values)


def _tensor(array: Any) -> torch.Tensor:
    try:
        values = np.ascontiguousarray(array)
    except ValueError:
        raise DataError("inputs have rows of different lengths; give an array (N, D) or (N, 3, H, W)") from None
    if values.dtype.kind not in "biuf":
        raise DataError(
            f"inputs are a folder, image files, a Dataset or an array of numbers, not {type(array).__name__}"
            + (f" of {values.dtype}" if hasattr(array, "dtype") else "")
        )
    values = values.astype(values.dtype.newbyteorder("="), copy=not values.flags.writeable)  # torch warns of read-only memory
    return torch.from_numpy(values)
