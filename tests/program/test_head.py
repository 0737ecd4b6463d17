"""A head of one's own in the amortizer: rows, start, what is held."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from latentlabels.annotation import UniformPositive
from latentlabels.fitting import LabelModule
from latentlabels.objectives import make
from latentlabels.program import Amortizer, Head, LabelGuide, LabelModel, num_rows
from latentlabels.space import LabelSpace

SPACE = LabelSpace.free("abcde")


class Scaled(Head):
    """w . h + b, times a scale of each row's own."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = nn.Parameter(torch.randn(out_features, in_features))
        self.bias = nn.Parameter(torch.randn(out_features))

    def forward(self, features: Tensor) -> Tensor:
        return features @ self.weight.T * 2 + self.bias


@pytest.mark.parametrize("mixture", [1, 3])
def test_it_starts_at_the_same_for_every_image(mixture: int):
    torch.manual_seed(0)
    amortizer = Amortizer(SPACE, nn.Identity(), 7, mixture, head=Scaled(7, num_rows(SPACE, mixture)))
    logits = torch.randn(5)
    amortizer.start_at(logits)
    found = amortizer(torch.randn(4, 7)).logits
    if mixture == 1:
        torch.testing.assert_close(found.view(4, 5), logits.expand(4, 5))
    else:  # the components differ a little, so that they can part
        assert 0 < (found - logits).abs().max() < 0.3


@pytest.mark.parametrize("head", [Scaled(6, 5), Scaled(7, 6)], ids=["features", "rows"])
def test_a_head_of_another_size_is_refused(head: Scaled):
    with pytest.raises(ValueError, match="7 features, and 1 times 5 logits need 5"):
        Amortizer(SPACE, nn.Identity(), 7, head=head)


def test_held_rows_stay_and_its_bias_learns_fast():
    torch.manual_seed(1)
    amortizer = Amortizer(SPACE, nn.Identity(), 7, head=Scaled(7, 5))
    model = LabelModel(amortizer, UniformPositive())
    objective = make("assume-negative", SPACE)
    objective.attach(model, LabelGuide(amortizer, UniformPositive()))
    module = LabelModule(model, objective, 1e-2, 0.0, torch.tensor([False, True, False, False, False]))
    rates = {id(p): group["lr"] for group in module.optimizer().param_groups for p in group["params"]}
    assert rates == {id(amortizer.head.weight): 1e-2, id(amortizer.head.bias): 1e-1}
    observed = torch.eye(5, dtype=torch.int8) * 2 - 1
    objective(module.logits(torch.randn(5, 7)), observed).backward()
    module.hold()
    for parameter in amortizer.head.parameters():
        assert parameter.grad is not None
        moved = parameter.grad.flatten(1).abs().sum(1) if parameter.dim() > 1 else parameter.grad.abs()
        assert (moved > 0).tolist() == [True, False, True, True, True]
