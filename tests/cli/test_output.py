"""What verbs share: JSON's types, figures, bars, tables, and names that are matched."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest

from latentlabels.cli.output import Output, bar, console, plain, show_facts, table


def test_plain_is_what_json_can_hold() -> None:
    value = {"a": np.float32(0.5), "b": np.arange(2), 3: (Path("x"), None, True), "d": [math.nan, math.inf, 1.5]}
    assert plain(value) == {"a": 0.5, "b": [0, 1], "3": ["x", None, True], "d": [None, None, 1.5]}


@pytest.mark.parametrize(("encoding", "expected"), [("utf-8", "██▌"), ("ascii", "##-")])
def test_bars_are_as_long_as_the_share_and_in_letters_that_the_terminal_has(encoding: str, expected: str) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert bar(0.25, width=10, file=file) == expected
    assert (bar(-1, file=file), len(bar(2, width=10, file=file))) == ("", 10)


def test_tables_neither_wrap_nor_colour_in_a_file() -> None:
    file = io.StringIO()
    console(file).print(table(("name", "figure"), [("[bold]x[/bold]", "1.0"), ("y" * 300, "22.0")], numeric=("figure",)))
    lines = file.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("[bold]x[/bold]")  # a label that looks like markup stays what it is
    assert "y" * 300 in lines[2]
    assert "\x1b" not in file.getvalue()


def test_facts_stay_on_one_line_in_a_file() -> None:
    file = io.StringIO()
    show_facts(console(file), [("a", "x " * 200), ("longer", "y")])
    lines = file.getvalue().splitlines()
    assert len(lines) == 2
    assert (lines[0][:10], lines[1]) == ("a       x ", "longer  y")


def test_prints_of_libraries_do_not_reach_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    with Output(as_json=True) as output:
        print("a library's progress")
        output.emit({"a": 1}, lambda console: None)
    seen = capsys.readouterr()
    assert seen.out == '{\n "a": 1\n}\n'
    assert seen.err == "a library's progress\n"
