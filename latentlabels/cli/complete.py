"""`latentlabels complete`: the unknown entries of a label table, as probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..words import count
from . import options
from .output import Debug, Json, Output, RunFolder, Strict, UsageError
from .sources import load_run, read_labelled, read_labels, unreadable_names
from .tables import check_target, write_table

if TYPE_CHECKING:
    from ..estimator import LatentLabels


def complete(
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
    unlisted: Annotated[
        str | None,
        typer.Option(
            "--unlisted",
            metavar="unknown|absent",
            help="Meaning of labels that the table does not mention: unknown (default) or absent.",
        ),
    ] = None,
    output_file: options.Result = None,
    strict: Strict = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Fill the unknown entries of a label table with posterior probabilities.

    For example: latentlabels complete runs/photos --observed labels.csv --images photos/ -o completed.csv

    Known entries stay 1 or 0. Each unknown entry becomes the probability of the label given the image, its known labels
    and the run's annotation. Without --images, the run's training images are used.
    """
    with Output(as_json) as output:
        check_target(output_file)
        if observed is None and images is None:
            raise UsageError("no table to fill; give --observed TABLE")
        model = load_run(run)
        where = images if images is not None else _images_of(run)
        known = read_labels(model, observed, where, unlisted or "unknown", strict, "observed")
        assert where is not None  # read_labels has seen to it
        inputs = read_labelled(model, where, known, strict)
        assert inputs.observed is not None
        names, values = list(inputs.table_names), inputs.observed.values
        posterior = model.posterior(inputs, inputs.observed)
        filled = posterior.marginals.copy()
        # with noise in the annotation even a known label is uncertain; a completed table keeps what it was given
        filled[values != -1] = values[values != -1]
        document = _document(model, names, values)
        document |= {"run": run, "unreadable": unreadable_names(inputs, known), "output": output_file}
        if output_file is not None or not as_json:
            write_table(names, posterior.space.labels, filled, output_file, output.stdout)
        output.note(
            f"{output_file or 'table'}: {count(len(names), 'image')}, {document['filled']:,} unknown entries filled, "
            f"{document['known']:,} known ones kept"
        )
        if as_json:
            if output_file is None:
                document["images"] = [
                    {"image": name, "probabilities": dict(zip(posterior.space.labels, row, strict=True))}
                    for name, row in zip(names, filled.tolist(), strict=True)
                ]
            output.emit(document, lambda console: None)
        output.stdout.flush()


def _images_of(run: Path) -> Path | None:
    """The folder of images, or the embeddings, that a run was fitted on, if they are still there."""
    from ..fitting.run_folder import read_run

    data = read_run(run).config.get("data") or {}
    found = data.get("embeddings") or data.get("images")
    return Path(found) if found and Path(found).exists() else None


def _document(model: LatentLabels, names: list[str], values: Any) -> dict[str, Any]:
    known = int((values != -1).sum())
    return {"num_images": len(names), "labels": model.space_.labels, "known": known, "filled": int(values.size - known)}
