"""The command itself: help without torch, exit codes, what an error says, tracebacks, closed pipes."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from command import latentlabels

from latentlabels.cli.app import app, main

VERBS = (
    "demo",
    "fit",
    "predict",
    "query",
    "complete",
    "evaluate",
    "calibrate",
    "convert",
    "report",
    "bench",
    "inspect",
    "embed",
    "cache",
)
HEAVY = ("torch", "torchvision", "lightning", "pandas", "numpy", "sklearn", "matplotlib", "pyro")


def python(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "error", "-c", code, *args], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("verb", [None, *VERBS])
def test_help_imports_nothing_slow(verb: str | None) -> None:
    code = (
        "import sys; from latentlabels.cli.app import main\n"
        "code = main(sys.argv[1:])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = python(code, *([verb] if verb else []), "--help")
    assert (done.returncode, done.stderr.strip()) == (0, "[]")
    assert "Usage: latentlabels" in done.stdout
    assert verb is None or f"latentlabels {verb}" in done.stdout


def test_help_names_the_verbs_in_the_order_of_use() -> None:
    done = latentlabels("--help")
    at = [done.out.index(f"│ {verb} ") for verb in VERBS]
    assert at == sorted(at)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_describes_every_option(verb: str) -> None:
    text = latentlabels(verb, "--help").out
    options = [line for line in text.splitlines() if line.startswith("│ --") or line.startswith("│ -o")]
    assert options
    assert all(len(line.strip("│ ").split("  ")) > 1 and line.strip("│ ").split("  ")[-1].strip() for line in options)


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The command, its subcommands, theirs, each with the words that call it."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


def test_help_shows_a_flag_without_a_type() -> None:
    seen = 0
    for path, command in commands(typer.main.get_command(app)):
        text = latentlabels(*path, "--help").out
        assert "bool" not in text, path
        flags = [*(param.opts[0] for param in command.params if getattr(param, "is_flag", False)), "--help"]
        for flag in flags:
            line = next(line for line in text.splitlines() if line.startswith(f"│ {flag} "))
            said = line.removeprefix(f"│ {flag} ").strip("│ ").removeprefix("-").lstrip("abcdefghijklmnopqrstuvwxyz").strip()
            assert said[0].isupper(), line  # the description follows, which begins with a capital
            seen += 1
    assert seen > 40
    assert "--top          N" in latentlabels("query", "--help").out  # an option with a value shows what it takes


def test_version() -> None:
    done = latentlabels("--version")
    assert done.code == 0
    assert done.out.startswith("latentlabels")


@pytest.mark.parametrize("verb", VERBS)
def test_paragraphs_of_help_end_where_the_terminal_does(verb: str) -> None:
    text = typer.main.get_command(app).commands[verb].help  # type: ignore[attr-defined]
    assert not [paragraph for paragraph in text.split("\n\n") if "\n" in paragraph or "  " in paragraph]
    assert "\n\nFor example: latentlabels " in text or verb in ("demo", "cache")  # one has no arguments, the other is a group


def test_no_verb_prints_help_and_is_wrong_use() -> None:
    done = latentlabels()
    assert done.code == 2
    assert "predict" in done.out
    assert "error" not in done.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["predct"], 'unknown command "predct"; did you mean "predict"? (commands: demo, fit, predict'),
        (["fit", "--imags", "x"], 'latentlabels fit has no option --imags; did you mean "--images"? (see latentlabels'),
        (
            ["evaluate", "run", "--observed", "x"],
            'latentlabels evaluate has no option --observed; did you mean "--truth"? (see',
        ),
        (["calibrate", "run", "--truth", "x"], 'latentlabels calibrate has no option --truth; did you mean "--complete"? (see'),
        (["fit", "--truth", "x"], 'latentlabels fit has no option --truth; did you mean "--complete"? (see'),
        (["predict"], "missing argument 'RUN' (see latentlabels predict --help)"),
        (["predict", "run"], "missing argument 'IMAGES...' (see latentlabels predict --help)"),
        (["query", "run", "x.png", "--top", "0"], "invalid value for '--top'"),
        (["query", "run", "x.png", "--given", "car", "blue"], "(blue) (see latentlabels query --help)"),
        (["fit"], "no data: give a CONFIG (YAML), --images DIR"),
        (["inspect"], "no data to inspect; give a CONFIG"),
        (
            ["predict", "nowhere", "x.png"],
            "nowhere: run folder not found; create one with `latentlabels fit ... --out nowhere`",
        ),
        (["fit", "nowhere.yaml"], "nowhere.yaml: cannot be read (No such file or directory); give the path of a YAML config"),
        (["fit", "--images", "nowhere"], "nowhere not found"),
        (["fit", "."], ".: is a folder, but a config file is expected; for a folder of images give --images ."),
        (["inspect", "nowhere"], "nowhere not found; give a config, a folder of images or an .npz"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    args: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = latentlabels(*args)
    assert done.code == 2
    assert done.out == ""
    assert said in done.err
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_run_is_a_failure(tmp_path: Path) -> None:
    done = latentlabels("predict", tmp_path, "x.png")
    assert done.code == 1
    assert "not a complete run folder: config.yaml, labels.json" in done.err


def test_an_unexpected_error_is_one_line_and_a_traceback_with_debug_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **more: object) -> None:
        raise RuntimeError("the disk sings")

    monkeypatch.setattr("latentlabels.cli.predict.load_run", fail)
    done = latentlabels("predict", tmp_path, "x.png")
    assert done.code == 1
    assert done.err == "error: unexpected RuntimeError: the disk sings (run again with --debug for a traceback)\n"
    done = latentlabels("predict", tmp_path, "x.png", "--debug")
    assert done.code == 1
    assert "Traceback (most recent call last)" in done.err
    assert done.err.endswith("error: unexpected RuntimeError: the disk sings (run again with --debug for a traceback)\n")


def test_running_out_of_memory_says_what_to_lower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **more: object) -> None:
        raise MemoryError

    monkeypatch.setattr("latentlabels.cli.predict.load_run", fail)
    done = latentlabels("predict", tmp_path, "x.png")
    assert (done.code, done.err) == (1, "error: out of memory; use a smaller fit.batch_size or model.image_size\n")


def test_ctrl_c_is_exit_code_130(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*args: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("latentlabels.cli.predict.load_run", stop)
    done = latentlabels("predict", tmp_path, "x.png")
    assert (done.code, done.out, done.err) == (130, "", "interrupted; run the same command again\n")


def test_stdout_is_itself_again_after_an_error(tmp_path: Path) -> None:
    before = sys.stdout
    latentlabels("predict", tmp_path, "x.png")
    assert sys.stdout is before


def closed_pipe() -> int:
    """The end to write to of a pipe that nobody reads, as after `| head`."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def test_a_closed_pipe_is_no_error(run: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for args in (["predict", run, image], ["query", run, image], ["query", run, image, "--json"]):
        errors = io.StringIO()
        with os.fdopen(closed_pipe(), "w") as stdout, contextlib.redirect_stderr(errors):
            monkeypatch.setattr(sys, "stdout", stdout)
            assert main([str(arg) for arg in args]) == 0
            monkeypatch.undo()
        assert errors.getvalue() == ""


def test_a_closed_pipe_is_no_error_at_exit() -> None:
    writer = closed_pipe()
    try:
        command = [sys.executable, "-m", "latentlabels", "--help"]
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=120)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
