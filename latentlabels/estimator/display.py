"""How an estimator shows itself: in one line, and in a notebook."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sklearn import get_config
from sklearn.base import BaseEstimator

from ..providers import provided


class ShownEstimator(BaseEstimator):
    """An estimator that shows what it knows instead of the diagram of a pipeline. Abstract."""

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        return str(provided("one line")(self))

    @property
    def _repr_html_(self) -> Callable[[], str]:
        """What a notebook shows, where scikit-learn's option `display` is "diagram", as it is by default."""
        if get_config()["display"] != "diagram":
            raise AttributeError('_repr_html_ needs scikit-learn\'s option display="diagram"')
        return partial(provided("notebook view"), self)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """What IPython asks for first: of `BaseEstimator` it would be the diagram of a pipeline."""
        show = getattr(self, "_repr_html_", None)
        return {"text/plain": repr(self)} | ({} if show is None else {"text/html": show()})
