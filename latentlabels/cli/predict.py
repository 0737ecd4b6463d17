"""`latentlabels predict`: label probabilities of images, as a table."""

from __future__ import annotations

from typing import Annotated

import typer

from ..words import count
from . import options
from .output import Debug, Json, Output, RunFolder, Strict
from .sources import load_run, read_asked
from .tables import check_target, write_table


def predict(
    run: RunFolder,
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGES...", help="Images, folders or globs. For a run on embeddings, .npz or .npy files."),
    ],
    output_file: options.Result = None,
    strict: Strict = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the probability of every label for every image, as a table.

    For example: latentlabels predict runs/photos new-photos/ -o probabilities.csv

    The table has a column `image` and one column for each label.
    """
    with Output(as_json) as output:
        check_target(output_file)
        model = load_run(run)
        inputs = read_asked(model, images, strict)
        posterior = model.posterior(inputs)
        names, labels = inputs.names, posterior.space.labels
        skipped = [image.name for image in inputs.left_out]
        if output_file is not None or not as_json:
            write_table(names, labels, posterior.marginals, output_file, output.stdout)
        if output_file is not None:
            output.note(f"{output_file}: {count(len(names), 'image')}, {count(len(labels), 'label')}")
        if as_json:
            document = {"run": run, "num_images": len(names), "labels": labels, "unreadable": skipped, "output": output_file}
            if output_file is None:
                document["images"] = [
                    {"image": name, "probabilities": dict(zip(labels, row, strict=True))}
                    for name, row in zip(names, posterior.marginals.tolist(), strict=True)
                ]
            output.emit(document, lambda console: None)
        output.stdout.flush()
