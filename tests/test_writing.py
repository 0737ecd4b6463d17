"""Files are written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from latentlabels.writing import clear_leftovers, replacing, write_json, write_text


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    write_text(target, "old")

    def broken() -> None:
        with replacing(target) as temporary:
            assert temporary.suffix == ".csv" and temporary.parent == tmp_path
            temporary.write_text("half of the new")
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="disk"):
        broken()
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert target.read_text() == "old"


def test_text_and_json_are_utf_8(tmp_path: Path) -> None:
    write_json(tmp_path / "b.json", {"label": "vélo 自転車"})
    assert json.loads((tmp_path / "b.json").read_bytes().decode("utf-8")) == {"label": "vélo 自転車"}


def test_leftovers_of_a_killed_process_are_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".weights.77.partial.safetensors").write_bytes(b"half")
    (tmp_path / ".keep").write_text("x")
    (tmp_path / "weights.safetensors").write_bytes(b"whole")
    clear_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".keep", "weights.safetensors"]
