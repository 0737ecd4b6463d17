"""What a fitted run answers about: its images or embeddings, named on the command line or in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ..words import listed
from .output import UsageError
from .sources import match_names, read_table, rows_of, stored_observed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..estimator import LatentLabels
    from ..observed import Observed
    from ..posterior import Posterior

VECTORS = (".npz", ".npy")


@dataclass(frozen=True)
class Inputs:
    """What posteriors are asked for.

    Attributes:
        values: N image files, or embeddings (N, D).
        names: N names.
    """

    values: Any
    names: tuple[str, ...]


def load_run(folder: Path) -> LatentLabels:
    """The estimator of a run folder.

    Raises:
        UsageError: no such folder.
        RunError: a folder that is no run, incomplete or damaged.
    """
    if not folder.exists():
        raise UsageError(f"{folder}: no such run folder; `latentlabels fit ... --out {folder}` writes one")
    from ..estimator import LatentLabels

    return LatentLabels.load(folder)


def on_images(model: LatentLabels) -> bool:
    """Whether a run takes images; otherwise embeddings."""
    return model.encoder != "embedding"


def read_inputs(model: LatentLabels, where: Sequence[str], strict: bool = False) -> Inputs:
    """Images by file, folder or glob, or embeddings by file, as the run takes them; each image once.

    Raises:
        UsageError: nothing by that name, or inputs of the other kind.
        DataError: nothing usable in it; with `strict`, an image that cannot be read.
    """
    from ..observed import find_images

    for name in where:
        _check_kind(model, name)
        if not Path(name).exists() and not any(sign in name for sign in "*?["):
            raise UsageError(f"{name}: no such file or folder")
    if not on_images(model):
        parts = [read_vectors(model, Path(name)) for name in where]
        import numpy as np

        return Inputs(np.concatenate([part.values for part in parts]), tuple(name for part in parts for name in part.names))
    files = [path for name in where for path in _found(find_images(name), name)]
    files = list(dict.fromkeys(files))
    check_readable(files, strict)
    return Inputs(files, tuple(str(path) for path in files))


def _found(files: list[Path], name: str) -> list[Path]:
    if not files:
        raise DataError(f"{name}: holds no images")
    return files


def _check_kind(model: LatentLabels, name: str) -> None:
    if on_images(model) and Path(name.partition("#")[0]).suffix.lower() in VECTORS:
        raise UsageError(f'{name}: embeddings, but this run takes images (its encoder is "{model.encoder}")')
    if not on_images(model) and Path(name).suffix.lower() not in VECTORS:
        raise UsageError(f"{name}: this run was fitted on embeddings; give an .npz or .npy of the same kind, not images")


def read_vectors(model: LatentLabels, path: Path) -> Inputs:
    """Embeddings of a file; those without a name are called ``file#row``."""
    found = _load_vectors(model, path)
    names = found["images"]
    numbered = (f"{path}#{row}" for row in range(len(found["embeddings"])))
    return Inputs(found["embeddings"], tuple(numbered) if names is None else tuple(str(name) for name in names))


def _load_vectors(model: LatentLabels, path: Path) -> dict[str, Any]:
    from ..inputs.images import load_embeddings

    found = load_embeddings(path)
    size = model.model.amortizer.head.weight.shape[1]
    if found["embeddings"].shape[1] != size:
        raise DataError(
            f"{path}: embeddings of {found['embeddings'].shape[1]} numbers, but the run was fitted on embeddings of {size}; "
            "compute them by the same network"
        )
    return found


def holds(model: LatentLabels, path: Path, name: str) -> bool:
    """Whether a file of embeddings holds an array of that name as well."""
    return _load_vectors(model, path)[name] is not None


def one_vector(model: LatentLabels, where: str) -> Inputs:
    """The embedding that ``FILE#ROW`` names, ROW being a number from 0 or the name of an image.

    Raises:
        UsageError: no such file or row.
    """
    file, sign, row = where.rpartition("#")
    if not sign:
        file, row = where, ""
    _check_kind(model, file)
    if not Path(file).exists():
        raise UsageError(f"{file}: no such file")
    inputs = read_vectors(model, Path(file))
    count = len(inputs.names)
    number = match_names([row], inputs.names)[0] if row else None
    if number is None and row.isascii() and row.isdigit():
        number = int(row)
    if number is None and not row and count == 1:
        number = 0
    if number is None or number >= count:
        what = f'no row "{row}"' if row else f"{count:,} embeddings, of which one is asked for"
        raise UsageError(f"{file}: {what}; give {file}#ROW, a number from 0 to {count - 1} or the name of an image")
    return Inputs(inputs.values[number : number + 1], (inputs.names[number],))


def check_readable(files: Sequence[Path], strict: bool) -> None:
    """With `strict`, refuse images that cannot be decoded; otherwise they are left out where they are read.

    Raises:
        DataError: some cannot; they are named.
    """
    if not strict:
        return
    from ..inputs.images import unreadable

    bad = unreadable(files)
    if bad:
        shown = listed([why for _, why in bad], 10)
        raise DataError(f"{len(bad):,} of {len(files):,} images cannot be read: {shown}; replace them, or leave out --strict")


def labelled_inputs(
    model: LatentLabels, table: Path | None, where: Path | None, unlisted: str | None, strict: bool, option: str
) -> tuple[Inputs, Observed]:
    """The rows of a table, or of an array in an .npz, with the images or embeddings that they are about.

    Args:
        model: a fitted estimator.
        table: of labels; None to take them from the array of an .npz that `option` names.
        where: the folder of images or the file of embeddings.
        unlisted: what labels mean that the table leaves open.
        strict: what would be left out is an error.
        option: "observed" or "truth".

    Raises:
        UsageError: something that is needed was not given.
    """
    assert model.space is not None
    if where is None:
        what = "--images DIR, the folder of its images" if on_images(model) else "--embeddings FILE"
        raise UsageError(f"no {'images' if on_images(model) else 'embeddings'} of {table or option}; give {what}")
    if not where.exists():
        raise UsageError(f"{where}: no such {'folder' if on_images(model) else 'file'}")
    if on_images(model):
        if table is None:
            raise UsageError(f"no table of labels; give --{option} TABLE (image, one column of 1 or 0 for each label)")
        _check_kind(model, str(where))
        if not where.is_dir():
            raise UsageError(f"{where}: no folder; give the folder of the images that {table} names")
        observed = read_table(table, model.space, unlisted, where, strict)
        files = [where / name for name in observed.images or ()]
        check_readable(files, strict)
        return Inputs(files, tuple(observed.images or ())), observed
    _check_kind(model, str(where))
    found = _load_vectors(model, where)
    if table is not None:
        observed = read_table(table, model.space, unlisted, strict=strict)
        return Inputs(found["embeddings"][rows_of(observed, found, where, table)], tuple(observed.images or ())), observed
    if found[option] is None:
        raise UsageError(f"{where}: no array `{option}` in it; give --{option} TABLE")
    observed = stored_observed(found, model.space, where, option)
    return Inputs(found["embeddings"], observed.images or tuple(f"{where}#{row}" for row in range(len(observed)))), observed


def answered(inputs: Inputs, posterior: Posterior) -> NDArray[np.int64]:
    """The rows of `inputs` that a posterior is of: all but the images that could not be read."""
    import numpy as np

    if not isinstance(inputs.values, list):
        return np.arange(len(inputs.names))
    rows: list[int] = []
    for row, file in enumerate(inputs.values):
        # the posterior keeps the order, so that the next name is the only one to look for
        if len(rows) < len(posterior.images) and posterior.images[len(rows)] == str(file):
            rows.append(row)
    return np.asarray(rows, dtype=np.int64)
