"""`latentlabels next`: the questions whose answers teach most, as a table for a person to fill."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..progress import Phase, Plan, following, phase
from ..words import count, percent, quoted
from . import options
from .configs import explained, make_config, read_training
from .output import Debug, Json, Output, RunFolder, UsageError, table
from .sources import images_of_run, load_run, read_asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from ..estimator import LatentLabels
    from ..inputs import Inputs
    from ..questions import Question

SECONDS = 4.0  # that a person takes for a question, which --budget assumes
_PLAN = Plan({Phase.READING: 1.0, Phase.EVALUATION: 5.0})
_COLUMNS = ("image", "label", "value", "time", "kind", "question", "choices", "probability", "gain")


def next_questions(
    run: RunFolder,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images", metavar="DIR", help="Images to ask about, or embeddings. Default: what the run was fitted on."
        ),
    ] = None,
    number: Annotated[
        int | None, typer.Option("-n", "--number", min=1, help="How many questions to choose. Default: 20.")
    ] = None,
    per_label: Annotated[
        bool, typer.Option("--per-label", help="Ask about each label separately, also in groups: every answer is yes or no.")
    ] = False,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget",
            metavar="MINUTES",
            help=f"Instead of -n: as many questions as fit into this time, at {SECONDS:g} seconds each.",
        ),
    ] = None,
    about: Annotated[
        str | None,
        typer.Option(
            "--about", metavar="LABEL", help="Choose the questions that say most about this label. Default: about all labels."
        ),
    ] = None,
    random_share: Annotated[
        float, typer.Option("--random", metavar="SHARE", help="Share of the questions that are drawn at random, from 0 to 1.")
    ] = 0.05,
    answers: options.Answers = None,
    output_file: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="TABLE", help="The table to fill: .csv. Default: the questions are shown."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The seed of the random share.")] = 0,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Choose the questions whose answers teach the model most.

    For example: latentlabels next runs/photos -n 50 -o answers.csv

    Write 1 (yes), 0 (no) or nothing (not known) into the column `value`; for a question about a group, one of its labels or
    none. Then: latentlabels fit --from runs/photos --answers answers.csv
    """
    with Output(as_json) as output:
        size = _number(number, budget)
        _check_new(output_file)
        with following(_PLAN):
            with phase(Phase.READING, "reading the images"):
                model = load_run(run)
                inputs = _inputs(run, model, images, answers)
            with phase(Phase.EVALUATION, "predicting"):
                posterior, features = model.posterior(inputs, inputs.observed), model.features(inputs)
            with phase(Phase.EVALUATION, "choosing questions"):
                found = posterior.next_questions(
                    size, features, per_label=per_label, random_share=random_share, seed=seed, about=about
                )
        if output_file is not None:
            _write(output_file, found)
        command = f"latentlabels fit --from {quoted(run)} --answers {quoted(output_file or 'TABLE')}"
        document = {
            "run": run,
            "table": output_file,
            "num_images": len(inputs),
            "questions": [_entry(one) for one in found],
            "next": command,
        }
        output.emit(document, lambda console: _show(console, found, output_file, command, output))


def _number(number: int | None, budget: float | None) -> int:
    """How many questions."""
    if budget is None:
        return 20 if number is None else number
    if number is not None:
        raise UsageError("--budget and -n both say how many questions; give one of the two")
    size = int(budget * 60 / SECONDS) if budget > 0 else 0
    if size < 1:
        raise UsageError(f"--budget {budget:g}: too short for one question of {SECONDS:g} seconds; give minutes, for example 5")
    return size


def _check_new(path: Path | None) -> None:
    """Refuse to write over a file, before anything is read."""
    if path is None:
        return
    if path.suffix.lower() != ".csv":
        raise UsageError(f'-o {path}: unknown file ending "{path.suffix}"; give a name that ends in .csv')
    if path.exists():
        raise UsageError(f"-o {path}: exists and is never overwritten; give the name of a new file")
    if not path.parent.is_dir():
        raise UsageError(f"-o {path}: folder {path.parent} not found; create it first")


def _inputs(run: Path, model: LatentLabels, images: Path | None, answers: Path | None) -> Inputs:
    """What is asked about, with what is known of it where the run was fitted on it."""
    own = images_of_run(run)
    if images is not None and (own is None or images.resolve() != own.resolve()):
        inputs = read_asked(model, [str(images)])
        return inputs if answers is None else _answered(model, inputs, answers)
    if own is None:
        raise UsageError(f"the images that {run} was fitted on are not there any more; give --images DIR")
    config = make_config(run / "config.yaml", answers=answers)
    with explained(config):
        return model.read(read_training(config))


def _answered(model: LatentLabels, inputs: Inputs, answers: Path) -> Inputs:
    """Images without known labels, apart from answers."""
    import numpy as np

    from ..fitting.answers_table import read_answers, with_answers
    from ..observed import Observed

    nothing = np.full((len(inputs), model.space_.num_labels), -1, np.int8)
    known = inputs.labelled(Observed(nothing, model.space_, inputs.names))
    return with_answers(known, read_answers(answers, model.space_), f"--answers {answers}")


def _entry(one: Question) -> dict[str, Any]:
    return {
        "image": one.image,
        "label": one.label,
        "group": one.group,
        "text": one.text,
        "choices": list(one.choices),
        "probabilities": list(one.probabilities),
        "gain": one.gain,
        "random": one.random,
    }


def _write(path: Path, found: Sequence[Question]) -> None:
    """The table: `fit --answers` reads it, and skips questions without a value."""
    from ..words import printable
    from ..writing import separated, write_text

    rows: list[list[str]] = [list(_COLUMNS)]
    for one in found:
        choices = "1 or 0" if one.group is None else ", ".join(one.choices)
        shown = f"{one.probabilities[0]:.4f}" if one.group is None else ""
        kind = "random" if one.random else "question"
        asked = one.label or one.group or ""
        rows.append([printable(one.image), asked, "", "", kind, one.text, choices, shown, f"{one.gain:.4f}"])
    write_text(path, separated(rows, ","))


def _show(console: Console, found: Sequence[Question], path: Path | None, command: str, output: Output) -> None:
    rows = []
    for one in found:
        best = max(range(len(one.choices)), key=lambda place: one.probabilities[place])
        likely = f"{one.choices[best]} {percent(one.probabilities[best])}"
        rows.append([one.image, one.text, likely, f"{one.gain:.2f}" + (" (random)" if one.random else "")])
    if path is None:
        console.print(table(["image", "question", "likeliest answer", "gain, nats"], rows))
    else:
        output.note(f"{path}: {count(len(found), 'question')}. Write the answers into the column value")
    output.note(f"next: {command}")
