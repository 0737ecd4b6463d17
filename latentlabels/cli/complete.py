"""`latentlabels complete`: the unknown entries of a label table, as probabilities."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..words import count
from . import options
from .label_options import TABLES, reads_labels
from .output import Debug, Json, Output, RunFolder, Strict, UsageError
from .sinks import Document, open_sink
from .sources import images_of_run, load_run, read_labels, stream_labelled
from .streaming import about, filled, write_all
from .tables import check_target

if TYPE_CHECKING:
    from ..inputs import InputBlock
    from ..posterior import Posterior
    from .streaming import Values


@reads_labels(*TABLES)
def complete(
    reading: dict[str, Any],
    run: RunFolder,
    observed: Annotated[
        Path | None,
        typer.Option(
            "--observed",
            metavar="TABLE",
            help="The table to fill: wide (image, a column of 1, 0 or empty for each label) or long (image, label[, value]).",
        ),
    ] = None,
    images: options.Inputs = None,
    output_file: options.Result = None,
    resume: options.Resume = False,
    strict: Strict = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Fill the unknown entries of a label table with posterior probabilities.

    For example: latentlabels complete runs/photos --observed labels.csv --images photos/ -o completed.csv

    Known entries stay 1 or 0. Each unknown entry becomes the probability of the label given the image, its known labels
    and the run's annotation. Without --images, the run's training images are used. An image that cannot be read keeps its
    known entries, and has empty cells for the others. If the command is interrupted, run it again to continue.
    """
    import numpy as np

    from ..observed import Tree

    with Output(as_json) as output, ExitStack() as held:
        check_target(output_file)
        if observed is None and images is None:
            raise UsageError("no table to fill; give --observed TABLE")
        model = load_run(run)
        where = images if images is not None else images_of_run(run)
        tree = Tree()
        known = read_labels(model, observed, where, reading, strict, "observed", tree)
        assert where is not None  # read_labels has seen to it
        stream = stream_labelled(model, where, known, strict, "observed", tree)
        labels = model.space_.labels
        begun = {"run": run, "labels": labels, "output": output_file}
        sink = open_sink(output, output_file, labels, begun, about(run, stream, "complete"), resume, held)

        def fill(block: InputBlock, posterior: Posterior) -> Values:
            out, given = filled(block, posterior.marginals), stream.known_rows(block)
            sink.tally.known += int((given != -1).sum())
            sink.tally.filled += int((given[block.inputs.rows] == -1).sum())
            # with noise in the annotation even a known label is uncertain; a completed table keeps what it was given
            return np.where(given == -1, out, given.astype(np.float32))

        write_all(stream, model, fill, sink, output)
        tally = sink.tally
        output.note(
            f"{output_file or 'table'}: {count(tally.rows, 'image')}, {tally.filled:,} unknown entries filled, "
            f"{tally.known:,} known ones kept"
        )
        counted = {"num_images": tally.rows, "known": tally.known, "filled": tally.filled, "unreadable": tally.unreadable}
        if isinstance(sink, Document):
            sink.close(counted)
        elif as_json:
            output.emit({**begun, **counted}, lambda console: None)
        output.stdout.flush()
