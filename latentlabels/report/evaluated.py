"""How a fit does on images whose labels are all known, beside a prediction that never looks at an image."""

from __future__ import annotations

from typing import Any

from ..show.blocks import Beside, Block, Cell, Row, Span, Table, Text
from ..show.charts.bars import prevalence
from ..show.charts.curves import count_distribution, reliability, stacked
from ..show.charts.photos import examples
from ..words import count, finite, number, percent_of, whole
from .contents import Contents

_METRICS = (
    ("map", "mean average precision", "ranking, averaged over labels; higher is better", "share"),
    ("f1", "F1 at 0.5", "decisions at probability 0.5, all labels together; higher is better", "share"),
    ("f1_at_thresholds", "F1 at the run’s thresholds", "decisions as predict makes them; higher is better", "share"),
    ("f1_best", "F1 at the best threshold", "found with the true labels: no threshold for all labels is better", "share"),
    ("macro_f1", "F1 at 0.5, mean over labels", "rare labels count as much as frequent ones; higher is better", "share"),
    ("group_accuracy", "group applies", "how often “does this group apply” is answered correctly", "share"),
    (
        "brier_skill",
        "Brier skill score",
        "by how much the squared error is smaller than without the image; higher is better",
        "share",
    ),
    ("nll_gain", "likelihood gained", "of whole label sets, nats per image; higher is better", "number"),
    ("calibration_error_above", "calibration error above 5 %", "of probabilities above 5 %; lower is better", "share"),
    ("label_calibration_error", "calibration error of a label", "mean over labels; lower is better", "share"),
    (
        "calibration_error",
        "calibration error of all",
        "mostly of absent labels near 0 %, so a model that never looks does well; lower is better",
        "share",
    ),
    ("brier", "Brier score", "mean squared error of the probabilities; lower is better", "number"),
    ("nll", "negative log-likelihood", "of whole label sets, nats per image; lower is better", "number"),
    ("num_impossible", "impossible label sets", "images whose true labels break the label space", "count"),
    ("count_error", "count error", "mean gap between expected and true number of labels", "number"),
    ("count_nll", "count negative log-likelihood", "of the number of labels, nats per image; lower is better", "number"),
    ("num_labels_without_positive", "labels that no image shows", "left out of the means over labels", "count"),
)


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
    size = metrics.get("num_images")
    rows = [
        Row((Cell(name, "main"), *(_figure(_of(one, key), style, size) for one in (metrics, plain) if one is not None), what))
        for key, name, what, style in _METRICS
        if key in metrics
    ]
    lead = f"Measured on {count(int(finite(size) or 0), 'image')} with complete labels."
    if plain is not None:
        lead += " “Without the image” predicts each label's prevalence for every image: what a fit must beat."
    head = ("metric", "this fit", *(["without the image"] if plain is not None else []), "meaning")
    table = Table(head, rows, frozenset(range(1, len(head) - 1)), kind="stacked")
    shown = [] if curve is None else [stacked(reliability(curve))]
    return [Text(lead), Beside([table, *shown])]


_SKILLS = ("brier_skill", "nll_gain")


def _of(given: dict[str, Any], key: str) -> Any:
    """A figure; skills are 0 where nobody looks at images."""
    return 0.0 if key in _SKILLS and key not in given else given.get(key)


def _figure(value: Any, style: str, size: Any) -> str:
    if style == "share":
        return percent_of(value, size)
    return whole(value) if style == "count" else number(value)


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
