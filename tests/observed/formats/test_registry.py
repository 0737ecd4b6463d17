"""All formats: they have the parts of a format, and file names that are no text go through those that are written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentlabels.observed.formats import NAMES, Format, Labelled, find
from latentlabels.space import LabelSpace

NO_TEXT = "caf\udce9.png"
"""A file name whose bytes are no UTF-8, as Python keeps it."""


def all_texts(value: Any) -> Iterator[str]:
    """The texts in a JSON document, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from (key, *all_texts(one))
    elif isinstance(value, list):
        for one in value:
            yield from all_texts(one)


@pytest.mark.parametrize("name", NAMES)
def test_a_format_has_its_parts(name: str) -> None:
    one = find(name)
    assert isinstance(one, Format)
    assert name == one.NAME and one.TITLE and {"known", "probabilities"} >= one.WRITES


@pytest.mark.parametrize("name", [name for name in NAMES if find(name).WRITES and name != "table"])
@pytest.mark.parametrize("kind", ["known", "probabilities"])
def test_a_file_name_that_is_no_text_is_written(tmp_path: Path, name: str, kind: str) -> None:
    if kind not in find(name).WRITES:
        return
    values = np.asarray([[1, 0]], np.int8)
    known, probabilities = (values, None) if kind == "known" else (None, values.astype(np.float32) / 2)
    out = tmp_path / "out"
    find(name).write(out, Labelled((NO_TEXT,), LabelSpace.free(["cat", "dog"]), known, probabilities))
    files = [out] if out.is_file() else sorted(one for one in out.rglob("*") if one.is_file())
    texts = [one.read_text(encoding="utf-8") for one in files]
    if name in ("coco", "label-studio", "fiftyone"):  # JSON can hold it as it is
        assert {NO_TEXT, NO_TEXT.removesuffix(".png")} & {*all_texts(json.loads(texts[0]))}
    else:
        assert any("caf\\xe9.png" in text for text in texts)
