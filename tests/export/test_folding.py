"""What weights alone go through is worked out beforehand, and the function stays the same."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.export import Dim

from latentlabels.export.folding import fold_constants


class Resampled(nn.Module):
    """Adds a resampled parameter, as networks do whose positions were learned at another size."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(1, 2, 3, 3))
        self.untouched = nn.Parameter(torch.randn(1, 2, 6, 6))

    def forward(self, images: Tensor) -> Tensor:
        grown = nn.functional.interpolate(self.positions, (6, 6), mode="bicubic", antialias=True)
        first, second = grown.split(1, 1)
        return (images + first * second) * self.untouched + grown.mean()


def test_a_folded_module_is_the_same_function_of_fewer_steps() -> None:
    module = Resampled().requires_grad_(False)
    program = torch.export.export(module, (torch.randn(3, 2, 6, 6),), dynamic_shapes=({0: Dim("N")},))
    before = program.run_decompositions({}).module()
    steps = len(before.graph.nodes)
    folded = fold_constants(before)
    called = {str(node.target) for node in folded.graph.nodes if node.op == "call_function"}
    assert called <= {"aten.add.Tensor", "aten.mul.Tensor"} and len(folded.graph.nodes) < steps
    for size in (1, 2, 5):
        images = torch.randn(size, 2, 6, 6)
        assert torch.allclose(folded(images), module(images), atol=1e-6)
