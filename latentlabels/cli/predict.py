"""`latentlabels predict`: label probabilities of images, as a table."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

import typer

from ..words import count
from . import options
from .output import Debug, Json, Output, RunFolder, Strict
from .sources import load_run, stream_asked
from .streaming import Document, about, filled, open_sink, write_all
from .tables import check_target


def predict(
    run: RunFolder,
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGES...", help="Images, folders or globs. For a run on embeddings, .npz or .npy files."),
    ],
    output_file: options.Result = None,
    resume: options.Resume = False,
    strict: Strict = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the probability of every label for every image, as a table.

    For example: latentlabels predict runs/photos new-photos/ -o probabilities.csv

    The table has a column `image` and one column for each label, and a row for each image: with empty cells where the image
    cannot be read. Rows are written as they are computed. If the command is interrupted, run it again to continue.
    """
    with Output(as_json) as output, ExitStack() as held:
        check_target(output_file)
        model = load_run(run)
        stream = stream_asked(model, images, strict)
        labels = model.space_.labels
        begun = {"run": run, "labels": labels, "output": output_file}
        sink = open_sink(output, output_file, labels, begun, about(run, stream, "predict"), resume, held)
        write_all(stream, model, lambda block, posterior: filled(block, posterior.marginals), sink, output)
        counted = {"num_images": sink.tally.rows, "unreadable": sink.tally.unreadable}
        if output_file is not None:
            output.note(f"{output_file}: {count(sink.tally.rows, 'image')}, {count(len(labels), 'label')}")
        if isinstance(sink, Document):
            sink.close(counted)
        elif as_json:
            output.emit({**begun, **counted}, lambda console: None)
        output.stdout.flush()
