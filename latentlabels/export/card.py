"""The facts of a model card: what an exported graph takes and gives, how it was made, how good it is, how to run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from ..annotation import Annotation
from ..checks import verdict_of
from ..checks.advice import advise, poor
from ..checks.finding import Finding
from ..checks.sentences import fit_warnings, warning
from ..fitting.settling import CHOSEN
from ..inputs.rgb import are_windows
from ..kind import Kind
from .formats import OUTPUT, Format, Inputs
from .snippets import WINDOWS, snippet

if TYPE_CHECKING:
    from ..estimator import LatentLabels

_MEASURED = ("num_images", "map", "nll", "brier", "calibration_error", "calibration_error_above", "f1")


def card_of(
    model: LatentLabels,
    form: Format,
    files: Sequence[str],
    inputs: Inputs,
    differences: Mapping[str, float],
    tolerance: float,
    evaluation: Mapping[str, Any],
) -> dict[str, Any]:
    """The facts of an export.

    Args:
        model: that was exported.
        form: the format.
        files: names of the files: of p(label | x), of p(label | x, known), and what belongs to them.
        inputs: of the second graph, by name, and their sizes after the first.
        differences: by file, the largest difference of a probability from the model's own.
        tolerance: the largest that is allowed.
        evaluation: figures against complete labels; empty for none.
    """
    found, space = model.fitted_, model.space_
    settings = {"model": {"objective": found.params["objective"]}, "fit": {"held_out": found.params["held_out"]}}
    bad = poor(advise(model.diagnostics_, model.history_, settings, evaluation))
    thresholds = {label: float(value) for label, value in zip(space.labels, model.thresholds_, strict=True)}
    return {
        "format": 1,
        "graphs": {"to": form.name, "labels": files[0], "labels_given_known": files[1], "beside": list(files[2:-2])},
        "labels": list(space.labels),
        "groups": space.to_config(),
        "predicted_groups": found.program.space.to_config(),
        "inputs": {name: _input(model, name, sizes) for name, sizes in inputs.items()},
        "outputs": {OUTPUT: {"shape": ["N", space.num_labels], "type": "float32"}},
        "thresholds": thresholds,
        "thresholds_for": str(model.decisions_.thresholds.aim),
        "thresholds_from": str(model.decisions_.thresholds.source),
        "annotation": _annotation(model.annotation_),
        "known_labels_enter_by": _annotation(model.conditions_by),
        "objective": found.params["objective"],
        "head": found.head.to_dict() | {name: bool(found.params[name]) for name in ("regions", "names")},
        "encoder": _encoder(model),
        "training": _training(model),
        "figures": _figures(model.diagnostics_, evaluation),
        "verdict": verdict_of(model.diagnostics_, evaluation, model.history_).to_dict(),
        "poor": None if bad is None else _finding(bad),
        "warnings": fit_warnings(model.diagnostics_),
        "check": {"tolerance": tolerance, "largest_difference": dict(differences)},
        "versions": _versions(form),
        "run": snippet(form.name, found.kind, files[0], files[1], files[-1], in_windows(model)),
    }


def _input(model: LatentLabels, name: str, sizes: Sequence[int]) -> dict[str, Any]:
    """What one input holds."""
    shape: dict[str, Any] = {"shape": ["N", *sizes]}
    found = model.fitted_
    if name == Kind.EMBEDDINGS:
        columns = {} if found.columns is None else {"columns": list(found.columns)}
        return shape | {"type": "float32"} | columns
    if name != Kind.IMAGES:
        return shape | {"type": "int8", "values": {"present": 1, "absent": 0, "unknown": -1}}
    assert found.pixels is not None
    levels = None if found.levels is None or found.levels.are_usual else found.levels.to_config()
    return shape | {
        "type": "float32",
        "range": [0.0, 1.0],
        "channels": "RGB",
        "resize": WINDOWS if in_windows(model) else "whole image, sides scaled separately",
        "interpolation": found.pixels.interpolation.removesuffix(" windows"),
        "levels": levels,
    }


def in_windows(model: LatentLabels) -> bool:
    """Whether a model takes two windows of each picture, side by side."""
    found = model.fitted_
    if found.pixels is None or found.image_size is None:
        return False
    return are_windows(found.image_size, found.pixels.interpolation)


def _annotation(how: Annotation) -> dict[str, Any]:
    return how.to_config() | {"meaning": how.meaning}


def _encoder(model: LatentLabels) -> dict[str, Any]:
    stored = model.diagnostics_.get("encoder")
    found = dict(stored) if isinstance(stored, dict) else {"why": model.fitted_.why}
    return {name: model.fitted_.params[name] for name in CHOSEN} | found


def _training(model: LatentLabels) -> dict[str, Any]:
    d = model.diagnostics_
    names = ("num_images", "known_counts", "never_known", "held_out", "best_epoch")
    return {name: d.get(name) for name in names} | {"data_hash": model.fitted_.data_hash}


def _figures(d: Mapping[str, Any], evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """What was measured: on held-out known labels by the fit, and on complete labels by `evaluate`."""
    names = ("held_out_log_likelihood", "without_image", "predicted_count", "expected_labels", "expected_labels_source")
    plain = evaluation.get("without_image")
    complete = {name: evaluation[name] for name in _MEASURED if name in evaluation}
    if complete and isinstance(plain, Mapping):
        complete["without_image"] = {name: plain[name] for name in _MEASURED if name in plain}
    return {"known_labels": {name: d.get(name) for name in names}, "complete_labels": complete or None}


def _finding(one: Finding) -> dict[str, Any]:
    return one.to_dict() | {"text": warning(one)}


def _versions(form: Format) -> dict[str, str | None]:
    out: dict[str, str | None] = {}
    for package in ("latentlabels", "torch", *form.needs):
        try:
            out[package] = version(package)
        except PackageNotFoundError:
            out[package] = None
    return out
