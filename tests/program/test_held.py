"""Held labels: whatever is worked out from them carries the mark, and what leaves the tensors is written down."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pyro.distributions as dist
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentlabels.program.held import Held, Uses, hold

TABLE, WEIGHT = torch.arange(4.0), torch.randn(3, 2, requires_grad=True)


def held(*shape: int) -> Held:
    return hold("labels", torch.Size(shape or (5, 3)), torch.float32, torch.device("cpu"), Uses())


def in_place_on_a_result(y: Tensor) -> Tensor:
    total = y.sum(-1)
    total += 1
    return total.clamp_(min=1)


def through_a_function(y: Tensor) -> Tensor:
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            return grad * 2

    return Double.apply(y @ WEIGHT)


MARKED: dict[str, Callable[[Tensor], Any]] = {
    "index": lambda y: y[..., 0],
    "sum": lambda y: y.sum(-1),
    "compare": lambda y: y > 0.5,
    "lookup": lambda y: TABLE[y[..., 0].long()],
    "product": lambda y: y @ WEIGHT,
    "detached": lambda y: y.detach(),
    "data": lambda y: y.data,
    "copied": lambda y: y.clone(),
    "deep copy": lambda y: copy.deepcopy(y),
    "as_tensor": lambda y: torch.as_tensor(y),
    "Tensor": lambda y: torch.Tensor(y),
    "as_subclass": lambda y: y.as_subclass(Tensor),
    "where": lambda y: torch.where(y > 0, 1.0, 2.0),
    "embedding": lambda y: F.embedding(y.long(), WEIGHT),
    "one hot": lambda y: F.one_hot(y.long(), 2),
    "stack": lambda y: torch.stack([torch.zeros(5, 3), y]),
    "assembled": lambda y: torch.cat([torch.zeros(5, 1), y], -1)[:, 0],
    "softmax": lambda y: y.softmax(-1),
    "sorted": lambda y: y.sort(-1).values,
    "vmap": lambda y: torch.vmap(lambda row: row.sum())(y),
    "recurrent": lambda y: nn.LSTM(3, 2)(y.unsqueeze(0))[0],
    "normalised": lambda y: nn.BatchNorm1d(3, track_running_stats=False)(y),
    "custom function": through_a_function,
    "in place on a result": in_place_on_a_result,
    "random": lambda y: dist.Bernoulli(0.1 + 0.8 * y).sample(),
    "dropout": lambda y: F.dropout(y),
    "density": lambda y: dist.Bernoulli(0.1 + 0.8 * y).log_prob(torch.ones(5, 3)),
    "density of labels": lambda y: dist.Bernoulli(torch.full((5, 3), 0.2)).log_prob(y),
    "categorical": lambda y: dist.Categorical(logits=y @ WEIGHT).log_prob(torch.ones(5)),
    "multivariate": lambda y: dist.MultivariateNormal(y @ WEIGHT, torch.eye(2)).log_prob(torch.zeros(5, 2)),
    "transformed": lambda y: dist.LogNormal(y, 1.0).log_prob(torch.ones(5, 3)),
}


@pytest.mark.parametrize("name", MARKED)
def test_carries_the_mark(name: str) -> None:
    y = held()
    if name == "as_subclass" and torch.__version__ < "2.7":  # which refuses to make another class of it, and so hides nothing
        with pytest.raises(RuntimeError, match="already associated"):
            MARKED[name](y)
        return
    out = MARKED[name](y)
    assert isinstance(out, Held)
    assert out.sites == {"labels"}
    assert y.uses == []


def test_of_several_sites() -> None:
    uses = Uses()
    one, two = (hold(name, torch.Size([2]), torch.float32, torch.device("cpu"), uses) for name in ("one", "two"))
    assert (one + two).sites == {"one", "two"}
    assert one.origin == "one" and one.detach().origin == "one" and one.expand(2).origin == "one"
    assert (one + 0).origin is None and one[:1].origin is None and one.clone().origin is None
    assert one.expand(3, 2).origin is None


SHAPE_ONLY: dict[str, Callable[[Tensor], Any]] = {
    "zeros_like": torch.zeros_like,
    "rand_like": torch.rand_like,
    "full_like": lambda y: torch.full_like(y, 2.0),
    "new_zeros": lambda y: y.new_zeros(3),
    "new_tensor": lambda y: y.new_ones(y.shape),
    "arange": lambda y: torch.arange(len(y)),
    "eye": lambda y: torch.eye(y.shape[-1], dtype=y.dtype),
}


@pytest.mark.parametrize("name", SHAPE_ONLY)
def test_shape_and_type_are_free(name: str) -> None:
    y = held()
    out = SHAPE_ONLY[name](y)
    assert not isinstance(out, Held)
    assert y.uses == []


def into_another(y: Tensor) -> None:
    other = torch.zeros(5, 3)
    other[:, 0] = y[:, 0]


def added_to_another(y: Tensor) -> None:
    other = torch.zeros(5, 3)
    other += y


def one_entry(y: Tensor) -> None:
    y[0, 0] = 1.0


USED: dict[str, Callable[[Tensor], Any]] = {
    "if": lambda y: 1 if y[0, 0] else 2,
    "item": lambda y: y[0, 0].item(),
    "float": lambda y: float(y.sum()),
    "int": lambda y: int(y.sum()),
    "range": lambda y: range(y[0, 0].int()),
    "tolist": lambda y: y.tolist(),
    "numpy": lambda y: y.numpy(),
    "asarray": lambda y: np.asarray(y),
    "detached numpy": lambda y: y.detach().cpu().numpy(),
    "dlpack": lambda y: torch.from_dlpack(y),
    "storage": lambda y: y.untyped_storage(),
    "deep copy": lambda y: copy.deepcopy(y)[0, 0].item(),
    "equal": lambda y: torch.equal(y, torch.zeros(5, 3)),
    "allclose": lambda y: torch.allclose(y, torch.zeros(5, 3)),
    "in": lambda y: y[0, 0] in [1.0, 2.0],
    "nonzero": lambda y: y.nonzero(),
    "boolean mask": lambda y: TABLE[:3].expand(5, 3)[y > 0.5],
    "unique": lambda y: torch.unique(y),
    "repeat": lambda y: torch.repeat_interleave(torch.arange(5), y[..., 0].long()),
    "integer index": lambda y: TABLE[y[0, 0].long()],
    "fill": lambda y: torch.full((3,), y[0, 0]),
    "into another": into_another,
    "added to another": added_to_another,
    "out": lambda y: torch.add(y, 1, out=torch.zeros(5, 3)),
    "entry": one_entry,
    "in place": lambda y: y.clamp_(min=1),
    "in place on a view": lambda y: y[:, 1:].zero_(),
    "in place on an alias": lambda y: y.detach().zero_(),
    "running statistics": lambda y: nn.BatchNorm1d(3)(y),
}


@pytest.mark.parametrize("name", USED)
def test_what_leaves_the_tensors_is_written_down(name: str) -> None:
    y = held()
    USED[name](y)
    assert y.uses
    assert y.uses[0].sites == {"labels"}
    assert y.uses[0].where.startswith("test_held.py, line ")


def test_a_single_label_of_a_single_image() -> None:
    y = held(1, 1)
    y[0, 0] = 1.0
    assert y.uses


def test_the_checks_of_parameters_are_no_use() -> None:
    """Pyro looks whether probabilities are in [0, 1], and raises if not."""
    y = held()
    dist.Bernoulli(0.1 + 0.8 * y, validate_args=True).log_prob(torch.ones(5, 3))
    dist.Normal(y, 1.0 + y, validate_args=True).log_prob(y)
    assert y.uses == []
    with pytest.raises(ValueError, match="probs"):
        dist.Bernoulli(y - 1, validate_args=True)


def test_printing_is_no_use() -> None:
    y = held()
    assert f"{y} {y!r} {y.sum()}".count("labels of labels, summed over") == 3
    assert y.uses == []


def test_gradients_of_what_is_not_labels_pass() -> None:
    out = (held() @ WEIGHT).sum()
    assert isinstance(out, Held)
    assert out.requires_grad
