"""`latentlabels fit`: the run folder, the summary, what is refused, and going on after an interruption."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from command import TINY, Done, image_folder, latentlabels, picture
from PIL import Image

from latentlabels.cli.app import main
from latentlabels.config import read_config

RUN_FILES = {
    "config.yaml", "labels.json", "weights.safetensors", "metrics.jsonl", "environment.json", "diagnostics.json", "report.html",
    "checkpoints", "findings.npz", "manifest.json", "decisions.safetensors",
}  # fmt: skip


def fit(root: Path, *args: object) -> Done:
    return latentlabels("fit", "--images", root, *TINY, *args)


def test_a_fit_writes_a_whole_run_folder(run: Path) -> None:
    assert {path.name for path in run.iterdir()} == RUN_FILES
    assert "<h1>" in (run / "report.html").read_text()


def test_the_runs_config_is_resolved_and_can_be_read_again(run: Path, scenes: Path) -> None:
    stored = yaml.safe_load((run / "config.yaml").read_text())
    assert list(stored) == ["data", "labels", "annotation", "model", "fit"]
    assert stored["data"]["images"] == str(scenes / "images-by-label")
    config = read_config(run / "config.yaml")
    assert (config.model.encoder, config.model.image_size, config.fit.epochs) == ("tiny", 32, 1)
    assert config.annotation.kind == "uniform-positive"
    space = config.space()
    assert space is not None
    assert space.group_of("2-doors").requires == "car"
    assert config.resolved() == stored


def test_the_summary_says_what_was_found_and_what_to_do_next(fitted: tuple[Path, Done]) -> None:
    run, done = fitted
    facts = {line[:18].strip(): line[18:].strip() for line in done.out.splitlines()}
    assert facts["images"] == "60"
    assert facts["labels"] == "21, 6 free, 15 in 4 groups"
    assert facts["known labels"].startswith("60 present, 0 absent (1.00 per image)")
    assert 'expected (derived from the share of known labels in the exhaustive group "colour")' in facts["labels per image"]
    assert facts["best epoch"] == "1 of 1"
    assert facts["run"] == str(run)
    assert f"next: latentlabels predict {run} IMAGE... -o probabilities.csv" in done.out
    assert "fitting 60 images with 21 labels" in done.err
    assert "Epoch" not in done.err  # progress is for terminals


def test_json_is_one_document_and_all_else_is_on_stderr(vectors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = latentlabels("fit", "--embeddings", vectors, "--set", "fit.epochs=1", "--json")
    assert done.code == 0
    found = done.document
    assert found["run"] == "runs/vectors"  # named by the file where --out is not given
    assert (found["num_images"], found["num_labels"], found["known_present"], found["known_absent"]) == (40, 4, 40, 0)
    assert found["expected_labels"] == 1.5
    assert found["unreadable"] == []
    assert found["held_out_log_likelihood"] < 0
    assert (tmp_path / "runs" / "vectors" / "report.html").exists()
    assert "fitting 40 embeddings" in done.err


def test_a_config_file_with_overrides(scenes: Path, tmp_path: Path) -> None:
    config = tmp_path / "toy.yaml"
    config.write_text(
        f"data: {{images: {scenes / 'images-by-label'}}}\nlabels: {scenes / 'labels.yaml'}\n"
        "model: {encoder: tiny, image_size: 32}\nfit: {epochs: 3}\n"
    )
    overrides = ("--set", "fit.epochs=1", "--set", "model.expected_labels=3")
    done = latentlabels("fit", config, *overrides, "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    assert done.document["epochs"] == 1
    assert done.document["expected_labels"] == 3
    assert done.document["expected_labels_source"] == "set by expected_labels"


def test_nothing_is_overwritten(run: Path, scenes: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.iterdir()}
    done = fit(scenes / "images-by-label", "--out", run)
    assert done.code == 2
    assert f"--out {run}: folder is not empty and is never overwritten; give another one (--out {run}-2)" in done.err
    assert "--resume" in done.err
    assert {path: path.stat().st_mtime_ns for path in run.iterdir()} == before
    (tmp_path / "notes.txt").write_text("mine")
    done = fit(scenes / "images-by-label", "--out", tmp_path)
    assert done.code == 2
    assert "never overwritten" in done.err
    assert "--resume" not in done.err  # there is no fit to go on with
    done = fit(scenes / "images-by-label", "--out", tmp_path / "notes.txt")
    assert done.code == 2
    assert "a file; give the name of a new folder" in done.err


def test_other_objectives_with_complete_labels_where_they_need_them(vectors: Path, tmp_path: Path) -> None:
    args = ("--embeddings", vectors, "--set", "model.objective=full-labels", "--set", "fit.epochs=1", "--out", tmp_path / "run")
    done = latentlabels("fit", *args)
    assert done.code == 0, done.err
    assert "(negative full-labels loss, higher is better)" in done.out
    assert len(latentlabels("predict", tmp_path / "run", vectors).rows) == 40


# --- resuming -------------------------------------------------------------------------------------------


def history(run: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def fit_vectors(vectors: Path, run: Path, *args: object) -> Done:
    return latentlabels("fit", "--embeddings", vectors, "--set", "fit.learning_rate=0.01", "--out", run, *args)


def test_an_interrupted_fit_goes_on_where_it_stood(vectors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from latentlabels.fitting import loop

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert fit_vectors(vectors, whole, "--set", "fit.epochs=4").code == 0
    write = loop.write_checkpoint

    def interrupted(folder: Path, module: Any, optimizer: Any, watch: Any, identity: Any, average: Any) -> None:
        write(folder, module, optimizer, watch, identity, average)
        if watch.next_epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "write_checkpoint", interrupted)
        done = fit_vectors(vectors, parts, "--set", "fit.epochs=4")
    assert done.code == 130
    assert done.out == ""
    said = "interrupted; to resume, run the same command with --resume, or: latentlabels fit --resume --out"
    assert done.err.splitlines()[-1] == f"{said} {parts}"
    done = latentlabels("predict", parts, vectors)
    assert done.code == 1
    assert f"its fit is not finished; resume it with `latentlabels fit --resume --out {parts}`" in done.err

    begun = json.loads((parts / "checkpoints" / "last.json").read_text())
    done = latentlabels("fit", "--resume", "--out", parts)
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in (parts / "metrics.jsonl").read_text().splitlines()]
    assert rows[:2] == begun  # to the millisecond: these epochs were not run again
    assert len(history(parts)) == 4
    for mine, theirs in zip(history(parts), history(whole), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-4)


def test_resuming_takes_more_epochs_and_refuses_another_model(vectors: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert fit_vectors(vectors, run, "--set", "fit.epochs=1").code == 0
    done = fit_vectors(vectors, run, "--set", "fit.epochs=2", "--resume")
    assert done.code == 0, done.err
    assert len(history(run)) == 2
    done = fit_vectors(vectors, run, "--set", "fit.epochs=3", "--set", "fit.batch_size=8", "--resume")
    assert done.code == 2
    assert "--set fit.batch_size=8: fit.batch_size is 8, but 64 in" in done.err
    assert "give another --out to start a new one" in done.err
    assert len(history(run)) == 2


def test_resuming_needs_something_to_resume(vectors: Path, tmp_path: Path) -> None:
    done = latentlabels("fit", "--resume", "--embeddings", vectors)
    assert (done.code, "name the fit to resume with --out RUN" in done.err) == (2, True)
    done = latentlabels("fit", "--resume", "--embeddings", vectors, "--out", tmp_path / "new")
    assert (done.code, "no interrupted fit in" in done.err) == (2, True)


@pytest.mark.parametrize("what", ["images", "known labels", "embeddings"])
def test_resuming_refuses_other_data_and_says_what_differs(vectors: Path, tmp_path: Path, what: str) -> None:
    path, run = tmp_path / "data.npz", tmp_path / "run"
    found = dict(np.load(vectors))
    np.savez(path, **found)
    assert fit_vectors(path, run, "--set", "fit.epochs=1").code == 0
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    row, column = np.argwhere(found["observed"] == -1)[0]
    if what == "images":
        found["images"] = found["images"][::-1]
    elif what == "known labels":
        found["observed"][row, column] = 0
    else:
        found["embeddings"][3] += 1
    np.savez(path, **found)
    done = fit_vectors(path, run, "--set", "fit.epochs=2", "--resume")
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert f"{run} was started on other data (the {what}: " in last
    assert "Restore those data to resume it, or start a new fit: leave out --resume and give another --out" in last
    assert last.count(" then, ") == 1
    assert {file: file.read_bytes() for file in run.rglob("*") if file.is_file()} == before


def test_a_fit_that_was_begun_and_finished_no_epoch_is_resumed(
    vectors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("latentlabels.estimator.LatentLabels.fit", stop)
        assert fit_vectors(vectors, tmp_path / "run", "--set", "fit.epochs=1").code == 130
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"checkpoints"}
    done = fit_vectors(vectors, tmp_path / "run", "--set", "fit.epochs=1")
    assert (done.code, "or --resume to continue the fit in it" in done.err) == (2, True)
    assert latentlabels("fit", "--resume", "--out", tmp_path / "run").code == 0
    assert len(history(tmp_path / "run")) == 1


def test_a_run_knows_whether_every_image_has_a_label(vectors: Path, tmp_path: Path) -> None:
    args = ("--embeddings", vectors, "--set", "fit.epochs=1", "--out", tmp_path / "run")
    assert latentlabels("fit", *args).code == 0
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["model"]["at_least_one"] is True
    assert yaml.safe_load((tmp_path / "run" / "checkpoints" / "config.yaml").read_text())["model"]["at_least_one"] is None


# --- what is wrong with the data ------------------------------------------------------------------------


def test_a_terminal_is_told_of_every_epoch(vectors: Path, tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out, err = io.StringIO(), Terminal()
    args = ["fit", "--embeddings", str(vectors), "--set", "fit.epochs=2", "--out", str(tmp_path / "run")]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main(args) == 0
    assert re.search(r"epoch 1 of 2: training -\d\.\d{3}, held out -\d\.\d{3}, labels per image \d\.\d{3}", err.getvalue())
    assert "epoch 2 of 2: " in err.getvalue()
    assert "epoch 2 of 2: " not in out.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return image_folder(tmp_path / "animals", cat=5, dog=5)


def refused(tmp_path: Path, code: int, *args: object) -> str:
    """Run a fit that must fail, and leave no run folder behind."""
    done = latentlabels("fit", *args, "--out", tmp_path / "run")
    assert done.code == code, done.err
    assert done.out == ""
    assert not (tmp_path / "run").exists()
    line = done.err.splitlines()[-1]
    assert line.startswith("error: ")
    return line


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty: has no folders of images" in refused(tmp_path, 1, "--images", tmp_path / "empty")
    (tmp_path / "empty" / "cat").mkdir()
    assert "no images in its 1 label folder" in refused(tmp_path, 1, "--images", tmp_path / "empty")


def test_an_unreadable_image_is_named_skipped_and_counted(folder: Path, tmp_path: Path) -> None:
    (folder / "cat" / "broken.jpg").write_bytes(b"no picture")
    done = fit(folder, "--out", tmp_path / "run", "--json")
    assert done.code == 0
    assert done.document["unreadable"] == [str(folder / "cat" / "broken.jpg")]
    assert (done.document["num_images"], done.document["known_present"]) == (10, 10)
    assert "warning: 1 of 11 images cannot be read and are left out" in done.err
    assert "broken.jpg" in done.err


def test_an_unreadable_image_is_an_error_with_strict(folder: Path, tmp_path: Path) -> None:
    (folder / "cat" / "broken.jpg").write_bytes(b"no picture")
    error = refused(tmp_path, 1, "--images", folder, *TINY, "--strict")
    assert "1 of 11 images cannot be read" in error
    assert "broken.jpg" in error


def test_only_unreadable_images(tmp_path: Path) -> None:
    (tmp_path / "animals" / "cat").mkdir(parents=True)
    (tmp_path / "animals" / "cat" / "broken.jpg").write_bytes(b"no picture")
    assert "the image cannot be read" in refused(tmp_path, 1, "--images", tmp_path / "animals", *TINY)


def test_a_folder_that_is_no_label_of_the_space(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.yaml").write_text("- cat\n- dogg\n")
    error = refused(tmp_path, 1, "--images", folder, "--labels", tmp_path / "labels.yaml")
    assert '"dog"' in error
    assert 'did you mean "dogg"?' in error


def test_one_image_known_to_be_two_exclusive_labels(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.yaml").write_text("- {name: animal, one_of: [cat, dog]}\n")
    shutil.copy(folder / "cat" / "0.png", folder / "dog" / "copy.png")
    error = refused(tmp_path, 1, "--images", folder, "--labels", tmp_path / "labels.yaml")
    assert 'cat/0.png: "cat" and "dog" exclude each other (group "animal")' in error


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(text)
    return path


def test_a_table_of_positives_needs_to_say_what_missing_means(folder: Path, tmp_path: Path) -> None:
    path = table(tmp_path, "image,label\n" + "".join(f"cat/{i}.png,cat\ndog/{i}.png,dog\n" for i in range(5)))
    error = refused(tmp_path, 2, "--images", folder, "--observed", path)
    assert "table.csv: lists only labels that are present" in error
    assert "give --unlisted unknown" in error
    error = refused(tmp_path, 2, "--images", folder, "--observed", path, "--unlisted", "absnt")
    assert 'data.unlisted: expected unknown or absent, not "absnt"; did you mean "absent"?' in error
    for unlisted, absent in (("unknown", 0), ("absent", 10)):
        run = tmp_path / unlisted
        done = fit(folder, "--observed", path, "--unlisted", unlisted, "--out", run, "--json")
        assert done.code == 0, done.err
        assert (done.document["known_present"], done.document["known_absent"]) == (10, absent)
        assert read_config(run / "config.yaml").data.unlisted == unlisted


def test_a_label_in_the_table_that_the_space_lacks(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.yaml").write_text("- cat\n- dog\n")
    path = table(tmp_path, "image,label,value\ncat/0.png,cat,1\ncat/1.png,catt,1\n")
    error = refused(tmp_path, 1, "--images", folder, "--observed", path, "--labels", tmp_path / "labels.yaml")
    assert 'table.csv:3: the label space has no label "catt"; did you mean "cat"?' in error


def test_duplicates_and_lost_images_of_a_table_are_reported(folder: Path, tmp_path: Path) -> None:
    rows = [f"{label}/{i}.png,{label}" for i in range(4) for label in ("cat", "dog")]
    text = "\n".join(["image,label", *rows, "cat/0.png,cat", "nowhere.png,cat"])
    args = ("--observed", table(tmp_path, text), "--unlisted", "unknown")
    error = refused(tmp_path, 1, "--images", folder, *args, *TINY, "--strict")
    assert "strict" in error
    done = fit(folder, *args, "--out", tmp_path / "run", "--json")
    assert done.code == 0
    assert done.document["num_images"] == 8
    assert "1 label of an image stated more than once" in done.err
    assert "left out: nowhere.png" in done.err
    assert "2 images not in observed, so not used" in done.err  # in the folder, but not in the table
    assert "cat/4.png, dog/4.png" in done.err


def test_nothing_known_at_all(folder: Path, tmp_path: Path) -> None:
    path = table(tmp_path, "image,cat,dog\ncat/0.png,,\ncat/1.png,,\n")
    error = refused(tmp_path, 1, "--images", folder, "--observed", path, "--unlisted", "unknown")
    assert "no image has a known label" in error


def test_a_batch_in_which_nothing_is_known(vectors: Path, tmp_path: Path) -> None:
    found = dict(np.load(vectors))
    found["observed"][4:] = -1
    np.savez(tmp_path / "few.npz", **found)
    args = ("--set", "fit.epochs=1", "--set", "fit.batch_size=2", "--out", tmp_path / "run", "--json")
    done = latentlabels("fit", "--embeddings", tmp_path / "few.npz", *args)
    assert done.code == 0, done.err
    assert done.document["known_present"] == 4


def test_images_of_which_all_is_known(vectors: Path, tmp_path: Path) -> None:
    found = dict(np.load(vectors))
    found["observed"] = found["truth"]
    np.savez(tmp_path / "all.npz", **found)
    args = ("--set", "fit.epochs=1", "--out", tmp_path / "run", "--json")
    done = latentlabels("fit", "--embeddings", tmp_path / "all.npz", *args)
    assert done.code == 0, done.err
    assert done.document["known_present"] + done.document["known_absent"] == 160


def test_one_label_and_a_group_of_one_label(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "animals", cat=6)
    assert fit(root, "--out", tmp_path / "free", "--json").document["num_labels"] == 1
    (tmp_path / "labels.yaml").write_text("- {name: animal, one_of: [cat]}\n")
    done = fit(root, "--labels", tmp_path / "labels.yaml", "--out", tmp_path / "group")
    assert done.code == 0
    assert latentlabels("predict", tmp_path / "group", root / "cat" / "0.png").rows[0]["cat"] == "1"


def test_a_label_that_is_never_known_keeps_its_prior(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.yaml").write_text("- cat\n- dog\n- unicorn\n")
    done = fit(folder, "--labels", tmp_path / "labels.yaml", "--out", tmp_path / "run")
    assert done.code == 0
    assert '1 of 3 labels are never known to be present ("unicorn")' in done.err
    assert "never known       unicorn: kept at the prior" in done.out
    rows = latentlabels("predict", tmp_path / "run", folder).rows
    # all alike but for what is known of every image: that it has a label as a rule
    assert np.ptp([float(row["unicorn"]) for row in rows]) < 1e-4
    assert len({row["cat"] for row in rows}) > 1
    prevalence = {row["label"]: row["prevalence"] for row in inspected(folder, tmp_path)["labels"]}
    assert 1 < float(rows[0]["unicorn"]) / prevalence["unicorn"] < 1.1  # the prior, given that an image has a label as a rule


def inspected(folder: Path, tmp_path: Path) -> Any:
    return latentlabels("inspect", folder, "--labels", tmp_path / "labels.yaml", "--json").document


def test_images_with_alpha_palette_16_bit_and_rotation(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "animals", cat=3)
    plain = Image.open(picture(tmp_path / "plain.png", seed=99))
    plain.convert("RGBA").save(root / "cat" / "alpha.png")
    plain.convert("P").save(root / "cat" / "palette.png")
    Image.fromarray(np.arange(1024, dtype=np.uint16).reshape(32, 32) * 64).save(root / "cat" / "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    plain.save(root / "cat" / "turned.jpg", exif=exif)
    done = fit(root, "--out", tmp_path / "run", "--json", "--strict")
    assert done.code == 0, done.err
    assert (done.document["num_images"], done.document["unreadable"]) == (7, [])
    assert len(latentlabels("predict", tmp_path / "run", root, "--strict").rows) == 7


def test_embeddings_with_nan_and_without_what_is_needed(vectors: Path, tmp_path: Path) -> None:
    found = dict(np.load(vectors))
    broken = tmp_path / "broken.npz"
    np.savez(broken, **{**found, "embeddings": np.where(np.arange(6) == 2, np.nan, found["embeddings"][:, :])})
    assert "40 of 40 embeddings hold NaN or infinity" in refused(tmp_path, 1, "--embeddings", broken)
    np.savez(broken, embeddings=found["embeddings"])
    assert "has no array `observed`" in refused(tmp_path, 2, "--embeddings", broken)
    np.savez(broken, embeddings=found["embeddings"], observed=found["observed"])
    assert "has no array `labels`, so its labels have no names" in refused(tmp_path, 2, "--embeddings", broken)
    (tmp_path / "labels.yaml").write_text("- red\n- blue\n- car\n")
    error = refused(tmp_path, 1, "--embeddings", vectors, "--labels", tmp_path / "labels.yaml")
    assert 'the label space has no label "striped"' in error


def test_embeddings_with_a_table_are_matched_by_name(vectors: Path, tmp_path: Path) -> None:
    path = table(tmp_path, "image,red,blue\n03.jpg,1,0\nshop/05.jpg,0,1\n07.jpg,,1\n09,1,\n")
    args = ("--set", "fit.epochs=1", "--out", tmp_path / "run", "--json")
    done = latentlabels("fit", "--embeddings", vectors, "--observed", path, *args)
    assert done.code == 0, done.err
    assert (done.document["num_images"], done.document["known_present"], done.document["known_absent"]) == (4, 4, 2)
    path = table(tmp_path, "image,red,blue\n03.jpg,1,0\n99.jpg,0,1\n")
    shutil.rmtree(tmp_path / "run")
    assert "1 of the 2 images of observed are not in" in refused(tmp_path, 1, "--embeddings", vectors, "--observed", path)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model.encoder=resnet181"], '=resnet181: model.encoder: unknown encoder "resnet181"; did you mean "resnet18"?'),
        (["model.expected_labels=50"], "--set model.expected_labels=50: model.expected_labels: expected_labels is"),
        (["annotation.kind=scar"], 'annotation.rates: "scar" needs rates, one number for each label'),
        (["model.objective=full-labels"], '=full-labels: model.objective: "full-labels" needs complete labels'),
        (["fit.epoch=3"], '--set fit.epoch=3: unknown key fit.epoch; did you mean "epochs"?'),
    ],
)
def test_a_config_that_the_data_contradict(folder: Path, tmp_path: Path, overrides: list[str], said: str) -> None:
    args = [part for override in overrides for part in ("--set", override)]
    assert said in refused(tmp_path, 2, "--images", folder, *TINY, *args)


def test_a_fit_that_learned_nothing_is_called_poor(tmp_path: Path) -> None:
    rng, size = np.random.default_rng(0), 1000
    known = np.full((size, 3), -1, np.int8)
    known[np.arange(size), rng.integers(0, 3, size)] = 1
    noise = rng.normal(size=(size, 8)).astype(np.float32)  # says nothing about the labels
    told = np.concatenate([noise, 4 * (known == 1)], 1).astype(np.float32)
    for name, vectors in {"noise": noise, "told": told}.items():
        np.savez(tmp_path / f"{name}.npz", embeddings=vectors, observed=known, labels=np.array(["a", "b", "c"]))
    fits = {
        name: latentlabels("fit", "--embeddings", tmp_path / f"{name}.npz", "--set", "fit.epochs=5", "--out", tmp_path / name)
        for name in ("noise", "told")
    }
    assert "\nWeak: known labels of " in fits["noise"].out
    assert "Do not rely on these probabilities." in fits["noise"].out
    assert fits["noise"].out.index("Weak: ") > fits["noise"].out.index("report ")
    assert "without looking at the image" in fits["noise"].out
    assert "\nFair: known labels of " in fits["told"].out
    assert "Do not rely" not in fits["told"].out


def test_commands_that_are_proposed_take_paths_with_blanks(vectors: Path, tmp_path: Path) -> None:
    run = tmp_path / "my run"
    done = latentlabels("fit", "--embeddings", vectors, "--set", "fit.epochs=1", "--out", run)
    assert f"next: latentlabels predict '{run}' FILE.npz" in done.out
    table = tmp_path / "my answers.csv"
    command = latentlabels("next", run, "-n", 1, "-o", table).err.strip().splitlines()[-1].removeprefix("next: ")
    assert shlex.split(command)[1:] == ["fit", "--from", str(run), "--answers", str(table)]
    found = latentlabels("inspect", shutil.copy(vectors, tmp_path / "my vectors.npz"), "--json").document["next"]
    assert shlex.split(found)[1:] == ["fit", "--embeddings", str(tmp_path / "my vectors.npz")]
