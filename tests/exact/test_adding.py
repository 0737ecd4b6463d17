"""Values added up by place: at once, and as exported graphs do it, where each place is added to once."""

from __future__ import annotations

import pytest
import torch

from latentlabels.exact.adding import Adding


@pytest.mark.parametrize("index", [[0], [2, 2, 2], [0, 1, 2], [3, 1, 3, 0, 1, 3, 3], [4, 0]])
@pytest.mark.parametrize("dtype", [torch.float64, torch.int32])
def test_a_graph_adds_the_same(index: list[int], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch):
    adding = Adding(torch.tensor(index))
    into, values = torch.arange(10).view(2, 5).to(dtype), torch.arange(1, 2 * len(index) + 1).view(2, -1).to(dtype)
    if dtype == torch.float64:
        values[0, 0] = -torch.inf
    wanted = into.clone()
    for row in range(2):
        for place, value in zip(index, values[row], strict=True):
            wanted[row, place] += value
    assert torch.equal(adding(into, values), wanted)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert torch.equal(adding(into, values), wanted) and adding(into, values).dtype == dtype
    places, members = adding.plan
    assert places.tolist() == sorted({*index}) and (members is None) == (len({*index}) == 1)
