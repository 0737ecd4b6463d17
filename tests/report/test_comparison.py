"""Two runs side by side: the same figures, what differs, and the labels that one gains and loses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from latentlabels.errors import RunError
from latentlabels.fitting.run_folder import Run, environment, write_run
from latentlabels.report import compare, write_comparison
from latentlabels.space import LabelSpace

Make = Callable[..., Path]


def _label(precision: float, support: int = 100) -> dict[str, Any]:
    return {"support": support, "average_precision": precision, "predicted": 0.1, "confused_with": None}


def _evaluation(precision: dict[str, float], size: int = 1000, **more: Any) -> dict[str, Any]:
    labels = {label: _label(value) for label, value in precision.items()}
    plain = {"map": 0.1, "brier": 0.09, "nll": 2.0}
    return {
        "num_images": size, "map": 0.5, "brier": 0.045, "nll": 1.0, "brier_skill": 0.5, "nll_skill": 0.5, "nll_gain": 1.0,
        "ranking_skill": 0.44, "per_label": labels, "without_image": plain, **more,
    }  # fmt: skip


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def write(
        name: str, labels: str = "abc", evaluation: dict[str, Any] | None = None, epochs: int = 5, **diagnostics: Any
    ) -> Path:
        config = {"annotation": {"kind": "uniform-positive"}, "model": {"objective": "collapsed"}, "fit": {"epochs": epochs}}
        weights = {"head.weight": torch.zeros(3, 5)}
        run = Run(config, LabelSpace.free(labels), weights, [], environment(0, "0"), diagnostics)
        folder = write_run(tmp_path / name, run)
        if evaluation is not None:
            (folder / "evaluation.json").write_text(json.dumps(evaluation), encoding="utf-8")
        return folder

    return write


def test_figures_settings_and_labels_side_by_side(make: Make, tmp_path: Path) -> None:
    a = make("few", evaluation=_evaluation({"a": 0.4, "b": 0.8, "c": 0.6}), predicted_count=1.5, best_epoch=2)
    b = make("many", evaluation=_evaluation({"a": 0.7, "b": 0.6, "c": 0.61}, map=0.6, nll=1.2, nll_gain=0.8), epochs=9)
    found = compare(a, b)
    assert found.names == ("few", "many")
    assert found.same_images is True
    figures = {one.name: one for one in found.figures}
    assert figures["mean average precision (mAP)"].values == (0.5, 0.6)
    assert figures["mean average precision (mAP)"].said == ("50 %", "60 %")
    assert figures["mean average precision (mAP)"].better_of(found.names) == "many"
    assert figures["negative log-likelihood"].better_of(found.names) == "few"
    assert figures["likelihood gained"].better_of(found.names) == "few"
    assert figures["Brier score"].better_of(found.names) == ""
    assert figures["predicted labels per image"].values == (1.5, None)
    assert figures["predicted labels per image"].better_of(found.names) == ""
    assert figures["epoch kept"].values == (3, None)
    assert found.differs == (("fit.epochs", 5, 9),)
    assert [(one.label, round(one.gain, 9), one.is_clear) for one in found.changes] == [
        ("b", -0.2, True), ("c", 0.01, False), ("a", 0.3, True),
    ]  # fmt: skip
    assert found.measured_by == "average precision on complete labels"
    text = write_comparison(found, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "many is clearly better than few in 1 label and clearly worse in 1, of 3" in text
    assert "+30" in text
    assert "−20" in text
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(("gain", "clear"), [(0.139, False), (0.141, True), (-0.139, False), (-0.141, True)])
def test_a_gain_is_clear_beyond_two_standard_errors(make: Make, gain: float, clear: bool) -> None:
    # around 1/2 with 100 images each, g = 2 sqrt(2 (1/4 - g^2 / 4) / 100), so that g is 0.1400
    a = make("a", evaluation=_evaluation({"a": 0.5 - gain / 2}))
    b = make("b", evaluation=_evaluation({"a": 0.5 + gain / 2}))
    [change] = compare(a, b).changes
    assert change.is_clear is clear


def test_runs_without_complete_labels_are_compared_by_known_ones(make: Make) -> None:
    plain = {"held_out_log_likelihood": -2.0, "num_held_out": 300}
    a = make("a", known_ranking={"a": [50, 0.6], "b": [50, 0.9]}, held_out_log_likelihood=-1.5, without_image=plain)
    b = make("b", known_ranking={"a": [40, 0.9], "c": [50, 0.9]}, held_out_log_likelihood=-1.2, without_image=plain)
    found = compare(a, b)
    assert found.same_images is None
    assert found.measured_by == "area under the ROC curve on held-out known labels"
    assert [(one.label, one.values, one.support) for one in found.changes] == [("a", (0.6, 0.9), 40)]
    [gain] = [one for one in found.figures if one.name.startswith("gain on held-out known labels")]
    assert gain.values == (0.5, 0.8)
    assert [one.level.value for one in found.verdicts] == ["fair", "fair"]


def test_other_images_and_other_labels_are_said(make: Make, tmp_path: Path) -> None:
    a = make("a", "abc", _evaluation({"a": 0.4, "b": 0.8}, size=1000))
    b = make("b", "abd", _evaluation({"a": 0.4, "b": 0.8}, size=900))
    found = compare(a, b)
    assert found.same_images is False
    assert found.alone == (("c",), ("d",))
    text = write_comparison(found, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "evaluated on different images" in text
    assert "The runs have different labels" in text
    assert {one.better_of(found.names) for one in found.figures} == {""}
    assert "Only a has c." in text
    assert "Only b has d." in text


def test_runs_of_one_name_are_told_apart_by_their_folders(make: Make, tmp_path: Path) -> None:
    a, b = make("one/run"), make("two/run")
    assert compare(a, b).names == (str(a), str(b))
    assert "No label was measured in both runs." in write_comparison(compare(a, b), tmp_path / "p.html").read_text()


def test_what_users_name_stays_text(make: Make, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    runs = [make(name, [evil, "b"], _evaluation({evil: 0.4})) for name in ("a", "b")]  # type: ignore[arg-type]
    assert evil not in write_comparison(compare(*runs), tmp_path / "page.html").read_text(encoding="utf-8")


def test_what_cannot_be_compared(make: Make, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="run folder not found"):
        compare(make("a"), tmp_path / "nothing")
    unfinished = make("unfinished")
    for name in ("weights.safetensors", "diagnostics.json", "environment.json", "metrics.jsonl"):
        (unfinished / name).unlink()
    (unfinished / "checkpoints").mkdir()
    with pytest.raises(RunError, match="not finished"):
        compare(make("b"), unfinished)


def test_the_same_run_twice_and_runs_without_a_common_label_are_refused(make: Make) -> None:
    a = make("a", "abc", _evaluation({"a": 0.4}))
    with pytest.raises(RunError, match="are the same run; give two runs"):
        compare(a, a.parent / "b" / ".." / "a")
    with pytest.raises(RunError, match="have no label in common"):
        compare(a, make("b", "xyz", _evaluation({"x": 0.4})))


def test_common_labels_are_compared_on_the_same_images_whatever_other_labels_there_are(make: Make) -> None:
    a = make("a", "abc", _evaluation({"a": 0.4, "b": 0.8, "c": 0.5}))
    b = make("b", "abd", _evaluation({"a": 0.8, "b": 0.8, "d": 0.5}))
    found = compare(a, b)
    assert found.same_images is True
    assert [(one.label, round(one.gain, 9)) for one in found.changes] == [("b", 0.0), ("a", 0.4)]
    assert found.alone == (("c",), ("d",))
