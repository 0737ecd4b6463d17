"""`report.html` in a run folder: what a fit found, in one file that needs no network and no script.

The answer stands first: how many labels per image are predicted and were expected, which epoch was kept, what to worry
about. Then come training, what was known, the label space and, where the folder holds them, the evaluation
(`evaluation.json`) and examples (`examples.npz`). What a user named is escaped; pictures are part of the file.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .errors import LabelSpaceError, LatentLabelsError, RunError
from .evaluation import CalibrationCurve
from .labels import Free, Group
from .plots import history, known_counts, posterior_gallery, reliability
from .report_parts import CSS, PAGE, embedded, picture, section, table
from .run import Run, read_run
from .wording import count, finite, listed, number

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


def write_report(run_dir: str | Path) -> Path:
    """Write ``report.html`` into a run folder, replacing an earlier one.

    Args:
        run_dir: what `LatentLabels.save` wrote; `evaluation.json` (`Metrics.to_dict()`) and `examples.npz` (images uint8
            (N, 3, H, W), marginals (N, K), observed (N, K), truth (N, K), of which marginals alone must be there) are
            shown if the folder has them. One that cannot be read is a warning in the report.

    Returns:
        The path of the report.

    Raises:
        RunError: no run folder, or a damaged one.
    """
    folder = Path(run_dir)
    try:
        run = read_run(folder)
    except LabelSpaceError as error:
        raise RunError(f"{folder}: damaged ({error}); fit again, or restore the folder") from error
    if not isinstance(run.config, dict):
        raise RunError(f"{folder}: damaged (config.yaml holds no settings); fit again, or restore the folder")
    warnings = _warnings(run)
    metrics, curve = _read_evaluation(folder / "evaluation.json", warnings)
    gallery = _examples(folder / "examples.npz", run, warnings)
    parts = [
        f"<h1>{escape(folder.resolve().name)}</h1>",
        _answer(run, metrics),
        _warned(warnings),
        section("Training", _training(run)),
        section("What was known", _known(run)),
        section("Label space", _space(run)),
        section("Evaluation against complete labels", _evaluation(metrics, curve)),
        section("Examples", gallery),
        section("Details", _details(folder, run, metrics)),
    ]
    path = folder / "report.html"
    path.write_text(PAGE.format(title=escape(folder.resolve().name), css=CSS, body="\n".join(parts)), encoding="utf-8")
    return path


# --- the answer -----------------------------------------------------------------------------------------


def _answer(run: Run, metrics: Mapping[str, Any]) -> str:
    d = run.diagnostics
    predicted, expected = finite(d.get("predicted_count")), finite(d.get("expected_labels"))
    known = _counts(run)
    num_images = finite(d.get("num_images"))
    tiles = [
        ("images", number(num_images, "count"), _per_image(known, num_images)),
        ("labels", f"{run.space.num_labels:,}", f"in {count(len(run.space.groups), 'group')}"),
        ("predicted labels per image", number(predicted), "" if expected is None else f"{expected:.2f} were expected"),
        ("epoch kept", number(_best(run), "count"), _epochs(run)),
        (f"held-out {_value(run)[0]}", number(d.get("held_out_log_likelihood")), _value(run)[1]),
    ]
    if metrics:
        tested = f"{number(metrics.get('num_images'), 'count')} images"
        tiles += [
            ("mean average precision", number(metrics.get("map"), "share"), tested),
            ("calibration error", number(metrics.get("calibration_error"), "share"), "of the probabilities"),
        ]
    lead = "" if num_images is None else f"{count(int(num_images), 'image')}, "
    lead += count(run.space.num_labels, "label")
    if predicted is not None:
        lead += f": {predicted:.2f} labels per image are predicted"
        source = d.get("expected_labels_source", "no source given")
        lead += "" if expected is None else f", {expected:.2f} were expected (source: {source})"
    model, fit = run.config.get("model") or {}, run.config.get("fit") or {}
    how = (run.config.get("annotation") or {}).get("kind")
    facts = {"encoder": model.get("encoder"), "annotation": how, "objective": model.get("objective"), "seed": fit.get("seed")}
    settings = [f"{key} {value}" for key, value in facts.items() if value is not None]
    settings += [f"fitted in {number(d['seconds'], 'count')} s"] if finite(d.get("seconds")) is not None else []
    settings += [f"{count(sum(w.numel() for w in run.weights.values()), 'weight')}"]
    cells = (
        f"<div><dt>{escape(name)}</dt><dd><b>{escape(value)}</b><small>{escape(note)}</small></dd></div>"
        for name, value, note in tiles
    )
    return (
        f'<p class="lead">{escape(lead)}.</p>\n<p class="quiet">{escape(" · ".join(settings))}</p>\n'
        f'<dl class="tiles">{"".join(cells)}</dl>'
    )


def _per_image(known: Mapping[str, tuple[int, int]], num_images: float | None) -> str:
    if not known or not num_images:
        return ""
    present, absent = (sum(pair[i] for pair in known.values()) / num_images for i in (0, 1))
    return f"{present:.2f} labels known present" + (f", {absent:.2f} known absent," if absent else "") + " in each"


def _epochs(run: Run) -> str:
    if not run.history:
        return "none was recorded"
    last = run.history[-1].get("epoch", len(run.history) - 1)
    return f"of 0 to {last}{', stopped early' if run.diagnostics.get('stopped_early') else ''}"


def _best(run: Run) -> int | None:
    best = finite(run.diagnostics.get("best_epoch"))
    return int(best) if best is not None and best >= 0 else None


def _value(run: Run) -> tuple[str, str]:
    """What the values of an epoch are."""
    objective = (run.config.get("model") or {}).get("objective", "collapsed")
    if objective == "collapsed":
        return "log-likelihood", "of the known labels, nats per image"
    return f"negative {objective} loss", "the higher, the better"


def _warnings(run: Run) -> list[str]:
    found = [str(message) for message in run.diagnostics.get("warnings") or []]
    never = [str(label) for label in run.diagnostics.get("never_known") or []]
    if never:
        found.append(
            f"{len(never):,} of {count(run.space.num_labels, 'label')} are never known to be present: nothing can be "
            f"learned of them, they keep their prior probability ({listed(never, 5)})"
        )
    if not run.diagnostics:
        found.append("diagnostics.json is missing: what the fit found out about itself is not shown")
    return found


def _warned(warnings: Sequence[str]) -> str:
    if not warnings:
        return '<p class="fine">No warnings.</p>'
    items = "".join(f"<li>{escape(message)}</li>" for message in warnings)
    return f'<div class="warning" role="note"><strong>{count(len(warnings), "warning")}</strong><ul>{items}</ul></div>'


# --- sections -------------------------------------------------------------------------------------------


def _training(run: Run) -> str:
    if not run.history:
        return "<p>No epoch was recorded.</p>"
    name, unit = _value(run)
    expected = finite(run.diagnostics.get("expected_labels"))
    alt = f"{name} of training and held-out images by epoch, and predicted labels per image"
    return picture(lambda figure: history(run.history, _best(run), expected, f"{name}\n{unit}", ax=figure), alt)


def _known(run: Run) -> str:
    counts = _counts(run)
    if not counts:
        return "<p>The run does not say what was known of its labels.</p>"
    never = [label for label, (present, _) in counts.items() if not present]
    text = f"Never known to be present: {listed(never)}." if never else "Every label is known to be present in some image."
    alt = "known present and known absent images of each label"
    return f"<p>{escape(text)}</p>\n" + picture(lambda figure: known_counts(counts, ax=figure), alt)


def _space(run: Run) -> str:
    merged: dict[tuple[str, str, str | None], list[str]] = {}
    for group in run.space.groups:
        name = "" if isinstance(group, Free) else group.name
        merged.setdefault((name, _kind(group), group.requires), []).extend(group.labels)
    rows = [
        (name or "free", kind, requires or "", len(labels), listed(labels)) for (name, kind, requires), labels in merged.items()
    ]
    lead = f"{count(run.space.num_labels, 'label')} in {count(len(run.space.groups), 'group')}."
    return f"<p>{lead}</p>\n" + table(("group", "what can be present", "requires", "size", "labels"), rows, {3})


def _kind(group: Group) -> str:
    if isinstance(group, Free):
        return "each label or not"
    return "one of them or none" if group.optional else "exactly one"


def _evaluation(metrics: Mapping[str, Any], curve: CalibrationCurve | None) -> str:
    if not metrics:
        return ""
    rows = [(name, number(metrics.get(key), style), what) for key, name, what, style in _METRICS if key in metrics]
    lead = f"Measured on {number(metrics.get('num_images'), 'count')} images whose labels are all known."
    alt = "share of labels truly present by predicted probability"
    shown = "" if curve is None else picture(lambda figure: reliability(curve, ax=figure), alt)
    return f'<p>{lead}</p>\n<div class="pair">{table(("metric", "value", "meaning"), rows, {1})}{shown}</div>'


def _examples(path: Path, run: Run, warnings: list[str]) -> str:
    if not path.exists():
        return ""
    try:
        with np.load(path, allow_pickle=False) as file:
            held = {key: file[key] for key in ("images", "marginals", "observed", "truth") if key in file.files}
        marginals = held["marginals"]
        given = held.get("images"), held.get("observed"), held.get("truth")
        figure = Figure()
        posterior_gallery(marginals, run.space, *given, ax=figure)
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, LatentLabelsError) as error:
        warnings.append(f"examples.npz could not be shown: {error}")
        return ""
    most = [", ".join(run.space.labels[k] for k in np.flatnonzero(row > 0.5)[:8]) or "none" for row in marginals[:12]]
    said = "; ".join(f"image {number}: {labels}" for number, labels in enumerate(most, 1))
    known = "observed" in held and (held["observed"] != -1).any()
    text = f"The foremost labels of a few images{'; what is known of them is orange or says so' if known else ''}."
    return f"<p>{text}</p>\n" + embedded(figure, f"labels above 50 % – {said}", photos=True)


def _details(folder: Path, run: Run, metrics: Mapping[str, Any]) -> str:
    counts = _counts(run)
    precision = metrics.get("per_label_ap")
    precision = precision if isinstance(precision, dict) else {}
    rows = []
    for k, label in enumerate(run.space.labels):
        present, absent = counts.get(label, (None, None))
        group = run.space.group_of(label)
        row = [k + 1, label, "" if isinstance(group, Free) else group.name, number(present, "count"), number(absent, "count")]
        rows.append([*row, number(precision.get(label), "share")] if precision else row)
    head = ("column", "label", "group", "known present", "known absent", *(["average precision"] if precision else []))
    config = (folder / "config.yaml").read_text(encoding="utf-8")
    environment = json.dumps(run.environment, indent=1, ensure_ascii=False)
    return "\n".join(
        f"<details><summary>{name}</summary>{content}</details>"
        for name, content in (
            ("All labels", table(head, rows, {0, 3, 4, 5})),
            ("Configuration", f"<pre>{escape(config)}</pre>"),
            ("Environment", f"<pre>{escape(environment)}</pre>"),
        )
    )


# --- what is read ---------------------------------------------------------------------------------------


def _read_evaluation(path: Path, warnings: list[str]) -> tuple[dict[str, Any], CalibrationCurve | None]:
    if not path.exists():
        return {}, None
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(metrics, dict):
            raise ValueError("it holds no table of metrics")
        given = metrics.get("calibration")
        curve = None if given is None else CalibrationCurve(*(tuple(given[key]) for key in ("predicted", "frequency", "count")))
        if curve is not None and not len(curve.predicted) == len(curve.frequency) == len(curve.count):
            raise ValueError("the columns of its calibration curve differ in length")
    except (OSError, ValueError, KeyError, TypeError) as error:
        warnings.append(f"evaluation.json could not be read: {error}")
        return {}, None
    return metrics, curve


def _counts(run: Run) -> dict[str, tuple[int, int]]:
    given = run.diagnostics.get("known_counts")
    return {str(label): (int(pair[0]), int(pair[1])) for label, pair in given.items()} if isinstance(given, dict) else {}
