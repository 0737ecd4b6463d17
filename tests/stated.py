"""What the tests of file formats share: statements as plain dictionaries, names that mean something elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from latentlabels.errors import LatentLabelsError
from latentlabels.observed.formats import Labelled, find, recognise
from latentlabels.observed.options import ReadOptions
from latentlabels.observed.record import Statements
from latentlabels.space import LabelSpace

Said = dict[str, dict[str, int]]

NAMES = (
    "yes", "null", "1", "=cmd", "a,b", 'say "x"', "a;b", "x\ty", "-1", "~", "true", "#tag", "a: b", "{x}", "<b>&amp;</b>",
    "n" * 300, "\u05e9\u05dc\u05d5\u05dd", "e\u0301t\u00e9", "two words", "$HOME", "'q'", "a|b", "%s", "\u732b",
)  # fmt: skip
"""Label names that mean something to YAML, CSV, XML or a shell, that are long, or of another script."""

IMAGES = ("=cmd.png", "a b.jpg", "dir/\u00fc,1.jpg", "null.png", "\u05e9.png", 'q"uote.png', "e\u0301.jpg", "n" * 150 + ".jpg")


def read(path: Path, format: str | None = None, **options: object) -> Statements:
    """Read by the format that the file is recognised as, which is to be `format`."""
    found = recognise(path)
    assert format is None or format == found.NAME, f"{path} is taken for {found.NAME}"
    statements = found.read(path, ReadOptions(**options))  # type: ignore[arg-type]
    check(statements)
    return statements


def check(statements: Statements) -> None:
    """What every reader promises."""
    images, labels = list(statements.images), list(statements.labels)
    assert len({*images}) == len(images) and len({*labels}) == len(labels)
    entries = len(statements.value)
    assert statements.image.shape == statements.label.shape == statements.value.shape == (entries,)
    assert statements.value.dtype == np.int8 and {*statements.value.tolist()} <= {1, 0, -1}
    assert not entries or (statements.image.min() >= 0 and statements.image.max() < len(images))
    assert not entries or (statements.label.min() >= 0 and statements.label.max() < len(labels))
    matrix = statements.matrix
    assert matrix is None or (
        matrix.shape == (len(images), len(labels)) and not entries and {*np.unique(matrix)} <= {1, 0, -1, -2}
    )
    assert statements.where is None or statements.where.shape == (entries if matrix is None else len(images),)
    assert all(len(texts) == len(images) for texts in statements.extra.values())
    assert statements.reading, "a reader says what it took for what"


def said(statements: Statements) -> Said:
    """By image and label; an image without statements has an empty dictionary. Contradictions fail."""
    found: Said = {name: {} for name in statements.images}
    if statements.matrix is not None:
        for name, row in zip(statements.images, statements.matrix.tolist(), strict=True):
            found[name] = {label: value for label, value in zip(statements.labels, row, strict=True) if value != -2}
    for image, label, value in zip(statements.image, statements.label, statements.value.tolist(), strict=True):
        one = found[statements.images[int(image)]]
        name = statements.labels[int(label)]
        assert one.setdefault(name, value) == value, f"{name} is said to be {one[name]} and {value}"
    return found


def refused(path: Path, format: str, **options: object) -> str:
    """The message by which a file is refused when it is read as a format."""
    with pytest.raises(LatentLabelsError) as caught:
        find(format).read(path, ReadOptions(**options))  # type: ignore[arg-type]
    message = str(caught.value)
    assert str(path) in message
    return message


def content(
    known: list[list[int]] | None = None,
    probabilities: list[list[float]] | None = None,
    labels: tuple[str, ...] = ("cat", "dog", "bus"),
) -> Labelled:
    """Labels of images to be written."""
    rows = len(known or probabilities or ())
    images = tuple((*IMAGES, *(f"{number}.jpg" for number in range(rows)))[:rows])
    return Labelled(
        images,
        LabelSpace.free(labels),
        None if known is None else np.asarray(known, np.int8),
        None if probabilities is None else np.asarray(probabilities, np.float32),
        "model 1",
    )


def meaning(one: Labelled) -> Said:
    """The known labels of a content, by image and label."""
    assert one.known is not None
    labels = one.space.labels
    return {
        name: {label: value for label, value in zip(labels, row, strict=True) if value != -1}
        for name, row in zip(one.images, one.known.tolist(), strict=True)
    }


def random_content(seed: int, rows: int = 12, labels: tuple[str, ...] = NAMES) -> Labelled:
    """Known labels drawn at random, under the names of `NAMES` and `IMAGES`."""
    return content(np.random.default_rng(seed).integers(-1, 2, (rows, len(labels))).tolist(), labels=labels)


def cut_off(write: Callable[[Path], object], path: Path, share: float) -> Path:
    """A file of which only the beginning is there."""
    write(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path
