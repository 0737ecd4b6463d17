"""How a fit does on images whose labels are all known, beside a prediction that never looks at an image."""

from __future__ import annotations

from ..checks.measures import MEASURES
from ..show.blocks import Beside, Block, Cell, Row, Span, Table, Text
from ..show.charts.bars import prevalence
from ..show.charts.curves import count_distribution, reliability, stacked
from ..show.charts.photos import examples
from ..words import count, finite
from .contents import Contents


def evaluation(contents: Contents) -> list[Block]:
    """Metrics, calibration, prevalences, number of labels, examples; what to do where there is nothing."""
    if not contents.metrics:
        todo = Span("latentlabels evaluate RUN --images DIR --truth TABLE", "code")
        if not contents.run.weights:
            return []
        return [Text(["Not measured yet: this run has not been compared with complete labels. To do so, run ", todo, "."])]
    return [*_figures(contents), *_pictures(contents)]


def _figures(contents: Contents) -> list[Block]:
    metrics, curve = contents.metrics, contents.curve
    stored = metrics.get("without_image")
    plain = stored if isinstance(stored, dict) else None
    size, both = metrics.get("num_images"), [metrics, *([] if plain is None else [plain])]
    rows = [
        Row((Cell(one.name, "main"), *(one.style.said(one.of(given), size) for given in both), one.explained))
        for one in MEASURES
        if one.key in metrics and any(one.of(given) is not None for given in both)
    ]
    lead = f"Measured on {count(int(finite(size) or 0), 'image')} with complete labels."
    if plain is not None:
        lead += " “Without the image” predicts each label's prevalence for every image: what a fit must beat."
    head = ("metric", "this fit", *(["without the image"] if plain is not None else []), "meaning")
    table = Table(head, rows, frozenset(range(1, len(head) - 1)), kind="stacked")
    shown = [] if curve is None else [stacked(reliability(curve))]
    return [Text(lead), Beside([table, *shown])]


def _pictures(contents: Contents) -> list[Block]:
    found, space, prior = contents.evaluated, contents.run.space, contents.prior
    if found is None:
        return []
    blocks: list[Block] = []
    if len(found.truth_counts):
        blocks.append(Text("The number of labels per image, predicted and true."))
        blocks += count_distribution(found.count_probs, truth=found.truth_counts)
    if prior is not None and len(found.truth_prevalence):
        blocks.append(Text("The share of images that show each label: before training, predicted, and true."))
        blocks += prevalence(prior, found.prevalence, space, found.truth_prevalence, float(found.num_images[0]))
    if len(found.examples):
        at = found.examples
        true = found.truth[at] if len(found.truth) else None
        blocks.append(Text("A few of these images, with their true labels."))
        blocks += examples(found.marginals[at], space, found.pictures_of(at), found.names_of(at), truth=true)
    return blocks
