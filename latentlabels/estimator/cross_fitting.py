"""Predictions of every image by fits that have not seen it: the images are parted, and each part is predicted by the others.

With several repeats the images are parted anew for each, at random, and the prediction of an image is the mixture of those of
the fits, in equal parts. Where fits contradict each other, none of them is sure, and the mixture says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ..annotation import Annotation
from ..distributions import LabelVector, mixed
from ..errors import AnchorWarning, ConfigError, DataError, DataWarning
from ..fitting.batchwise import flat_logits
from ..fitting.fitted import Fitted
from ..fitting.held_out import fold_rows
from ..inputs import Inputs
from ..observed import Observed
from ..posterior import Posterior
from ..program import Amortizer
from ..progress import Phase, Step, phase
from ..words import count
from .fitted_model import taken_by
from .preparing import prepare, read_training
from .settings import Settings
from .training import trained

if TYPE_CHECKING:
    from ..inputs.alignment import Labels
    from ..inputs.given import Images

_APART = 1000  # between the seeds of repeats; a repeat uses a seed for each fold
_SEEDS = 1 << 31


@dataclass(frozen=True, eq=False)
class CrossFit:
    """N images, each with predictions of fits to the other folds.

    Attributes:
        inputs: the images, copies merged where the annotation allows it, with their known labels.
        fold: (repeats, N) the fold of each image, from 0.
        posterior: of the images alone, out of sample.
        first: the same by the first repeat alone.
        annotation: of the run, without mistakes.
        taught: (repeats, folds, K) bool, whether a label was known to be present in some image that the fit of a fold was
            trained on.
    """

    inputs: Inputs
    fold: NDArray[np.int64]
    posterior: Posterior
    first: LabelVector
    annotation: Annotation
    taught: NDArray[np.bool_]

    @property
    def folds(self) -> int:
        """How many."""
        return self.taught.shape[1]

    @property
    def repeats(self) -> int:
        """How often the images were parted."""
        return len(self.taught)

    @property
    def all_taught(self) -> NDArray[np.bool_]:
        """(N, K) whether each fit that predicted an image was trained on some image known to show a label."""
        out = self.taught[0][self.fold[0]]
        for taught, fold in zip(self.taught[1:], self.fold[1:], strict=True):
            out = out & taught[fold]
        return out


def cross_fitted(
    found: Fitted,
    images: Images,
    observed: Labels | None = None,
    *,
    truth: Labels | None = None,
    folds: int = 2,
    repeats: int = 1,
    together: str | ArrayLike | None = None,
    noise: float | None = None,
    strict: bool = False,
) -> CrossFit:
    """Fit to all folds but one, with the settings of a fit, and predict the one that was left out; for each fold.

    A run that began with another one is fitted afresh: the other one may have seen the images.

    Args:
        found: the fit whose settings are used.
        images: all images, as for `LatentLabels.fit`.
        observed: their known labels, likewise.
        truth: complete labels, likewise, for objectives that read them.
        folds: how many parts.
        repeats: how often the images are parted and predicted; predictions are mixed in equal parts.
        together: images that belong together, as for `LatentLabels.fit`.
        noise: the rate of mistakes that the fits allow for; None for that of the annotation.
        strict: whether an image that cannot be read is an error.

    Raises:
        ConfigError: fewer than 2 folds, or less than one repeat.
        DataError: images or known labels are too few.
    """
    folds, repeats = _whole("folds", folds, 2), _whole("repeats", repeats, 1)
    settings = _settings(found, noise)
    wanted = taken_by(found, settings.fit.workers, settings.fit.augment)
    inputs, table = read_training(settings, wanted, images, observed, truth, None, together, strict=strict)
    if not table.num_known.any():
        raise DataError("no label of these images is known, so there is nothing to fit; give their known labels")
    with phase(Phase.TRAINING, "fits to the other parts", folds * repeats) as step:
        rounds = [_round(_reseeded(settings, number), inputs, table, folds, step) for number in range(repeats)]
    each = [rounds[-1].amortizer.unadjusted(one.flat) for one in rounds]
    fold, taught = np.stack([one.fold for one in rounds]), np.stack([one.taught for one in rounds])
    posterior = Posterior(mixed(each), inputs.names, inputs.pictures)
    return CrossFit(inputs, fold, posterior, each[0], found.annotation.with_noise(0.0), taught)


class _Round(NamedTuple):
    """All images predicted once: see `CrossFit`; `flat` (N, `num_rows`) is what the heads gave, `amortizer` one of the fits."""

    fold: NDArray[np.int64]
    taught: NDArray[np.bool_]
    flat: Tensor
    amortizer: Amortizer


def _round(settings: Settings, inputs: Inputs, table: Observed, folds: int, step: Step) -> _Round:
    """Part the images, and predict each part by a fit to the others."""
    fold = fold_rows(inputs, folds, int(settings.fit.seed))
    taught = np.zeros((folds, table.space.num_labels), bool)
    flat: Tensor | None = None
    amortizer: Amortizer | None = None
    for number in range(folds):
        train, left = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if len(train) < 2 or not len(left) or not table.num_known[train].any():
            size, fewer = count(len(inputs), "image"), ", or fewer folds" if folds > 2 else ""
            raise DataError(f"{size} cannot be parted into {folds} folds with known labels in each; give more images{fewer}")
        taught[number] = table.known.take(train).counts()[0] > 0
        amortizer = _fitted(settings, inputs.take(train))
        out = flat_logits(amortizer, inputs.items, torch.from_numpy(left), int(settings.fit.batch_size)).detach()
        flat = torch.zeros(len(inputs), out.shape[1], dtype=out.dtype) if flat is None else flat
        flat[torch.from_numpy(left)] = out
        step()
    assert flat is not None
    assert amortizer is not None
    return _Round(fold, taught, flat, amortizer)


def _whole(name: str, value: int, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or value % 1 or value < least:
        raise ConfigError(f"{name} is {value!r}; give a whole number from {least}")
    return int(value)


def _reseeded(settings: Settings, number: int) -> Settings:
    """The settings of a repeat: other parts, other batches."""
    if not number:
        return settings
    return Settings.of(dict(settings.params) | {"seed": (int(settings.fit.seed) + _APART * number) % _SEEDS})


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
    """The fit has said before what is doubtful about its known labels; its parts need not say so again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        warnings.simplefilter("ignore", AnchorWarning)
        yield
