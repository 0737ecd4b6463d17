"""A fit that begins with another one: what it takes over, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import MIXED, draw
from numpy.typing import NDArray

import latentlabels as ll
from latentlabels.errors import ConfigError
from latentlabels.fitting import LabelModule
from latentlabels.fitting.warm_start import TRAINED_BEFORE, head_rows, take_over
from latentlabels.program import Amortizer
from latentlabels.space import Free, LabelSpace, OneOf

PICTURES = np.random.default_rng(3).integers(0, 255, (40, 3, 16, 16), dtype=np.uint8)
SETTINGS: dict[str, Any] = {"encoder": "tiny", "epochs": 1, "batch_size": 16, "held_out": 0.0, "cache": "none"}
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*fewer than 5 training images", "ignore:.*has random weights and is frozen", "ignore:.*no exhaustive group"
)


def observed(space: LabelSpace) -> NDArray[np.int8]:
    out = np.full((40, space.num_labels), -1, np.int8)
    out[np.arange(40), np.arange(40) % space.num_labels] = 1
    return out


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """A run with a frozen encoder, and one with a trained one."""
    folder = tmp_path_factory.mktemp("runs")
    out = {}
    for frozen in (True, False):
        m = ll.LatentLabels(MIXED, frozen=frozen, **{**SETTINGS, "epochs": 3}).fit(PICTURES, observed(MIXED))
        out[frozen] = m.save(folder / f"frozen-{frozen}")
    return out


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("after", [True, False])
def test_a_fit_begins_with_the_posterior_that_the_other_one_ended_with(
    runs: dict[bool, Path], before: bool, after: bool
) -> None:
    old = ll.LatentLabels.load(runs[before])
    m = ll.LatentLabels(MIXED, frozen=after, init_from=runs[before], **SETTINGS).prepare(PICTURES, observed(MIXED))
    m.model.eval()
    np.testing.assert_allclose(m.predict_proba(PICTURES), old.predict_proba(PICTURES), atol=1e-6)
    assert any(p.requires_grad for p in m.model.amortizer.encoder.parameters()) is not after
    assert m.fitted_.begun_with == MIXED.labels


def test_a_run_that_began_with_another_is_loaded_as_it_was_saved(runs: dict[bool, Path], tmp_path: Path) -> None:
    m = ll.LatentLabels(MIXED, frozen=False, init_from=runs[True], **SETTINGS).fit(PICTURES, observed(MIXED))
    before = ll.LatentLabels.load(runs[True])
    moved = m.model.amortizer.encoder.module.stages[0][0].weight - before.model.amortizer.encoder.module.stages[0][0].weight
    assert float(moved.detach().abs().max()) > 1e-6, "the encoder is trained on"
    loaded = ll.LatentLabels.load(m.save(tmp_path / "run"))
    np.testing.assert_array_equal(loaded.predict_proba(PICTURES), m.predict_proba(PICTURES))


def test_what_is_left_open_is_as_it_was(runs: dict[bool, Path]) -> None:
    m = ll.LatentLabels(MIXED, init_from=runs[True], epochs=1, cache="none").fit(PICTURES, observed(MIXED))
    assert (m.fitted_.params["encoder"], m.fitted_.params["frozen"]) == ("tiny", True)
    assert m.diagnostics_["begun_with"] == list(MIXED.labels)


@pytest.mark.parametrize("mixture", [1, 2])
def test_rows_of_the_head_go_by_what_they_mean(mixture: int) -> None:
    old = LabelSpace([Free("striped"), OneOf("colour", ["red", "blue"]), OneOf("vehicle", ["car", "bike"], optional=True)])
    new = LabelSpace(
        [
            OneOf("vehicle", ["bike", "boat", "car"], optional=True),
            Free("large"),
            OneOf("colour", ["blue", "red"]),
            Free("striped"),
        ]
    )
    torch.manual_seed(0)
    before, after = Amortizer(old, torch.nn.Identity(), 4, mixture), Amortizer(new, torch.nn.Identity(), 4, mixture)
    after.start_at(torch.arange(new.num_logits).float())
    start = {key: value.clone() for key, value in after.head.state_dict().items()}
    taken = take_over(after, before)
    assert taken.labels == ("bike", "car", "blue", "red", "striped")
    assert taken.new == ("boat", "large")
    there, here = head_rows(before), head_rows(after)
    shared = {*there} & {*here}
    assert len(shared) == 6 * mixture + (mixture if mixture > 1 else 0)  # five labels, "no vehicle", the components
    for name, row in here.items():
        for key in ("weight", "bias"):
            expected = before.head.state_dict()[key][there[name]] if name in shared else start[key][row]
            torch.testing.assert_close(after.head.state_dict()[key][row], expected)
    # the rows are those of the logits: bike's probability given "no boat" is what it was
    features = torch.randn(3, 4)
    with torch.no_grad():
        q, p = before.labels(features), after.labels(features)
        if mixture == 1:
            torch.testing.assert_close(q.marginals[:, old.index("striped")], p.marginals[:, new.index("striped")])
            torch.testing.assert_close(q.marginals[:, old.index("red")], p.marginals[:, new.index("red")])


def test_a_group_that_became_optional_is_another_one() -> None:
    old, new = LabelSpace([OneOf("colour", ["red", "blue"])]), LabelSpace([OneOf("colour", ["red", "blue"], optional=True)])
    taken = take_over(Amortizer(new, torch.nn.Identity(), 4), Amortizer(old, torch.nn.Identity(), 4))
    assert taken.labels == ()


def test_embeddings_keep_their_scale(tmp_path: Path) -> None:
    data = draw(MIXED, 120)
    first = ll.LatentLabels(MIXED, epochs=2, cache="none").fit(data.inputs, data.observed)
    run = first.save(tmp_path / "run")
    m = ll.LatentLabels(MIXED, init_from=run, epochs=1).prepare(data.inputs[:50] * 3, data.observed[:50])
    np.testing.assert_allclose(m.predict_proba(data.inputs), first.predict_proba(data.inputs), atol=1e-6)
    with pytest.raises(ConfigError, match="fitted on 16"):
        ll.LatentLabels(MIXED, init_from=run).prepare(data.inputs[:, :7], data.observed)


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"encoder": "resnet18"}, 'is "resnet18", but the run to start from has "tiny"'), ({"mixture": 2}, "mixture 1")],
)
def test_what_does_not_fit_is_refused(runs: dict[bool, Path], settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ll.LatentLabels(MIXED, init_from=runs[True], **{**SETTINGS, **settings}).prepare(PICTURES, observed(MIXED))


def test_an_encoder_that_was_trained_before_learns_slower(runs: dict[bool, Path]) -> None:
    m = ll.LatentLabels(MIXED, frozen=False, init_from=runs[True], **SETTINGS).prepare(PICTURES, observed(MIXED))
    rows = torch.zeros(MIXED.num_logits, dtype=torch.bool)
    module = LabelModule(m.model, m.fitted_.program.objective, 1e-2, 0.0, rows, TRAINED_BEFORE)
    rates = {id(p): group["lr"] for group in module.optimizer().param_groups for p in group["params"]}
    encoder, head = m.model.amortizer.encoder, m.model.amortizer.head
    assert {rates[id(p)] for p in encoder.parameters()} == {1e-3}
    assert rates[id(head.weight)] == 1e-2
    assert len(rates) == len([p for p in m.model.parameters() if p.requires_grad]), "each parameter is in one group"
