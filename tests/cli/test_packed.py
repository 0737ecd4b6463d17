"""Packed images and imagefolder on the command line: inspect, fit, predict, evaluate."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from packed_files import class_label, encoded_png, write_parquet, write_tar

from latentlabels.cli.app import main

TINY = ["--set", "model.encoder=tiny", "--set", "model.image_size=16", "--set", "fit.epochs=1", "--set", "fit.held_out=0.2"]
N, CLASSES = 24, ("cat", "dog", "bus")


def numbers() -> list[int]:
    return [row % 3 for row in range(N)]


def image(row: int) -> bytes:
    pixels = np.random.default_rng(row).integers(0, 80, (12, 12, 3)) + 60 * (row % 3) + 30
    return encoded_png(pixels.astype(np.uint8))


def packed(kind: str, root: Path) -> tuple[str, list[str]]:
    """The name of the images, and what has to be stated."""
    stated = ["--unlisted", "unknown"]
    if kind == "tar":
        for number in range(2):
            rows = range(number * 12, number * 12 + 12)
            files = {
                f"{row:02d}.{part}": image(row) if part == "png" else str(row % 3) for row in rows for part in ("png", "cls")
            }
            write_tar(root / f"train-{number:02d}.tar", files)
        return str(root / "train-{00..01}.tar"), [*stated, "--classes", ",".join(CLASSES)]
    if kind == "parquet":
        for number in range(2):
            rows = range(number * 12, number * 12 + 12)
            cells = pa.array([{"bytes": image(row), "path": f"{row:02d}.png"} for row in rows])
            features = {"image": {"_type": "Image"}, "label": class_label(CLASSES)}
            write_parquet(root / f"d-{number}.parquet", {"image": cells, "label": numbers()[: len(rows)]}, features, rows=5)
        return str(root / "d-*.parquet"), stated
    folder = root / "photos"
    folder.mkdir()
    for row in range(N):
        (folder / f"{row:02d}.png").write_bytes(image(row))
    lines = [{"file_name": f"{row:02d}.png", "label": CLASSES[row % 3]} for row in range(N)]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(folder), stated


def run(capsys: pytest.CaptureFixture[str], *verb: str) -> Any:
    assert main([*verb, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("kind", ["tar", "parquet", "imagefolder"])
def test_inspect_fit_and_predict(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    where, stated = packed(kind, tmp_path)
    seen = run(capsys, "inspect", where, *stated)
    assert (seen["num_images"], seen["num_labels"], seen["known_present"]) == (N, 3, N)
    fitted = run(capsys, "fit", "--images", where, *stated, "--out", str(tmp_path / "run"), *TINY)
    assert fitted["num_images"] == N
    assert b"data:image" in (tmp_path / "run" / "report.html").read_bytes()
    assert main(["predict", str(tmp_path / "run"), where, "-o", str(tmp_path / "p.csv")]) == 0
    table = pd.read_csv(tmp_path / "p.csv")
    assert len(table) == N and {*table.columns} == {"image", *CLASSES}
    assert np.isfinite(table[list(CLASSES)].to_numpy()).all()
    assert [Path(name).name for name in table["image"]] == [f"{row:02d}.png" for row in range(N)]


def test_a_table_for_packed_images_and_an_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    where, _ = packed("tar", tmp_path)
    known = "".join(f"{row:02d}.png,{CLASSES[row % 3]}\n" for row in range(N))
    (tmp_path / "known.csv").write_text("image,label\n" + known)
    config = tmp_path / "packed.yaml"
    config.write_text("data: {images: 'train-{00..01}.tar', observed: known.csv, unlisted: unknown}\n")
    fitted = run(capsys, "fit", str(config), "--out", str(tmp_path / "run"), *TINY)
    assert fitted["num_images"] == N
    found = run(
        capsys,
        "evaluate",
        str(tmp_path / "run"),
        "--images",
        where,
        "--truth",
        str(tmp_path / "known.csv"),
        "--unlisted",
        "absent",
    )
    assert found["num_images"] == N
    own = run(
        capsys,
        "evaluate",
        str(tmp_path / "run"),
        "--images",
        where,
        "--truth",
        where,
        "--classes",
        ",".join(CLASSES),
        "--unlisted",
        "absent",
    )
    assert own["map"] == found["map"]


def test_what_is_not_stated_is_asked_with_the_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    where, _ = packed("tar", tmp_path)
    assert main(["fit", "--images", where, "--out", str(tmp_path / "run"), *TINY]) == 2
    assert "--classes NAME,NAME,..." in capsys.readouterr().err
    assert main(["fit", "--images", where, "--classes", "cat,dog,bus", "--out", str(tmp_path / "run"), *TINY]) == 2
    assert "--unlisted unknown" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_bad_shards_are_one_message_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    where, stated = packed("tar", tmp_path)
    data = (tmp_path / "train-01.tar").read_bytes()
    (tmp_path / "train-01.tar").write_bytes(data[:3000])
    fit = ["fit", "--images", where, *stated, "--out", str(tmp_path / "run"), *TINY]
    assert main(fit) == 1
    assert "train-01.tar" in (said := capsys.readouterr().err) and "byte" in said and said.count("error:") == 1
    (tmp_path / "train-01.tar").unlink()
    assert main(fit) != 0
    assert "1 of 2 shards not found: train-01.tar" in capsys.readouterr().err
    assert main(["fit", "--images", str(tmp_path / "x.tar.gz"), "--out", str(tmp_path / "run"), *TINY]) != 0
    assert "unpack it" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_an_unreadable_image_in_a_shard_has_an_empty_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    where, stated = packed("tar", tmp_path)
    assert main(["fit", "--images", where, *stated, "--out", str(tmp_path / "run"), *TINY]) == 0
    bad = write_tar(tmp_path / "bad.tar", {"a.png": image(0), "b.png": b"<html>", "c.png": image(1)})
    assert main(["predict", str(tmp_path / "run"), str(bad), "-o", str(tmp_path / "p.csv")]) == 0
    table = pd.read_csv(tmp_path / "p.csv")
    assert list(table["image"]) == ["a.png", "b.png", "c.png"] and list(table["cat"].isna()) == [False, True, False]


def test_inspect_names_the_command_that_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    where, stated = packed("tar", tmp_path)
    seen = run(capsys, "inspect", where, *stated)
    command = shlex.split(seen["next"])
    assert command[:4] == ["latentlabels", "fit", "--images", where]
    assert main([*command[1:], "--out", str(tmp_path / "run"), *TINY]) == 0
