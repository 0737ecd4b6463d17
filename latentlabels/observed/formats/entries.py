"""Statements of a file, gathered one by one: for formats whose files are read record by record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import AmbiguousError, Choice
from ...space import LabelSpace
from ...words import count
from ..options import ReadOptions, Unlisted
from ..record import Statements

_PREDICTIONS = "predictions"
SPLITS = {
    "train": "train", "training": "train", "trainval": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""What tools call the splits of a data set, and what we do."""


def image_name(text: str) -> str:
    """The name of an image as the package writes it: with forward slashes, and without a leading ``./``."""
    return text.strip().replace("\\", "/").removeprefix("./")


class Entries:
    """Gathers what a file states.

    Attributes:
        images: the names of the images so far, with their numbers.
        labels: the names of the labels so far, with their numbers.
        left_out: what was passed over, as sentences.
    """

    def __init__(self, labels: Sequence[str] = ()) -> None:
        self.images: dict[str, int] = {}
        self.labels: dict[str, int] = {}
        self.left_out: list[str] = []
        self._image: list[int] = []
        self._label: list[int] = []
        self._value: list[int] = []
        self._where: list[int] = []
        for label in labels:
            self.label(label)

    def image(self, name: str) -> int:
        """The number of an image, which is added if it is new."""
        return self.images.setdefault(name, len(self.images))

    def label(self, name: str) -> int:
        """The number of a label, which is added if it is new."""
        return self.labels.setdefault(name, len(self.labels))

    def add(self, image: int, label: str, value: int, where: int = -1) -> None:
        """State that a label is present (1), absent (0) or unknown (-1) in an image."""
        self._image.append(image)
        self._label.append(self.label(label))
        self._value.append(value)
        self._where.append(where)

    def add_scored(self, found: Sequence[tuple[int, str, int, Any]], source: Path, options: ReadOptions) -> None:
        """State that labels are present, each once for an image, but for those that a model gave (see `predictions_in`).

        Args:
            found: image, label, place and score of each; anything but a number where it has no score.
            source: the file, for messages.
            options: how it is read.
        """
        left_out = predictions_in([score for *_, score in found], str(source), options)
        seen: set[tuple[int, str]] = set()
        for (image, label, where, _), out in zip(found, left_out, strict=True):
            if not out and (image, label) not in seen:
                seen.add((image, label))
                self.add(image, label, 1, where)

    def __len__(self) -> int:
        return len(self._value)

    def statements(
        self,
        source: Path,
        format: str,
        unit: str | None = None,
        unlisted: Unlisted | None = None,
        usually: tuple[Unlisted, str] | None = None,
        space: LabelSpace | None = None,
        extra: Mapping[str, Sequence[str]] | None = None,
        reading: Sequence[tuple[str, str]] = (),
    ) -> Statements:
        """What was gathered; `unit` is what the places count, None where the format has none."""
        return Statements(
            source=str(source),
            format=format,
            images=tuple(self.images),
            labels=tuple(self.labels),
            image=np.asarray(self._image, np.int64),
            label=np.asarray(self._label, np.int64),
            value=np.asarray(self._value, np.int8),
            where=None if unit is None else np.asarray(self._where, np.int64),
            unit=unit or "line",
            unlisted=unlisted,
            usually=usually,
            space=space,
            extra=extra or {},
            reading=tuple(reading),
            left_out=tuple(self.left_out),
        )


def first_of_each(image: NDArray[np.int64], label: NDArray[np.int64], num_labels: int) -> NDArray[np.int64]:
    """Which entries are the first about their image and label, in order: several boxes of a label state it once.

    Args:
        image: (S,) numbers of images.
        label: (S,) numbers of labels, from 0 to `num_labels` - 1.
        num_labels: L.
    """
    _, first = np.unique(image * max(num_labels, 1) + label, return_index=True)
    return np.sort(first)


def predictions_in(scores: Iterable[Any], where: str, options: ReadOptions) -> list[bool]:
    """Which labels a model gave and are to be left out: those with a score, where a score lies between 0 and 1.

    Args:
        scores: of each label; anything but a number where it has none.
        where: the file, for messages.
        options: ``unknown: predictions`` leaves such labels out, ``present: predictions`` takes each as present.

    Raises:
        AmbiguousError: there are such labels, and nothing is stated about them.
    """
    numbers = [score if isinstance(score, int | float) and not isinstance(score, bool) else None for score in scores]
    between = [score for score in numbers if score is not None and 0 < score < 1]
    if not between or _PREDICTIONS in options.stated("present", "score"):
        return [False] * len(numbers)
    scored = [score is not None for score in numbers]
    if _PREDICTIONS in options.stated("unknown", "score"):
        return scored
    raise AmbiguousError(
        f"{where}: {count(sum(scored), 'label')} with a score, such as {between[0]:.3g}, which models give: predictions are "
        "not known labels",
        [
            Choice({"unknown": _PREDICTIONS}, "to leave them out"),
            Choice({"present": _PREDICTIONS}, "if people have confirmed them"),
        ],
    )
