"""How a head is built: decided once, by settings and data, and kept with the run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import MIXED, draw

from latentlabels.config import ModelConfig
from latentlabels.errors import DataWarning
from latentlabels.estimator import LatentLabels
from latentlabels.fitting.head_policy import HeadPolicy
from latentlabels.space import LabelSpace

FREE = draw(LabelSpace.free("abcd"), 60)


@pytest.mark.parametrize(
    ("settings", "policy"),
    [
        ({}, HeadPolicy(nonempty=True)),
        ({"at_least_one": False, "start": "own"}, HeadPolicy(start="own")),
        ({"mixture": 3, "beta": 0.1}, HeadPolicy(mixture=3, beta=0.1)),
        ({"objective": "gr", "mixture": 3, "beta": 0.1}, HeadPolicy()),  # a published loss has a plain head
    ],
)
def test_it_is_decided_once_and_kept(settings, policy: HeadPolicy, tmp_path: Path) -> None:
    model = LatentLabels(FREE.space, encoder="embedding", epochs=1, **settings).fit(FREE.inputs, FREE.observed)
    assert model.fitted_.head == policy
    again = LatentLabels.load(model.save(tmp_path))
    assert again.fitted_.head == policy
    np.testing.assert_array_equal(again.predict_proba(FREE.inputs), model.predict_proba(FREE.inputs))


def test_labels_that_nothing_teaches_are_held_where_they_start(tmp_path: Path) -> None:
    observed = FREE.observed.copy()
    observed[observed[:, 2] == 1] = [1, -1, -1, -1]
    for objective, held in (("collapsed", ("c",)), ("assume-negative", ())):
        with pytest.warns(DataWarning, match='"c"'):
            model = LatentLabels(FREE.space, encoder="embedding", epochs=1, objective=objective).fit(FREE.inputs, observed)
        assert model.fitted_.head.held_at_start == held
        assert model.fitted_.head.frozen_rows(FREE.space).tolist() == [False, False, bool(held), False]
        assert LatentLabels.load(model.save(tmp_path / objective)).fitted_.head == model.fitted_.head


def test_a_run_that_did_not_store_it_loads_by_its_settings(tmp_path: Path) -> None:
    """Runs of version 0.1, whose config says whether images have a label."""
    for name, settings in {"plain": {}, "mixture": {"mixture": 2, "beta": 0.1}, "loss": {"objective": "em"}}.items():
        model = LatentLabels(MIXED, encoder="embedding", epochs=1, **settings)
        data = draw(MIXED, 150)
        folder = model.fit(data.inputs, data.observed).save(tmp_path / name)
        file = folder / "environment.json"
        about = {key: value for key, value in json.loads(file.read_text()).items() if key != "head"}
        file.write_text(json.dumps(about | {"format": 1}))
        (folder / "manifest.json").unlink()
        again = LatentLabels.load(folder)
        assert again.fitted_.head == model.fitted_.head
        np.testing.assert_array_equal(again.predict_proba(data.inputs), model.predict_proba(data.inputs))
    assert HeadPolicy.from_run(None, ModelConfig(at_least_one=True)).nonempty
    assert not HeadPolicy.from_run(None, ModelConfig()).nonempty
