"""`latentlabels fit`: from a config or a folder to a run folder."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConfigError, DataError
from ..progress import Phase, Plan, following, phase
from ..words import count, grouping, listed, number, quoted
from . import options
from .configs import explained, read_training
from .fit_folder import begun_fit, holding_folder, new_fit, resumed_fit
from .label_options import reads_labels
from .output import Debug, Json, Output, Strict, show_facts, show_verdict

if TYPE_CHECKING:
    from rich.console import Console

    from ..config import Config
    from ..estimator import LatentLabels
    from ..inputs import Inputs
    from ..space import LabelSpace


@reads_labels()
def fit(
    reading: dict[str, Any],
    config: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG]", help="A YAML config. Without one, give --images or --embeddings.")
    ] = None,
    images: options.Images = None,
    labels: options.Labels = None,
    observed: options.Table = None,
    complete: options.Complete = None,
    answers: options.Answers = None,
    embeddings: options.Embeddings = None,
    overrides: options.Overrides = None,
    begin: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help="Start with the encoder and head of another run. Its config and data are used unless you give others. With "
            "--set model.frozen=false its encoder is trained on.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="RUN", help="A new folder for the run. Default: runs/NAME.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an interrupted fit after its last complete epoch.")] = False,
    strict: Strict = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Fit a model to partly labelled images and write a run folder.

    For example: latentlabels fit --images photos/ --labels labels.yaml --out runs/photos
    """
    with Output(as_json) as output:
        given = {
            "images": images, "labels": labels, "observed": observed, "complete": complete, "answers": answers,
            "reading": reading, "embeddings": embeddings, "strict": strict, "overrides": overrides, "begin": begin,
        }  # fmt: skip
        # several processes run this command each; the first writes, the others work for it
        first = os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("NODE_RANK", "0") == "0"
        settings, out = resumed_fit(config, given, out) if resume else new_fit(config, given, out, first)
        with holding_folder(out, resume, output) if first else nullcontext(), following(_plan(settings)):
            if first:
                _say_encoder(settings, output)
            with phase(Phase.READING, "reading the data"):
                inputs = read_training(settings)
            model, space = _estimator(settings, inputs)
            what = count(len(inputs), inputs.kind.one)
            if first:
                output.note(f"fitting {what} with {count(space.num_labels, 'label')}; the run is {out}")
            with explained(settings), begun_fit(out, settings, inputs) if first else nullcontext():
                model.fit(inputs, checkpoints=out / "checkpoints", resume=resume)
            if not first:
                return
            _finish(model, inputs, settings, out)
        document = _document(model, inputs, out)
        output.emit(document, lambda console: _show(console, document))


def _say_encoder(config: Config, output: Output) -> None:
    """Say which encoder was chosen, where that was left open, before what may take minutes."""
    from ..checks.fit_facts import encoder_used
    from ..fitting.settling import CHOSEN, settle

    if config.fit.init_from is None:
        with explained(config):
            settled, why = settle(config.model, config.fit.accelerator)
        if why:
            output.note(f"encoder: {encoder_used({key: getattr(settled, key) for key in CHOSEN} | {'why': why})}")


def _estimator(config: Config, inputs: Inputs) -> tuple[LatentLabels, LabelSpace]:
    from .. import objectives
    from ..annotation import from_config
    from ..estimator import LatentLabels

    assert inputs.observed is not None  # the training data of a config have labels
    space = inputs.observed.space
    if not inputs.observed.num_known.any():
        raise DataError(
            "no image has a known label, so there is nothing to learn from; check the folder or the values in the table"
        )
    with explained(config):
        how = from_config(config.annotation.model_dump(), space)
    objective, where = config.model.objective, f"{config.where('model.objective')}: model.objective: "
    try:
        needs_truth = objectives.make(objective, space).needs_truth
    except ConfigError as error:
        raise ConfigError(f"{where}{error}") from None
    if needs_truth and inputs.truth is None:
        raise ConfigError(
            f'{where}"{objective}" needs complete labels; give data.embeddings, an .npz with an array `truth`, '
            "or choose an objective that needs only known labels"
        )
    return LatentLabels(space, how, **config.estimator_arguments()), space


def _finish(model: LatentLabels, inputs: Inputs, config: Config, out: Path) -> None:
    from ..report import write_report

    resolved = config.resolved()
    with phase(Phase.REPORT, "writing the report"):
        model.save(out, {"data": resolved["data"], "annotation": resolved["annotation"]})
        write_report(out, model, inputs)


def _plan(config: Config) -> Plan:
    from ..fitting.plan import plan_of

    return plan_of(config.model, config.fit, report=True)


def _document(model: LatentLabels, inputs: Inputs, out: Path) -> dict[str, Any]:
    from ..checks import verdict_of
    from ..checks.advice import advise, poor
    from ..checks.sentences import warning

    bad = poor(advise(model.diagnostics_, model.history_, {"model": {"objective": model.objective}}))
    found = {key: value for key, value in model.diagnostics_.items() if key not in ("known_counts", "known_ranking", "prior")}
    counts = list(model.diagnostics_["known_counts"].values())  # of the images that could be read
    return {
        "run": out,
        "report": out / "report.html",
        "objective": model.objective,
        "kind": inputs.kind.value,
        **found,
        "num_groups": len(model.space_.groups),
        "num_free": model.space_.num_free,
        "answers": 0 if inputs.answers is None else int(inputs.answers.num_known.sum()),
        "answered_images": 0 if inputs.answers is None else int((inputs.answers.num_known > 0).sum()),
        "known_present": sum(present for present, _ in counts),
        "known_absent": sum(absent for _, absent in counts),
        "epochs": len(model.history_),
        "verdict": verdict_of(model.diagnostics_, None, model.history_).to_dict(),
        "poor": None if bad is None else warning(bad),
        "unreadable": [image.name for image in inputs.left_out],
    }


def _show(console: Console, found: dict[str, Any]) -> None:
    bad = found["unreadable"]
    images = f"{found['num_images']:,}" + (f"; {len(bad):,} more could not be read and were left out" if bad else "")
    known = f"{found['known_present']:,} present, {found['known_absent']:,} absent"
    per_image = (found["known_present"] + found["known_absent"]) / found["num_images"]
    from .. import objectives
    from ..checks import Level, Todo
    from ..checks.fit_facts import begun_with, encoder_used, expected_labels, held_out, read_as
    from ..checks.sentences import advised, told

    held, value = found["held_out_log_likelihood"], objectives.find(found["objective"]).value()
    run, folder = found["run"], quoted(found["run"])
    rows = [] if found["read_as"] is None else [("read as", read_as(found["read_as"]))]
    rows += [
        ("images", images),
        ("labels", f"{found['num_labels']:,}, {grouping(found['num_labels'], found['num_free'], found['num_groups'])}"),
        ("known labels", f"{known} ({per_image:.2f} per image)"),
    ]
    if found["answers"]:
        answers = f"{count(found['answers'], 'label')} of {count(found['answered_images'], 'image')}, known by an answer"
        rows.append(("answers", answers))
    if found["never_known"]:
        rows.append(("never known", f"{listed(found['never_known'])}: kept at the prior"))
    rows += [
        ("encoder", encoder_used(found["encoder"])),
        *([("begun with", begun_with(found))] if found["begun_with"] is not None else []),
        ("labels per image", expected_labels(found)),
        ("", f"{number(found['predicted_count'], 2)} predicted"),
        ("best epoch", f"{found['best_epoch'] + 1} of {found['epochs']}{' (stopped early)' * found['stopped_early']}"),
        ("held out", held_out(found["held_out"])),
        ("held-out value", f"{number(held)} ({value.whole})"),
        ("run", f"{run}"),
        ("report", f"{found['report']}"),
    ]
    show_facts(console, rows)
    for note in told(found["complete_images"]):
        console.print(f"note: {note}")
    show_verdict(console, found["verdict"])
    if found["poor"] or found["verdict"]["level"] == Level.WEAK:
        console.print(advised(Todo.LEARN_MORE))
    many, one = ("IMAGE...", "IMAGE") if found["kind"] == "images" else ("FILE.npz", "FILE.npz#ROW")
    console.print(f"\nnext: latentlabels predict {folder} {many} -o probabilities.csv")
    console.print(f"      latentlabels query {folder} {one} --given LABEL")
