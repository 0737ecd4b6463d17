"""Training, known labels, and the predictions on the images that a run was fitted on."""

from __future__ import annotations

from ..checks import SuspectLabel
from ..checks.fit_facts import held_out, read_as
from ..show.blocks import Block, Details, Span, Text, plain_table
from ..show.charts.bars import known_counts, prevalence
from ..show.charts.curves import count_distribution, history
from ..show.charts.heat_maps import co_occurrence
from ..show.charts.photos import contact_sheet
from ..show.charts.photos import examples as cards
from ..show.charts.photos import places as heated
from ..show.charts.photos import suspects as doubted
from ..show.pixels import without_margin
from ..space import LabelSpace
from ..words import count, finite, listed, percent
from .contents import Contents
from .live import live_examples
from .stored_predictions import StoredPredictions

_NAMES = 40  # that a sentence lists


def training(contents: Contents) -> list[Block]:
    """Values by epoch."""
    run = contents.run
    if not run.history:
        return [Text("No epoch was recorded.")]
    name, unit = contents.value
    expected = finite(run.diagnostics.get("expected_labels"))
    text = (
        "How probable the known labels are, on training images and on held-out images. The epoch that does best on held-out "
        "images is kept."
        if name == "log-likelihood"
        else "The loss that was minimised, with its sign changed, by epoch."
    )
    value = f"{name} {unit}"
    parts = run.diagnostics.get("held_out")
    held = [] if not isinstance(parts, dict) else [Text(f"Held out: {held_out(parts)}.")]
    return [Text(text), *held, *history(run.history, contents.best_epoch, expected, value)]


def known(contents: Contents) -> list[Block]:
    """How often each label is known."""
    counts = contents.counts
    if not contents.run.weights:
        return []
    if not counts:
        return [Text("The run folder does not say which labels were known.")]
    never = [label for label, (present, _) in counts.items() if not present]
    text = f"Never known to be present: {listed(never, _NAMES)}." if never else "Every label has at least one labelled image."
    how = contents.run.diagnostics.get("read_as")
    read = [] if not isinstance(how, dict) else [Text(f"Read as {read_as(how)}.")]
    return [*read, Text(text), *known_counts(counts)]


def whose(contents: Contents) -> str:
    """The heading of the predictions."""
    other = contents.fitted is not None and str(contents.fitted.source)
    return "Predictions on these images" if other else "Predictions on the training images"


def together(contents: Contents) -> list[Block]:
    """Prevalence before and after, number of labels, what goes together."""
    found, space = contents.fitted, contents.run.space
    if found is None:
        commands = (Span("latentlabels report RUN --images DIR", "code"), Span("--embeddings FILE", "code"))
        text = "The run folder holds no predictions on images. To add them, run "
        return [Text([text, commands[0], " (or ", commands[1], ")."])] if contents.run.weights else []
    prior, expected = contents.prior, finite(contents.run.diagnostics.get("expected_labels"))
    names = [space.labels[k] for k in found.together_labels]
    blocks: list[Block] = [Text(_predicted(found))]
    if prior is not None:
        blocks.append(Text("The share of images that show each label, before training and according to the fit."))
        blocks += prevalence(prior, found.prevalence, space, images=float(found.num_images[0]))
    counted, paired = (int(number) for number in found.num_parts)
    blocks.append(Text(f"The number of labels per image{_of(counted, found)}."))
    blocks += count_distribution(found.count_probs, expected=expected)
    if len(names) > 1:
        text = "Labels that go together: of the images that show the label of a row, the share that show that of a column"
        blocks.append(Text(f"{text}{_of(paired, found)}."))
        blocks += co_occurrence(found.together, space, names)
    return blocks


def _predicted(found: StoredPredictions) -> str:
    looked, total = (int(number) for number in found.num_images)
    stated, used = (int(number) for number in found.num_known)
    source = str(found.source)
    whose = f"of {source}" if source else "that the run was fitted on"
    some = (
        f"{looked:,} of the {total:,} images" if looked < total else f"All {total:,} images" if total > 1 else "The one image"
    )
    spaced = ", evenly spaced" if looked < total else ""
    if used:
        told = "Probabilities take the known labels of an image into account."
    elif stated:
        told = "Known labels are not taken into account, because the label space contradicts them."
    else:
        told = "No labels of these images are known."
    return f"{some} {whose}{spaced}. {told}"


def _of(part: int, found: StoredPredictions) -> str:
    """Labels may be so many that a part of the images has to do."""
    return "" if part == int(found.num_images[0]) else f" (computed on {count(part, 'image')})"


def examples(contents: Contents) -> list[Block]:
    """A few images as they are."""
    found, space = contents.fitted, contents.run.space
    if found is None or not len(found.examples):
        return []
    rows = found.examples
    text: list[str | Span] = [
        "The most probable labels of a few images, predicted from the image alone. Known labels are orange or marked."
    ]
    if not len(found.pictures):
        text.append(" Embeddings have no pictures.")
        todo = Span("latentlabels report RUN --images DIR", "code")
        text += [" To add pictures by their names, run ", todo, "."] if len(found.names) else []
    shown = cards(found.marginals[rows], space, found.pictures_of(rows), found.names_of(rows), found.observed[rows])
    live = live_examples(contents.run, found, rows)
    if live is None:
        return [Text(text), *shown]
    asked = "Say what you know of an image: click a label once if it is present, twice if it is absent, and the others move."
    return [Text(asked), live, Details("The same images side by side", [Text(text), *shown])]


def places(contents: Contents) -> list[Block]:
    """Where the foremost labels of a few images are; nothing of a model without regions."""
    found, space = contents.fitted, contents.run.space
    if found is None or not len(found.place_rows) or not len(found.pictures):
        return []
    rows, columns = found.place_rows, found.place_labels
    said = [f"{space.labels[k]} {percent(float(found.marginals[row, k]))}" for row, k in zip(rows, columns, strict=True)]
    text = "Where the most probable labels of a few images are, and how probable these are."
    images = [without_margin(found.pictures[row], shape) for row, shape in zip(rows, found.place_shapes, strict=True)]
    return [Text(text), heated(found.place_heat, images, rows.tolist(), said)]


def sheet(contents: Contents) -> list[Block]:
    """Images by label."""
    found, space = contents.fitted, contents.run.space
    if found is None or not len(found.sheet) or not (len(found.pictures) or len(found.names)):
        return []
    names = [space.labels[k] for k in found.sheet_labels]
    shares = [f"in {percent(float(share))} of all" for share in found.sheet_shares]
    rows = found.sheet
    text = "The most frequent labels, each with the images most likely to show it, predicted from the image alone."
    shown = contact_sheet(
        found.marginals[rows], space, found.pictures_of(rows), found.names_of(rows), names, found.observed[rows], shares
    )
    return [Text(text), *shown]


def suspects(contents: Contents) -> list[Block]:
    """Known labels that the fit finds improbable."""
    found = contents.fitted
    if found is None:
        return []
    if not len(found.suspect_rows):
        return [Text("No labels of these images are known.")]
    listing = _listing(found, contents.run.space)
    images = found.pictures_of(found.suspect_rows)
    text = (
        "The known labels that the fit finds least probable, from the image alone. Some are mistakes; others show what the fit "
        "has not learned. Check them."
    )
    names = [str(name) for name in found.suspect_images]
    rows = [
        (name, one.label, "present" if one.value else "absent", percent(one.probability), one.instead or "")
        for name, one in zip(names, listing, strict=True)
    ]
    full = plain_table(("image", "label", "known to be", "probability of that", "more probable"), rows, [3])
    return [Text(text), *doubted(listing, images, names), Details("The same as a table", [full])]


def _listing(found: StoredPredictions, space: LabelSpace) -> list[SuspectLabel]:
    columns = zip(
        found.suspect_rows, found.suspect_labels, found.suspect_values, found.suspect_probabilities,
        found.suspect_instead, found.suspect_others, strict=True,
    )  # fmt: skip
    return [
        SuspectLabel(int(row), space.labels[k], int(value), float(p), space.labels[other] if other >= 0 else None, float(more))
        for row, k, value, p, other, more in columns
    ]
