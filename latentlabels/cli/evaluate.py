"""`latentlabels evaluate`: a run's probabilities against complete labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import DataError
from . import options
from .output import Debug, Json, Output, RunFolder, Strict, UsageError, count, number, percent, plain, show_facts, table
from .sources import load_run, read_labelled, read_labels, unreadable_names

if TYPE_CHECKING:
    from rich.console import Console

    from ..estimator import LatentLabels
    from ..inputs import Inputs
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
        known = read_labels(model, truth, images, unlisted, strict, "truth")
        assert images is not None  # read_labels has seen to it
        _check_complete(known, truth or images, unlisted)
        inputs = read_labelled(model, images, known, strict)
        assert inputs.observed is not None
        complete = inputs.observed.values
        metrics = model.posterior(inputs).evaluate(complete, model.space_)
        skipped = unreadable_names(inputs, known)
        document = {"run": run, "images": images, "truth": truth, "unreadable": skipped, **metrics.to_dict()}
        (run / "evaluation.json").write_text(json.dumps(plain(document), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        _report(run, model, inputs.labelled(None, complete))
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


def _report(run: Path, model: LatentLabels, inputs: Inputs) -> None:
    from ..report import write_report
    from ..report.findings import EVALUATED, find

    find(model, inputs).write(run / EVALUATED)
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
