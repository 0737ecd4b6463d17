"""How a fit does on images whose labels are all known."""

from __future__ import annotations

from ..show.plots import count_distribution, prevalence, reliability
from ..words import number
from .contents import Material
from .fitted import gallery
from .layout import picture, table

_METRICS = (
    ("map", "mean average precision", "ranking, averaged over labels; higher is better", "share"),
    ("f1", "F1 at 0.5", "decisions at probability 0.5, all labels together; higher is better", "share"),
    ("macro_f1", "F1 at 0.5, mean over labels", "rare labels count as much as frequent ones", "share"),
    ("group_accuracy", "group applies", "how often “does this group apply” is answered right", "share"),
    ("calibration_error", "calibration error", "mean gap between probability and share present; lower is better", "share"),
    ("brier", "Brier score", "mean squared error of the probabilities; lower is better", "number"),
    ("nll", "negative log-likelihood", "of whole label sets, nats per image; lower is better", "number"),
    ("num_impossible", "impossible label sets", "images whose true labels break the label space", "count"),
    ("count_error", "count error", "mean gap between expected and true number of labels", "number"),
    ("count_nll", "count negative log-likelihood", "of the number of labels, nats per image", "number"),
    ("num_labels_without_positive", "labels that no image shows", "left out of the means over labels", "count"),
)


def evaluation(made: Material) -> str:
    """Metrics, calibration, prevalences, number of labels, examples; what to do where there is nothing."""
    metrics, curve, found, space = made.metrics, made.curve, made.evaluated, made.run.space
    if not metrics:
        todo = "<code>latentlabels evaluate RUN --images DIR --truth TABLE</code>"
        if not made.run.weights:
            return ""
        return f"<p>Not measured yet: no images with complete labels have been shown to it. {todo} does so.</p>"
    rows = [(name, number(metrics.get(key), style), what) for key, name, what, style in _METRICS if key in metrics]
    lead = f"Measured on {number(metrics.get('num_images'), 'count')} images whose labels are all known."
    alt = "share of labels truly present by predicted probability"
    shown = "" if curve is None else picture(lambda figure: reliability(curve, ax=figure), alt)
    parts = [f'<p>{lead}</p>\n<div class="pair">{table(("metric", "value", "meaning"), rows, {1})}{shown}</div>']
    if found is None:
        return parts[0]
    if len(found.truth_counts):
        counts = found.truth_counts
        alt = "predicted and true distribution of the number of labels"
        parts.append("<p>How many labels an image has: predicted, and in truth.</p>")
        parts.append(picture(lambda figure: count_distribution(found.count_probs, truth=counts, ax=figure), alt))
    prior = made.prior
    if prior is not None and len(found.truth_prevalence):
        truth = found.truth_prevalence
        alt = "prior, predicted and true prevalence of labels"
        parts.append("<p>How often each label is present: before training, predicted, and in truth.</p>")
        parts.append(picture(lambda figure: prevalence(prior, found.prevalence, space, truth=truth, ax=figure), alt))
    if len(found.examples):
        at = found.examples
        images = found.pictures[at] if len(found.pictures) else None
        true = found.truth[at] if len(found.truth) else None
        parts.append("<p>A few of these images, with what is truly there.</p>")
        parts.append(gallery(found.marginals[at], space, images, truth=true))
    return "\n".join(parts)
