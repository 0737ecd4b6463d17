"""Possible mistakes as files: `mistakes.npz` in a run folder, for the report and the page, and a table for a spreadsheet."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..fitting.run_folder import hash_of_weights
from ..words import printable, quoted
from ..writing import replacing, separated, write_text
from .mistakes import Mistakes, PossibleMistake

if TYPE_CHECKING:
    import pandas as pd

FILE = "mistakes.npz"
COLUMNS = ("image", "label", "known", "probability_wrong", "instead", "instead_probability")
_DIGITS = 4


@dataclass(frozen=True, eq=False)
class StoredMistakes:
    """What a run folder keeps of a review.

    Attributes:
        mistakes: what was found.
        pictures: uint8 (P, 3, H, W) small pictures of the images of the first P rows; of none for embeddings.
    """

    mistakes: Mistakes
    pictures: NDArray[np.uint8]


def write_mistakes(run: str | Path, found: Mistakes, pictures: NDArray[np.uint8] | None = None) -> Path:
    """Keep possible mistakes in a run folder, in place of earlier ones.

    Args:
        run: the folder.
        found: what `find_mistakes` gave.
        pictures: uint8 (P, 3, H, W) of the images of the first P rows.
    """
    path, rows = Path(run) / FILE, found.rows
    none = np.empty((0, 3, 1, 1), np.uint8)
    with replacing(path) as temporary:
        np.savez_compressed(
            temporary,
            weights=np.array(hash_of_weights(run)),
            numbers=np.array([found.expected, *found.rate, found.sharpness], np.float64),
            counts=np.array([found.low, found.high, found.num_known, found.num_judged, found.folds, found.repeats], np.int64),
            can_tell=np.array(found.can_tell),
            gain=np.array(found.gain, np.float64),
            row=np.array([one.row for one in rows], np.int64),
            image=np.array([printable(one.image) for one in rows], str),
            label=np.array([one.label for one in rows], str),
            value=np.array([one.value for one in rows], np.int8),
            probability=np.array([one.probability for one in rows], np.float64),
            instead=np.array([one.instead or "" for one in rows], str),
            without=np.array([one.instead is None for one in rows], bool),
            instead_probability=np.array([one.instead_probability for one in rows], np.float64),
            pictures=none if pictures is None else pictures,
        )
    return path


def read_mistakes(run: str | Path) -> Mistakes | None:
    """The possible mistakes that a run folder keeps; None where none were looked for since its fit.

    Raises:
        DataError: a damaged file.
    """
    found = read_stored(run)
    return None if found is None else found.mistakes


def read_stored(run: str | Path) -> StoredMistakes | None:
    """The same with pictures."""
    path = Path(run) / FILE
    if not path.exists():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if str(arrays["weights"]) != hash_of_weights(run):
                return None
            return StoredMistakes(_restored(arrays), np.asarray(arrays["pictures"], np.uint8))
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: could not be read ({error}); run `latentlabels mistakes {quoted(run)}` again") from error


def _restored(arrays: np.lib.npyio.NpzFile) -> Mistakes:
    without, instead = arrays["without"].tolist(), arrays["instead"].tolist()
    columns = zip(
        arrays["row"].tolist(),
        arrays["image"].tolist(),
        arrays["label"].tolist(),
        arrays["value"].tolist(),
        arrays["probability"].tolist(),
        [None if absent else label for absent, label in zip(without, instead, strict=True)],
        arrays["instead_probability"].tolist(),
        strict=True,
    )
    expected, rate, rate_low, rate_high, sharpness = arrays["numbers"].tolist()
    low, high, num_known, num_judged, folds, repeats = arrays["counts"].tolist()
    rows = [PossibleMistake(*one) for one in columns]
    known, can_tell, gain = (num_known, num_judged), bool(arrays["can_tell"]), float(arrays["gain"])
    return Mistakes(expected, low, high, rows, (rate, rate_low, rate_high), sharpness, *known, folds, repeats, can_tell, gain)


def table_rows(rows: Sequence[PossibleMistake]) -> list[tuple[str, ...]]:
    """Texts of a table with `COLUMNS`; what is instead of a label that is simply not there is "not LABEL"."""
    return [
        (
            printable(one.image),
            one.label,
            "present" if one.value else "absent",
            _share(one.probability),
            f"not {one.label}" if one.instead is None else one.instead,
            _share(one.instead_probability),
        )
        for one in rows
    ]


def write_table(path: str | Path, found: Mistakes) -> Path:
    """Write a CSV, or with tabs where the name ends in .tsv: image, label, what is known, and what may be instead."""
    path = Path(path)
    write_text(path, separated([COLUMNS, *table_rows(found.rows)], "\t" if path.suffix.lower() == ".tsv" else ","))
    return path


def to_frame(found: Mistakes) -> pd.DataFrame:
    """The same as a pandas DataFrame, with `probability_wrong` and `instead_probability` as numbers."""
    import pandas as pd

    frame = pd.DataFrame(table_rows(found.rows), columns=list(COLUMNS))
    return frame.astype({"probability_wrong": float, "instead_probability": float})


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.{_DIGITS}f}"
