"""What a fitted model predicts for images, summarised so that a report can show it without them: `StoredPredictions`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..checks import suspect_labels
from ..errors import DataWarning, ObservationError
from ..inputs import Inputs
from ..kind import Kind
from ..posterior import Posterior
from ..show.pixels import thumbnail
from .stored_predictions import SIDE, StoredPredictions

if TYPE_CHECKING:
    from ..estimator import LatentLabels
    from ..inputs.alignment import Labels
    from ..inputs.given import Images

_LIMIT = 2000  # images that are looked at
_EXAMPLES, _SUSPECTS = 6, 12
_PLACES = 2  # labels of an example whose places are shown
_ERRORS = 8  # of either kind
_PER_LABEL = 2  # of them
_SHEET_LABELS, _SHEET_IMAGES = 8, 7
_TOGETHER = 24  # labels in the table of what goes together
_PAIRS_WORK, _COUNTS_WORK = 200_000, 50_000_000  # images x labels, images x labels x points: seconds of work
_COUNT_POINTS = 256  # numbers of labels that are worked out, at most, as a rule


def find(
    model: LatentLabels,
    images: Images,
    observed: Labels | None = None,
    truth: Labels | None = None,
    *,
    limit: int = _LIMIT,
    source: str = "",
    total: int | None = None,
) -> StoredPredictions:
    """Look at images through a fitted model.

    Args:
        model: the fitted estimator.
        images: N of them as for `LatentLabels.fit`; `Inputs` are not read again.
        observed: (N, K) what is known of them, `Observed`, a DataFrame or an array; None for nothing, or what `Inputs` hold.
        truth: (N, K) their complete labels, likewise.
        limit: images to look at, evenly spaced among all.
        source: where they come from, if they are not those that the model was fitted on.
        total: of how many images they were chosen, where that was done before; see `looked_at`.

    Raises:
        NotFittedError, DataError: as `LatentLabels.posterior`; no images, or tables of another number of rows.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # the fit has named the images that it could not read
        inputs = model.read(images, observed, truth)
    total = len(inputs) + len(inputs.left_out) if total is None else total
    rows = _spread(len(inputs), limit)
    chosen = inputs if len(rows) == len(inputs) else inputs.take(rows)
    posterior = model.posterior(chosen)
    known = None if chosen.observed is None else chosen.observed.values
    complete = chosen.truth
    p = posterior.marginals
    known = np.full(p.shape, -1, np.int8) if known is None else known
    given = _given(model, posterior, known)
    prevalence = given.marginals.mean(0)
    common = np.argsort(-prevalence, kind="stable")
    together = np.sort(common[:_TOGETHER])
    sheet_labels = np.sort(common[:_SHEET_LABELS])
    space, size = posterior.space, p.shape[1]
    counted, paired = (
        _spread(len(p), max(work, 1)) for work in (_COUNTS_WORK // (size * min(size, _COUNT_POINTS)), _PAIRS_WORK // size)
    )
    of_counted, of_paired = given[counted], given[paired]
    suspects = suspect_labels(known, p, space, limit=_SUSPECTS)
    examples = _spread(len(p), _EXAMPLES)
    sheet = {int(row) for k in sheet_labels for row in np.argsort(-p[:, k], kind="stable")[:_SHEET_IMAGES]}
    errors = [] if complete is None else worst_errors(complete, p)
    shown = sorted({*examples.tolist(), *sheet, *(found.row for found in suspects), *(row for row, _ in errors)})
    place = {row: number for number, row in enumerate(shown)}
    stated = int((known != -1).sum())
    looks = [(int(row), int(k)) for row in examples for k in np.argsort(-p[row], kind="stable")[:_PLACES]]
    looks = looks if posterior.has_places else []
    return StoredPredictions(
        num_images=np.array([len(p), total]),
        source=np.array(source, dtype=str),
        num_known=np.array([stated, 0 if given is posterior else stated]),
        prevalence=prevalence,
        count_probs=of_counted.count_probs().mean(0),
        together_labels=together,
        together=of_paired.co_occurrence([space.labels[k] for k in together]),
        num_parts=np.array([len(counted), len(paired)]),
        pictures=_thumbnails(chosen, shown),
        names=np.array([chosen.names[row] for row in shown], dtype=str),
        marginals=p[shown],
        observed=known[shown],
        truth=np.empty((0, size)) if complete is None else complete[shown],
        examples=np.array([place[int(row)] for row in examples], int),
        sheet_labels=sheet_labels,
        sheet_shares=p[:, sheet_labels].mean(0),
        sheet=np.array(sorted(place[row] for row in sheet), int),
        suspect_rows=np.array([place[found.row] for found in suspects], int),
        suspect_labels=np.array([space.index(found.label) for found in suspects], int),
        suspect_values=np.array([found.value for found in suspects], int),
        suspect_probabilities=np.array([found.probability for found in suspects], float),
        suspect_instead=np.array([-1 if f.instead is None else space.index(f.instead) for f in suspects], int),
        suspect_others=np.array([found.instead_probability for found in suspects], float),
        suspect_images=np.array([chosen.names[found.row] for found in suspects], dtype=str),
        truth_prevalence=np.empty(0) if complete is None else complete.mean(0),
        truth_counts=np.empty(0) if complete is None else np.bincount(complete[counted].sum(1).astype(int)) / len(counted),
        error_rows=np.array([place[row] for row, _ in errors], int),
        error_labels=np.array([k for _, k in errors], int),
        **_places(posterior, chosen, looks, place),
    )


def _places(
    posterior: Posterior, inputs: Inputs, looks: Sequence[tuple[int, int]], place: Mapping[int, int]
) -> dict[str, NDArray[Any]]:
    """Where labels are in some images; without regions nothing.

    Args:
        posterior: of the N images.
        inputs: the images.
        looks: row and column of an image and a label.
        place: which of the P images a row is.
    """
    if not looks:
        return {}
    rows = sorted({row for row, _ in looks})
    few = posterior[rows]
    heat = [few.where(posterior.space.labels[k])[rows.index(row)] for row, k in looks]
    sizes = {row: inputs.picture(row).size for row in rows}
    return {
        "place_rows": np.array([place[row] for row, _ in looks], int),
        "place_labels": np.array([k for _, k in looks], int),
        "place_heat": np.stack(heat),
        "place_shapes": np.array([sizes[row][::-1] for row, _ in looks], int),
    }


def worst_errors(truth: NDArray[Any], p: NDArray[Any], limit: int = _ERRORS) -> list[tuple[int, int]]:
    """Row and column of the worst errors: false positives, then false negatives, the worst first, so many of each at most.

    Each image is shown once and each label twice at most among them, so that they show what goes wrong, not one image.

    Args:
        truth: (N, K) of 0 and 1.
        p: (N, K) probabilities; decisions are at 0.5.
        limit: of each kind.
    """
    found: list[tuple[int, int]] = []
    for wrong in (np.where(truth == 0, p, -1.0), np.where(truth == 1, 1 - p, -1.0)):
        rows, columns = np.nonzero(wrong > 0.5)
        order = np.argsort(-wrong[rows, columns], kind="stable")
        images: set[int] = set()
        labels: dict[int, int] = {}
        for row, k in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
            if row in images or labels.get(k, 0) >= _PER_LABEL:
                continue
            if len(images) == limit:
                break
            images.add(row)
            labels[k] = labels.get(k, 0) + 1
            found.append((row, k))
    return found


def looked_at(total: int) -> NDArray[np.int64]:
    """Numbers of the images that `find` looks at, of so many."""
    return _spread(total, _LIMIT)


def _spread(total: int, most: int) -> NDArray[np.int64]:
    """At most so many rows, evenly spaced."""
    return np.unique(np.linspace(0, total - 1, min(most, total)).round().astype(np.int64))


def _given(model: LatentLabels, posterior: Posterior, known: NDArray[np.int8]) -> Posterior:
    if (known == -1).all():
        return posterior
    try:
        return posterior.observing(known, model.conditions_by)
    except ObservationError:  # another objective's label space may contradict what is known
        return posterior


def _thumbnails(inputs: Inputs, rows: Sequence[int]) -> NDArray[np.uint8]:
    """uint8 (P, 3, 96, 96), whole images on white; none for embeddings."""
    if inputs.kind is Kind.EMBEDDINGS or not rows:
        return np.empty((0, 3, SIDE, SIDE), np.uint8)
    shown = np.stack([thumbnail(np.asarray(inputs.picture(row)), SIDE) for row in rows])
    return np.ascontiguousarray(shown.transpose(0, 3, 1, 2))
