"""Pictures for a run on embeddings: found by the names of its images, and kept with what was found in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, RunError
from ..fitting.run_folder import read_run
from ..observed import find_images
from ..show.pixels import thumbnail
from ..words import quoted
from .stored_predictions import EVALUATED, FITTED, SIDE, StoredPredictions


def add_pictures(run: str | Path, folder: str | Path) -> int:
    """Add small pictures to the findings of a run on embeddings, so that its report shows them.

    Args:
        run: a run folder with findings; pictures that they have are replaced.
        folder: pictures, also in folders below it. One belongs to an image whose name ends as its path does: "red/1.jpg" to
            "photos/red/1.jpg". The ending of the file's name may be missing, or another. Of several that fit equally well,
            none is taken.

    Returns:
        How many of the images that the report shows have a picture.

    Raises:
        RunError: no run folder, or one without findings that name images.
        DataError: no picture in the folder fits; or findings that are damaged.
    """
    run, folder = Path(run), Path(folder)
    size = read_run(run, unfinished=True).space.num_labels
    stored = {run / name: StoredPredictions.read(run / name, size) for name in (FITTED, EVALUATED) if (run / name).exists()}
    stored = {path: found for path, found in stored.items() if len(found.names)}
    if not stored:
        raise RunError(
            f"{run}: holds no predictions that name images; write them first: "
            f"latentlabels report {quoted(run)} --embeddings FILE"
        )
    files = find_images(folder)
    pictured = 0
    for path, found in stored.items():
        names = [str(name) for name in found.names]
        chosen = match(names, [file.relative_to(folder) for file in files])
        shown = [_thumbnail(None if file is None else folder / file) for file in chosen]
        pictured += sum(bool((one != 255).any()) for one in shown)
        if shown:
            replace(found, pictures=np.stack(shown)).write(path)
    if not pictured:
        example = next(str(name) for found in stored.values() for name in found.names)
        raise DataError(
            f'{folder}: none of its {len(files):,} pictures is named like an image of the run, for example "{example}"; '
            "give the folder that the embeddings were made from"
        )
    return pictured


def match(names: Iterable[str], files: Iterable[PurePath]) -> list[PurePath | None]:
    """The file of each name: the one whose path agrees with it from the end on, in most folders.

    Args:
        names: of images, perhaps with folders and without the ending of a file's name.
        files: relative paths.
    """
    ends: dict[tuple[str, ...], list[PurePath]] = {}
    for file in files:
        for parts in {file.parts, (*file.parts[:-1], file.stem)}:
            for start in range(len(parts)):
                ends.setdefault(parts[start:], []).append(file)
    return [_only(PurePath(name), ends) for name in names]


def _only(name: PurePath, ends: dict[tuple[str, ...], list[PurePath]]) -> PurePath | None:
    for last in dict.fromkeys((name.name, name.stem)):
        parts = (*name.parts[:-1], last)
        for start in range(len(parts)):
            found = ends.get(parts[start:], [])
            if found:
                return found[0] if len(found) == 1 else None
    return None


def _thumbnail(file: Path | None) -> NDArray[np.uint8]:
    """(3, side, side); white where there is no picture, or one that cannot be read."""
    try:
        shown = None if file is None else thumbnail(file, SIDE)
    except DataError:
        shown = None
    return np.full((3, SIDE, SIDE), 255, np.uint8) if shown is None else shown.transpose(2, 0, 1)
