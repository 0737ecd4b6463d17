"""Results of many images: written as they are computed, continued after an interruption, and in every format."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from command import latentlabels, picture

from latentlabels import LatentLabels
from latentlabels.inputs import stream

VERBS = ["predict", "complete"]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The 40 embeddings are four blocks."""
    monkeypatch.setattr(stream, "_MOST", 12)


def asked(verb: str, run: Path, vectors: Path, *more: object) -> tuple[object, ...]:
    return (verb, run, *((vectors,) if verb == "predict" else ("--images", vectors)), *more)


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, BaseException], None]:
    """Makes the posterior of the n-th block fail, once."""

    def at(block: int, error: BaseException) -> None:
        original, seen = LatentLabels._posterior, [0]

        def posterior(self: LatentLabels, *args: Any) -> Any:
            seen[0] += 1
            if seen[0] == block:
                raise error
            return original(self, *args)

        monkeypatch.setattr(LatentLabels, "_posterior", posterior)

    return at


# --- continuing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_an_interrupted_command_continues_after_its_last_block(
    vector_run: Path, vectors: Path, tmp_path: Path, verb: str, ending: str, breaking: Callable[[int, BaseException], None]
) -> None:
    whole, out = tmp_path / f"whole.{ending}", tmp_path / f"out.{ending}"
    assert latentlabels(*asked(verb, vector_run, vectors, "-o", whole)).code == 0
    breaking(3, KeyboardInterrupt())
    args = asked(verb, vector_run, vectors, "-o", out)
    done = latentlabels(*args)
    assert (done.code, done.out) == (130, "")
    assert done.err == "interrupted; 24 images written; run the same command again to continue\n"
    assert {path.name for path in tmp_path.iterdir()} == {whole.name, f"{out.name}.part", f"{out.name}.part.json"}
    done = latentlabels(*args)
    assert done.code == 0
    assert f"{out}.part: 24 images already done; continuing" in done.err
    assert f"{out}: 40 images" in done.err
    assert out.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {whole.name, out.name}


def test_what_is_written_can_be_read_while_the_command_works(
    vector_run: Path, vectors: Path, tmp_path: Path, breaking: Callable[[int, BaseException], None]
) -> None:
    breaking(3, KeyboardInterrupt())
    latentlabels("predict", vector_run, vectors, "-o", tmp_path / "out.csv")
    frame = pd.read_csv(tmp_path / "out.csv.part")
    assert list(frame["image"]) == [f"shop/{row:02d}.jpg" for row in range(24)]


def test_what_was_begun_with_something_else_is_begun_again_or_refused(
    vector_run: Path, vectors: Path, tmp_path: Path, breaking: Callable[[int, BaseException], None]
) -> None:
    out, other = tmp_path / "out.csv", tmp_path / "other.npz"
    breaking(3, KeyboardInterrupt())
    latentlabels("predict", vector_run, vectors, "-o", out)
    shutil.copy(vectors, other)
    os.utime(other, (1, 1))
    done = latentlabels("predict", vector_run, other, "-o", out, "--resume")
    assert (done.code, done.out) == (2, "")
    assert f"{out}.part: left by an interrupted command, but with other inputs; leave out --resume to start again" in done.err
    done = latentlabels("complete", vector_run, "--images", vectors, "-o", out, "--resume")
    assert "but with other inputs, settings; leave out" in done.err
    model = LatentLabels.load(vector_run)
    with torch.no_grad():
        model.model.amortizer.head.bias += 1
    run = model.save(tmp_path / "run")
    assert "but with other run; leave out" in latentlabels("predict", run, vectors, "-o", out, "--resume").err
    assert "24 images already done" in latentlabels("predict", vector_run, vectors, "-o", out, "--resume").err
    breaking(2, KeyboardInterrupt())
    latentlabels("predict", vector_run, vectors, "-o", out)
    done = latentlabels("predict", vector_run, other, "-o", out)
    assert done.code == 0
    assert "with other inputs; starting again" in done.err
    assert len(pd.read_csv(out)) == 40


def test_resume_without_anything_to_continue_begins(vector_run: Path, vectors: Path, tmp_path: Path) -> None:
    assert latentlabels("predict", vector_run, vectors, "-o", tmp_path / "out.csv", "--resume").code == 0
    done = latentlabels("predict", vector_run, vectors, "--resume")
    assert (done.code, done.out) == (2, "")
    assert "--resume continues a file; name it with -o FILE" in done.err


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"size": 1000000}', b'{"size": -1}', b'{"size": 3}'])
def test_a_damaged_state_is_no_reason_to_fail(vector_run: Path, vectors: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "out.csv.part").write_bytes(b"image,x\n")
    (tmp_path / "out.csv.part.json").write_bytes(content)
    done = latentlabels("predict", vector_run, vectors, "-o", tmp_path / "out.csv")
    assert done.code == 0, done.err
    assert len(pd.read_csv(tmp_path / "out.csv")) == 40
    assert {path.name for path in tmp_path.iterdir()} == {"out.csv"}


def test_an_error_that_no_repetition_mends_leaves_nothing(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_MOST", 2)
    for number in range(5):
        picture(tmp_path / "images" / f"{number}.png", number)
    (tmp_path / "images" / "4.png").write_bytes(b"no picture")
    done = latentlabels("predict", run, tmp_path / "images", "-o", tmp_path / "out.csv", "--strict")
    assert done.code == 1
    assert "4.png: cannot be read as an image" in done.err
    assert {path.name for path in tmp_path.iterdir()} == {"images"}


@pytest.mark.parametrize("moment", [2, 4])
def test_an_interrupted_evaluation_continues(
    vector_run: Path, vectors: Path, tmp_path: Path, moment: int, breaking: Callable[[int, BaseException], None]
) -> None:
    run = shutil.copytree(vector_run, tmp_path / "run")
    whole = latentlabels("evaluate", run, "--images", vectors, "--json")
    for name in ("evaluation.json", "evaluation.npz", "report.html"):
        (run / name).unlink()
    breaking(moment, KeyboardInterrupt())
    done = latentlabels("evaluate", run, "--images", vectors)
    assert done.code == 130
    assert f"{12 * (moment - 1)} images measured; run the same command again to continue" in done.err
    done = latentlabels("evaluate", run, "--images", vectors, "--json", "--resume")
    assert f"{12 * (moment - 1)} images already done; continuing" in done.err
    assert done.document == whole.document
    assert not list(run.glob("*.part*"))


def test_the_metrics_are_those_of_all_images_at_once(vector_run: Path, vectors: Path, tmp_path: Path) -> None:
    run = shutil.copytree(vector_run, tmp_path / "run")
    found = latentlabels("evaluate", run, "--images", vectors, "--json").document
    model, truth = LatentLabels.load(run), np.load(vectors)["truth"]
    expected = model.posterior(vectors).evaluate(truth, model.space_).to_dict()
    for key in ("map", "nll", "brier", "calibration_error", "f1", "macro_f1", "count_error", "count_nll"):
        assert found[key] == pytest.approx(expected[key], rel=1e-6), key
    assert found["per_label_ap"] == pytest.approx(expected["per_label_ap"])


def test_a_signal_between_blocks_leaves_what_is_written(vector_run: Path, vectors: Path, tmp_path: Path) -> None:
    written = stream.InputStream.block

    def block(self: stream.InputStream, rows: Any) -> Any:
        if rows[0] == 24:
            os.kill(os.getpid(), signal.SIGINT)
        return written(self, rows)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stream.InputStream, "block", block)
        done = latentlabels("predict", vector_run, vectors, "-o", tmp_path / "out.csv")
    assert (done.code, "24 images written" in done.err) == (130, True)
    assert len(pd.read_csv(tmp_path / "out.csv.part")) == 24


# --- where rows go --------------------------------------------------------------------------------------


def test_a_parquet_file_has_a_row_group_for_each_block(vector_run: Path, vectors: Path, tmp_path: Path) -> None:
    latentlabels("predict", vector_run, vectors, "-o", tmp_path / "out.parquet")
    found = pq.ParquetFile(tmp_path / "out.parquet")
    assert [found.metadata.row_group(n).num_rows for n in range(found.num_row_groups)] == [12, 12, 12, 4]
    expected = LatentLabels.load(vector_run).posterior(vectors).marginals
    assert found.read().to_pandas().iloc[:, 1:].to_numpy() == pytest.approx(expected, abs=1e-6)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_named_pipe_gets_the_whole_table(vector_run: Path, vectors: Path, tmp_path: Path, ending: str) -> None:
    os.mkfifo(tmp_path / f"pipe.{ending}")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / f"pipe.{ending}").read_bytes()))
    reader.start()
    done = latentlabels("predict", vector_run, vectors, "-o", tmp_path / f"pipe.{ending}")
    reader.join(60)
    assert done.code == 0, done.err
    latentlabels("predict", vector_run, vectors, "-o", tmp_path / f"file.{ending}")
    assert got == [(tmp_path / f"file.{ending}").read_bytes()]
    assert {path.name for path in tmp_path.iterdir()} == {f"pipe.{ending}", f"file.{ending}"}


def test_json_on_stdout_is_one_document_of_all_blocks(vector_run: Path, vectors: Path) -> None:
    found = latentlabels("predict", vector_run, vectors, "--json").document
    assert [one["image"] for one in found["images"]] == [f"shop/{row:02d}.jpg" for row in range(40)]
    assert (found["num_images"], found["unreadable"]) == (40, [])


def test_stdout_gets_rows_block_by_block(
    vector_run: Path, vectors: Path, breaking: Callable[[int, BaseException], None]
) -> None:
    breaking(3, KeyboardInterrupt())
    done = latentlabels("predict", vector_run, vectors)
    assert done.code == 130
    assert len(done.rows) == 24
    assert done.err == "interrupted; run the same command again\n"
