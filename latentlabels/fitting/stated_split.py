"""The user's own split: a column or a table that says which images are held out, and one that says which belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError, DataError, nearest
from ..inputs import Inputs
from ..inputs.stated import Stated
from ..observed import match_names
from ..observed.column_kinds import IMAGE_NAMES
from ..observed.sheet_files import read_sheet
from ..words import count, listed

TRAINING, HELD, TEST = 0, 1, 2
_MEANINGS = {
    **dict.fromkeys(("train", "training", "0", "false", "no"), TRAINING),
    **dict.fromkeys(("val", "valid", "validation", "dev", "held-out", "held out", "heldout", "1", "true", "yes"), HELD),
    **dict.fromkeys(("test", "testing"), TEST),
}


@dataclass(frozen=True)
class Terms:
    """What the statements are called where the user makes them, for errors.

    Attributes:
        split: the key or argument that says which images are held out.
        together: the one that says which belong together.
    """

    split: str = "held_out"
    together: str = "together"


IN_CONFIG = Terms("data.split", "data.together")
"""The keys of a config."""


def with_statements(
    inputs: Inputs,
    split: str | ArrayLike | None = None,
    together: str | ArrayLike | None = None,
    terms: Terms | None = None,
) -> Inputs:
    """Inputs with what is stated about the held-out part, without the images of a test.

    Args:
        inputs: N images with known labels.
        split: a column of the table of known labels, or the path of a table (image, split); as ``"fold=4"``, the images of
            that value are held out, and all others but those of a test are trained on. Or a mask (N,), rows, or names.
        together: a column, or the path of a table (image, together), whose equal values mark images that belong together;
            or N values.
        terms: what these are called, for errors.

    Raises:
        ConfigError: no such column or table, values of unknown meaning, or no image left to train on.
        DataError: a mask or values of another length, rows or names that are not there.
    """
    terms = Terms() if terms is None else terms
    if split is None and together is None:
        return inputs
    stated = Stated() if inputs.stated is None else inputs.stated
    if together is not None:
        groups, said = _groups(inputs, together, terms.together)
        stated = replace(stated, together=groups, group=said)
    if split is None:
        return replace(inputs, stated=stated)
    parts, said = _parts(inputs, split, terms.split)
    if not (parts == TRAINING).any():
        raise ConfigError(f"{said} leaves no image to train on; check its values", key=terms.split)
    held = parts == HELD
    num_test = int((parts == TEST).sum())
    stated = replace(stated, held=held if held.any() else None, split=said, num_test=num_test)
    found = replace(inputs, stated=stated)
    return found.take(np.flatnonzero(parts != TEST)) if num_test else found


def _parts(inputs: Inputs, split: str | ArrayLike, key: str) -> tuple[NDArray[np.int8], str]:
    """(N,) the part of each image, and what says so."""
    if not isinstance(split, str):
        return _mask(inputs, split, key).astype(np.int8), f"the argument {key}"
    texts, name, value, said = _texts(inputs, split, key)
    counts = _counted(texts)
    if value is not None:
        return _by_value(texts, counts, name, value, key), f"{said} = {value}"
    meanings = {text: _MEANINGS.get(_plain(text)) for text in counts}
    if None in meanings.values():
        raise ConfigError(_unknown_values(counts, meanings, name, key, said), key=key)
    return np.array([meanings[text] for text in texts], np.int8), said


def _by_value(texts: Sequence[str], counts: Mapping[str, int], name: str, value: str, key: str) -> NDArray[np.int8]:
    """The part of each image, where one value is held out."""
    if _plain(value) not in {_plain(text) for text in counts}:
        shown = listed(sorted(text for text in counts if text), 8)
        raise ConfigError(f'{name} is "{value}" for no image{nearest(value, counts)} (its values: {shown})', key=key)
    if "" in counts:
        raise ConfigError(f"{name} is empty for {count(counts[''], 'image')}; say for each image where it belongs", key=key)
    parts = {text: HELD if _plain(text) == _plain(value) else TRAINING for text in counts}
    parts |= {text: TEST for text in counts if _MEANINGS.get(_plain(text)) == TEST and parts[text] != HELD}
    return np.array([parts[text] for text in texts], np.int8)


def _unknown_values(counts: Mapping[str, int], meanings: Mapping[str, int | None], name: str, key: str, said: str) -> str:
    """Why a split cannot be used, and what mends it."""
    strange = sorted(text for text, meaning in meanings.items() if meaning is None and text)
    numbers = all(_plain(text).isdecimal() for text in counts if text)
    if strange and numbers:
        folds = sorted((text for text in counts if text), key=int)
        return (
            f"{said} holds numbers ({listed(folds, 8)}), which may be folds; say which one is held out, for example "
            f"{key}: {name}={folds[-1]}"
        )
    what = [f"{listed([repr(text) for text in strange], 5)}"] if strange else []
    what += [f"nothing for {count(counts[''], 'image')}"] if "" in counts else []
    choice = f", or state which value is held out, for example {key}: {name}={strange[0]}" if strange else ""
    return f"{said} holds {' and '.join(what)}; expected train or 0, val, valid or 1, and test (left out of the fit){choice}"


def _plain(text: str) -> str:
    """A value without capitals, and a whole number without a point."""
    plain = text.strip().lower().replace("_", "-")
    return plain.removesuffix(".0")


def _counted(texts: Sequence[str]) -> dict[str, int]:
    out: dict[str, int] = {}
    for text in texts:
        out[text] = out.get(text, 0) + 1
    return out


def _groups(inputs: Inputs, together: str | ArrayLike, key: str) -> tuple[NDArray[np.int64], str]:
    """(N,) numbers, equal for images that belong together, and what says so; images of an empty value are alone."""
    if isinstance(together, str):
        texts, _, value, said = _texts(inputs, together, key)
        if value is not None:
            raise ConfigError(f"expected a column, or the path of a table, not {together}", key=key)
        values: NDArray[Any] = np.asarray(texts, dtype=object)
    else:
        values, said = _of_rows(inputs, np.asarray(together), key), f"the argument {key}"
    alone = np.array([value is None or value != value or value == "" for value in values.tolist()], bool)
    number = np.unique(values.astype(str), return_inverse=True)[1].reshape(-1).astype(np.int64)
    number[alone] = len(values) + np.arange(int(alone.sum()))
    return np.unique(number, return_inverse=True)[1].reshape(-1), said


# --- columns and tables -------------------------------------------------------------------------------------------------


def _texts(inputs: Inputs, text: str, key: str) -> tuple[Sequence[str], str, str | None, str]:
    """A text for each image, the name of what gives them, the value that is chosen, and what gives them in words."""
    extra = {} if inputs.observed is None else inputs.observed.extra
    whole = text.strip()
    before, sign, after = (part.strip() for part in whole.partition("="))
    for name, value in ((whole, None), *([(before, after)] if sign else [])):
        if name in extra:
            return extra[name], name, value, f'column "{name}"'
        if Path(name).is_file():
            return _of_table(inputs, Path(name), key), name, value, f"the table {name}"
    columns = f" (columns beside the labels: {listed(sorted(extra))})" if extra else ""
    raise ConfigError(
        f'the table of known labels has no column "{before}"{nearest(before, extra)}{columns}, and there is no such '
        "file; give a column of that table, or the path of a table of images and their values",
        key=key,
    )


def _of_table(inputs: Inputs, path: Path, key: str) -> Sequence[str]:
    """The text of each image by a table of its own."""
    sheet = read_sheet(path, tuple(IMAGE_NAMES))
    named = [column for column in sheet.columns if column.name.lower() in IMAGE_NAMES]
    rest = [column for column in sheet.columns if column not in named]
    own = [column for column in rest if column.name.lower() == key.rpartition(".")[2]]
    values = own or rest
    if len(named) != 1 or len(values) != 1:
        raise ConfigError(
            f"{sheet.head}: expected a column of image names and one of values, not {listed(sheet.names)}; give the "
            "table two columns, for example image and split",
            key=key,
        )
    names = named[0].cells()
    rows = match_names(inputs.table_names, names)
    lost = [name for name, row in zip(inputs.table_names, rows, strict=True) if row is None]
    if lost:
        raise ConfigError(
            f"{path}: {count(len(lost), 'image')} of {len(rows):,} without a row ({listed(lost, 3)}); add a row for each image",
            key=key,
        )
    cells = values[0].cells()
    return [cells[row] for row in rows if row is not None]


# --- arrays -------------------------------------------------------------------------------------------------------------


def _of_rows(inputs: Inputs, values: NDArray[Any], key: str) -> NDArray[Any]:
    """Values of the things that were given, those of these inputs alone."""
    if values.ndim != 1 or len(values) != inputs.num_given:
        raise DataError(
            f"{key} has shape {values.shape}, but {count(inputs.num_given, 'image')} were given; give one value for each image"
        )
    chosen: NDArray[Any] = values[inputs.rows]
    return chosen


def _mask(inputs: Inputs, given: ArrayLike, key: str) -> NDArray[np.bool_]:
    """(N,) True for images to be held out, of a mask, rows or names."""
    values = np.asarray(given)
    if values.dtype == bool:
        return _of_rows(inputs, values, key)
    if values.ndim != 1:
        raise DataError(
            f"{key} has shape {values.shape}; give a mask with one value for each image, or a list of rows or names"
        )
    if values.dtype.kind in "US":
        rows = match_names([str(name) for name in values], inputs.table_names)
        lost = [str(name) for name, row in zip(values, rows, strict=True) if row is None]
        if lost:
            raise DataError(f"{key} names {count(len(lost), 'image')} that the fit does not have: {listed(lost, 3)}")
        found = np.zeros(len(inputs), bool)
        found[[row for row in rows if row is not None]] = True
        return found
    if values.dtype.kind not in "iu" and len(values):
        raise DataError(f"{key} holds values of {values.dtype}; give a mask of True and False, or a list of rows or names")
    wrong = [int(row) for row in values if not 0 <= row < inputs.num_given]
    if wrong:
        raise DataError(f"{key} names row {wrong[0]}, but rows go from 0 to {inputs.num_given - 1}")
    every = np.zeros(inputs.num_given, bool)
    every[values.astype(np.int64)] = True
    chosen: NDArray[np.bool_] = every[inputs.rows]
    return chosen
