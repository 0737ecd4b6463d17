"""What a refit is given: the images of the run, and the answers that are about these."""

from __future__ import annotations

import filecmp
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..estimator import LatentLabels
from ..shards import is_packed
from ..words import count, listed
from .answering import Answering
from .collection import Collection, images_of_fit
from .problems import ProblemError


@dataclass(frozen=True)
class Material:
    """What a refit is given.

    Attributes:
        options: of `latentlabels fit`.
        unused: how many answers are about other images, in a sentence; empty where all are used.
    """

    options: tuple[str, ...]
    unused: str


def material_for(run: Path, model: LatentLabels, collection: Collection, answering: Answering) -> Material:
    """The images that the run was fitted on, with all answers; `fit` takes those that name one of these images.

    Args:
        run: the run folder.
        model: its estimator.
        collection: the images that are shown, which may be others.
        answering: the answers.

    Raises:
        ProblemError: nothing was answered about these images, they are not there any more, or answers are about other pictures
            of the same names.
    """
    answered = [one.image for one in answering.entries if one.value is not None]
    if not answered:
        raise ProblemError("conflict", "nothing was answered yet, so there is nothing new to learn")
    own = collection if collection.of_the_fit else images_of_fit(run, model)
    if own is None:
        raise ProblemError(
            "conflict",
            f"the images that {run} was fitted on are not there any more; put them back, or run: latentlabels fit --from {run} "
            f"--images DIR --answers {answering.path}",
        )
    rows = own.rows_of_fit(answered)
    used = [(name, row) for name, row in zip(answered, rows, strict=True) if row is not None]
    if not used:
        raise ProblemError(
            "conflict", f"none of the {count(len(answered), 'answer')} is about an image that {run} was fitted on"
        )
    if own is not collection:
        _check_same(dict(used), own, collection)
    where = "data.embeddings" if own.of_embeddings else "data.images"
    place = str(own.place) if is_packed(own.place) else str(own.place.resolve())
    options = ("--set", f"{where}={place}", "--answers", str(answering.path.resolve()))
    return Material(options, _unused([name for name, row in zip(answered, rows, strict=True) if row is None], answering))


def _unused(names: Sequence[str], answering: Answering) -> str:
    uploads = sum(f"{answering.path.stem}.files/" in name for name in names)
    others = len(names) - uploads
    parts = [
        *([f"{count(uploads, 'answer')} about uploaded pictures"] if uploads else []),
        *([f"{count(others, 'answer')} about images that are not among those of the fit"] if others else []),
    ]
    return f"Not used: {' and '.join(parts)}." if parts else ""


def _check_same(used: dict[str, int], own: Collection, shown: Collection) -> None:
    """Refuse answers about pictures that only have the name of a picture of the fit."""
    row_of = {name: row for row, name in enumerate(shown.names)}
    others = [name for name, row in used.items() if name in row_of and _differ(own, row, shown, row_of[name])]
    if others:
        raise ProblemError(
            "conflict",
            f"answers are about pictures that only share their names with pictures of the fit: {listed(others, 3)}; rename the "
            "files, or keep these answers in a table of their own by --answers FILE",
        )


def _differ(own: Collection, row: int, shown: Collection, other: int) -> bool:
    if not len(own.pictures) or not len(shown.pictures) or own.of_embeddings:
        return False  # embeddings go by their names
    mine, theirs = own.pictures[row], shown.pictures[other]
    return isinstance(mine, Path) and isinstance(theirs, Path) and not filecmp.cmp(mine, theirs, shallow=False)
