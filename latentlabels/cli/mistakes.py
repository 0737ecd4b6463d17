"""`latentlabels mistakes`: known labels that may be wrong, judged by fits that have not seen their images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..progress import Phase, Plan, following, phase
from ..words import count, percent
from . import options
from .label_options import TABLES, reads_labels
from .output import Debug, Json, Output, RunFolder, UsageError, table

if TYPE_CHECKING:
    from rich.console import Console

    from ..estimator import LatentLabels
    from ..estimator.cross_fitting import CrossFit
    from ..review import Mistakes

_SHOWN = 12
_PLAN = Plan({Phase.READING: 1.0, Phase.TRAINING: 2.0, Phase.EVALUATION: 2.0, Phase.REPORT: 8.0})


@reads_labels(*TABLES)
def mistakes(
    reading: dict[str, Any],
    run: RunFolder,
    images: options.Inputs = None,
    observed: Annotated[
        Path | None,
        typer.Option(
            "--observed", metavar="TABLE", help="A table of the images' known labels, if their folders do not name them."
        ),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            "--folds",
            min=2,
            metavar="N",
            help="How many parts the images are split into; each is judged by a fit to the others.",
        ),
    ] = 2,
    at_least: Annotated[
        float,
        typer.Option(
            "--at-least", min=0.0, max=1.0, metavar="P", help="List labels that are wrong with at least this probability."
        ),
    ] = 0.01,
    output_file: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="The table to write, .csv or .tsv. Default: mistakes.csv in RUN."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Find known labels that may be wrong.

    For example: latentlabels mistakes runs/photos -o mistakes.csv

    It splits the images into parts, fits the run's settings to all parts but one, and judges the known labels of the part
    that is left out. Each known label gets the probability that it is wrong, and what is probable instead. The run keeps the
    result, and its report shows it. Without --images, the run's training data are used. With a frozen encoder it takes seconds.
    """
    with Output(as_json) as output:
        target = _target(output_file, run)
        from ..report import write_report
        from ..report.mistakes import keep
        from ..review import write_table
        from ..review.mistakes import mistakes_of
        from .sources import load_run

        with following(_PLAN):
            model = load_run(run)
            crossed = _crossed(model, run, images, observed, reading, folds)
            with phase(Phase.EVALUATION, "judging known labels"):
                found = mistakes_of(crossed, at_least)
            with phase(Phase.REPORT, "writing the report"):
                keep(run, found, crossed.inputs)
                write_table(target, found)
                report = write_report(run)
        document = _document(found) | {"run": run, "table": target, "report": report}
        output.emit(document, lambda console: _show(console, found, target, report))


def _target(path: Path | None, run: Path) -> Path:
    if path is None:
        return run / "mistakes.csv"
    if path.suffix.lower() not in (".csv", ".tsv"):
        raise UsageError(f'-o {path}: unknown file ending "{path.suffix}"; give a name that ends in .csv or .tsv')
    if not path.parent.is_dir():
        raise UsageError(f"-o {path}: folder {path.parent} not found; create it first")
    return path


def _crossed(
    model: LatentLabels, run: Path, images: Path | None, observed: Path | None, reading: dict[str, Any], folds: int
) -> CrossFit:
    """Predictions of the images that were given, or of the run's own, by fits that have not seen them."""
    from ..review.mistakes import predicted
    from .configs import config_of, read_training
    from .sources import check_kind, read_labels

    if images is None and observed is None:
        config = config_of(run, None, None, reading, None)
        return predicted(model, read_training(config), folds=folds)
    if images is None:
        raise UsageError("--observed needs the images of its rows; add --images DIR, or --embeddings FILE")
    from ..kind import Kind
    from ..observed import Tree

    check_kind(model, str(images))
    known = None
    if observed is not None or model.kind is Kind.EMBEDDINGS:
        known = read_labels(model, observed, images, reading, False, "observed", Tree())
    elif not images.is_dir():
        raise UsageError(f"{images}: folder not found; give a folder of images with one folder for each label")
    return predicted(model, images, known, folds=folds)


def _document(found: Mistakes) -> dict[str, Any]:
    rate, low, high = found.rate
    return {
        "expected": found.expected,
        "low": found.low,
        "high": found.high,
        "rate": {"estimate": rate, "low": low, "high": high},
        "sharpness": found.sharpness,
        "num_known": found.num_known,
        "num_judged": found.num_judged,
        "folds": found.folds,
        "mistakes": [one._asdict() for one in found.rows],
    }


def _show(console: Console, found: Mistakes, target: Path, report: Path) -> None:
    from ..report.mistakes import summary
    from ..review.storing import table_rows

    console.print(summary(found))
    rows = [
        (image, label, known, percent(one.probability), instead, percent(one.instead_probability))
        for one, (image, label, known, _, instead, _) in zip(found.rows[:_SHOWN], table_rows(found.rows[:_SHOWN]), strict=True)
    ]
    if rows:
        columns = ("image", "label", "known to be", "wrong", "instead", "probability")
        console.print()
        console.print(table(columns, rows, numeric=("wrong", "probability"), title="most probably wrong"))
    console.print(f"\n{count(len(found.rows), 'row')}: {target}, with pictures: {report}")
