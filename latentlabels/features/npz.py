"""Features as a file of embeddings, row by row: what `fit --embeddings` and other programs take."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray

from ..inputs import Inputs
from ..inputs.feature_source import Featured
from ..writing import replacing

ENDINGS = (".npz", ".npy")
_AT_ONCE = 4096


def write_embeddings(path: Path, inputs: Inputs, names: tuple[str, ...]) -> None:
    """Write the features of N images, float32 (N, D), a few rows at a time.

    An .npz also has ``images``, the names, and where they are known ``labels`` and ``observed``, and ``truth``; an .npy has the
    features alone.

    Args:
        path: of the file, which appears whole or not at all.
        inputs: images as features.
        names: N names.
    """
    features = inputs.items
    assert isinstance(features, Featured)
    shape = (len(inputs), features.inputs(torch.arange(1)).shape[1])
    with replacing(path) as hidden:
        if path.suffix.lower() == ".npy":
            with hidden.open("wb") as file:
                _write(file, shape, np.dtype(np.float32), _blocks(features))
            return
        with zipfile.ZipFile(hidden, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            with archive.open("embeddings.npy", "w", force_zip64=True) as file:
                _write(file, shape, np.dtype(np.float32), _blocks(features))
            for name, array in _labels(inputs, names).items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    _write(file, array.shape, array.dtype, iter([array]))


def _blocks(features: Featured) -> Iterator[NDArray[np.float32]]:
    for rows in torch.arange(len(features)).split(_AT_ONCE):
        yield features.inputs(rows).numpy()


def _labels(inputs: Inputs, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    out: dict[str, NDArray[Any]] = {"images": np.array(names, dtype=np.str_)}
    if inputs.observed is not None:
        out |= {"labels": np.array(inputs.observed.space.labels, dtype=np.str_), "observed": inputs.observed.values}
    if inputs.truth is not None:
        out["truth"] = inputs.truth
    return out


def _write(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any], blocks: Iterator[NDArray[Any]]) -> None:
    """An array of NumPy's own format."""
    header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    write_header: Callable[[IO[bytes], dict[str, Any]], None] = npy.write_array_header_1_0
    write_header(file, header)
    for block in blocks:
        file.write(np.ascontiguousarray(block, dtype).tobytes())
