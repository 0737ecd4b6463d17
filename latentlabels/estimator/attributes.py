"""What an estimator says of its fit: attributes with a trailing underscore, as scikit-learn has them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError

from ..annotation import Annotation
from ..decisions import Decisions
from ..fitting import Best
from ..fitting.fitted import Fitted
from ..kind import Kind, kind_of
from ..program import CollapsedELBO, LabelGuide, LabelModel
from ..program.starting_point import Anchor
from ..space import LabelSpace
from .display import ShownEstimator


class FittedAttributes(ShownEstimator):
    """What is read from ``fitted_``. Abstract: `LatentLabels` has the settings."""

    fitted_: Fitted
    encoder: str

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(
                "this LatentLabels is not fitted yet; call fit(images, observed) first, or LatentLabels.load(run)"
            )

    def __sklearn_is_fitted__(self) -> bool:
        return "fitted_" in self.__dict__

    @property
    def kind(self) -> Kind:
        """What this model takes: images or embeddings."""
        found: Fitted | None = self.__dict__.get("fitted_")
        return kind_of(self.encoder) if found is None else found.kind

    @property
    def model(self) -> LabelModel:
        """The Pyro model, after `fit` or `prepare`."""
        return self._found.program.model

    @property
    def guide(self) -> LabelGuide:
        """The Pyro guide."""
        return self._found.program.guide

    @property
    def elbo(self) -> CollapsedELBO:
        """The evidence lower bound of model and guide."""
        return self._found.program.elbo

    @property
    def space_(self) -> LabelSpace:
        """The label space of the fit; `space` is the one that was given, which may be None."""
        return self._found.space

    @property
    def annotation_(self) -> Annotation:
        """How the known labels came about, as fitted."""
        return self._found.annotation

    @property
    def n_features_in_(self) -> int:
        """D of the embeddings of the fit; not defined for images."""
        if self._found.num_features is None:
            raise AttributeError("a model on images has no n_features_in_; see fitted_.image_size")
        return self._found.num_features

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """The names of the embeddings' columns, where they were a DataFrame with names: later ones are matched by them."""
        if self._found.columns is None:
            raise AttributeError("it was fitted on embeddings without names, or on images: there is no feature_names_in_")
        return np.array(self._found.columns, dtype=object)

    @property
    def names_(self) -> tuple[str, ...]:
        """The names of the training images."""
        return self._found.names

    @property
    def anchor_(self) -> Anchor:
        """Prevalences before training."""
        if self._found.anchor is None:
            raise AttributeError("a loaded run has no anchor_, because run folders do not store it")
        return self._found.anchor

    @property
    def history_(self) -> list[dict[str, Any]]:
        """A dict for each epoch."""
        return self._found.history

    @property
    def kept_(self) -> dict[str, Best]:
        """The best epoch of each stopping rule that was watched."""
        return self._found.kept

    @property
    def diagnostics_(self) -> dict[str, Any]:
        """Figures and findings that the fit reports."""
        return self._found.diagnostics

    @property
    def thresholds_(self) -> NDArray[np.float32]:
        """(K,) the probabilities from which `predict` calls a label present.

        A fit chooses them to maximise the expected F1 of all labels together under its own posterior, on held-out images where
        there are enough; no label is read. ``decisions_.thresholds`` says for which aim and from what they were found.
        """
        return self._found.decisions.thresholds.values

    @property
    def decisions_(self) -> Decisions:
        """What it decides by: thresholds, and what was found from complete images."""
        return self._found.decisions

    @property
    def _found(self) -> Fitted:
        found: Fitted | None = self.__dict__.get("fitted_")
        if found is None:  # an AttributeError, so that hasattr tells a fitted estimator from another one
            raise AttributeError("this LatentLabels is not fitted yet; call fit(images, observed) first")
        return found
