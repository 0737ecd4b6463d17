"""How long the parts of a fit are expected to take."""

from __future__ import annotations

import pytest

from latentlabels.config import FitConfig, ModelConfig
from latentlabels.fitting.plan import plan_of
from latentlabels.progress import Follower, Phase


def seconds(model: ModelConfig, fit: FitConfig, images: int = 10_000) -> float:
    follower = Follower(plan_of(model, fit))
    follower.begin(Phase.READING, "reading images", images)
    return follower.left


def test_what_is_trained_decides() -> None:
    fit = FitConfig(epochs=10)
    whole, head = ModelConfig(encoder="resnet18", frozen=False), ModelConfig(encoder="resnet18", frozen=True)
    vectors = ModelConfig(encoder="embedding")
    assert seconds(whole, fit) > seconds(head, fit) > seconds(vectors, fit)
    assert seconds(whole, FitConfig(epochs=20)) > 1.9 * seconds(whole, fit)
    assert set(plan_of(whole, fit).fixed) == {Phase.READING, Phase.TRAINING, Phase.EVALUATION}
    assert set(plan_of(head, fit).fixed) == {Phase.READING, Phase.FEATURES, Phase.TRAINING, Phase.EVALUATION}
    assert set(plan_of(vectors, fit, report=True).fixed) == {Phase.READING, Phase.TRAINING, Phase.EVALUATION, Phase.REPORT}
    published = ModelConfig(encoder="resnet18", weights="DEFAULT")  # frozen where nothing is said, on a CPU
    assert Phase.FEATURES in plan_of(published, fit).fixed and Phase.FEATURES in plan_of(ModelConfig(encoder="auto"), fit).fixed


@pytest.mark.parametrize(
    ("fit", "expected"),
    [
        ({"epochs": 10, "patience": 3}, True),
        ({"epochs": 3, "patience": 3}, False),
        ({"epochs": 10, "patience": 3, "stop": "none"}, False),
        ({"epochs": 10, "patience": 3, "schedule": "cosine"}, False),
    ],
)
def test_it_says_whether_the_fit_may_end_early(fit: dict[str, object], expected: bool) -> None:
    assert plan_of(ModelConfig(encoder="tiny"), FitConfig.model_validate(fit)).may_stop is expected
