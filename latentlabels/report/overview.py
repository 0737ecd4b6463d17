"""The answer first: how good a fit is in a sentence and a few figures, what to worry about, and what to do."""

from __future__ import annotations

from typing import Any

from ..checks.advice import poor
from ..checks.finding import Finding, Kind, Level, Severity, Todo
from ..checks.sentences import advised, sentence, title, todo
from ..fitting.run_folder import begun_config
from ..show.blocks import Block, Details, Notice, Row, Table, Text, Tile, Tiles, Verdict
from ..words import count, epoch_number, finite, grouping, listed, number, percent_of, quoted, whole
from .contents import Contents


def verdict(contents: Contents) -> list[Block]:
    """How good the fit is, and its weakest labels."""
    if not contents.run.weights:
        return []
    found = contents.verdict
    notes = [found.weakest_sentence] if found.weakest else []
    return [Verdict(found.level.value, found.because[:1].upper() + found.because[1:], notes)]


def answer(contents: Contents) -> list[Block]:
    """A sentence, the settings, and tiles."""
    run = contents.run
    d = run.diagnostics if run.weights else _last_epoch(contents)
    predicted, expected = finite(d.get("predicted_count")), finite(d.get("expected_labels"))
    lead = "" if contents.num_images is None else f"{count(contents.num_images, 'image')}, "
    lead += count(run.space.num_labels, "label")
    if predicted is not None:
        lead += f". The fit predicts {predicted:.2f} labels per image"
        lead += "" if expected is None else f"; {_expected(d, expected)}"
    tiles = _tiles(contents, d)
    if not run.weights:
        tiles = [tile for tile in tiles if tile.value != number(None)]
    settings = " · ".join(_settings(contents))
    return [Text(f"{lead}.", "lead"), *([Text(settings, "quiet")] if settings else []), Tiles(tiles)]


def _expected(d: dict[str, Any], expected: float) -> str:
    """How many labels per image were expected, and what says so."""
    error, size = finite(d.get("expected_labels_error")), finite(d.get("num_complete"))
    if error is not None and size:
        return f"{expected:.2f} ± {error:.2f} were expected, from {count(int(size), 'complete image')}"
    return f"{expected:.2f} were expected (source: {d.get('expected_labels_source', 'no source given')})"


def _tiles(contents: Contents, d: dict[str, Any]) -> list[Tile]:
    run, metrics = contents.run, contents.metrics
    expected, space = finite(d.get("expected_labels")), run.space
    wanted = "" if expected is None else f"{expected:.2f} expected"
    what, unit = contents.value
    tiles = [
        Tile("images", whole(contents.num_images), _per_image(contents)),
        Tile("labels", f"{space.num_labels:,}", grouping(space.num_labels, space.num_free, len(space.groups))),
        Tile("predicted labels per image", number(d.get("predicted_count")), wanted),
        Tile("epoch kept", epoch_number(contents.best_epoch), _epochs(contents)) if run.weights else _finished(contents),
        Tile(f"held-out {what}", number(d.get("held_out_log_likelihood")), unit),
    ]
    skill = next((one for one in contents.advice if one.kind is Kind.SKILL), None)
    if skill is not None and run.weights:
        gain = number(skill.facts["gain"], 2)
        tiles.append(Tile("gain on prevalences alone", gain if gain.startswith("−") else f"+{gain}", "nats per held-out image"))
    if metrics:
        tiles += _measured(metrics)
    return tiles


def _measured(metrics: dict[str, Any]) -> list[Tile]:
    """Figures on complete labels, each beside that of a prediction that never looks at an image."""
    size = metrics.get("num_images")
    plain = metrics.get("without_image")
    plain = plain if isinstance(plain, dict) else {}
    beside = f", {percent_of(plain.get('map'), size)} without the image" if plain else ""
    tiles = [Tile("mean average precision", percent_of(metrics.get("map"), size), f"{whole(size)} images{beside}")]
    if finite(metrics.get("nll_gain")) is not None:
        tiles.append(Tile("gain on complete labels", number(metrics["nll_gain"], 2), "nats per image, 0 without the image"))
    if finite(metrics.get("brier_skill")) is not None:
        tiles.append(Tile("Brier skill score", percent_of(metrics["brier_skill"], size), "0 % without the image"))
    key = "calibration_error_above" if "calibration_error_above" in metrics else "calibration_error"
    above = "of probabilities above 5 %" if key != "calibration_error" else "of the probabilities"
    beside = "" if finite(plain.get(key)) is None else f"; {percent_of(plain.get(key), size)} without the image"
    return [*tiles, Tile("calibration error", percent_of(metrics.get(key), size), above + beside)]


def _settings(contents: Contents) -> list[str]:
    run = contents.run
    model, fit = run.config.get("model") or {}, run.config.get("fit") or {}
    annotation = (run.config.get("annotation") or {}).get("kind")
    facts = {
        "encoder": model.get("encoder"), "annotation": annotation, "objective": model.get("objective"), "seed": fit.get("seed")
    }  # fmt: skip
    settings = [f"{key} {value}" for key, value in facts.items() if value is not None]
    seconds = finite(run.diagnostics.get("seconds"))
    settings += [] if seconds is None else [f"fitted in {whole(seconds)} s"]
    return settings + ([f"{count(sum(w.numel() for w in run.weights.values()), 'weight')}"] if run.weights else [])


def _per_image(contents: Contents) -> str:
    known, size = contents.counts, contents.num_images
    if not known or not size:
        return ""
    present, absent = (sum(pair[i] for pair in known.values()) / size for i in (0, 1))
    text = f"{present:.2f} labels known to be present per image"
    return f"{text}, {absent:.2f} known to be absent" if absent else text


def _last_epoch(contents: Contents) -> dict[str, Any]:
    """What an interrupted fit has to say, as its diagnostics would: of its last epoch."""
    last = contents.run.history[-1] if contents.run.history else {}
    return {key: last.get(key) for key in ("predicted_count", "held_out_log_likelihood")}


def _finished(contents: Contents) -> Tile:
    wanted = finite((contents.run.config.get("fit") or {}).get("epochs"))
    return Tile("epochs finished", f"{len(contents.run.history):,}", "" if wanted is None else f"of {wanted:,.0f} at most")


def _epochs(contents: Contents) -> str:
    history = contents.run.history
    if not history:
        return "none was recorded"
    last = history[-1].get("epoch", len(history) - 1)
    return f"of {epoch_number(last)}{', stopped early' if contents.run.diagnostics.get('stopped_early') else ''}"


def warned(contents: Contents) -> list[Block]:
    """What the reader should be told beside the verdict."""
    run = contents.run
    warnings = list(contents.warnings)
    never = [str(label) for label in run.diagnostics.get("never_known") or []]
    if not run.weights:
        warnings.append(_interrupted(contents))
    elif not run.diagnostics:
        warnings.append("diagnostics.json is missing, so this report cannot say what the fit found out about itself.")
    if never:
        verb, them, keep = ("is", "it", "it keeps its") if len(never) == 1 else ("are", "them", "they keep their")
        warnings.append(
            f"{len(never):,} of {count(run.space.num_labels, 'label')} {verb} never known to be present: {listed(never)}. "
            f"The fit cannot learn {them}; {keep} prior probability."
        )
    return [Notice(count(len(warnings), "warning"), warnings)] if warnings else []


def _interrupted(contents: Contents) -> str:
    folder = quoted(contents.folder)
    if contents.run.history:
        done, again = f"after {count(len(contents.run.history), 'epoch')}", f"latentlabels fit --resume --out {folder}"
    else:
        done = "before the end of its first epoch"
        again = f"latentlabels fit {quoted(begun_config(contents.folder))} --out NEW"
    return f"This fit was interrupted {done}, so most of this report is missing. To go on, run: {again}"


def advice(contents: Contents) -> list[Block]:
    """What was looked at, what was found, and what to do."""
    if not contents.run.weights:
        return []
    head = ("checked", "found", "what to do")
    rows = [_row(one) for one in contents.advice if one.severity is not Severity.FINE]
    if contents.verdict.level is Level.WEAK and poor(contents.advice) is None:
        rows.insert(0, Row(("verdict", "The fit is weak.", advised(Todo.LEARN_MORE)), Severity.ACT.value))
    passed = [one for one in contents.advice if one.severity is Severity.FINE]
    blocks: list[Block] = [Table(head, rows, kind="advice")] if rows else []
    if passed:
        names = listed(list(dict.fromkeys(title(one) for one in passed)), len(passed))
        table = Table(head[:2], [Row((title(one), sentence(one)), one.severity.value) for one in passed], kind="advice")
        blocks.append(Details(f"{count(len(passed), 'check')} passed: {names}", [table], "passed"))
    return blocks


def _row(one: Finding) -> Row:
    return Row((title(one), sentence(one), todo(one)), one.severity.value)
