"""The answer first: a fit in a sentence and a few figures, what to worry about, and what to do."""

from __future__ import annotations

import shlex
from html import escape
from typing import Any

from ..checks.advice import advise
from ..fitting.run_folder import begun_config
from ..words import count, finite, listed, number
from .contents import Material


def answer(made: Material) -> str:
    """A sentence, the settings, and tiles."""
    run, metrics = made.run, made.metrics
    d = run.diagnostics
    if not run.weights:
        d = _so_far(made)
    predicted, expected = finite(d.get("predicted_count")), finite(d.get("expected_labels"))
    num_images = finite(d.get("num_images"))
    what, unit = made.value
    tiles = [
        ("images", number(num_images, "count"), _per_image(made, num_images)),
        ("labels", f"{run.space.num_labels:,}", f"in {count(len(run.space.groups), 'group')}"),
        ("predicted labels per image", number(predicted), "" if expected is None else f"{expected:.2f} were expected"),
        ("epoch kept", number(made.best_epoch, "count"), _epochs(made)) if run.weights else _finished(made),
        (f"held-out {what}", number(d.get("held_out_log_likelihood")), unit),
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
    if not run.weights:
        tiles = [tile for tile in tiles if tile[1] != "–"]
    cells = (
        f"<div><dt>{escape(name)}</dt><dd><b>{escape(value)}</b><small>{escape(note)}</small></dd></div>"
        for name, value, note in tiles
    )
    return (
        f'<p class="lead">{escape(lead)}.</p>\n<p class="quiet">{escape(" · ".join(_settings(made)))}</p>\n'
        f'<dl class="tiles">{"".join(cells)}</dl>'
    )


def _settings(made: Material) -> list[str]:
    run = made.run
    model, fit = run.config.get("model") or {}, run.config.get("fit") or {}
    how = (run.config.get("annotation") or {}).get("kind")
    facts = {"encoder": model.get("encoder"), "annotation": how, "objective": model.get("objective"), "seed": fit.get("seed")}
    settings = [f"{key} {value}" for key, value in facts.items() if value is not None]
    seconds = finite(run.diagnostics.get("seconds"))
    settings += [] if seconds is None else [f"fitted in {number(seconds, 'count')} s"]
    return settings + ([f"{count(sum(w.numel() for w in run.weights.values()), 'weight')}"] if run.weights else [])


def _per_image(made: Material, num_images: float | None) -> str:
    known = made.counts
    if not known or not num_images:
        return ""
    present, absent = (sum(pair[i] for pair in known.values()) / num_images for i in (0, 1))
    return f"{present:.2f} labels known present" + (f", {absent:.2f} known absent," if absent else "") + " in each"


def _so_far(made: Material) -> dict[str, Any]:
    """What an interrupted fit has to say, as its diagnostics would: of its last epoch."""
    last = made.run.history[-1] if made.run.history else {}
    return {key: last.get(key) for key in ("predicted_count", "held_out_log_likelihood")}


def _finished(made: Material) -> tuple[str, str, str]:
    wanted = finite((made.run.config.get("fit") or {}).get("epochs"))
    return "epochs finished", f"{len(made.run.history):,}", "" if wanted is None else f"of {wanted:,.0f} at most"


def _epochs(made: Material) -> str:
    history = made.run.history
    if not history:
        return "none was recorded"
    last = history[-1].get("epoch", len(history) - 1)
    return f"of 0 to {last}{', stopped early' if made.run.diagnostics.get('stopped_early') else ''}"


def warned(made: Material) -> str:
    """What the reader should be told before anything else."""
    warnings, run = list(made.warnings), made.run
    never = [str(label) for label in run.diagnostics.get("never_known") or []]
    if not run.weights:
        folder = shlex.quote(str(made.folder))
        if run.history:
            done, again = f"after {count(len(run.history), 'epoch')}", f"go on with latentlabels fit --resume --out {folder}"
        else:
            done = "before its first epoch was over"
            again = f"start it anew with latentlabels fit {shlex.quote(str(begun_config(made.folder)))} --out NEW"
        warnings.append(f"this fit was interrupted {done}, so that most of this report is missing; {again}")
    elif not run.diagnostics:
        warnings.append("diagnostics.json is missing: what the fit found out about itself is not shown")
    if never:
        warnings.append(
            f"{len(never):,} of {count(run.space.num_labels, 'label')} are never known to be present: nothing can be "
            f"learned of them, they keep their prior probability ({listed(never, 5)})"
        )
    if not warnings:
        return '<p class="fine">No warnings.</p>'
    items = "".join(f"<li>{escape(message)}</li>" for message in warnings)
    return f'<div class="warning" role="note"><strong>{count(len(warnings), "warning")}</strong><ul>{items}</ul></div>'


def todo(made: Material) -> str:
    """What was looked at, what was found, and what to do."""
    if not made.run.weights:
        return ""
    found = made.fitted
    prevalence = {} if found is None else dict(zip(made.run.space.labels, found.prevalence.tolist(), strict=True))
    rows = "".join(
        f'<tr class="{one.verdict}"><td>{escape(one.check)}</td><td>{escape(one.found)}</td>'
        f"<td>{escape(one.todo or 'nothing to do')}</td></tr>\n"
        for one in advise(made.run.diagnostics, made.run.history, made.run.config, made.metrics, prevalence)
    )
    head = "<tr><th>looked at</th><th>found</th><th>what to do</th></tr>"
    return f'<div class="scroll"><table class="advice"><thead>{head}</thead>\n<tbody>{rows}</tbody></table></div>'
