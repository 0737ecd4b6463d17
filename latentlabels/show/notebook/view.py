"""The view of each public object, chosen by its type."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from ...estimator import LatentLabels
from ...observed import Observed
from ...posterior import Posterior
from ...space import LabelSpace
from .estimators import estimator_html, estimator_line
from .known import observed_html, space_html
from .posterior_cards import posterior_html

one_line = estimator_line


@singledispatch
def notebook_view(value: Any) -> str:
    """The HTML that a notebook shows for an object of ours."""
    raise TypeError(f"{type(value).__name__} has no view for notebooks")


@notebook_view.register
def _(value: LabelSpace) -> str:
    return space_html(value)


@notebook_view.register
def _(value: Observed) -> str:
    return observed_html(value.known, value.space, value.images)


@notebook_view.register
def _(value: Posterior) -> str:
    return posterior_html(value.marginals, value.space, value.images, value.pictures, value.known)


@notebook_view.register
def _(value: LatentLabels) -> str:
    return estimator_html(value)
