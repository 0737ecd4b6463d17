"""`latentlabels report`: rebuild the report of a run, report on new images, or compare two runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..progress import Phase, Plan, following, phase
from ..words import count, listed, percent
from .label_options import TABLES, reads_labels
from .output import Debug, Json, Output, RunFolder, Strict, UsageError, table
from .sources import load_run, read_asked, read_labelled, read_labels

if TYPE_CHECKING:
    from rich.console import Console

    from ..estimator import LatentLabels
    from ..inputs import Inputs
    from ..report import Comparison
    from ..space import LabelSpace


_PLAN = Plan({Phase.READING: 1.0, Phase.EVALUATION: 1.0, Phase.REPORT: 8.0})


@reads_labels(*TABLES)
def report(
    reading: dict[str, Any],
    run: RunFolder,
    other: Annotated[
        Path | None, typer.Argument(metavar="[OTHER]", help="Another run, to compare the first one with.", show_default=False)
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            "--embeddings",
            metavar="DIR|FILE",
            help="Report on these images: a folder, with or without a folder for each label. For a run on embeddings, an "
            ".npz or .npy; or a folder of pictures to show, found by the names of the run's images.",
        ),
    ] = None,
    observed: Annotated[
        Path | None,
        typer.Option(
            "--observed", metavar="TABLE", help="A table of known labels of these images, if their folders do not name them."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="The file of the comparison. Default: comparison.html in RUN."),
    ] = None,
    strict: Strict = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Rebuild a run's report, report on new images, or compare two runs.

    For example: latentlabels report runs/photos, or latentlabels report runs/photos runs/more-labels
    """
    with Output(as_json) as output:
        from ..kind import Kind
        from ..report import write_report
        from ..report.pictures import add_pictures

        if other is not None:
            if images is not None or observed is not None:
                raise UsageError("--images and --observed are for the report of one run; leave them out to compare two")
            _compare(run, other, out or run / "comparison.html", output)
            return
        if out is not None:
            raise UsageError("--out is for the comparison of two runs; the report of one run goes into its folder")
        if images is None and observed is not None:
            raise UsageError("--observed needs the folder of its images; add --images DIR")
        _check_folder(run)
        looked = pictured = None
        with following(_PLAN):
            if images is not None:
                model = load_run(run)
                if model.kind is Kind.EMBEDDINGS and images.is_dir():
                    if observed is not None:
                        raise UsageError(f"--observed needs embeddings, and {images} is a folder of pictures; leave it out")
                    with phase(Phase.READING, "finding the pictures"):
                        pictured = add_pictures(run, images)
                else:
                    looked = _look(run, model, images, observed, reading, strict)
            with phase(Phase.REPORT, "writing the report"):
                path = write_report(run)
        document = {
            "run": run, "report": path, "num_images": looked, "num_pictures": pictured, "size": path.stat().st_size
        }  # fmt: skip
        what = "" if looked is None else f", with predictions on {count(looked, 'image')}"
        what += "" if pictured is None else f", with {count(pictured, 'picture')}"
        output.emit(document, lambda console: console.print(f"{path}{what}"))


def _check_folder(run: Path) -> None:
    if not run.is_dir():
        what = "is a file, not a run folder" if run.exists() else "run folder not found"
        raise UsageError(f"{run}: {what}; create one with `latentlabels fit ... --out RUN`")


def _compare(run: Path, other: Path, out: Path, output: Output) -> None:
    """Write the comparison of two runs, and say what is most important."""
    from ..report import compare, write_comparison

    for folder in (run, other):
        _check_folder(folder)
    found = compare(run, other)
    out.parent.mkdir(parents=True, exist_ok=True)
    path = write_comparison(found, out)
    document = {"runs": [run, other], "report": path, **found.to_dict()}
    output.emit(document, lambda console: _show(console, found, path))


def _show(console: Console, found: Comparison, path: Path) -> None:
    rows = [(one.name, *one.said, one.better_of(found.names)) for one in found.figures]
    console.print(table(("figure", *found.names, "better"), rows, numeric=found.names))
    for name, verdict in zip(found.names, found.verdicts, strict=True):
        console.print(f"\n{name}: {verdict.sentence}")
    console.print(f"\ndiffers: {listed([key for key, _, _ in found.differs], 12) or 'nothing in the settings'}")
    clear = [one for one in found.changes if one.is_clear]
    lost, gained = [one for one in clear if one.gain < 0], [one for one in clear if one.gain > 0][::-1]
    for what, chosen in (("loses", lost), ("gains", gained)):
        if chosen:
            named = [f"{one.label} {percent(one.values[0])} to {percent(one.values[1])}" for one in chosen]
            console.print(f"{found.names[1]} {what}, by {found.measured_by}: {listed(named, 5)}")
    if found.caution:
        console.print(f"\n{found.caution}")
    console.print(f"\n{path}")


def _look(run: Path, model: LatentLabels, images: Path, table: Path | None, reading: dict[str, Any], strict: bool) -> int:
    """Write the findings of these images; returns how many were looked at."""
    from ..report.prediction_summary import find
    from ..report.stored_predictions import FITTED

    with phase(Phase.READING, "reading the images"):
        inputs = _read(model, images, table, reading, strict)
    with phase(Phase.EVALUATION, "predicting"):
        found = find(model, inputs, source=str(images))
    found.write(run / FITTED)
    return int(found.num_images[0])


def _read(model: LatentLabels, images: Path, table: Path | None, reading: dict[str, Any], strict: bool) -> Inputs:
    """The images, with what is known of them."""
    from ..inputs.embeddings import is_embeddings, load_embeddings
    from ..kind import Kind
    from ..observed import Observed, Tree

    known: Observed | None = None
    embeddings = model.kind is Kind.EMBEDDINGS and is_embeddings(images) and images.exists()
    if table is not None or (embeddings and load_embeddings(images).has("observed")):
        known = read_labels(model, table, images, reading, strict, "observed", Tree())
    elif model.kind is Kind.IMAGES and _is_image_folder(images, model.space_):
        known = Observed.from_folder(images, model.space_, merge=not model.annotation_.one_positive)  # as for `fit`
    return read_asked(model, [str(images)], strict) if known is None else read_labelled(model, images, known, strict)


def _is_image_folder(root: Path, space: LabelSpace) -> bool:
    """Whether there are images, and every one lies in a folder that is called like one of the run's labels."""
    from ..observed import find_images
    from ..observed.names import KnownNames

    folders = {file.parent for file in find_images(root)} if root.is_dir() else set()
    labels = KnownNames(space.labels)
    return bool(folders) and all(folder != root and labels.find(folder.name) is not None for folder in folders)
