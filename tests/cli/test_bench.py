"""`latentlabels bench`: from configs to a table, a folder and a page; what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command import Done, image_folder, latentlabels
from PIL import Image

from latentlabels.annotation import PerLabelSearch, Scar, UniformPositive, WeightedPositive
from latentlabels.bench import Task
from latentlabels.bench.loading import load_task
from latentlabels.cli.bench import _grid, read_bench_config

TEXT = """\
data: {{embeddings: {vectors}}}
fit: {{epochs: 2, held_out: 0.2, accelerator: cpu}}
bench:
  objectives: [assume-negative, collapsed]
  seeds: [0, 1]
  learning_rates: [1e-3]
"""


@pytest.fixture
def config(vectors: Path, tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(TEXT.format(vectors=vectors))
    return path


def task(config: Path, *overrides: str, **flags: Any) -> Task:
    read = read_bench_config(config, overrides, {f"bench.{key}": value for key, value in flags.items()})
    return load_task(read, "d")


@pytest.fixture(scope="module")
def done(vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Path]:
    """One data set, split, with its own `truth`; and its folder."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "shop.yaml").write_text(TEXT.format(vectors=vectors))
    result = latentlabels("bench", folder / "shop.yaml", "--out", folder / "out", "--workers", 0, "--json")
    assert result.code == 0, result.err
    return result, folder


# --- what it does ---------------------------------------------------------------------------------------


def test_one_document_and_the_files(done: tuple[Done, Path]) -> None:
    result, folder = done
    document = result.document
    (data,) = document["data"]
    assert (data["name"], data["num_train"], data["num_test"], data["num_labels"]) == ("shop", 32, 8, 4)
    assert [(table["protocol"], table["start"]) for table in data["tables"]] == [("honest", "prior"), ("generous", "prior")]
    assert {one["objective"] for one in data["tables"][0]["results"]} == {"assume-negative", "collapsed", "without the image"}
    assert data["tables"][0]["results"][0]["seeds"] == [0, 1]
    assert document["failures"] == []
    assert document["report"] == str(folder / "out" / "report.html")
    stored = json.loads((folder / "out" / "results.json").read_text())
    assert {key: document[key] for key in stored} == stored
    rows = [json.loads(line) for line in (folder / "out" / "rows.jsonl").read_text().splitlines()]
    assert len(rows) == 2 * 2 * 3
    assert (
        len(pd.read_csv(folder / "out" / "results.csv")) == 6
    )  # two objectives and the prediction without the image, by both protocols
    assert "[4/4] shop: collapsed" in result.err


def test_the_table_of_what_was_done_before(done: tuple[Done, Path]) -> None:
    _, folder = done
    before = (folder / "out" / "rows.jsonl").read_bytes()
    again = latentlabels("bench", folder / "shop.yaml", "--out", folder / "out", "--workers", 0)
    assert again.code == 0, again.err
    assert "4 fits, 4 of them done before" in again.err
    assert (folder / "out" / "rows.jsonl").read_bytes() == before
    for said in ("shop, honest", "shop, generous", "collapsed (ours)", "assume-negative", "For ranking, ", "mAP: ours is "):
        assert said in again.out
    assert str(folder / "out" / "report.html") in again.out


def test_several_data_sets_in_one_table(config: Path, vectors: Path, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(
        f"data: {{embeddings: {vectors}}}\nfit: {{epochs: 1, held_out: 0.2}}\nbench: {{test: {{embeddings: {vectors}}}}}\n"
    )
    args = ("--out", tmp_path / "out", "--workers", 0, "--json", "--set", "bench.seeds=[0]")
    done = latentlabels("bench", config, tmp_path / "other.yaml", *args)
    assert done.code == 0, done.err
    assert [(data["name"], data["num_test"]) for data in done.document["data"]] == [("shop", 8), ("other", 40)]


def test_every_objective_that_fails_is_a_failure(config: Path, tmp_path: Path) -> None:
    args = ("--out", tmp_path / "out", "--workers", 0, "--set", "model.encoder=embedding", "--set", "model.expected_labels=40")
    done = latentlabels("bench", config, *args)
    assert done.code == 1
    assert "every fit failed. The first error: " in done.err
    assert "expected_labels" in done.err


# --- tasks ----------------------------------------------------------------------------------------------


def test_the_split_is_the_same_each_time_and_takes_rows_together(config: Path, vectors: Path) -> None:
    found, again = task(config), task(config)
    stored = np.load(vectors)
    whole = {vector.tobytes(): row for row, vector in enumerate(stored["embeddings"].astype(np.float32))}
    train, test = ([whole[vector.tobytes()] for vector in part] for part in (found.train, found.test))
    assert sorted(train + test) == list(range(40))
    assert (found.observed == stored["observed"][train]).all()
    assert (found.truth == stored["truth"][train]).all()
    assert (found.test_truth == stored["truth"][test]).all()
    assert (again.train == found.train).all()
    assert isinstance(found.annotation, UniformPositive)
    assert found.fit["epochs"] == 2
    assert not {"objective", "start", "seed", "learning_rate", "stop"} & {*found.model, *found.fit}
    assert len(task(config, "bench.test_share=0.5").test) == 20


@pytest.mark.parametrize(
    ("how", "annotation"),
    [("uniform", UniformPositive), ("salience", WeightedPositive), ("per-label", PerLabelSearch), ("0.5", Scar)],
)
def test_labels_are_hidden_with_the_annotation_that_says_how(config: Path, how: str, annotation: type) -> None:
    found = task(config, hide=how)
    assert isinstance(found.annotation, annotation)
    assert found.truth is not None
    assert len(found.train) == len(found.observed) == len(found.truth)
    known = found.observed == 1
    assert known.any() and not (found.observed == 0).any()
    assert (found.truth[known] == 1).all()
    if how != "0.5":
        assert (known.sum(1) == 1).all()
    assert str(found.source).endswith(f"labels hidden: {float(how) if how == '0.5' else how}")


def test_truth_and_test_from_tables(vectors: Path, tmp_path: Path) -> None:
    stored = np.load(vectors)
    np.savez(tmp_path / "plain.npz", embeddings=stored["embeddings"], images=stored["images"])
    for name in ("observed", "truth"):
        frame = pd.DataFrame(stored[name], index=pd.Index(stored["images"], name="image"), columns=[*stored["labels"]])
        frame.sample(frac=1, random_state=1 + (name == "truth")).to_csv(tmp_path / f"{name}.csv")
    text = "data: {embeddings: plain.npz, observed: observed.csv, unlisted: unknown, unknown: -1}\n"
    text += "bench: {truth: truth.csv, test: {embeddings: plain.npz, truth: truth.csv}}\n"
    (tmp_path / "tables.yaml").write_text(text)
    found = task(tmp_path / "tables.yaml")
    assert found.truth is not None
    known = found.observed != -1
    assert (found.truth[known] == found.observed[known]).all()
    order = {vector.tobytes(): row for row, vector in enumerate(stored["embeddings"].astype(np.float32))}
    assert (found.truth == stored["truth"][[order[vector.tobytes()] for vector in found.train]]).all()
    hidden = task(tmp_path / "tables.yaml", "data.observed=null", hide="uniform")
    assert len(hidden.train) == 40


def test_a_truth_with_gaps_in_an_npz_is_no_oracles(vectors: Path, config: Path, tmp_path: Path) -> None:
    stored = dict(np.load(vectors))
    stored["truth"] = stored["truth"].copy()
    stored["truth"][0, 0] = -1
    np.savez(tmp_path / "gaps.npz", **stored)
    overrides = [f"data.embeddings={tmp_path / 'gaps.npz'}", f"bench.test.embeddings={vectors}"]
    assert task(config, *overrides).truth is None


def test_images_are_read_once_and_complete_tables_hidden(scenes: Path, tmp_path: Path) -> None:
    text = f"data: {{images: {scenes}/images-by-label, observed: {scenes}/truth.csv}}\nlabels: {scenes}/labels.yaml\n"
    (tmp_path / "scenes.yaml").write_text(text + "model: {encoder: tiny, image_size: 16}\nbench: {hide: uniform}\n")
    found = task(tmp_path / "scenes.yaml")
    assert (found.train.shape, found.train.dtype, found.test.shape) == ((48, 3, 16, 16), np.uint8, (12, 3, 16, 16))
    assert found.space.num_labels == found.observed.shape[1]
    assert (found.model["encoder"], found.model["image_size"]) == ("tiny", 16)


def test_unreadable_images_are_left_out_of_both_parts(scenes: Path, tmp_path: Path) -> None:
    text = (
        f"data: {{images: {scenes}/images-by-label}}\nlabels: {scenes}/labels.yaml\nmodel: {{encoder: tiny, image_size: 16}}\n"
    )
    images = tmp_path / "test"
    frame = pd.read_csv(scenes / "truth.csv").head(5)
    for name in frame["image"]:
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        (images / name).write_bytes((scenes / "images-by-label" / name).read_bytes())
    (images / frame["image"][0]).write_bytes(b"no picture")
    frame.to_csv(tmp_path / "test.csv", index=False)
    (tmp_path / "scenes.yaml").write_text(text + "bench: {test: {images: test, truth: test.csv}}\n")
    with pytest.warns(UserWarning, match="1 of 5 images cannot be read"):
        found = task(tmp_path / "scenes.yaml")
    assert len(found.test) == len(found.test_truth) == 4
    assert found.truth is None


def test_features_of_a_frozen_encoder_are_worked_out_once(scenes: Path, tmp_path: Path) -> None:
    import torch

    from latentlabels.bench.fits import Job, fit
    from latentlabels.encoders import TinyCNN

    torch.save(TinyCNN().state_dict(), tmp_path / "tiny.pt")
    text = f"data: {{images: {scenes}/images-by-label, observed: {scenes}/truth.csv}}\nlabels: {scenes}/labels.yaml\n"
    text += "model: {encoder: tiny, image_size: 32, weights: tiny.pt, frozen: true}\n"
    (tmp_path / "scenes.yaml").write_text(text + "bench: {hide: uniform}\n")
    found = task(tmp_path / "scenes.yaml")
    assert found.train.shape == (48, TinyCNN.num_features)
    assert (found.model["encoder"], found.model["frozen"], found.model["weights"]) == ("embedding", False, None)
    assert "error" not in fit(found, Job("d", "collapsed", "prior", 1e-3, 0))[0]


def test_class_and_colour(tmp_path: Path) -> None:
    for label, levels in (("apples", ("red", "green")), ("cars", ("red", "blue"))):
        for number in range(12):
            path = tmp_path / "objects" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = Image.new("RGB", (32, 32), "white")
            picture.paste(levels[number % 2], (8, 8, 24, 24 + number % 5))
            picture.putpixel((0, 0), (number, len(label), 0))  # no two are alike
            picture.save(path)
    read = read_bench_config(
        None, ["model.image_size=16"], {"data.images": tmp_path / "objects", "bench.make": "class-and-colour"}
    )
    found = load_task(read, "objects")
    assert [group.name for group in found.space.groups] == ["class", "colour"]
    assert found.train.shape[1:] == (3, 16, 16)
    assert found.truth is not None
    assert (found.truth.sum(1) == 2).all()
    assert (found.observed.clip(0).sum(1) == 1).all()
    assert found.model["encoder"] == "tiny"


def test_mosaics_of_a_folder(tmp_path: Path) -> None:
    image_folder(tmp_path / "objects", cup=6, shoe=6)
    read = read_bench_config(None, ["bench.scenes=30"], {"data.images": tmp_path / "objects", "bench.make": "mosaic"})
    found = load_task(read, "mosaic")
    assert (len(found.train), len(found.test), found.space.labels) == (30, 10, ("cup", "shoe"))
    assert (found.observed.clip(0).sum(1) == 1).all()
    assert "mosaic of" in found.source and found.source.endswith("labels hidden: uniform")


def test_both_starts_and_all_objectives(config: Path) -> None:
    from latentlabels.objectives import OBJECTIVES

    read = read_bench_config(config, ["bench.objectives=null", "bench.starts=[both]", "bench.seeds=[3, 3]"], {})
    grid = _grid([read])
    assert grid.starts == ("prior", "own")
    papers = {f"{name}:true-count" for name in ("expected-positive", "role", "nnpu", "gpr")}
    assert set(grid.objectives) == {*OBJECTIVES, *papers}
    asked = ["collapsed:true-count", "role:true-count"]
    assert _grid([read_bench_config(config, [f"bench.objectives=[{','.join(asked)}]"], {})]).objectives == tuple(asked)
    assert grid.seeds == (3,)


def test_epochs_do_not_decide_unless_the_config_says_how_long(tmp_path: Path) -> None:
    image_folder(tmp_path / "objects", cup=6, shoe=6)
    flags = {"data.images": tmp_path / "objects", "bench.make": "mosaic"}
    for more, expected in (([], (200, 15)), (["fit.epochs=7"], (7, 15)), (["fit.epochs=50", "fit.patience=5"], (50, 5))):
        found = load_task(read_bench_config(None, ["bench.scenes=30", *more], flags), "mosaic").fit
        assert (found["epochs"], found["patience"]) == expected


# --- errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("bench.objectives=[colapsed]", 'not "colapsed"; did you mean "collapsed"?'),
        ("bench.objectives=[]", "bench.objectives: expected a list of names"),
        ("bench.sedes=[0]", 'unknown key bench.sedes; did you mean "seeds"?'),
        ("bench.test.embedings=x", 'unknown key bench.test.embedings; did you mean "embeddings"?'),
        ("bench.seeds=[-1]", "bench.seeds: expected a list of whole numbers of at least 0, not -1"),
        ("bench.seeds=3", "bench.seeds: expected a list of whole numbers"),
        ("bench.learning_rates=[0.0]", "bench.learning_rates: expected a list of numbers above 0, not 0.0"),
        ("bench.starts=[prio]", 'not "prio"; did you mean "prior"?'),
        ("bench.hide=unifrom", 'not "unifrom"; did you mean "uniform"?'),
        ("bench.hide=2", "bench.hide: expected none, uniform, salience, per-label, or a rate above 0 up to 1, not 2"),
        ("bench.make=mosiac", 'did you mean "mosaic"?'),
        ("bench.test_share=1", "bench.test_share: expected a share above 0 and below 1, not 1"),
        ("bench.test_share=0.001", "bench.test_share: 0.001 of 40 images leaves nothing"),
        ("fit.held_out=0", "fit.held_out: 0 leaves nothing to choose epoch and learning rate on"),
        ("bench.test={}", "bench.test: give embeddings, or images and truth"),
        ("bench.test={images: /}", "but the training data are embeddings; give bench.test.embeddings"),
        ("bench.test={embeddings: none.npz}", "none.npz not found"),
        ("bench.truth=none.csv", "none.csv not found"),
        ("bench.make=mosaic", "bench.make: mosaic makes its own from images; leave data.embeddings out"),
    ],
)
def test_wrong_configs(config: Path, tmp_path: Path, override: str, said: str) -> None:
    done = latentlabels("bench", config, "--out", tmp_path / "out", "--set", override)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert f"error: {config}:1: " in done.err if "leave data" in said else "--set" in done.err
    assert not (tmp_path / "out").exists()


def test_an_error_names_file_and_line(config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text().replace("[assume-negative, collapsed]", "\n    - collapsed\n    - asume-negative"))
    done = latentlabels("bench", config, "--out", tmp_path / "out")
    assert (done.code, f"{config}:6: bench.objectives" in done.err) == (2, True)


def test_what_must_be_given(config: Path, vectors: Path, tmp_path: Path) -> None:
    stored = np.load(vectors)
    np.savez(tmp_path / "bare.npz", embeddings=stored["embeddings"], observed=stored["observed"], labels=stored["labels"])
    image_folder(tmp_path / "images", cup=2, shoe=2)
    bare, out = ("--set", f"data.embeddings={tmp_path / 'bare.npz'}"), ("--out", tmp_path / "out")
    for args, said in (
        ((config,), "no folder for the results; give --out DIR"),
        (out, "no data to compare on; give a CONFIG"),
        ((config, config, *out), 'two data sets are called "shop"'),
        ((config, *bare, *out), "bench.test: nothing to measure on"),
        ((config, *bare, *out, "--hide", "uniform"), "holds no array `truth`; give bench.truth"),
        ((config, *bare, *out, "--set", f"bench.test.embeddings={tmp_path / 'bare.npz'}"), "holds no array `truth`"),
        ((*out, "--images", tmp_path / "images", "--hide", "uniform"), "give bench.truth, a table of them"),
        ((*out, "--make", "class-and-colour"), "class-and-colour takes a folder"),
    ):
        done = latentlabels("bench", *args)
        assert (done.code, done.out) == (2, ""), done.err
        assert said in done.err
    assert not (tmp_path / "out").exists()


def test_data_that_cannot_be_used(config: Path, vectors: Path, tmp_path: Path) -> None:
    stored = dict(np.load(vectors))
    stored["truth"] = stored["truth"].copy()
    stored["truth"][3, 1] = -1
    np.savez(tmp_path / "gaps.npz", **stored)
    args = ("--out", tmp_path / "out", "--set", f"data.embeddings={tmp_path / 'gaps.npz'}", "--hide", "uniform")
    done = latentlabels("bench", config, *args)
    assert (done.code, done.out) == (1, "")
    assert 'not complete: shop/03.jpg: label "blue" is unknown' in done.err


def test_grids_that_contradict_each_other(config: Path, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(config.read_text().replace("[0, 1]", "[0, 2]"))
    done = latentlabels("bench", config, tmp_path / "other.yaml", "--out", tmp_path / "out")
    assert done.code == 2
    assert f"{tmp_path / 'other.yaml'}:5: bench.seeds: all configs of one bench must share this value" in done.err


def test_nothing_is_overwritten(config: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    done = latentlabels("bench", config, "--out", tmp_path / "out", "--workers", 0)
    assert (done.code, "nothing is overwritten" in done.err) == (1, True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_other_data_need_another_folder(done: tuple[Done, Path]) -> None:
    _, folder = done
    changed = latentlabels("bench", folder / "shop.yaml", "--out", folder / "out", "--set", "fit.epochs=3")
    assert (changed.code, 'its fits of "shop" are of other data or settings' in changed.err) == (1, True)
