"""The random sample of a collection that is labelled completely: the images that `latentlabels sample-complete` names."""

from __future__ import annotations

from pathlib import Path

from ..config import read_config
from ..errors import LatentLabelsError
from ..fitting.sample_images import draw, sample_images
from ..inputs.image_file import read_image
from ..observed import match_names
from .collection import Collection

SIZE, SEED = 100, 0  # as `sample-complete` has them where nobody says otherwise


def sample_rows(run: Path, collection: Collection) -> tuple[int, ...]:
    """Rows of the images of the sample, in the order in which they are asked.

    Args:
        run: the run folder. Of its own images those are drawn that its config lists, without those of its table of complete
            images; of others all may be drawn.
        collection: the images that are shown.
    """
    if collection.of_the_fit:
        names = list(sample_images(read_config(run / "config.yaml"), SIZE, SEED, fewer=True).images)
    else:
        row_of = {name: row for row, name in enumerate(collection.names)}
        names, _ = draw(collection.names, SIZE, SEED, lambda name: _can_be_read(collection, row_of[name]))
    return tuple(row for row in match_names(names, collection.names) if row is not None)


def _can_be_read(collection: Collection, row: int) -> bool:
    file = collection.pictures[row] if len(collection.pictures) and not collection.of_embeddings else None
    if file is None:
        return True
    try:
        read_image(file)
    except (LatentLabelsError, OSError):
        return False
    return True
