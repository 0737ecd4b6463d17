"""`latentlabels next`: a table of questions, which `fit --answers` reads once it is filled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import latentlabels

from latentlabels import LatentLabels
from latentlabels.fitting.answers_table import read_answers


def filled(path: Path, vectors: Path) -> pd.DataFrame:
    """The table with true answers."""
    found, frame = np.load(vectors), pd.read_csv(path, dtype=str, keep_default_na=False)
    truth = pd.DataFrame(found["truth"], columns=found["labels"].tolist(), index=found["images"].tolist())
    for row, line in frame.iterrows():
        here = truth.loc[line["image"]]
        if line["label"] in truth.columns:
            frame.loc[row, "value"] = str(here[line["label"]])
        else:
            shown = [one for one in line["choices"].split(", ") if one in truth.columns and here[one] == 1]
            frame.loc[row, "value"] = shown[0] if shown else "none"
    frame.to_csv(path, index=False)
    return frame


def test_questions_are_answered_and_fitted(vector_run: Path, vectors: Path, tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    done = latentlabels("next", vector_run, "-n", 12, "-o", path, "--json")
    assert done.code == 0, done.err
    assert len(done.document["questions"]) == 12
    assert sum(one["random"] for one in done.document["questions"]) == 1
    frame = filled(path, vectors)
    assert list(frame.columns[:5]) == ["image", "label", "value", "time", "kind"]
    again = latentlabels("fit", "--from", vector_run, "--answers", path, "--out", tmp_path / "run", "--set", "fit.epochs=2")
    assert again.code == 0, again.err
    labels = read_answers(path, LatentLabels.load(vector_run).space_)
    assert f"answers           {labels.num_known.sum()} labels of {len(labels)} images, known by an answer" in again.out
    more = latentlabels("next", tmp_path / "run", "-n", 100, "--json").document["questions"]
    answered = {(line["image"], line["label"]) for _, line in frame.iterrows()}
    assert not answered & {(one["image"], one["label"] or one["group"]) for one in more}
    other = latentlabels("next", vector_run, "-n", 100, "--answers", path, "--json").document["questions"]
    assert not answered & {(one["image"], one["label"] or one["group"]) for one in other}


def test_each_label_by_itself_and_a_budget(vector_run: Path) -> None:
    found = latentlabels("next", vector_run, "--budget", 0.5, "--per-label", "--json").document["questions"]
    assert len(found) == 7  # 30 seconds of 4 each
    assert all(one["group"] is None and one["choices"] == ["yes", "no"] for one in found)


def test_shown_without_a_table(vector_run: Path, vectors: Path) -> None:
    done = latentlabels("next", vector_run, "--images", vectors, "-n", 3, "--random", 0)
    assert done.code == 0, done.err
    assert done.out.count("?") == 3
    assert "latentlabels fit --from" in done.err


@pytest.mark.parametrize(
    "more, message",
    [
        (["-n", 3, "--budget", 1], "give one of the two"),
        (["--budget", 0.01], "too short for one question"),
        (["-o", "answers.txt"], "ends in .csv"),
        (["-o", "missing/answers.csv"], "folder missing not found"),
        (["--images", "nowhere.npz"], "not found"),
    ],
)
def test_wrong_use(vector_run: Path, more: list[object], message: str) -> None:
    done = latentlabels("next", vector_run, *more)
    assert done.code == 2
    assert message in done.err


def test_a_share_out_of_range_and_an_unknown_label(vector_run: Path) -> None:
    assert "between 0 and 1" in latentlabels("next", vector_run, "--random", 2).err
    assert 'no label "plane"' in latentlabels("next", vector_run, "--about", "plane").err
