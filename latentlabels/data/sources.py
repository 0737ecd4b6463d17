"""From what a user hands over, a folder, files, arrays or a Dataset, to batches and a table of what is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from ..errors import DataError, ObservationError
from ..labels import LabelSpace
from ..observed import Observed, find_images
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

    Raises:
        DataError: inputs of a kind or size that do not fit; both sizes are named.
    """
    files: list[Path] | None = None
    if isinstance(images, str | Path) and labelled and observed is None:
        observed = Observed.from_folder(images, space)
    if isinstance(observed, Observed) and observed.images is not None and isinstance(images, str | Path):
        files = [Path(name) if Path(name).is_absolute() else Path(images) / name for name in observed.images]
    elif isinstance(images, str | Path) or (isinstance(images, list | tuple) and images and isinstance(images[0], str | Path)):
        files = list(find_images(images))
        if not files:
            raise DataError(f"{images}: no images found; give a folder, image files or a glob")
    if files is not None:
        if not on_images:
            raise DataError('encoder "embedding" takes an array of embeddings (N, D), not image files')
        batches, kept = _from_files(files, image_size, workers)
        names = tuple(str(files[i]) for i in kept)
        if isinstance(observed, Observed) and len(kept) < len(files):
            observed = observed.take(np.asarray(kept))
    else:
        batches = _from_values(images, on_images, workers)
        given = observed.images if isinstance(observed, Observed) else None
        names = given if given is not None and len(given) == len(batches) else tuple(str(i) for i in range(len(batches)))
    table = _table(observed, space, len(batches), names)
    if len(table) != len(batches):
        raise DataError(f"{len(batches)} images, but known labels of {len(table)}; give one row for each image")
    return batches, table, names


def _table(observed: Any, space: LabelSpace | None, count: int, names: tuple[str, ...]) -> Observed:
    if isinstance(observed, Observed):
        if space is not None and observed.space.labels != space.labels:
            raise ObservationError(
                f"the observed table has the labels {', '.join(observed.space.labels[:4])}, ... and the label space "
                f"{', '.join(space.labels[:4])}, ...; read the table with this space"
            )
        return observed
    if space is None:
        raise DataError("observed is an array, so that the labels have no names; give LatentLabels(space, ...)")
    if observed is None:
        observed = np.full((count, space.num_labels), -1, dtype=np.int8)
    values = observed.numpy() if isinstance(observed, torch.Tensor) else np.asarray(observed)
    return Observed.from_array(values, space, images=names if len(values) == count else None)


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
        return Streamed(images, workers=workers)
    values = images if isinstance(images, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(images))
    if not on_images:
        if values.dim() != 2:
            raise DataError(f'encoder "embedding" takes embeddings (N, D), not an array of shape {tuple(values.shape)}')
        values = values.float()
        wrong = ~values.isfinite().all(1)
        if bool(wrong.any()):
            rows = wrong.nonzero().flatten().tolist()
            raise DataError(
                f"{len(rows)} of {len(values)} embeddings hold NaN or infinity (rows {', '.join(map(str, rows[:5]))}); "
                "leave those images out, or compute them again"
            )
        return InMemory(values)
    if values.dim() != 4 or 3 not in (values.shape[1], values.shape[3]):
        raise DataError(f"images are an array (N, 3, H, W), not of shape {tuple(values.shape)}")
    if values.shape[1] != 3:
        values = values.permute(0, 3, 1, 2)
    if values.dtype != torch.uint8:
        values = values.float()
        if not bool(values.isfinite().all()) or float(values.min()) < 0 or float(values.max()) > 1:
            raise DataError("images of floating point are in [0, 1]; divide by 255, or give uint8")
    return InMemory(values)
