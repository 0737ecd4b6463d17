"""`latentlabels evaluate`: a run's probabilities against complete labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import DataError
from ..progress import Phase, Plan, following, phase
from ..words import NONE, count, percent_of, quoted
from ..writing import clear_leftovers, write_json
from . import options
from .label_options import TABLES, reads_labels
from .output import Debug, Json, Output, RunFolder, Strict, UsageError, plain, show_verdict, table
from .sources import load_run, read_labels, stream_labelled
from .streaming import about

if TYPE_CHECKING:
    from rich.console import Console

    from ..decisions import ScoredDecisions
    from ..estimator import LatentLabels
    from ..inputs import InputStream
    from ..metrics import Metrics
    from ..observed import Observed
    from .measuring import Measured

_SHOWN = 8
_PLAN = Plan({Phase.READING: 1.0, Phase.EVALUATION: 1.0, Phase.REPORT: 8.0})
_SAID_BELOW = ("num_impossible", "num_labels_without_positive")


@reads_labels(*TABLES)
def evaluate(
    reading: dict[str, Any],
    run: RunFolder,
    images: options.Inputs = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            "--truth",
            metavar="TABLE",
            help="A table of complete labels: a column `image`, and a column of 1 or 0 for each label.",
        ),
    ] = None,
    full: Annotated[
        Path | None,
        typer.Option(
            "--full-labels",
            metavar="RUN",
            help="A run of the objective full-labels that was evaluated on the same images. The verdict says how much of its "
            "gain this run reaches.",
        ),
    ] = None,
    resume: options.Resume = False,
    strict: Strict = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure a run on images with complete labels.

    For example: latentlabels evaluate runs/photos --images val/images --truth val/truth.csv

    It writes evaluation.json into the run folder and adds the figures to its report.html. For an .npz with an array `truth`,
    leave out --truth. If the command is interrupted, run it again to continue.
    """
    from ..checks import verdict_of
    from ..checks.prevalence_baseline import evaluation_document
    from ..observed import Tree
    from .measuring import measure

    with Output(as_json) as output:
        if images is None and truth is None:
            raise UsageError("no data to evaluate on; give --images DIR and --truth TABLE, or --embeddings FILE")
        full_labels = None if full is None else _full_labels(full)
        with following(_PLAN):
            with phase(Phase.READING, "reading the labels"):
                model = load_run(run)
                tree = Tree()
                known = read_labels(model, truth, images, reading, strict, "truth", tree)
                assert images is not None  # read_labels has seen to it
                _check_complete(known, truth or images, reading.get("unlisted"))
                stream = stream_labelled(model, images, known, strict, "truth", tree)
            measured = measure(run, model, stream, about(run, stream, "evaluate by label"), resume, output)
            found = evaluation_document(measured.metrics, model.diagnostics_, model.space_, measured.truth)
            found |= _decided(measured.decided) | {"known_labels_mistaken": measured.mistaken}
            if full is not None and full_labels is not None:
                found["full_labels"] = _beside(full, full_labels, found)
            found["verdict"] = verdict_of(model.diagnostics_, plain(found), model.history_).to_dict()
            document = {"run": run, "images": images, "truth": truth, "unreadable": measured.unreadable, **found}
            clear_leftovers(run)
            write_json(run / "evaluation.json", plain(document))
            _report(run, model, stream, measured)
            measured.part.discard()
        output.emit(document, lambda console: _show(console, measured.metrics, found, run))


def _full_labels(run: Path) -> dict[str, Any]:
    """What was measured of a fit on complete labels.

    Raises:
        UsageError: another objective, or a run that was not evaluated.
    """
    from ..fitting.run_folder import read_run

    where = f"--full-labels {run}"
    objective = (read_run(run).config.get("model") or {}).get("objective")
    if objective != "full-labels":
        raise UsageError(f'{where}: its objective is "{objective}"; give a run of the objective full-labels')
    try:
        stored = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
        _measured_on(stored)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        again = f"run latentlabels evaluate {quoted(run)} on the same images first"
        raise UsageError(f"{where}: not evaluated yet; {again}") from error
    return dict(stored)


def _measured_on(document: dict[str, Any]) -> tuple[int, dict[str, int]]:
    """By what two evaluations are of the same images: their number, and of each label how many show it."""
    return document["num_images"], {label: one["support"] for label, one in document["per_label"].items()}


def _beside(run: Path, stored: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Figures of a fit on complete labels, beside the same prediction that never looks at an image.

    Raises:
        UsageError: it was evaluated on other images.
    """
    from ..checks.prevalence_baseline import skill_figures

    if _measured_on(stored) != _measured_on(found):
        again = f"run latentlabels evaluate {quoted(run)} on the same images first"
        raise UsageError(f"--full-labels {run}: evaluated on other images; {again}")
    figures = {key: stored.get(key) for key in ("map", "nll", "brier", "macro_f1")}
    return {"run": run, **figures, **skill_figures(figures, found["without_image"])}


def _decided(found: ScoredDecisions) -> dict[str, Any]:
    """Figures of decisions, for the document."""
    return {
        "f1_at_thresholds": found.f1,
        "f1_best": found.best_f1,
        "best_threshold": found.best_threshold,
        "thresholds_for": str(found.thresholds.aim),
        "thresholds_from": str(found.thresholds.source),
    }


def _check_complete(known: Observed, source: Path | None, unlisted: str | None) -> None:
    num_unknown = known.space.num_labels - known.num_known
    rows = num_unknown.nonzero()[0]
    if not len(rows):
        return
    row = int(rows[0])
    column = int((known.known.rows([row])[0] == -1).argmax())
    name = known.images[row] if known.images is not None else f"row {row}"
    lacking = [label for label, counts in known.counts().items() if not sum(counts)]
    hint = "evaluation needs 1 or 0 for every label of every image"
    if lacking:
        named = f'"{lacking[0]}"' + ", ..." * (len(lacking) > 1)
        hint = f"the table has no values for {count(len(lacking), 'label')} ({named}); {hint}"
    if unlisted != "absent":
        hint += "; if labels that the table does not mention are absent, give --unlisted absent"
    raise DataError(
        f'{source}: not complete: {name}: label "{known.space.labels[column]}" is unknown '
        f"({int(num_unknown.sum()):,} unknown entries of {len(rows):,} images); {hint}"
    )


def _report(run: Path, model: LatentLabels, stream: InputStream, measured: Measured) -> None:
    from ..report import write_report
    from ..report.prediction_summary import find, looked_at
    from ..report.stored_predictions import EVALUATED

    rows = measured.rows[looked_at(len(measured.rows))]
    inputs = stream.block(rows).inputs
    assert inputs.observed is not None
    find(model, inputs.labelled(None, inputs.observed.values), total=len(stream)).write(run / EVALUATED)
    with phase(Phase.REPORT, "writing the report"):
        write_report(run)


def _show(console: Console, metrics: Metrics, found: dict[str, Any], run: Path) -> None:
    from ..checks.measures import MEASURES

    size, plain_ = metrics.num_images, found["without_image"]
    columns = ("metric", "this run", *(("without the image",) if plain_ else ()), "meaning")
    rows = [
        (one.name, *(one.style.said(one.of(given), size) for given in (found, plain_) if given), one.explained)
        for one in MEASURES
        if found.get(one.key) is not None and one.key not in _SAID_BELOW
    ]
    console.print(table(columns, rows, numeric=columns[1:-1], title=f"measured on {count(size, 'image')} with complete labels"))
    console.print(f"\nThe run's thresholds are for {found['thresholds_for']}, found from {found['thresholds_from']}.")
    if plain_:
        console.print('\n"Without the image": each label\'s prevalence, predicted for every image.')
    if metrics.num_impossible:
        console.print(f"The run calls the true labels of {count(metrics.num_impossible, 'image')} impossible.")
    if metrics.num_labels_without_positive:
        console.print(f"No image shows {count(metrics.num_labels_without_positive, 'label')}; the means leave them out.")
    _show_labels(console, metrics)
    _show_confusion(console, metrics)
    show_verdict(console, found["verdict"])
    console.print(f"\nall figures: {run / 'evaluation.json'}, {run / 'report.html'}")


def _show_labels(console: Console, metrics: Metrics) -> None:
    """The figures of each label, by average precision."""
    size = metrics.num_images
    measured = [(one.average_precision, label) for label, one in metrics.per_label.items() if one.average_precision is not None]
    ranked = sorted(measured, reverse=True)
    title, shown = "average precision and others by label", ranked
    if len(ranked) > 2 * _SHOWN:
        title = f"average precision: the best and worst {_SHOWN} of {len(ranked)} labels"
        shown = [*ranked[:_SHOWN], *ranked[-_SHOWN:]]
    rows = []
    for value, label in shown:
        one = metrics.per_label[label]
        figures = (value, one.support / size, one.precision, one.recall, one.calibration_error)
        rows.append((label, f"{one.support:,}", *(NONE if share is None else percent_of(share, size) for share in figures)))
    columns = ("label", "support", "AP", "by chance", "precision", "recall", "calibration")
    console.print()
    console.print(table(columns, rows, numeric=columns[1:], title=title))


def _show_confusion(console: Console, metrics: Metrics) -> None:
    """The most frequent confusions within groups."""
    none = "none of them"
    found = [
        (number, group, true or none, said or none)
        for group, cells in metrics.confusion.items()
        for true, said, number in cells
        if true != said
    ]
    if not found:
        return
    rows = [(group, true, said, f"{number:,}") for number, group, true, said in sorted(found, reverse=True)[:_SHOWN]]
    columns = ("group", "shown", "called", "images")
    console.print()
    console.print(table(columns, rows, numeric=columns[3:], title="most frequent confusions within a group"))
