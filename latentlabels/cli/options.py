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
        help="Known labels: wide (image, a column of 1, 0 or empty for each label) or long (image, label[, value]).",
    ),
]
Unlisted = Annotated[
    str | None,
    typer.Option(
        "--unlisted", metavar="unknown|absent", help="Meaning of labels that the table does not mention: unknown or absent."
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
Inputs = Annotated[
    Path | None,
    typer.Option(
        "--images",
        "--embeddings",
        metavar="DIR|FILE",
        help="The folder of the images in the table. For a run on embeddings, their .npz or .npy.",
    ),
]

# --- what tables and files of labels mean ---------------------------------------------------------------------

Present = Annotated[
    list[str] | None, typer.Option("--present", metavar="VALUE", help="A value that means present. May be repeated.")
]
Absent = Annotated[
    list[str] | None, typer.Option("--absent", metavar="VALUE", help="A value that means absent. May be repeated.")
]
Unknown = Annotated[
    list[str] | None, typer.Option("--unknown", metavar="VALUE", help="A value that means unknown. May be repeated.")
]
ImageColumn = Annotated[str | None, typer.Option("--image-column", metavar="NAME", help="The column of image names.")]
LabelColumns = Annotated[
    list[str] | None, typer.Option("--label-columns", metavar="NAMES", help="The columns of labels: a,b. May be repeated.")
]
Ignore = Annotated[
    list[str] | None, typer.Option("--ignore", metavar="NAMES", help="Columns to leave out: a,b. May be repeated.")
]
Separator = Annotated[
    str | None, typer.Option("--separator", metavar="TEXT", help="What stands between several labels in one cell.")
]
Contradictions = Annotated[
    str | None,
    typer.Option(
        "--contradictions",
        metavar="refuse|unknown|vote",
        help="What to do with labels that contradict each other: refuse (default), treat as unknown, or vote.",
    ),
]
