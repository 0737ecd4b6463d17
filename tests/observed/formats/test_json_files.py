"""JSON of other tools: keys at the beginning of a file that is cut off anywhere, and the place of every mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentlabels.errors import DataError
from latentlabels.observed.formats.json_files import column, key_paths, load, part

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('ab"\\{}[],: é', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab_", min_size=1, max_size=3), inner, max_size=3),
    max_leaves=12,
)


def all_paths(value: Any, above: tuple[str, ...] = ()) -> set[str]:
    """The oracle: the paths of a document that is parsed as a whole."""
    if isinstance(value, dict):
        inner = [all_paths(one, (*above, key)) for key, one in value.items()]
        return set().union({".".join((*above, key)) for key in value}, *inner)
    return set().union(*[all_paths(one, (*above, "[]")) for one in value]) if isinstance(value, list) else set()


@given(VALUES, st.booleans())
@settings(max_examples=200, deadline=None)
def test_paths_are_those_of_the_parsed_document(value: Any, indented: bool) -> None:
    text = json.dumps(value, indent=2 if indented else None, ensure_ascii=False)
    expected = all_paths(value) if isinstance(value, dict | list) else set()
    assert key_paths(text.encode()) == expected
    assert key_paths(b"\xef\xbb\xbf" + text.encode()) == expected


@given(VALUES, st.floats(0, 1))
@settings(max_examples=200, deadline=None)
def test_a_beginning_has_no_other_paths_than_the_whole(value: Any, share: float) -> None:
    data = json.dumps(value, ensure_ascii=False).encode()
    assert key_paths(data[: int(share * len(data))]) <= key_paths(data)


def test_no_json_has_no_paths() -> None:
    assert key_paths(b'image,label\n"a{",b\n') == key_paths(b"") == key_paths(b'"a": 1') == frozenset()


def test_heavy_lists_are_emptied_and_nothing_else(tmp_path: Path) -> None:
    document = {
        "a": [{"segmentation": [[1.5, -2e3], [3]], "bbox": [1, 2]}, {"segmentation": {"counts": [4, 5], "size": [6, 7]}}],
        "text": 'say "segmentation": [1, 2]',
        "segmentation": [],
    }
    path = tmp_path / "x.json"
    for indent in (None, 1):
        path.write_text(json.dumps(document, indent=indent))
        found = load(path, without=("segmentation", "counts"))
        assert found["a"] == [{"segmentation": [], "bbox": [1, 2]}, {"segmentation": {"counts": [], "size": [6, 7]}}]
        assert found["text"] == document["text"] and found["segmentation"] == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"a": 1,\n"b": [1, 2', ":2: not valid JSON"),
        (b'{"a": "tex', "ends in the middle"),
        (b'{"a": 1,\n"segmentation": [[1,\n2],\n"b" 3}', ":4: not valid JSON"),  # the place in the file, lists and all
        (b"  \n", "empty"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": 1, "a": 2}', '"a" occurs twice'),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        load(path, without=("segmentation",), unique_keys=True)
    assert str(path) in str(caught.value) and said in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not found"):
        load(tmp_path / "no.json")


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([{"id": 1}, {"ID": 2}], 'f, entry 2: no "id"; did you mean "ID"?'),
        ([{"id": 1}, [1]], "f, entry 2: expected an object {...}, not [1]"),
        ([{"id": 1}, {"id": True}], 'f, entry 2: "id": expected a number, not true'),
        ([{"id": 1}, {"id": None}], 'f, entry 2: "id": expected a number, not null'),
        ([None], "f, entry 1: expected an object {...}, not null"),
        ([{"id": 1}, "text"], "entry 2: expected an object"),
    ],
)
def test_the_record_that_is_wrong_is_named(records: list[Any], said: str) -> None:
    with pytest.raises(DataError) as caught:
        column(records, "id", (int, str), "f")
    assert said in str(caught.value)


def test_parts() -> None:
    assert part({"a": [1]}, "a", list, "f") == [1]
    with pytest.raises(DataError, match='f: "a": expected a list'):
        part({"a": {}}, "a", list, "f")
    with pytest.raises(DataError, match="f: expected an object"):
        part([], "a", list, "f")
