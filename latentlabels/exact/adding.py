"""Adding values up by the place that each belongs to, also in graphs that other programs run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Adding:
    """To which of some places each of n values is added.

    Attributes:
        index: (n,) places, several of which may be the same.
    """

    index: Tensor

    def __call__(self, into: Tensor, values: Tensor) -> Tensor:
        """`into` (..., places) with values (..., n) added to it.

        In an exported graph each place is added to once, by the sum of its values: onnxruntime lets threads add to one place at
        the same time, and loses some of the values where there are many (measured with 1.32, 600 labels and two threads: errors
        of 0.1 in a probability).
        """
        if not torch.compiler.is_compiling():
            return into.index_add(-1, self.index, values)
        places, members = self.plan
        sums = values.sum(-1, keepdim=True) if members is None else F.pad(values, (0, 1))[..., members].sum(-1)
        return into.index_add(-1, places, sums.to(values.dtype))

    @cached_property
    def plan(self) -> tuple[Tensor, Tensor | None]:
        """The distinct places (P,), and which values go to each (P, W), n where padded; None where all go to one."""
        places, which = torch.unique(self.index, return_inverse=True)
        if len(places) == 1:
            return places, None
        counts = torch.bincount(which)
        order = which.argsort(stable=True)
        rank = torch.arange(len(which), device=which.device) - (counts.cumsum(0) - counts)[which[order]]
        members = torch.full((len(places), int(counts.max())), len(which), device=which.device)
        members[which[order], rank] = order
        return places, members
