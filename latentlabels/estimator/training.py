"""From the start of a fit to its end: hold out, train, diagnose, decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..checks.diagnostics import diagnose
from ..checks.known_ranking import known_ranking
from ..config import FitConfig, ModelConfig
from ..decisions import Decisions
from ..errors import ConfigError
from ..fitting import LabelModule, LoopSettings, TrainingResult, train
from ..fitting.batchwise import label_vector
from ..fitting.fitted import Fitted
from ..fitting.held_out import HeldOut, hold_out, warn_of_rare
from ..fitting.identity import identity_of
from ..fitting.names import names_found
from ..fitting.reference import decided, reference_rows
from ..fitting.run_folder import hash_data, hash_names
from ..fitting.schedule import schedule_named
from ..fitting.settling import CHOSEN
from ..fitting.warm_start import TRAINED_BEFORE
from ..inputs import Inputs, Levels
from ..inputs.batches import Batches
from ..inputs.known_rows import label_rows
from ..objectives import Known, Objective
from ..observed import Observed
from ..program import LabelModel
from ..progress import Phase, phase
from .preparing import Prepared
from .settings import Settings, plain

_LATER = ("average", "schedule", "consistency")


def trained(
    settings: Settings,
    prepared: Prepared,
    *,
    checkpoints: str | Path | None = None,
    resume: bool = False,
    watch: Sequence[str] = (),
) -> Fitted:
    """The fit at its end, with the weights of the best epoch; its model is changed in place.

    Args:
        settings: those that it was prepared with.
        prepared: what training begins with.
        checkpoints: a folder for the state after each epoch.
        resume: continue from the state in `checkpoints`.
        watch: further stopping rules whose best weights are kept as well.

    Raises:
        ConfigError: an objective that needs complete labels, without any; or statements that contradict each other.
        RunError: a state that belongs to another fit.
    """
    start, inputs, batches = prepared
    model, objective, anchor = start.program.model, start.program.objective, start.anchor
    table, truth, batch_size = inputs.observed, inputs.truth, settings.fit.batch_size
    assert table is not None
    assert anchor is not None
    if objective.needs_truth and truth is None:
        raise ConfigError(f'objective "{settings.model.objective}" needs complete labels; give them as fit(..., truth=Y)')
    known = label_rows(table, inputs.answers, objective.is_likelihood)
    parts = hold_out(inputs, float(settings.fit.held_out), int(settings.fit.seed))
    warn_of_rare(parts)
    rows = parts.rows
    model.num_images = len(rows[0])
    prevalence = torch.tensor(anchor.prevalence, dtype=torch.float32)
    objective.start(Known(known, rows[0], prevalence, anchor.expected_labels, batches.inputs))
    module = _module(settings.fit, start)
    loop = _loop_settings(settings.fit, objective, tuple(watch), len(rows[1]))
    complete = None if truth is None else torch.from_numpy(truth)
    folder = None if checkpoints is None else Path(checkpoints)
    begun = _begun_settings(settings, start.params, loop, inputs.levels)
    identity = None if folder is None else identity_of(inputs, rows[1], begun)
    result = train(module, batches, known, complete, rows, loop, folder, resume, identity)
    with phase(Phase.EVALUATION, "evaluation"):
        count = _predicted_count(model, batches, rows[1], result, batch_size)
        diagnostics = _diagnostics(start, inputs, parts, result, count)
        decisions, references = decided(model, result.kept, batches, rows, batch_size)
        diagnostics["known_ranking"] = _known_ranking(model, table, rows, decisions)
    return replace(
        start,
        history=result.history,
        kept=result.kept,
        diagnostics=diagnostics,
        data_hash=hash_data(table.known, table.images),
        images_hash=hash_names(inputs.names),
        decisions=decisions,
        references=references,
    )


def _module(fit: FitConfig, start: Fitted) -> LabelModule:
    """What the loop trains; an encoder that was trained before learns more slowly."""
    program, frozen = start.program, start.head.frozen_rows(start.program.space)
    rates = float(fit.learning_rate), float(fit.weight_decay)
    encoder_rate = 1.0 if start.begun_with is None else TRAINED_BEFORE
    return LabelModule(program.model, program.objective, *rates, frozen, encoder_rate)


def _loop_settings(fit: FitConfig, objective: Objective, watch: tuple[str, ...], num_held: int) -> LoopSettings:
    """How the loop runs: without held-out images no rule can stop it."""
    stop = fit.stop if fit.stop != "auto" else ("likelihood" if objective.stops_by_value() else "known-map")
    return LoopSettings(
        epochs=int(fit.epochs),
        batch_size=int(fit.batch_size),
        patience=int(fit.patience),
        seed=int(fit.seed),
        accelerator=fit.accelerator,
        devices=fit.devices,
        strategy=fit.strategy,
        stop=stop if num_held else "none",
        also=watch if num_held else (),
        average=float(fit.average),
        schedule=fit.schedule,
        consistency=float(fit.consistency),
    )


def _begun_settings(settings: Settings, params: Mapping[str, Any], loop: LoopSettings, levels: Levels | None) -> dict[str, Any]:
    """What makes a fit another fit; how long it lasts and where it runs do not."""
    fit = ("batch_size", "learning_rate", "weight_decay", "held_out", "seed", "augment")
    chosen = {key: plain(params[key]) for key in (*ModelConfig.model_fields, *fit)}
    # of settings that came later, what is usual is left out: a fit that an earlier version began can be resumed
    chosen |= {key: plain(params[key]) for key in _LATER if params[key] != FitConfig.model_fields[key].default}
    if schedule_named(loop.schedule).spans_fit:
        chosen["epochs"] = loop.epochs
    if levels is not None and not levels.are_usual:
        chosen["levels"] = levels.to_config()
    return chosen | {"annotation": settings.annotation.to_config(), "stop": loop.stop, "watch": sorted(loop.also)}


def _predicted_count(model: LabelModel, batches: Batches, held: Tensor, result: TrainingResult, batch_size: int) -> float:
    """Labels per held-out image after the best epoch."""
    row = next((row for row in result.history if row["epoch"] == result.best_epoch), {})
    if row.get("predicted_count") is not None:
        return float(row["predicted_count"])
    rows = held if len(held) else torch.arange(min(len(batches), 1000))
    return float(label_vector(model.amortizer, batches, rows, batch_size).marginals.sum(-1).mean())


def _known_ranking(
    model: LabelModel, table: Observed, rows: tuple[Tensor, Tensor], decisions: Decisions
) -> dict[str, list[float]]:  # fmt: skip
    """How well each label ranks held-out images: label -> images known to show it, area under the curve."""
    assert decisions.reference is not None
    chosen = reference_rows(*rows, model.amortizer.head.out_features)
    held = torch.isin(chosen, rows[1])
    if not held.any():
        return {}
    marginals = model.amortizer.vector(decisions.reference[held]).marginals
    found = known_ranking(table.known.rows(chosen[held].numpy()), marginals.numpy())
    return {table.space.labels[k]: [number, round(area, 4)] for k, (number, area) in found.items()}


def _diagnostics(start: Fitted, inputs: Inputs, parts: HeldOut, result: TrainingResult, count: float) -> dict[str, Any]:
    """Figures and findings that the fit reports."""
    how, table, anchor = start.annotation, inputs.observed, start.anchor
    assert table is not None
    assert anchor is not None
    ours, nonempty = start.program.objective.is_likelihood, start.head.nonempty
    found = diagnose(table, how, anchor, result, count, ours, parts.held, nonempty, inputs.completed)
    found["held_out"] = parts.to_dict()
    found["num_answers"] = 0 if inputs.answers is None else int(inputs.answers.num_known.sum())
    found["begun_with"] = None if start.begun_with is None else list(start.begun_with)
    found["learned"] = {name: one.to_dict() for name, one in how.learned.items()}
    found["encoder"] = {key: start.params[key] for key in CHOSEN} | {"why": start.why}
    return found | names_found(start.program.model.amortizer)
