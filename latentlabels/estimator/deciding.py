"""What a fitted model decides: hard labels by thresholds, calibration by complete images, and which epoch's weights it has."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ..decisions import MODE, Aim, Decisions
from ..errors import ConfigError, DataWarning, nearest
from ..fitting.calibrating import By, calibrated
from ..fitting.reference import load_kept
from .fitted_model import FittedModel

if TYPE_CHECKING:
    from ..inputs.alignment import Labels
    from ..inputs.given import Images


class DecidingModel(FittedModel):
    """What is decided after `fit`. Abstract: `LatentLabels` has the settings."""

    def predict(self, images: Images, aim: Aim | str | None = None) -> NDArray[np.int8]:
        """Hard labels: 1 where a label's probability is at least its threshold in ``thresholds_``, 0 elsewhere.

        Each label is decided by itself, which is best for measures that count labels one by one, such as F1 or accuracy. The
        result may therefore be an invalid label set, for example two present labels of one group, or none of an exhaustive
        group. The aim "mode" gives the most probable valid set.

        Args:
            images: as for `fit`, or a folder of any images.
            aim: what the decisions are good for: "f1" (all labels together), "macro-f1" (each label), "precision=0.9",
                "recall=0.9", or "mode". None: by ``thresholds_``, which a fit finds for "f1".

        Returns:
            int8 (N, K).

        Raises:
            NotFittedError: before `fit`.
            ConfigError: an unknown aim.
            DataError: images of another kind or size, or an aim with a run that is older than thresholds.
        """
        if aim == MODE:
            return self.posterior(images).mode()
        self._check_fitted()
        found = self.decisions_.thresholds if aim is None else self.decisions_.for_aim(aim, self.model.amortizer.vector)
        if found.source.kind == "unset":
            warnings.warn(
                "all thresholds are 0.5, because this run holds nothing to find better ones from", DataWarning, stacklevel=2
            )
        return found.decide(self.predict_proba(images))

    def calibrate(
        self, images: Images, complete: Labels | None = None, *, aim: Aim | str | None = None, by: By = "posterior"
    ) -> Self:
        """Calibrate by images whose labels are all known, and which were not used in the fit.

        Finds a temperature and a bias for each logit by the exact likelihood of complete label sets, with a prior that holds
        them back where images are few. Where this does not help images that are left out, probabilities stay as they are.
        Thresholds are found again, and `Posterior.sets` has what it needs. ``decisions_.calibration`` says what was found.
        Calibrating again begins from the fit, not from an earlier calibration.

        Args:
            images: as for `fit`, or a folder of any images.
            complete: their labels: `Observed`, a DataFrame or an array (N, K). Images with an unknown label are left out. May
                be left out for an .npz with labels.
            aim: what thresholds are good for, as for `predict`; None for the aim that they have.
            by: what thresholds are found by: "posterior", the calibrated posterior of images that the fit kept, or "images",
                the complete images.

        Returns:
            self.

        Raises:
            NotFittedError: before `fit`.
            DataError: no complete image, or none that has a label.
            ObservationError: labels that contradict the label space.
            ConfigError: an unknown aim.
        """
        inputs = self.read(images, complete)
        self.fitted_ = calibrated(self.fitted_, inputs, self.batch_size, aim, by)
        return self

    def use(self, rule: str) -> Self:
        """Load the best weights by one of the stopping rules that `fit` watched; see its argument `watch`.

        Returns:
            self.

        Args:
            rule: "likelihood", "known-map" or another one of ``kept_``.

        Raises:
            NotFittedError: before `fit`.
            ConfigError: a rule that was not watched.
        """
        self._check_fitted()
        kept = self.kept_
        if rule not in kept:
            raise ConfigError(
                f'the stopping rule "{rule}" was not watched{nearest(rule, kept)} (kept: {", ".join(kept) or "none"})'
            )
        amortizer, found = load_kept(self.model, kept[rule]), self.fitted_
        amortizer.adjustment = None  # a calibration belongs to the weights that it was found with
        decisions = Decisions.by(amortizer.vector, found.references[rule], found.decisions.thresholds.aim)
        self.fitted_ = replace(found, decisions=decisions)
        return self
