"""`latentlabels report`: rebuild the report of a run, or report on new images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..words import count
from . import options
from .inputs import holds, labelled_inputs, load_run, on_images, read_inputs
from .output import Debug, Json, Output, RunFolder, Strict, UsageError

if TYPE_CHECKING:
    from ..space import LabelSpace


def report(
    run: RunFolder,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            "--embeddings",
            metavar="DIR|FILE",
            help="Report on these images: a folder, with a folder for each label or not; for embeddings, an .npz or .npy.",
        ),
    ] = None,
    observed: Annotated[
        Path | None,
        typer.Option("--observed", metavar="TABLE", help="Known labels of these images, if their folders do not give them."),
    ] = None,
    unlisted: options.Unlisted = None,
    strict: Strict = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Rebuild a run's report, or report on new images.

    For example: latentlabels report runs/photos
    """
    with Output(as_json) as output:
        from ..report import write_report

        if images is None and observed is not None:
            raise UsageError("--observed needs the images that it describes; add --images DIR")
        if not run.is_dir():
            what = "a file, not a run folder" if run.exists() else "no such run folder"
            raise UsageError(f"{run}: {what}; `latentlabels fit ... --out RUN` writes one")
        looked = None
        if images is not None:
            looked = _look(run, images, observed, unlisted, strict)
        path = write_report(run)
        document = {"run": run, "report": path, "num_images": looked, "size": path.stat().st_size}
        what = "" if looked is None else f", with predictions on {count(looked, 'image')}"
        output.emit(document, lambda console: console.print(f"{path}{what}"))


def _look(run: Path, images: Path, table: Path | None, unlisted: str | None, strict: bool) -> int:
    """Write the findings of these images; returns how many were looked at."""
    from ..observed import Observed
    from ..report.findings import FITTED, find

    model = load_run(run)
    assert model.space is not None
    known: Observed | None = None
    stored = table is None and images.suffix == ".npz" and images.exists() and not on_images(model)
    if table is not None or (stored and holds(model, images, "observed")):
        inputs, known = labelled_inputs(model, table, images, unlisted, strict, "observed")
        values = inputs.values
    else:
        values = read_inputs(model, [str(images)], strict).values
        if isinstance(values, list) and _is_image_folder(images, values, model.space):
            merge = model.annotation is None or not model.annotation.one_positive  # as for `fit`
            known = Observed.from_folder(images, model.space, merge=merge)
            values = [images / name for name in known.images or ()]
    found = find(model, values, known, source=str(images))
    found.write(run / FITTED)
    return int(found.num_images[0])


def _is_image_folder(root: Path, files: list[Path], space: LabelSpace) -> bool:
    """Whether every image lies in a folder that is called like one of the run's labels."""
    return root.is_dir() and all(file.parent != root and file.parent.name in space.labels for file in files)
