"""`latentlabels report`: rebuild the report of a run, or report on new images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..words import count
from .label_options import TABLES, reads_labels
from .output import Debug, Json, Output, RunFolder, Strict, UsageError
from .sources import load_run, read_asked, read_labelled, read_labels

if TYPE_CHECKING:
    from ..estimator import LatentLabels
    from ..space import LabelSpace


@reads_labels(*TABLES)
def report(
    reading: dict[str, Any],
    run: RunFolder,
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
    strict: Strict = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Rebuild a run's report, or report on new images.

    For example: latentlabels report runs/photos
    """
    with Output(as_json) as output:
        from ..kind import Kind
        from ..report import write_report
        from ..report.pictures import add_pictures

        if images is None and observed is not None:
            raise UsageError("--observed needs the folder of its images; add --images DIR")
        if not run.is_dir():
            what = "is a file, not a run folder" if run.exists() else "run folder not found"
            raise UsageError(f"{run}: {what}; create one with `latentlabels fit ... --out RUN`")
        looked = pictured = None
        if images is not None:
            model = load_run(run)
            if model.kind is Kind.EMBEDDINGS and images.is_dir():
                if observed is not None:
                    raise UsageError(f"--observed needs embeddings, and {images} is a folder of pictures; leave it out")
                pictured = add_pictures(run, images)
            else:
                looked = _look(run, model, images, observed, reading, strict)
        path = write_report(run)
        document = {
            "run": run, "report": path, "num_images": looked, "num_pictures": pictured, "size": path.stat().st_size
        }  # fmt: skip
        what = "" if looked is None else f", with predictions on {count(looked, 'image')}"
        what += "" if pictured is None else f", with {count(pictured, 'picture')}"
        output.emit(document, lambda console: console.print(f"{path}{what}"))


def _look(run: Path, model: LatentLabels, images: Path, table: Path | None, reading: dict[str, Any], strict: bool) -> int:
    """Write the findings of these images; returns how many were looked at."""
    from ..inputs.embeddings import is_embeddings, load_embeddings
    from ..kind import Kind
    from ..observed import Observed, Tree
    from ..report.stored_predictions import FITTED, find

    known: Observed | None = None
    embeddings = model.kind is Kind.EMBEDDINGS and is_embeddings(images) and images.exists()
    if table is not None or (embeddings and load_embeddings(images).has("observed")):
        known = read_labels(model, table, images, reading, strict, "observed", Tree())
    elif model.kind is Kind.IMAGES and _is_image_folder(images, model.space_):
        known = Observed.from_folder(images, model.space_, merge=not model.annotation_.one_positive)  # as for `fit`
    inputs = read_asked(model, [str(images)], strict) if known is None else read_labelled(model, images, known, strict)
    found = find(model, inputs, source=str(images))
    found.write(run / FITTED)
    return int(found.num_images[0])


def _is_image_folder(root: Path, space: LabelSpace) -> bool:
    """Whether there are images, and every one lies in a folder that is called like one of the run's labels."""
    from ..observed import find_images
    from ..observed.names import KnownNames

    folders = {file.parent for file in find_images(root)} if root.is_dir() else set()
    labels = KnownNames(space.labels)
    return bool(folders) and all(folder != root and labels.find(folder.name) is not None for folder in folders)
