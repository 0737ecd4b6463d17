"""`latentlabels evaluate`: figures against complete labels, and what is not complete."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import Done, latentlabels

from latentlabels import LatentLabels
from latentlabels.checks.measures import MEASURES
from latentlabels.decisions import empirical_thresholds
from latentlabels.metrics import evaluate
from latentlabels.report.stored_predictions import StoredPredictions
from latentlabels.words import number, percent_of


@pytest.fixture(scope="module")
def copy(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the run, whose report may change."""
    return Path(shutil.copytree(run, tmp_path_factory.mktemp("runs") / "copy"))


@pytest.fixture(scope="module")
def measured(copy: Path, scenes: Path) -> Done:
    args = ("--images", scenes / "images-by-label", "--truth", scenes / "truth.csv", "--json")
    return latentlabels("evaluate", copy, *args)


def test_json_is_what_the_metrics_are(measured: Done, copy: Path, scenes: Path) -> None:
    assert measured.code == 0, measured.err
    found = measured.document
    truth = pd.read_csv(scenes / "truth.csv", index_col="image")
    posterior = LatentLabels.load(copy).posterior([scenes / "images-by-label" / name for name in truth.index])
    y = truth.to_numpy(np.int8)
    expected = evaluate(y, posterior.marginals, posterior.log_prob(y), posterior.count_probs(), posterior.space).to_dict()
    assert found["num_images"] == 60
    for key in ("map", "nll", "brier", "calibration_error", "f1", "count_error", "group_accuracy"):
        assert found[key] == pytest.approx(expected[key], rel=1e-4), key
    assert found["per_label_ap"]["car"] == pytest.approx(expected["per_label_ap"]["car"], rel=1e-4)


def test_the_run_folder_and_its_report_have_the_figures(measured: Done, copy: Path) -> None:
    assert json.loads((copy / "evaluation.json").read_text()) == measured.document
    report = (copy / "report.html").read_text()
    assert "Evaluation against complete labels" in report
    assert percent_of(measured.document["map"], 60) in report
    assert "A few of these images, with their true labels." in report
    assert "without the image" in report
    found = StoredPredictions.read(copy / "evaluation.npz", 21)
    assert found.truth.shape == found.marginals.shape
    assert found.pictures.shape[1:] == (3, 96, 96)
    assert found.num_images.tolist() == [60, 60]


def test_each_label_confusion_and_the_verdict(measured: Done, copy: Path, scenes: Path) -> None:
    found = measured.document
    truth = pd.read_csv(scenes / "truth.csv", index_col="image")
    posterior = LatentLabels.load(copy).posterior([scenes / "images-by-label" / name for name in truth.index])
    y, p = truth.to_numpy(np.int8), posterior.marginals
    for k, label in enumerate(posterior.space.labels):
        one, said = found["per_label"][label], p[:, k] > 0.5
        assert one["support"] == y[:, k].sum()
        assert one["recall"] == (None if not y[:, k].any() else pytest.approx((said & (y[:, k] == 1)).sum() / y[:, k].sum()))
        assert one["predicted"] == pytest.approx(p[:, k].mean(), abs=1e-4)
    plain = found["without_image"]
    assert found["brier_skill"] == pytest.approx(1 - found["brier"] / plain["brier"])
    assert found["nll_gain"] == pytest.approx(plain["nll"] - found["nll"])
    assert sum(number for _, _, number in found["confusion"]["colour"]) == 60
    right = sum(number for true, said, number in found["confusion"]["colour"] if true == said)
    columns = [posterior.space.index(label) for label in posterior.space.named("colour").labels]
    assert right == (p[:, columns].argmax(1) == y[:, columns].argmax(1)).sum()
    assert found["verdict"]["level"] in ("fair", "weak")  # 60 scenes, which it was fitted on
    done = latentlabels("evaluate", copy, "--images", scenes / "images-by-label", "--truth", scenes / "truth.csv")
    assert found["verdict"]["sentence"] in done.out
    assert "most frequent confusions within a group" in done.out
    report = (copy / "report.html").read_text()
    assert "Worst errors" in report
    assert "Confusion within a group" in report


def test_what_full_labels_gave_is_a_measure(vector_run: Path, vectors: Path, tmp_path: Path) -> None:
    run = shutil.copytree(vector_run, tmp_path / "run")
    done = latentlabels("evaluate", run, "--embeddings", vectors, "--full-labels", vector_run)
    assert done.code == 2
    assert 'its objective is "collapsed"; give a run of the objective full-labels' in done.err
    full = tmp_path / "full"
    fitted = latentlabels(
        "fit", "--embeddings", vectors, "--set", "model.objective=full-labels", "--set", "fit.epochs=1", "--out", full
    )
    assert fitted.code == 0, fitted.err
    done = latentlabels("evaluate", run, "--embeddings", vectors, "--full-labels", full)
    assert done.code == 2
    assert f"not evaluated yet; run latentlabels evaluate {full} on the same images first" in done.err
    assert latentlabels("evaluate", full, "--embeddings", vectors).code == 0
    done = latentlabels("evaluate", run, "--embeddings", vectors, "--full-labels", full, "--json")
    assert done.code == 0, done.err
    theirs = json.loads((full / "evaluation.json").read_text())
    measure = done.document["full_labels"]
    assert measure["brier"] == theirs["brier"]
    plain = done.document["without_image"]["brier"]
    assert measure["brier_skill"] == pytest.approx(1 - theirs["brier"] / plain)


def test_text(measured: Done, copy: Path, scenes: Path) -> None:
    done = latentlabels("evaluate", copy, "--images", scenes / "images-by-label", "--truth", scenes / "truth.csv")
    found = measured.document
    for line in (
        "measured on 60 images with complete labels",
        "average precision: the best and worst 8 of",
        f"all figures: {copy / 'evaluation.json'}",
    ):
        assert line in done.out
    lines = [re.split(r"  +", line.rstrip()) for line in done.out.splitlines()]
    table = {line[0]: line[1:] for line in lines}
    plain, shown = found["without_image"], {one.name: one for one in MEASURES}
    for name, key in (("mean average precision (mAP)", "map"), ("calibration error of all", "calibration_error")):
        assert table[name] == [percent_of(found[key], 60), percent_of(plain[key], 60), shown[name].explained]
    assert table["negative log-likelihood"][:2] == [number(found["nll"]), number(plain["nll"])]
    report = (copy / "report.html").read_text()  # which says the same in the same words
    for one in MEASURES:
        if one.name in table:
            assert html.escape(one.explained, quote=False).replace("'", "&#39;") in report, one.name


def test_the_row_without_the_image_is_that_of_the_prevalences_of_the_fit(measured: Done, copy: Path, scenes: Path) -> None:
    prior = json.loads((copy / "diagnostics.json").read_text())["prior"]
    truth = pd.read_csv(scenes / "truth.csv", index_col="image")
    p = np.array([prior[label] for label in truth.columns])
    expected = evaluate(truth.to_numpy(np.int8), np.tile(p, (60, 1)))
    plain = measured.document["without_image"]
    assert plain["num_images"] == 60
    for key in ("map", "brier", "calibration_error", "f1"):
        assert plain[key] == pytest.approx(getattr(expected, key), abs=1e-4), key


def test_f1_at_one_half_at_the_thresholds_of_the_run_and_at_the_best_one(measured: Done, copy: Path, scenes: Path) -> None:
    truth = pd.read_csv(scenes / "truth.csv", index_col="image")
    y, model = truth.to_numpy(np.int8), LatentLabels.load(copy)
    images = [scenes / "images-by-label" / name for name in truth.index]
    decided, found = model.predict(images), measured.document
    assert found["f1_at_thresholds"] == pytest.approx(2 * (decided * y).sum() / (decided.sum() + y.sum()))
    best = empirical_thresholds(model.predict_proba(images), y)
    assert found["f1_best"] == pytest.approx(best.overall, abs=1e-9)
    assert found["f1"] <= found["f1_best"] >= found["f1_at_thresholds"]
    assert found["thresholds_for"] == "f1-micro"
    done = latentlabels("evaluate", copy, "--images", scenes / "images-by-label", "--truth", scenes / "truth.csv")
    assert "The run's thresholds are for f1-micro, found from the posterior of 60 images." in done.out
    assert percent_of(found["f1_best"], 60) in done.out.split("F1 at the best threshold")[1].split("\n")[0]


def test_embeddings_with_their_truth(vector_run: Path, vectors: Path, tmp_path: Path) -> None:
    run = shutil.copytree(vector_run, tmp_path / "run")
    stored = latentlabels("evaluate", run, "--embeddings", vectors, "--json")
    assert stored.code == 0, stored.err
    assert stored.document["num_images"] == 40
    labels = [*np.load(vectors)["labels"]]
    table = pd.DataFrame(np.load(vectors)["truth"], index=pd.Index(np.load(vectors)["images"], name="image"), columns=labels)
    table.sample(frac=1, random_state=0).to_csv(tmp_path / "truth.csv")
    given = latentlabels("evaluate", run, "--images", vectors, "--truth", tmp_path / "truth.csv", "--json")
    assert given.document["map"] == pytest.approx(stored.document["map"])
    assert given.document["nll"] == pytest.approx(stored.document["nll"], rel=1e-5)


def test_unreadable_images_are_left_out_and_named(copy: Path, scenes: Path, tmp_path: Path) -> None:
    images = Path(shutil.copytree(scenes / "images-by-label", tmp_path / "images"))
    broken = sorted(images.rglob("*.png"))[0]
    broken.write_bytes(b"no picture")
    args = ("evaluate", copy, "--images", images, "--truth", scenes / "truth.csv")
    found = latentlabels(*args, "--json").document
    assert (found["num_images"], found["unreadable"]) == (59, [broken.relative_to(images).as_posix()])
    done = latentlabels(*args, "--strict")
    assert (done.code, "1 of 60 images cannot be read" in done.err) == (1, True)


def test_images_that_the_truth_does_not_name_are_reported(copy: Path, scenes: Path, tmp_path: Path) -> None:
    lines = (scenes / "truth.csv").read_text().splitlines()
    (tmp_path / "truth.csv").write_text("\n".join(lines[:21]) + "\n")
    done = latentlabels("evaluate", copy, "--images", scenes / "images-by-label", "--truth", tmp_path / "truth.csv", "--json")
    assert done.document["num_images"] == 20
    assert "40 images not in truth, so not used" in done.err


def test_truth_that_is_not_complete(copy: Path, scenes: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(scenes / "truth.csv", dtype=str)
    name = frame.loc[3, "image"]
    frame.loc[3, "rain"] = ""
    frame.to_csv(tmp_path / "truth.csv", index=False)
    args = ("evaluate", copy, "--images", scenes / "images-by-label", "--truth", tmp_path / "truth.csv")
    done = latentlabels(*args)
    assert (done.code, done.out) == (1, "")
    assert f'not complete: {name}: label "rain" is unknown (1 unknown entries of 1 images)' in done.err
    assert "give --unlisted absent" in done.err
    assert latentlabels(*args, "--unlisted", "absent", "--json").code == 0
    frame.drop(columns=["rain", "night"]).to_csv(tmp_path / "truth.csv", index=False)
    done = latentlabels(*args)
    assert 'the table has no values for 2 labels ("night", ...)' in done.err


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("image,label\nnight/00002.png,night\n", 2, "give --unlisted unknown (not checked"),
        ("image,nigt\nnight/00002.png,1\n", 2, 'did you mean "night"?'),
        ("image,night\nnowhere.png,1\n", 2, "give --unlisted"),
        ("image,night\nnowhere.png,0\n", 1, "none of its images is in"),
    ],
)
def test_truth_that_cannot_be_used(copy: Path, scenes: Path, tmp_path: Path, text: str, code: int, said: str) -> None:
    (tmp_path / "truth.csv").write_text(text)
    done = latentlabels("evaluate", copy, "--images", scenes / "images-by-label", "--truth", tmp_path / "truth.csv")
    assert (done.code, done.out) == (code, "")
    assert said in done.err


def test_what_must_be_given(copy: Path, vector_run: Path, scenes: Path, vectors: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "plain.npz", embeddings=np.load(vectors)["embeddings"])
    for args, said in (
        ((copy,), "no data to evaluate on; give --images DIR and --truth TABLE"),
        ((copy, "--images", scenes / "images-by-label"), "no table of labels; give --truth TABLE"),
        ((copy, "--truth", scenes / "truth.csv"), "give --images DIR, the folder of its images"),
        ((copy, "--images", scenes, "--truth", tmp_path / "none.csv"), "none.csv: table of labels not found"),
        ((vector_run, "--embeddings", tmp_path / "plain.npz"), "has no array `truth`; give --truth TABLE"),
    ):
        done = latentlabels("evaluate", *args)
        assert (done.code, done.out) == (2, ""), done.err
        assert said in done.err
