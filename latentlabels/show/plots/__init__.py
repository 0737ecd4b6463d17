"""Pictures of posteriors, calibration, training and known labels.

Every function draws one picture and returns its axes. ``ax`` says where:

- None: a new pyplot figure of fitting size, which notebooks show and ``ax.figure.savefig("bars.png")`` writes;
- axes, for a figure of your own: the picture is drawn inside them, shrunk where they are too small. A picture of several
  parts puts them into the axes as ``ax.child_axes``;
- a bare ``matplotlib.figure.Figure()``, which is sized to fit, without pyplot, for servers.

Colours are those of Okabe and Ito, told apart by the colour-blind. Label names may be long and in any script; characters
that no installed font has are drawn as boxes, followed by the label's column.
"""

import warnings
from typing import Any

from .curves import history, reliability
from .numbers import co_occurrence, count_distribution, prevalence
from .pictures import contact_sheet, suspect_labels
from .places import where
from .posteriors import posterior_bars, posterior_gallery
from .summaries import known_counts

__all__ = [
    "co_occurrence", "contact_sheet", "count_distribution", "history", "known_counts", "posterior_bars", "posterior_gallery",
    "prevalence", "reliability", "suspect_labels", "where",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "surprising_labels":
        text = "plots.surprising_labels is now plots.suspect_labels; the old name will be removed in version 0.3"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return suspect_labels
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
