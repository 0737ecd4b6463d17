"""What a notebook shows: the few things that matter of a label space, of what is known, of posteriors and of a fit."""

from .fit import estimator_html, estimator_line
from .known import observed_html, space_html
from .posteriors import posterior_html

__all__ = ["estimator_html", "estimator_line", "observed_html", "posterior_html", "space_html"]
