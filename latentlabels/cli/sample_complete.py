"""`latentlabels sample-complete`: a random sample of images, as a table for a person to fill."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..words import count
from . import options
from .configs import config_of, explained, fit_command
from .label_options import reads_labels
from .output import Debug, Json, Output, UsageError

if TYPE_CHECKING:
    from ..fitting.sample_images import Sample

_HOW = "write 1 (present) or 0 (absent) into every cell of a row"
_LEARN = {
    "scar": "--set annotation.kind=scar --set annotation.rates=learn",
    "per-label-search": "--set annotation.kind=per-label-search --set annotation.weights=learn",
}
_LEARN_WEIGHTS = "--set annotation.kind=weighted-positive --set annotation.weights=learn"


@reads_labels()
def sample_complete(
    reading: dict[str, Any],
    source: Annotated[
        Path,
        typer.Argument(metavar="CONFIG|DIR", help="A folder of images, or a config, or an .npz."),
    ],
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="How many images to draw.")] = 100,
    output_file: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="TABLE", help="The table to write: .csv or .tsv. Default: CSV on stdout."),
    ] = None,
    labels: options.Labels = None,
    observed: options.Table = None,
    complete: Annotated[
        Path | None,
        typer.Option(
            "--complete",
            metavar="TABLE",
            help="A table that was filled in before. Its images are not drawn again, and its rows come first in the new table.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The seed of the draw.")] = 0,
    overrides: options.Overrides = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Draw images at random and write a table to fill in: their complete labels tell what single known labels leave open.

    For example: latentlabels sample-complete photos/ -n 100 -o complete.csv

    Write 1 (present) or 0 (absent) into every cell of a row. The order is random, so that the first half of the rows is a
    random sample as well. Then fit with --complete TABLE.
    """
    with Output(as_json) as output:
        _check_new(output_file)
        config = config_of(source, labels, observed, reading, overrides, complete)
        from ..fitting.sample_images import sample_images

        with explained(config):
            found = sample_images(config, number, seed)
        text = _table(found, "\t" if output_file is not None and output_file.suffix.lower() == ".tsv" else ",")
        if output_file is None and not as_json:
            output.stdout.write(text)
        elif output_file is not None:
            from ..writing import write_text

            write_text(output_file, text)
        learn = _LEARN.get(config.annotation.kind, _LEARN_WEIGHTS)
        name = Path("TABLE") if output_file is None else output_file
        document = {
            "source": source,
            "table": output_file,
            "num_images": found.num_images,
            "images": list(found.images),
            "labels": list(found.space.labels),
            "rows_from_before": 0 if found.before is None else len(found.before),
            "unreadable": list(found.left_out),
            "seed": seed,
            "next": f"{fit_command(source, labels, config, name)} {learn}",
        }
        if as_json:
            output.emit(document, lambda console: None)
            return
        bad = f"; {count(len(found.left_out), 'image')} that cannot be read left out" if found.left_out else ""
        images = f"{count(len(found.images), 'image')} of {found.num_images:,}, drawn at random"
        output.note(f"{output_file or 'table'}: {images}, {count(found.space.num_labels, 'label')}{bad}. Fill it: {_HOW}")
        output.note(f"next: {document['next']}")


def _check_new(path: Path | None) -> None:
    """Refuse to write over a file, before anything is read."""
    if path is None:
        return
    if path.suffix.lower() not in (".csv", ".tsv"):
        raise UsageError(f'-o {path}: unknown file ending "{path.suffix}"; give a name that ends in .csv or .tsv')
    if path.exists():
        raise UsageError(f"-o {path}: exists and is never overwritten; give the name of a new file")
    if not path.parent.is_dir():
        raise UsageError(f"-o {path}: folder {path.parent} not found; create it first")


def _table(found: Sample, delimiter: str) -> str:
    """The table: rows from before, and empty cells for the images that were drawn."""
    from ..observed.names import name_column
    from ..words import printable
    from ..writing import separated

    labels = found.space.labels
    rows: list[list[str]] = [[name_column(labels), *labels]]
    if found.before is not None:
        cells = {1: "1", 0: "0", -1: ""}
        names = found.before.images or ()
        rows += [
            [name, *(cells[int(one)] for one in row)] for name, row in zip(names, found.before.values, strict=True)
        ]  # fmt: skip
    rows += [[printable(name), *[""] * len(labels)] for name in found.images]
    return separated(rows, delimiter)
