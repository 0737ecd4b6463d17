"""`latentlabels evaluate`: a run's probabilities against complete labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import DataError
from ..writing import clear_leftovers, write_json
from . import options
from .inputs import Inputs, answered, labelled_inputs, load_run, on_images
from .output import Debug, Json, Output, RunFolder, Strict, UsageError, count, number, percent, plain, show_facts, table
from .sources import report_unnamed

if TYPE_CHECKING:
    from rich.console import Console

    from ..estimator import LatentLabels
    from ..metrics import Metrics
    from ..observed import Observed

_SHOWN = 8


def evaluate(
    run: RunFolder,
    images: options.Inputs = None,
    truth: Annotated[
        Path | None,
        typer.Option("--truth", metavar="TABLE", help="Complete labels: image, and a column of 1 or 0 for each label."),
    ] = None,
    unlisted: options.Unlisted = None,
    strict: Strict = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure a run on images of which all labels are known.

    For example: latentlabels evaluate runs/photos --images val/images --truth val/truth.csv

    Writes evaluation.json into the run folder, and the figures into its report.html. An .npz with an array `truth`
    needs no --truth.
    """
    with Output(as_json) as output:
        if images is None and truth is None:
            raise UsageError("nothing to measure on; give --images DIR and --truth TABLE, or --embeddings FILE")
        model = load_run(run)
        inputs, known = labelled_inputs(model, truth, images, unlisted, strict, "truth")
        _check_complete(known, truth or images, unlisted)
        if on_images(model) and images is not None and truth is not None:
            report_unnamed(images, known, truth)
        metrics, rows = _measure(model, inputs, known)
        done = set(rows)
        skipped = [name for row, name in enumerate(inputs.names) if row not in done]
        document = {"run": run, "images": images, "truth": truth, "unreadable": skipped, **metrics.to_dict()}
        clear_leftovers(run)
        write_json(run / "evaluation.json", plain(document))
        _report(run, model, inputs, known, rows)
        output.emit(document, lambda console: _show(console, metrics, run))


def _check_complete(known: Observed, source: Path | None, unlisted: str | None) -> None:
    import numpy as np

    unknown = np.argwhere(known.values == -1)
    if not len(unknown):
        return
    row, column = (int(at) for at in unknown[0])
    name = known.images[row] if known.images is not None else f"row {row}"
    never = (known.values == -1).all(0)
    hint = "evaluation needs every label of every image, 1 or 0"
    if never.any():
        lacking = [label for label, missing in zip(known.space.labels, never, strict=True) if missing]
        named = f'"{lacking[0]}"' + ", ..." * (len(lacking) > 1)
        hint = f"it says nothing at all of {count(len(lacking), 'label')} ({named}); {hint}"
    if unlisted != "absent":
        hint += "; if what the table leaves open is absent, say --unlisted absent"
    raise DataError(
        f'{source}: not complete: {name}: label "{known.space.labels[column]}" is unknown ({len(unknown):,} unknown entries of '
        f"{len(np.unique(unknown[:, 0])):,} images); {hint}"
    )


def _measure(model: LatentLabels, inputs: Inputs, known: Observed) -> tuple[Metrics, list[int]]:
    posterior = model.posterior(inputs.values)
    rows = answered(inputs, posterior)
    metrics = posterior.evaluate(known.values[rows], model.space)
    return metrics, rows.tolist()


def _report(run: Path, model: LatentLabels, inputs: Inputs, known: Observed, rows: list[int]) -> None:
    from ..report import write_report
    from ..report.findings import EVALUATED, find

    values = [inputs.values[row] for row in rows] if isinstance(inputs.values, list) else inputs.values
    find(model, values, truth=known.values[rows]).write(run / EVALUATED)
    write_report(run)


def _show(console: Console, metrics: Metrics, run: Path) -> None:
    nll = number(metrics.nll, 2)
    if metrics.num_impossible:
        nll += f" ({count(metrics.num_impossible, 'image')} whose labels the run calls impossible)"
    rows: list[tuple[str, str]] = [
        ("images", f"{metrics.num_images:,}"),
        ("mAP", f"{percent(metrics.map)} (ranking; mean over the labels that some image shows)"),
        ("negative log-likelihood", f"{nll} per image (whole label sets; lower is better)"),
        ("Brier score", number(metrics.brier, 4)),
        ("calibration error", percent(metrics.calibration_error)),
        ("F1 at 0.5", f"{percent(metrics.f1)} (mean over labels {percent(metrics.macro_f1)})"),
        ("count error", f"{number(metrics.count_error, 2)} labels per image"),
    ]
    if metrics.group_accuracy is not None:
        rows.append(("which groups apply", f"right for {percent(metrics.group_accuracy)}"))
    if metrics.num_labels_without_positive:
        rows.append(("shown by no image", count(metrics.num_labels_without_positive, "label")))
    show_facts(console, rows)
    ranked: list[tuple[float, str]] = sorted(
        ((value, label) for label, value in metrics.per_label_ap.items() if value is not None), reverse=True
    )
    if len(ranked) <= 2 * _SHOWN:
        title, shown = "average precision by label", ranked
    else:
        title = f"average precision: the best and the worst {_SHOWN} of {len(ranked)} labels"
        shown = [*ranked[:_SHOWN], *ranked[-_SHOWN:]]
    console.print()
    console.print(table(("label", "AP"), [(label, percent(value)) for value, label in shown], numeric=("AP",), title=title))
    console.print(f"\nall figures: {run / 'evaluation.json'}, {run / 'report.html'}")
