"""Options that several verbs share; see `output` for those of every verb."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Images = Annotated[
    Path | None,
    typer.Option(
        "--images",
        metavar="DIR",
        help="A folder of images: one folder for each label inside, or group/label; any folder where --observed is given.",
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option("--labels", metavar="FILE", help="labels.yaml: which labels exclude each other, which require another."),
]
Table = Annotated[
    Path | None,
    typer.Option(
        "--observed",
        metavar="TABLE",
        help="Known labels: wide (image, a column of 1, 0 or empty for each label) or long (image, label[, value]).",
    ),
]
Unlisted = Annotated[
    str | None,
    typer.Option("--unlisted", metavar="unknown|absent", help="What a label means that the table leaves open."),
]
Embeddings = Annotated[
    Path | None,
    typer.Option(
        "--embeddings",
        metavar="FILE",
        help="Vectors instead of images: .npy, or .npz with `embeddings` and perhaps `images`, `labels`, `observed`.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the config, for example fit.epochs=5; may be repeated."),
]
Result = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="A .csv, .tsv, .parquet or .jsonl file; without it, CSV to stdout."),
]
Inputs = Annotated[
    Path | None,
    typer.Option(
        "--images",
        "--embeddings",
        metavar="DIR|FILE",
        help="The folder of images that the table names; for a run on embeddings, their .npz or .npy.",
    ),
]
