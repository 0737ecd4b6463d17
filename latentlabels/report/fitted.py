"""What a fit makes of the images that it was fitted on."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import PurePath
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..checks import Surprise
from ..show.plots import (
    co_occurrence,
    contact_sheet,
    count_distribution,
    history,
    known_counts,
    posterior_gallery,
    prevalence,
    surprising_labels,
)
from ..space import LabelSpace
from ..words import finite, listed, percent
from .contents import Material
from .findings import Findings
from .layout import picture, table

_NONE = (
    "<p>Nothing was kept of the images: this run was saved without them. "
    "<code>latentlabels report RUN --images DIR</code> (or <code>--embeddings FILE</code>) looks at them.</p>"
)


def training(made: Material) -> str:
    """Values by epoch."""
    run = made.run
    if not run.history:
        return "<p>No epoch was recorded.</p>"
    name, unit = made.value
    expected = finite(run.diagnostics.get("expected_labels"))
    alt = f"{name} of training and held-out images by epoch, and predicted labels per image"
    text = (
        "How probable the known labels are, on images that were trained on and on images held out; the epoch that is best on "
        "the latter is kept."
        if name == "log-likelihood"
        else "What was minimised, with its sign changed, by epoch."
    )
    value = f"{name}\n{unit}"
    return f"<p>{text}</p>\n" + picture(lambda figure: history(run.history, made.best_epoch, expected, value, ax=figure), alt)


def known(made: Material) -> str:
    """How often each label is known."""
    counts = made.counts
    if not made.run.weights:
        return ""
    if not counts:
        return "<p>The run does not say what was known of its labels.</p>"
    never = [label for label, (present, _) in counts.items() if not present]
    text = f"Never known to be present: {listed(never)}." if never else "Every label is known to be present in some image."
    alt = "known present and known absent images of each label"
    return f"<p>{escape(text)}</p>\n" + picture(lambda figure: known_counts(counts, ax=figure), alt)


def together(made: Material) -> str:
    """Prevalence before and after, number of labels, what goes together."""
    found, space = made.fitted, made.run.space
    if found is None:
        return "" if not made.run.weights else _NONE
    prior = made.prior
    expected = finite(made.run.diagnostics.get("expected_labels"))
    names = [space.labels[k] for k in found.together_labels]
    parts = [f"<p>{escape(_looked_at(found))}</p>"]
    if prior is not None:
        parts.append("<p>How often each label is present: as it was believed before training, and as the fit believes now.</p>")
        shown = picture(
            lambda figure: prevalence(prior, found.prevalence, space, ax=figure), "prior and posterior prevalence of labels"
        )
        parts.append(shown)
    counted, paired = (int(number) for number in found.num_parts)
    parts.append(f"<p>How many labels an image has{_of(counted, found)}.</p>")
    alt = "distribution of the number of labels per image"
    parts.append(picture(lambda figure: count_distribution(found.count_probs, expected=expected, ax=figure), alt))
    if len(names) > 1:
        parts.append(
            "<p>Which labels go together: where the label of a row is present, how probable is that of the column"
            f"{_of(paired, found)}?</p>"
        )
        alt = "probability of one label where another is present"
        parts.append(picture(lambda figure: co_occurrence(found.together, space, labels=names, ax=figure), alt))
    return "\n".join(parts)


def _looked_at(found: Findings) -> str:
    looked, total = (int(number) for number in found.num_images)
    stated, used = (int(number) for number in found.num_known)
    source = str(found.source)
    whose = f"the images of {source}" if source else "the images that it was fitted on"
    some = f"{looked:,} of {total:,}, evenly spaced" if looked < total else f"all {total:,}" if total > 1 else "there is one"
    if used:
        known = "What is known of an image is taken into account."
    elif stated:
        known = "What is known of an image is left out: the label space contradicts it."
    else:
        known = "Nothing is known of their labels."
    return f"The fit looks {'at' if source else 'once more at'} {whose} ({some}). {known}"


def _of(part: int, found: Findings) -> str:
    """Labels may be so many that a part of the images has to do."""
    return "" if part == int(found.num_images[0]) else f" (worked out for {part:,} of the images)"


def examples(made: Material) -> str:
    """A few images as they are."""
    found, space = made.fitted, made.run.space
    if found is None or not len(found.examples):
        return ""
    rows = found.examples
    images = found.pictures[rows] if len(found.pictures) else None
    text = "The foremost labels of a few images, from the image alone; what is known of them is orange or says so."
    if images is None:
        text += " Of embeddings there are no pictures."
    return f"<p>{text}</p>\n" + gallery(found.marginals[rows], space, images, observed=found.observed[rows])


def gallery(
    marginals: NDArray[Any],
    space: LabelSpace,
    images: NDArray[Any] | None,
    observed: NDArray[Any] | None = None,
    truth: NDArray[Any] | None = None,
) -> str:
    """A picture for each image, which a narrow page sets below each other."""

    def draw(figure: Figure, at: slice) -> None:
        shown, known, true = (None if given is None else given[at] for given in (images, observed, truth))
        posterior_gallery(marginals[at], space, shown, known, true, ax=figure)

    parts = []
    for row, p in enumerate(marginals):
        labels = [space.labels[k] for k in np.flatnonzero(p > 0.5)[:8]]
        alt = f"above 50 %: {listed(labels) or 'none'}"
        parts.append(picture(partial(draw, at=slice(row, row + 1)), alt, photos=True))
    return f'<div class="cards">{"".join(parts)}</div>'


def sheet(made: Material) -> str:
    """Images by label."""
    found, space = made.fitted, made.run.space
    if found is None or not len(found.sheet) or not len(found.pictures):
        return ""
    names = [space.labels[k] for k in found.sheet_labels]
    shares = [f"in {percent(float(share))} of all" for share in found.sheet_shares]
    rows = found.sheet
    text = "For the labels that are most often present, the images in which the fit is surest of them, from the image alone."
    return f"<p>{text}</p>\n" + picture(
        lambda figure: contact_sheet(
            found.marginals[rows],
            space,
            found.pictures[rows],
            labels=names,
            observed=found.observed[rows],
            per_label=7,
            remarks=shares,
            ax=figure,
        ),
        f"the most probable images of {listed(names, 8)}",
        photos=True,
    )


def surprises(made: Material) -> str:
    """Known labels that the fit finds improbable."""
    found, space = made.fitted, made.run.space
    if found is None:
        return ""
    if not len(found.surprise_rows):
        return "<p>No label of these images is known.</p>"
    columns = zip(
        found.surprise_rows, found.surprise_labels, found.surprise_values, found.surprise_probabilities,
        found.surprise_instead, found.surprise_others, strict=True,
    )  # fmt: skip
    listing = [
        Surprise(int(row), space.labels[k], int(value), float(p), space.labels[other] if other >= 0 else None, float(more))
        for row, k, value, p, other, more in columns
    ]
    images = found.pictures if len(found.pictures) else None
    text = (
        "The known labels that the fit finds least probable, from the image alone. Some are mistakes, some are what it has not "
        "learned: look at them."
    )
    names = [str(name) for name in found.surprise_images]
    short = [f"image {name}" if name.isdigit() else "/".join(PurePath(name).parts[-2:]) for name in names]
    rows = [
        (name, one.label, "present" if one.value else "absent", percent(one.probability), one.instead or "")
        for name, one in zip(names, listing, strict=True)
    ]
    full = table(("image", "label", "known to be", "probability of that", "more probable"), rows, {3})
    shown = picture(
        lambda figure: surprising_labels(listing, images, names=short, ax=figure),
        "known labels of least probability",
        photos=True,
    )
    return f"<p>{text}</p>\n{shown}\n<details><summary>The same as a table</summary>{full}</details>"
