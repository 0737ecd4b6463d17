"""`write_explore`: some images of a run with their card, as one file that needs no service."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..estimator import LatentLabels
from ..posterior import Posterior
from ..show.card import most_instructive, write_static
from .collection import open_collection
from .limits import Limits
from .predicting import Predictor
from .problems import ProblemError

_LOOKED_AT = 400  # images, evenly spread over the collection, that those to show are chosen from
SHOWN = 24


def write_explore(
    run: Path, path: Path, images: Path | None = None, embeddings: Path | None = None, most: int = SHOWN
) -> tuple[Path, int]:
    """Write the file.

    Args:
        run: the run folder.
        path: of the file.
        images: as of `open_collection`.
        embeddings: the same.
        most: images to show; half of them are those that the model is least sure of.

    Returns:
        The path, and how many images it shows.

    Raises:
        RunError, DataError: what cannot be shown.
    """
    model = LatentLabels.load(run)
    collection = open_collection(run, model, images, embeddings)
    predictor = Predictor(model, collection.stream, Limits())
    size = len(collection)
    rows = np.unique(np.linspace(0, max(size - 1, 0), min(size, _LOOKED_AT)).round().astype(int)).tolist()
    with suppress(ProblemError):  # images that cannot be read are left out
        predictor.rows(rows)
    good = [row for row in rows if row not in predictor.found.failed]
    if not good:
        raise DataError(f"{collection.place}: no image could be read; give a folder with images by --images DIR")
    pictures = [collection.pictures[row] for row in good] if len(collection.pictures) else None
    found = predictor.posterior(predictor.found.flat[good], [collection.names[row] for row in good])
    posterior = Posterior(found.distribution, found.images, pictures)
    chosen = most_instructive(posterior, most)
    return write_static(posterior, path, chosen, title=run.resolve().name), len(chosen)
