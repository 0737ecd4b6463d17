"""`latentlabels predict`: label probabilities of images, as a table or as predictions of another tool."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..words import count
from . import options
from .hard import Decide
from .label_options import TABLES, reads_labels
from .output import Debug, Json, Output, RunFolder, Strict, UsageError
from .sinks import Document, Sink, file_sink, open_sink
from .sources import load_run, read_labels, stream_asked, stream_labelled
from .streaming import about, filled, write_all
from .tables import check_target

if TYPE_CHECKING:
    from ..estimator import LatentLabels
    from ..inputs import InputBlock, InputStream
    from ..posterior import Posterior
    from .streaming import Values


@reads_labels(*TABLES)
def predict(
    reading: dict[str, Any],
    run: RunFolder,
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGES...", help="Images, folders or globs. For a run on embeddings, .npz or .npy files."),
    ],
    output_file: options.Result = None,
    to_format: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="Write predictions for another tool: cleanlab, coco, fiftyone, label-studio or open-images. Default: a table.",
        ),
    ] = None,
    observed: Annotated[
        Path | None,
        typer.Option(
            "--observed",
            metavar="TABLE",
            help="With --to cleanlab: the table of known labels. IMAGES must be one folder.",
        ),
    ] = None,
    hard: Annotated[
        bool, typer.Option("--hard", help="Write 1 or 0 for each label, by the run's thresholds, instead of probabilities.")
    ] = False,
    aim: Annotated[
        str | None,
        typer.Option(
            "--aim",
            metavar="AIM",
            help="With --hard: f1, macro-f1, precision=0.9, recall=0.9, or mode for the most probable valid label set. "
            "Default: the thresholds of the run.",
        ),
    ] = None,
    resume: options.Resume = False,
    strict: Strict = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the probability of every label for every image, as a table or for another tool.

    For example: latentlabels predict runs/photos new-photos/ -o probabilities.csv

    Hard labels: latentlabels predict runs/photos new-photos/ --hard -o labels.csv

    The table has a column `image` and one column for each label, and a row for each image: with empty cells where the image
    cannot be read. Rows are written as they are computed. If the command is interrupted, run it again to continue. With --to,
    the file has the format of another tool; images that cannot be read are left out.
    """
    with Output(as_json) as output, ExitStack() as held:
        if to_format is None:
            check_target(output_file)
        writer = None if to_format is None else _writer(to_format, output_file)
        if observed is not None and to_format != "cleanlab":
            raise UsageError("--observed goes with --to cleanlab; `latentlabels complete` takes known labels into account")
        if hard and to_format is not None:
            raise UsageError(f"--hard goes with a table; --to {to_format} writes probabilities")
        if aim is not None and not hard:
            raise UsageError("--aim goes with --hard; give both")
        model = load_run(run)
        decide = Decide.of(model, aim) if hard else None
        if observed is not None:
            stream = _with_given(model, images, observed, reading, strict)
        else:
            stream = stream_asked(model, images, strict)
        labels, given = model.space_.labels, stream.known is not None
        begun = {"run": run, "labels": labels, "output": output_file} | ({} if decide is None else decide.described())
        if writer is None:
            what = about(run, stream, "predict" if decide is None else f"predict --hard, {decide.identity()}")
            sink = open_sink(output, output_file, labels, begun, what, resume, held, "decided" if hard else "probabilities")
        else:
            from .predictions import Predictions

            assert output_file is not None  # _writer has seen to it
            begun |= {"format": to_format}
            made = Predictions(model.space_, writer, given)
            what = about(run, stream, "predict for other tools")
            sink = file_sink(output, made, output_file, what, resume, held)

        def fill(block: InputBlock, posterior: Posterior) -> Values:
            import numpy as np

            values = filled(block, posterior.marginals if decide is None else decide(posterior))
            return np.concatenate([values, stream.known_rows(block)], 1, dtype=np.float32) if given else values

        write_all(stream, model, fill, sink, output, conditioned=False)
        if decide is not None:
            output.note(decide.in_words())
        _report(output, sink, begun, output_file, len(labels))


def _writer(to_format: str, output_file: Path | None) -> Any:
    from .predictions import writer_of

    return writer_of(to_format, output_file)


def _with_given(model: LatentLabels, images: list[str], observed: Path, reading: dict[str, Any], strict: bool) -> InputStream:
    """The images of a table of given labels.

    Raises:
        UsageError: not one folder of images, or file of embeddings.
    """
    from ..observed import Tree

    if len(images) != 1:
        raise UsageError("--observed takes one folder of images, or one file of embeddings; give that as IMAGES")
    where, tree = Path(images[0]), Tree()
    reading = {"unlisted": "unknown"} | reading  # cleanlab is told of present labels alone
    known = read_labels(model, observed, where, reading, strict, "observed", tree)
    return stream_labelled(model, where, known, strict, "observed", tree)


def _report(output: Output, sink: Sink, begun: dict[str, Any], output_file: Path | None, num_labels: int) -> None:
    counted = {"num_images": sink.tally.rows, "unreadable": sink.tally.unreadable}
    if output_file is not None:
        output.note(f"{output_file}: {count(sink.tally.rows, 'image')}, {count(num_labels, 'label')}")
    if isinstance(sink, Document):
        sink.close(counted)
    elif output.as_json:
        output.emit({**begun, **counted}, lambda console: None)
    output.stdout.flush()
