"""`latentlabels calibrate`: a run's probabilities, thresholds and sets by completely labelled images."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import DataWarning
from ..progress import Phase, Plan, following, phase
from ..words import count, listed, number, percent, shown
from . import options
from .label_options import TABLES, reads_labels
from .output import Debug, Json, Output, RunFolder, Strict, UsageError, show_facts, table
from .sources import images_of_run, load_run, read_labelled, read_labels

if TYPE_CHECKING:
    from rich.console import Console

    from ..decisions import Calibration, Thresholds
    from ..estimator import LatentLabels
    from ..space import LabelSpace

_MOVED = 5
_PLAN = Plan({Phase.READING: 1.0, Phase.EVALUATION: 2.0})
_SHOWN = 12
_FIGURES = {"precision": "precision", "recall": "recall"}
_STALE = ("evaluation.json", "report.html")


@reads_labels(*TABLES)
def calibrate(
    reading: dict[str, Any],
    run: RunFolder,
    complete: Annotated[
        Path | None,
        typer.Option(
            "--complete",
            metavar="TABLE",
            help="A table of complete labels: a column `image`, and a column of 1 or 0 for each label. Images with an unknown "
            "label are left out.",
        ),
    ] = None,
    images: options.Inputs = None,
    aim: Annotated[
        str | None,
        typer.Option(
            "--aim",
            metavar="AIM",
            help="What the thresholds maximise or reach: f1 (all labels together), macro-f1 (each label), precision=0.9 "
            "or recall=0.9. Default: as before.",
        ),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            "--thresholds-by",
            metavar="posterior|images",
            help="Find thresholds from the calibrated posterior of the fit's own images, or from the complete images.",
        ),
    ] = "posterior",
    strict: Strict = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Calibrate a run by completely labelled images, in seconds.

    For example: latentlabels calibrate runs/photos --complete complete.csv --images photos/

    It finds a temperature, a bias for each label, thresholds for hard labels, and what label sets with a guarantee need. If
    this does not improve the prediction of images that were left out, probabilities stay as they are. Calibrating again starts
    from the fit. Give images that the fit did not use. Without --images, they are looked for in the folder of the run's
    training images. For an .npz with an array `truth`, leave out --complete.
    """
    from ..fitting.run_folder import write_decisions
    from ..observed import Tree

    with Output(as_json) as output:
        if by not in ("posterior", "images"):
            raise UsageError(f'--thresholds-by {by}: expected "posterior" or "images"')
        model = load_run(run)
        where = images if images is not None else images_of_run(run)
        _check_given(model, complete, where)
        assert where is not None
        tree, option = Tree(), "truth" if complete is None else "complete"
        with following(_PLAN):
            with phase(Phase.READING, "reading the images"):
                known = read_labels(model, complete, where, reading, strict, option, tree)
                inputs = read_labelled(model, where, known, strict)
            with phase(Phase.EVALUATION, "calibrating"):
                model.calibrate(inputs, aim=aim, by=by)  # type: ignore[arg-type]
        write_decisions(run, model.decisions_)
        _warn(run, where, images is None)
        found, thresholds = model.decisions_.calibration, model.decisions_.thresholds
        assert found is not None
        document = _document(run, model.space_, model.model.amortizer.space, found, thresholds)
        output.emit(document, lambda console: _show(console, document, found, thresholds))


def _check_given(model: LatentLabels, complete: Path | None, where: Path | None) -> None:
    from ..inputs.embeddings import load_embeddings
    from ..kind import Kind

    if complete is not None:
        return
    if where is None or model.kind is Kind.IMAGES:
        raise UsageError("no complete labels; give --complete TABLE, or --embeddings FILE with an array `truth`")
    if where.exists() and not load_embeddings(where).has("truth"):
        raise UsageError(f"{where}: has no array `truth`; give --complete TABLE")


def _warn(run: Path, where: Path, assumed: bool) -> None:
    """Of what a user might not think of."""
    trained = images_of_run(run)
    if assumed or (trained is not None and trained.resolve() == where.resolve()):
        warnings.warn(
            f"{where}: the fit used images from there, too, so calibration corrects too little and label sets may miss their "
            "guarantee; give images that the fit did not use",
            DataWarning,
            stacklevel=2,
        )
    stale = [name for name in _STALE if (run / name).exists()]
    if stale:
        warnings.warn(
            f"{listed([str(run / name) for name in stale])}: made before this calibration; `latentlabels evaluate` and "
            "`latentlabels report --images` make them again",
            DataWarning,
            stacklevel=2,
        )


def _document(
    run: Path, space: LabelSpace, predicted: LabelSpace, found: Calibration, thresholds: Thresholds
) -> dict[str, Any]:
    names = logit_names(predicted)
    labels = space.labels
    return {
        "run": run,
        "num_images": found.num_images,
        "changed": found.changes,
        "nll_before": found.before,
        "nll_after": found.after,
        "nll_gain": found.before - found.after,
        "nll_gain_error": found.error,
        "temperature": found.temperature,
        "bias": dict(zip(names, found.bias.tolist(), strict=True)),
        "width": found.width,
        "labels_that_no_image_shows": [labels[column] for column in found.unseen],
        "thresholds": dict(zip(labels, thresholds.values.tolist(), strict=True)),
        "aim": str(thresholds.aim),
        "thresholds_from": str(thresholds.source),
        "expected": dict(zip(labels, thresholds.expected.tolist(), strict=True)),
        "expected_overall": thresholds.overall,
        "thresholds_of_posterior": [labels[column] for column in thresholds.borrowed],
    }


def logit_names(space: LabelSpace) -> list[str]:
    """What each logit (L,) of a space stands for: a label, or "none of GROUP"."""
    out: list[str] = []
    for group in space.groups:
        out += group.labels
        out += [f"none of {group.name}"] * (group.num_logits - len(group.labels))
    return out


def _show(console: Console, document: dict[str, Any], found: Calibration, thresholds: Thresholds) -> None:
    gain, error = document["nll_gain"], found.error
    facts = [
        ("complete images", f"{found.num_images:,}"),
        (
            "negative log-likelihood",
            f"{number(found.before)} before, {number(found.after)} after, on images left out "
            f"({'lower' if gain >= 0 else 'higher'} by {abs(gain):.3f} ± {error:.3f} nats per image)",
        ),
    ]
    if found.changes:
        moved = sorted(document["bias"].items(), key=lambda pair: -abs(pair[1]))[:_MOVED]
        facts += [
            ("temperature", f"{found.temperature:.3g}"),
            ("logits moved most", ", ".join(f"{shown(name)} {value:+.2f}" for name, value in moved)),
        ]
    else:
        facts.append(("probabilities", "stay as they are, since images left out gain nothing that is clearly above chance"))
    if document["labels_that_no_image_shows"]:
        names = document["labels_that_no_image_shows"]
        facts.append(("in no complete image", f"{count(len(names), 'label')}: {listed([shown(name) for name in names])}"))
    figure = _FIGURES.get(thresholds.aim.kind, "F1")
    facts.append(("thresholds", f"for {thresholds.aim}, found from {thresholds.source}"))
    if thresholds.overall == thresholds.overall:
        facts.append((f"expected {figure}", percent(thresholds.overall, 1)))
    show_facts(console, facts)
    values = list(document["thresholds"].items())
    if len({value for _, value in values}) == 1:
        console.print(f"\none threshold for all labels: {values[0][1]:.3f}")
        return
    rows = [
        (name, "never" if value > 1 else f"{value:.3f}", _share(document["expected"][name])) for name, value in values[:_SHOWN]
    ]
    console.print()
    console.print(table(("label", "threshold", f"expected {figure}"), rows, numeric=("threshold", f"expected {figure}")))
    if len(values) > _SHOWN:
        console.print(f"... and {count(len(values) - _SHOWN, 'more label')}; --json has all of them")


def _share(value: float) -> str:
    return "" if value != value else percent(value, 0)
