"""Tables of probabilities, written in the format that a file's ending names."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ..errors import nearest
from ..writing import replacing, writing
from .output import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ENDINGS = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")


def check_target(path: Path | None) -> None:
    """Before anything is computed: can a table be written there?

    Raises:
        UsageError: an ending that is not known, or a folder that is not there.
    """
    if path is None:
        return
    if path.suffix.lower() not in ENDINGS:
        hint = nearest(path.suffix.lower(), ENDINGS)
        raise UsageError(f'-o {path}: unknown file ending "{path.suffix}"{hint} (known: {", ".join(ENDINGS)})')
    if path.is_dir():
        raise UsageError(f"-o {path}: is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise UsageError(f"-o {path}: folder {path.parent} not found; create it first")


def write_table(
    names: Sequence[str], labels: Sequence[str], values: NDArray[np.float32], path: Path | None, stdout: TextIO
) -> None:
    """A row for each image: its name, and a number for each label.

    Args:
        names: of the N images.
        labels: of the K columns.
        values: (N, K).
        path: a file, whose ending gives the format; None: CSV to `stdout`.
        stdout: where CSV goes without a file.
    """
    if path is None:
        _write_rows(stdout, names, labels, values, ",")
        return
    ending = path.suffix.lower()
    if ending == ".parquet":
        import pandas as pd

        frame = pd.DataFrame(values, columns=list(labels))
        frame.insert(0, "image", list(names))
        with replacing(path) as temporary:
            frame.to_parquet(temporary, index=False)
        return
    with writing(path) as file:
        if ending in (".jsonl", ".ndjson"):
            file.writelines(_lines(names, labels, values))
        else:
            _write_rows(file, names, labels, values, "\t" if ending == ".tsv" else ",")


def _write_rows(file: TextIO, names: Sequence[str], labels: Sequence[str], values: NDArray[np.float32], delimiter: str) -> None:
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(["image", *labels])
    for name, row in zip(names, values.tolist(), strict=True):
        writer.writerow([name, *(f"{value:.6g}" for value in row)])


def _lines(names: Sequence[str], labels: Sequence[str], values: NDArray[np.float32]) -> Iterator[str]:
    for name, row in zip(names, values.tolist(), strict=True):
        numbers = {label: float(f"{value:.6g}") for label, value in zip(labels, row, strict=True)}
        yield json.dumps({"image": name, **numbers}, ensure_ascii=False) + "\n"
