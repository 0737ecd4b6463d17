"""Predictions of every image by a fit that has not seen it: the images are parted, and each part is predicted by the others."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ..annotation import Annotation
from ..errors import AnchorWarning, ConfigError, DataError, DataWarning
from ..fitting.batchwise import flat_logits
from ..fitting.fitted import Fitted
from ..fitting.held_out import fold_rows
from ..inputs import Inputs
from ..posterior import Posterior
from ..program import Amortizer
from ..progress import Phase, phase
from ..words import count
from .fitted_model import taken_by
from .preparing import prepare, read_training
from .settings import Settings
from .training import trained

if TYPE_CHECKING:
    from ..inputs.alignment import Labels
    from ..inputs.given import Images


@dataclass(frozen=True, eq=False)
class CrossFit:
    """N images, each with predictions of a fit to the other folds.

    Attributes:
        inputs: the images, copies merged where the annotation allows it, with their known labels.
        fold: (N,) the fold of each image, from 0.
        posterior: of the images alone, out of sample.
        annotation: of the run, without mistakes.
        taught: (folds, K) bool, whether a label was known to be present in some image that the fit of a fold was trained on.
    """

    inputs: Inputs
    fold: NDArray[np.int64]
    posterior: Posterior
    annotation: Annotation
    taught: NDArray[np.bool_]

    @property
    def folds(self) -> int:
        """How many."""
        return len(self.taught)


def cross_fitted(
    found: Fitted,
    images: Images,
    observed: Labels | None = None,
    *,
    truth: Labels | None = None,
    folds: int = 2,
    together: str | ArrayLike | None = None,
    noise: float | None = None,
) -> CrossFit:
    """Fit to all folds but one, with the settings of a fit, and predict the one that was left out; for each fold.

    A run that began with another one is fitted afresh: the other one may have seen the images.

    Args:
        found: the fit whose settings are used.
        images: all images, as for `LatentLabels.fit`.
        observed: their known labels, likewise.
        truth: complete labels, likewise, for objectives that read them.
        folds: how many parts.
        together: images that belong together, as for `LatentLabels.fit`.
        noise: the rate of mistakes that the fits allow for; None for that of the annotation.

    Raises:
        ConfigError: fewer than 2 folds.
        DataError: images or known labels are too few.
    """
    if isinstance(folds, bool) or folds != int(folds) or folds < 2:
        raise ConfigError(f"folds is {folds}; give a whole number from 2")
    settings = _settings(found, noise)
    with _quiet():
        wanted = taken_by(found, settings.fit.workers, settings.fit.augment)
        inputs, table = read_training(settings, wanted, images, observed, truth, None, together)
    if not table.num_known.any():
        raise DataError("no label of these images is known, so there is nothing to fit; give their known labels")
    fold = fold_rows(inputs, int(folds), int(settings.fit.seed))
    flat: Tensor | None = None
    amortizer: Amortizer | None = None
    taught = np.zeros((int(folds), table.space.num_labels), bool)
    with phase(Phase.TRAINING, "fits to the other parts", int(folds)) as step:
        for number in range(int(folds)):
            train, left = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            if len(train) < 2 or not len(left) or not table.num_known[train].any():
                size = count(len(inputs), "image")
                raise DataError(f"{size} cannot be parted into {folds} folds with known labels in each; give more images")
            taught[number] = table.known.take(train).counts()[0] > 0
            amortizer = _fitted(settings, inputs.take(train))
            items = inputs.items
            out = flat_logits(amortizer, items, torch.from_numpy(left), int(settings.fit.batch_size))
            flat = torch.zeros(len(inputs), out.shape[1], dtype=out.dtype) if flat is None else flat
            flat[torch.from_numpy(left)] = out.detach()
            step()
    assert flat is not None
    assert amortizer is not None
    posterior = Posterior(amortizer.unadjusted(flat), inputs.names, inputs.pictures)
    return CrossFit(inputs, fold, posterior, found.annotation.with_noise(0.0), taught)


def _fitted(settings: Settings, part: Inputs) -> Amortizer:
    """The amortizer of a fit to some of the images; the share `held_out` of these stops it, whatever the run held out."""
    stated = None if part.stated is None else replace(part.stated, held=None, split="")
    with _quiet():
        prepared = prepare(settings, None, replace(part, stated=stated), None)
        return trained(settings, prepared).program.model.eval().amortizer


def _settings(found: Fitted, noise: float | None) -> Settings:
    """The settings of a fit, with everything that it decided from the data."""
    how = found.annotation if noise is None else found.annotation.with_noise(noise)
    decided = {"space": found.space, "annotation": how, "at_least_one": found.head.nonempty, "init_from": None}
    settings = Settings.of(dict(found.params) | decided)
    settings.check()
    return settings


@contextmanager
def _quiet() -> Iterator[None]:
    """The fit has said before what is doubtful about its images and labels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        warnings.simplefilter("ignore", AnchorWarning)
        yield
