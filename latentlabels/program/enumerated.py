"""The same likelihood as a plain Pyro program that `TraceEnum_ELBO` sums: the oracle of large label spaces.

The quadrature node is an enumerated Categorical and the labels an enumerated plate of Bernoullis, so that the
number of labels is not bounded by torch's 64 dimensions. For free labels under `UniformPositive`.
"""

from __future__ import annotations

from typing import Any

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from ..annotation import UniformPositive
from ..distributions.label_vector import LabelVector


def enumerated_model(q: LabelVector, observed: Tensor) -> None:
    """log p(o | x) of free labels, one product of the evidence a node; both latents are for enumeration.

    Args:
        q: q_phi over a space of free labels, batch shape (B,).
        observed: (B, K) of 1, 0, -1.

    Run it as ``TraceEnum_ELBO(max_plate_nesting=2).differentiable_loss(enumerated_model, enumerated_guide, q, observed)``.
    """
    if any(not block.free or not block.flat for block in q.forest.blocks):
        raise ValueError("enumerated_model is for free labels; small spaces of groups are enumerated by LabelModel")
    evidence = UniformPositive().evidence(observed, lambda: q._count_bound(observed), q.logits.dtype)
    logits = q.logits[..., 0, :]
    log_weight, log_t = evidence.log_weight.to(logits.dtype), evidence.tilt[..., 0].to(logits.dtype)
    with pyro.plate("images", len(observed), dim=-2):
        # the weights sum to one only where one label is known; a factor holds what Categorical normalises away
        total = log_weight.logsumexp(-1)
        node = pyro.sample(
            "node",
            dist.Categorical(logits=log_weight).expand([len(observed), 1]),
            infer={"enumerate": "parallel"},
        )
        pyro.factor("total", total.expand(len(observed)).unsqueeze(-1))
        with pyro.plate("labels", q.space.num_labels, dim=-1):
            y = pyro.sample("label", dist.Bernoulli(logits=logits), infer={"enumerate": "parallel"})
            tilt = log_t[node] if log_t.dim() == 1 else _gather(log_t, node)
            known = (observed >= 0) & (observed != y)
            pyro.factor("evidence", torch.where(observed >= 0, 0.0, tilt * y).masked_fill(known, -torch.inf))


def _gather(table: Tensor, node: Tensor) -> Tensor:
    rows = torch.arange(len(table), device=table.device).unsqueeze(-1)
    return table[rows, node]


def enumerated_guide(*args: Any) -> None:
    """The empty guide: both latents are summed in the model."""
