"""Which picture belongs to which image of a run on embeddings."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from latentlabels.report.pictures import match

FILES = [PurePath(name) for name in ("red/1.jpg", "blue/1.jpg", "red/2.png", "3.jpg", "a.b.jpg", "deep/red/4.jpg")]


@pytest.mark.parametrize(
    "name, file",
    [
        ("red/1.jpg", "red/1.jpg"),
        ("/data/photos/blue/1.jpg", "blue/1.jpg"),
        ("1.jpg", None),  # two of them
        ("green/1.jpg", None),
        ("2.png", "red/2.png"),
        ("2.jpg", "red/2.png"),
        ("2", "red/2.png"),
        ("photos/3.jpg", "3.jpg"),
        ("a.b.jpg", "a.b.jpg"),
        ("a.b", "a.b.jpg"),
        ("a", None),
        ("red/4.jpg", "deep/red/4.jpg"),
        ("deep/blue/4.jpg", "deep/red/4.jpg"),
        ("vectors.npz#3", None),
        ("5.jpg", None),
        ("", None),
    ],
)
def test_a_picture_belongs_to_the_name_that_ends_as_its_path(name: str, file: str | None) -> None:
    assert match([name], FILES) == [None if file is None else PurePath(file)]
