"""What Dataset objects say of their images: columns of Hugging Face's, targets of torch's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import AmbiguousError, Choice, DataError
from ..words import count
from .classes import HOLDERS
from .features import LABEL_FIELDS, Features
from .formats.arrow import of_columns
from .formats.classed import statements
from .options import ReadOptions
from .packed.hugging_face import SOURCE, is_hugging_face, label_table, layout, names_of
from .packed.layout import BY_ROW
from .record import KnownLabels, Statements
from .resolve import resolve
from .sheet import Sheet, encoded, recoded

_IMAGES = ("image", "img", "picture", "pixel_values", "input", "x")


def picture_in(item: object) -> object:
    """The image of an item of a Dataset: the first of a pair, or what a dictionary holds under a name such as "image"."""
    if isinstance(item, dict):
        return next((item[key] for key in _IMAGES if key in item), item)
    return item[0] if isinstance(item, tuple | list) and len(item) else item


def read_dataset(dataset: Any, options: ReadOptions) -> tuple[KnownLabels, bool]:
    """Known labels of a Dataset, and whether its images have names.

    Args:
        dataset: a `datasets.Dataset`, or anything with a length and items by number that are pairs or dictionaries.
        options: what the user states.

    Raises:
        DataError: items without labels.
        AmbiguousError: what columns, targets or unlisted labels mean is unclear.
    """
    if is_hugging_face(dataset):
        how = layout(dataset, options.image_column)
        names, naming = names_of(dataset, how)
        named = naming != BY_ROW
        found = of_columns(SOURCE, label_table(dataset, how), names, naming, how.features, options, "datasets")
        return resolve(found, options), named
    return resolve(_of_items(dataset, options), options), False


def has_targets(dataset: Any) -> bool:
    """Whether the items of a Dataset hold labels beside the image; the first one tells."""
    return len(dataset) > 0 and _target(dataset[0]) is not None


def _target(item: object) -> Any:
    """What an item says of its image; None where it is an image alone."""
    if isinstance(item, dict):
        key = next((key for key in item if str(key).lower() in (*HOLDERS, "target", "targets", "y")), None)
        return None if key is None else item[key]
    return item[1] if isinstance(item, tuple | list) and len(item) > 1 else None


def _of_items(dataset: Any, options: ReadOptions) -> Statements:
    """The targets of a torch Dataset."""
    targets = _targets(dataset)
    values = [_plain(target) for target in targets]
    names = options.classes or tuple(str(name) for name in _attribute(dataset, "classes") or ())
    said = "data.classes" if options.classes else "the classes of the Dataset"
    heading, rows = encoded("image", [str(row) for row in range(len(values))]), range(1, len(values) + 1)
    arrays = [np.ndim(target) == 1 and not isinstance(target, list | tuple | set) for target in targets]
    reading = (("image names", "none: rows by number"),)
    if all(arrays) and _are_vectors(values):
        width = len(values[0])
        space = options.space
        labels = names or (space.labels if space is not None and space.num_labels == width else ())
        if len(labels) != width:
            raise AmbiguousError(
                f"{SOURCE}: its targets are vectors of {count(width, 'number')}, but nothing says which labels they are",
                [Choice({"classes": "NAME,NAME,..."}, f"the {width} names in order")],
            )
        columns = [encoded(label, [str(value[k]) for value in values]) for k, label in enumerate(labels)]
        sheet = Sheet(SOURCE, (heading, *columns), "row", lambda: rows)
        return statements(sheet, Features(), replace(options, label_columns=None, image_column="image"), "dataset", reading)
    texts = ["" if value is None else json.dumps(value, ensure_ascii=False) for value in values]
    number: dict[str, int] = {}
    codes = np.asarray([number.setdefault(text, len(number)) for text in texts], np.int32)
    sheet = Sheet(SOURCE, (heading, recoded("label", codes, list(number))), "row", lambda: rows)
    features = Features({"label": names} if names and not options.classes else {}, source=said)
    return statements(sheet, features, replace(options, label_columns=("label",)), "dataset", reading)


def _targets(dataset: Any) -> Sequence[Any]:
    """The target of each item; of torchvision's data sets without decoding an image."""
    stored = _attribute(dataset, "targets")
    if stored is not None and len(stored) == len(dataset):
        return list(stored)
    out = []
    for row in range(len(dataset)):
        target = _target(dataset[row])
        if target is None:
            raise DataError(
                f"item {row} of the Dataset holds no labels; give pairs (image, labels), or dictionaries with `image` and "
                "`label`, or "
                "give the known labels as observed"
            )
        out.append(target)
    return out


def _attribute(dataset: Any, name: str) -> Sequence[Any] | None:
    """An attribute of a Dataset, or of the one that a Subset is of."""
    if hasattr(dataset, name):
        found: Sequence[Any] = getattr(dataset, name)
        return found
    inner, indices = getattr(dataset, "dataset", None), getattr(dataset, "indices", None)
    if inner is None or indices is None or not hasattr(inner, name):
        return None
    values = getattr(inner, name)
    return list(values) if name == "classes" else [values[int(row)] for row in indices]


def _plain(target: Any) -> Any:
    """A target as numbers, texts, or lists of them; None where nothing is said."""
    if isinstance(target, dict):
        target = next((target[key] for key in LABEL_FIELDS if key in target), None)
    if hasattr(target, "tolist"):
        target = target.tolist()
    if isinstance(target, set):
        target = sorted(target)
    if isinstance(target, list | tuple):
        return [_plain(one) for one in target]
    if isinstance(target, bool) or (isinstance(target, float) and target == int(target)):
        return int(target)
    if target is not None and not isinstance(target, int | str):
        raise DataError(
            f"the targets of the Dataset are of type {type(target).__name__}; expected class numbers, names, lists of them, "
            "or vectors "
            "of 1 and 0"
        )
    return target


def _are_vectors(values: Iterable[Any]) -> bool:
    """Whether all targets are vectors of one length of 1, 0 and -1."""
    lists = list(values)
    widths = {len(value) for value in lists}
    return len(widths) == 1 and widths.pop() > 1 and all({*value} <= {1, 0, -1} for value in lists)
