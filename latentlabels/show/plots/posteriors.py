"""Pictures of the labels of single images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt
from matplotlib.axes import Axes

from ...space import LabelSpace
from ...words import count
from .arguments import picture, same_rows, sequence, table
from .panels import Style, sheet
from .surface import Target, message


def posterior_bars(
    marginals: npt.ArrayLike,
    space: LabelSpace,
    image: npt.ArrayLike | None = None,
    observed: npt.ArrayLike | None = None,
    truth: npt.ArrayLike | None = None,
    *,
    limit: int = 40,
    ax: Target = None,
) -> Axes:
    """The probabilities of one image's labels as bars by group, beside the image.

    Args:
        marginals: (K,) posterior probabilities of presence; NaN is shown as "no value".
        space: the label space.
        image: (3, H, W), uint8 or in [0, 1]; (H, W, 3), (H, W) and the path of an image file are taken as well.
        observed: (K,) of 1, 0 and -1: known labels are coloured and say so.
        truth: (K,) of 0 and 1: labels that are truly present have a dot.
        limit: bars at most: labels known or truly present, the first of each group, then the most probable ones.
        ax: see `latentlabels.plots`.

    Raises:
        DataError: what is given does not fit the space, or is no image.
    """
    rows = table(marginals, space, "marginals", 1)[None]
    known = None if observed is None else table(observed, space, "observed", 1)[None]
    true = None if truth is None else table(truth, space, "truth", 1)[None]
    pictures = None if image is None else [picture(image)]
    return sheet(ax, rows, space, pictures, known, true, limit, Style(9, 0.205, 2.4, 2.6))


def posterior_gallery(
    marginals: npt.ArrayLike,
    space: LabelSpace,
    images: npt.ArrayLike | Sequence[npt.ArrayLike] | None = None,
    observed: npt.ArrayLike | None = None,
    truth: npt.ArrayLike | None = None,
    *,
    limit: int = 14,
    max_images: int = 12,
    ax: Target = None,
) -> Axes:
    """A few images, each beside the probabilities of its foremost labels by group.

    Args:
        marginals: (N, K) posterior probabilities of presence.
        space: the label space.
        images: (N, 3, H, W) uint8, or a sequence of N images as in `posterior_bars`.
        observed: (N, K) of 1, 0 and -1.
        truth: (N, K) of 0 and 1.
        limit: bars per image at most, chosen as in `posterior_bars`.
        max_images: images at most, the first ones; how many are left out is said.
        ax: see `latentlabels.plots`.

    Raises:
        DataError: what is given does not fit the space, or is no image.
    """
    rows = table(marginals, space, "marginals", 2)
    known, true = (
        None if given is None else table(given, space, name, 2) for given, name in ((observed, "observed"), (truth, "truth"))
    )
    shown = sequence(images)
    same_rows(len(rows), "marginals", images=shown, observed=known, truth=true)
    if not len(rows):
        return message(ax, "no images")
    max_images = max(max_images, 1)
    left_out = len(rows) - max_images
    notes = [f"{count(left_out, 'more image')} not shown"] if left_out > 0 else []
    pictures = None if shown is None else [picture(image) for image in shown[:max_images]]
    return sheet(ax, rows[:max_images], space, pictures, known, true, limit, Style(8, 0.175, 1.15, 1.5), notes)
