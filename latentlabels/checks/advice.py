"""What the numbers of a fit say, in sentences, and what to do about each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .. import objectives
from ..words import count, finite, listed

_FEW = 5  # images with a known label, below which nothing much can be learned of it
_CLOSE = 1.25  # ratio of predicted to expected number of labels that is no reason to worry
_DRIFT = 1.5  # ratio at which a fit warns of it, see `diagnostics`
_GAP = 0.5  # nats per image between training and held-out images that point to overfitting
_EVERYWHERE = 0.98  # share of images from which a label tells nothing
_MISCALIBRATED = 0.05
_FEW_HELD_OUT = 50


class Advice(NamedTuple):
    """One thing that was looked at.

    Attributes:
        check: what.
        found: what was found.
        verdict: "fine", "look" (worth a thought) or "act".
        todo: what to do; "" where nothing is.
    """

    check: str
    found: str
    verdict: str
    todo: str = ""


def advise(
    diagnostics: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    config: Mapping[str, Any],
    metrics: Mapping[str, Any] | None = None,
    prevalence: Mapping[str, float] | None = None,
) -> list[Advice]:
    """What to do after a fit.

    Args:
        diagnostics: `LatentLabels.diagnostics_`; what is missing is not spoken of.
        history: a mapping for each epoch.
        config: sections `model` and `fit`.
        metrics: against complete labels, `Metrics.to_dict()`.
        prevalence: label -> share of images that show it, as the fit says.

    Returns:
        One for each thing that could be looked at, the most pressing first.
    """
    ours = objectives.of_run(config).is_likelihood
    found = [
        _scale(diagnostics, ours),
        _source(diagnostics, ours),
        _length(diagnostics, history),
        _overfitting(diagnostics, history, ours),
        _held_out(diagnostics, config),
        *_known(diagnostics),
        _claims(diagnostics),
        _evenness(diagnostics),
        _everywhere(diagnostics, prevalence or {}),
        _measured(metrics or {}),
    ]
    order = {"act": 0, "look": 1, "fine": 2}
    return sorted((one for one in found if one is not None), key=lambda one: order[one.verdict])


def _scale(d: Mapping[str, Any], ours: bool) -> Advice | None:
    predicted, expected = finite(d.get("predicted_count")), finite(d.get("expected_labels"))
    if predicted is None or not expected:
        return None
    check, ratio = "number of labels", predicted / expected
    said = f"{predicted:.2f} labels per image are predicted, {expected:.2f} were expected"
    if 1 / _CLOSE <= ratio <= _CLOSE:
        return Advice(check, said, "fine")
    if not ours:
        other = f"compare with objective {objectives.DEFAULT} before relying on them"
        todo = f"this objective does not aim at true probabilities; {other}"
        return Advice(check, said, "look", todo)
    todo = "decide which of the two you believe; if you know the number roughly, state it as expected_labels and fit again"
    if not 1 / _DRIFT <= ratio <= _DRIFT:
        return Advice(check, said, "act", todo + "; look at the annotation and the label space as well")
    return Advice(check, said, "look", todo)


def _source(d: Mapping[str, Any], ours: bool) -> Advice | None:
    identified, source = d.get("expected_labels_identified"), d.get("expected_labels_source")
    if identified is None or not source or not ours:
        return None
    check = "what fixes the scale"
    if identified:
        return Advice(check, f"{source}", "fine")
    return Advice(
        check, f"{source}", "look",
        "known labels fix probabilities only up to a scale: state expected_labels, or declare a group of which every image "
        "shows exactly one label",
    )  # fmt: skip


def _length(d: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> Advice | None:
    best = finite(d.get("best_epoch"))
    if best is None or not history:
        return None
    last = int(finite(history[-1].get("epoch")) or len(history) - 1)
    check = "length of training"
    if best < 0:
        return None
    if best >= last and not d.get("stopped_early"):
        said = f"the last epoch, {int(best)}, was the best: held-out images were still getting better"
        return Advice(check, said, "look", f"fit for more than {count(last + 1, 'epoch')} (fit.epochs)")
    if best == 0 and last > 0:
        said = "held-out images got worse after the first epoch"
        return Advice(check, said, "look", "lower the learning rate (fit.learning_rate), or train with the encoder frozen")
    return Advice(check, f"epoch {int(best)} of 0 to {last} was the best and is kept", "fine")


def _overfitting(d: Mapping[str, Any], history: Sequence[Mapping[str, Any]], ours: bool) -> Advice | None:
    row = next((row for row in history if row.get("epoch") == d.get("best_epoch")), {})
    train, held = finite(row.get("train_log_likelihood")), finite(row.get("held_out_log_likelihood"))
    if train is None or held is None or not ours:
        return None
    said = "held-out images are about as well explained as those trained on"
    if train - held > 0.05:
        said = f"known labels are {train - held:.2f} nats per image less probable on held-out images than on those trained on"
    if train - held <= _GAP:
        return Advice("overfitting", said, "fine")
    return Advice(
        "overfitting", said, "look",
        "the network knows its training images by heart: more images, a frozen encoder with published weights, or a "
        "larger weight_decay may help",
    )  # fmt: skip


def _held_out(d: Mapping[str, Any], config: Mapping[str, Any]) -> Advice | None:
    total, share = finite(d.get("num_images")), finite((config.get("fit") or {}).get("held_out"))
    if total is None or share is None:
        return None
    number = round(total * share)
    if number >= _FEW_HELD_OUT:
        return Advice("held-out images", f"{count(number, 'image')} chose the epoch", "fine")
    said = f"{count(number, 'held-out image')} chose the epoch" if number else "no image was held out: the last epoch is kept"
    return Advice("held-out images", said, "look", "with so few, which epoch is best is a matter of luck; raise fit.held_out")


def _known(d: Mapping[str, Any]) -> list[Advice]:
    given = d.get("known_counts")
    if not isinstance(given, Mapping):
        return []
    pairs = {label: pair for label, pair in given.items() if isinstance(pair, list | tuple)}
    counts = {label: pair for label, pair in pairs.items() if pair and finite(pair[0]) is not None}
    if not counts:
        return []
    never = [str(label) for label, pair in counts.items() if not pair[0]]
    rare = [str(label) for label, pair in counts.items() if 0 < pair[0] < _FEW]
    found = []
    if never:
        said = f"{len(never):,} of {count(len(counts), 'label')} are never known to be present: {listed(never, 5)}"
        todo = "nothing can be learned of them, they keep their prior: find images of them, or take them out of the label space"
        found.append(Advice("labels never known", said, "act", todo))
    if rare:
        said = f"{count(len(rare), 'label')} known present in fewer than {_FEW} images: {listed(rare, 5)}"
        found.append(
            Advice("labels rarely known", said, "look", "their probabilities rest on almost nothing: find more images")
        )
    if not never and not rare:
        fewest = min((pair[0] for pair in counts.values()), default=0)
        found.append(Advice("labels known", f"each label is known present in at least {count(fewest, 'image')}", "fine"))
    return found


def _claims(d: Mapping[str, Any]) -> Advice | None:
    if "contradiction" not in d:
        return None
    check = "label space and annotation"
    said = d["contradiction"]
    if not said:
        return Advice(check, "known labels do not contradict them, as far as that can be seen without complete labels", "fine")
    found, _, todo = str(said).partition("; ")
    return Advice(check, found, "act", todo)


def _evenness(d: Mapping[str, Any]) -> Advice | None:
    if not d.get("evenness"):
        return None
    found, _, todo = str(d["evenness"]).partition("; ")
    return Advice("numbers of images", found, "look", todo)


def _everywhere(d: Mapping[str, Any], prevalence: Mapping[str, float]) -> Advice | None:
    prior = d.get("prior")
    if not isinstance(prior, Mapping):
        return None
    found = [
        str(label)
        for label, share in prevalence.items()
        if share > _EVERYWHERE and (finite(prior.get(label)) or 1.0) < _EVERYWHERE - 0.05
    ]
    if not found:
        return None
    said = f"nearly every image is said to show {listed(found, 5)}, which was not expected"
    todo = "if that is not so, the scale has run away: state expected_labels, or say which labels exclude each other"
    return Advice("labels said to be everywhere", said, "look", todo)


def _measured(metrics: Mapping[str, Any]) -> Advice | None:
    error = finite(metrics.get("calibration_error"))
    if error is None:
        return Advice(
            "complete labels", "none have been looked at: how good the probabilities are is not measured", "look",
            "label a hundred images completely, and run latentlabels evaluate",
        )  # fmt: skip
    said = (
        f"calibration error {100 * error:.1f} % on {int(finite(metrics.get('num_images')) or 0):,} completely labelled images"
    )
    if error <= _MISCALIBRATED:
        return Advice("complete labels", said, "fine")
    return Advice("complete labels", said, "look", "see the annotation and expected_labels: they decide on the scale")
