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
        help="A folder of images with one folder for each label (label/ or group/label/). With --observed, any folder of "
        "images.",
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels", metavar="FILE", help="A labels.yaml that says which labels exclude each other and which require another."
    ),
]
Table = Annotated[
    Path | None,
    typer.Option(
        "--observed",
        metavar="TABLE",
        help="Known labels: a wide table (image, a column of 1, 0 or empty for each label), a long one "
        "(image, label[, value]), or a file of another tool.",
    ),
]
Complete = Annotated[
    Path | None,
    typer.Option(
        "--complete",
        metavar="TABLE",
        help="A table of images whose labels are all known: a column `image`, and one of 1 or 0 for each label. It "
        "replaces what is known about these images from elsewhere. See `latentlabels sample-complete`.",
    ),
]
Answers = Annotated[
    Path | None,
    typer.Option(
        "--answers",
        metavar="TABLE",
        help="Answers to questions about these images: CSV with the columns image, label and value (1, 0 or empty). See "
        "`latentlabels next`.",
    ),
]
Embeddings = Annotated[
    Path | None,
    typer.Option(
        "--embeddings",
        metavar="FILE",
        help="Embeddings instead of images: .npy, or .npz with `embeddings` and optionally `images`, `labels`, `observed`.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the config, for example fit.epochs=5. May be repeated."),
]
Result = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", metavar="FILE", help="The file to write: .csv, .tsv, .parquet or .jsonl. Default: CSV on stdout."
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Stop if an unfinished file comes from another run, other inputs or other settings, instead of starting again. "
        "Without it, an interrupted command that is run again continues too.",
    ),
]
Inputs = Annotated[
    Path | None,
    typer.Option(
        "--images",
        "--embeddings",
        metavar="DIR|FILE",
        help="The folder of the images. For a run on embeddings, their .npz or .npy.",
    ),
]
