"""`RegionHead`: a label is there because some place of the image shows it.

Source: Zhu and Wu, "Residual attention: a simple but effective method for multi-label recognition", ICCV 2021, whose
class-specific residual attention this is, with lambda = 0.3 and a temperature of 5.

    s_p  = v . h_p                                         what place p says of the label
    logit = b + u . g + mean_p s_p + lambda E[s_z],         z ~ p(z = p | x) = exp(T s_p) / sum_q exp(T s_q)

g are the image's pooled features and h_p those of its places. Of the place z that shows the label one knows nothing
beforehand: p(z) is uniform over the places. Its evidence is exp(T s_z), so that the softmax is the posterior of z, and the
last term is the posterior mean of s_z. z is latent and summed over exactly. As T grows the mean becomes the maximum, at
T = 0 it is the mean over places. The posterior mean of s_z is also the derivative by T of log sum_p exp(T s_p).

| symbol | code | shape |
|---|---|---|
| g | ``features[:, :num_pooled]`` | (B, D) |
| h | the rest of ``features`` | (B, d, h, w) |
| u, v | ``weight``, D columns and d columns | (rows, D + d) |
| b | ``bias`` | (rows,) |
| p(z = p given x) | ``attention(features)`` | (B, rows, h, w) |

Limits: the labels' places are independent given the image, and two objects of one label share one posterior.
"""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn

from .head import Head

RESIDUAL = 0.3
TEMPERATURE = 5.0


class RegionHead(Head):
    """Pooled features and maps to logits; see the module.

    Args:
        num_pooled: D, pooled features of an image.
        maps: (d, h, w): channels, rows and columns of its maps. Features are (B, D + d * h * w), both side by side.
        rows: the number of logits.
        residual: lambda, the weight of what the best place says, at least 0.
        temperature: T, above 0: how much the best place counts more than the others.

    Raises:
        ValueError: sizes below 1, or a residual or temperature out of range.
    """

    def __init__(
        self,
        num_pooled: int,
        maps: tuple[int, int, int],
        rows: int,
        residual: float = RESIDUAL,
        temperature: float = TEMPERATURE,
    ):
        super().__init__()
        if num_pooled < 0 or min(maps) < 1 or rows < 1:
            raise ValueError(
                f"a head for {num_pooled} pooled features, maps {tuple(maps)} and {rows} logits; give sizes above 0"
            )
        if residual < 0 or temperature <= 0:
            raise ValueError(f"residual is at least 0 and temperature above 0, not {residual:g} and {temperature:g}")
        self.num_pooled, self.maps = num_pooled, maps
        self.in_features, self.out_features = num_pooled + prod(maps), rows
        self.residual, self.temperature = residual, temperature
        bound = (num_pooled + maps[0]) ** -0.5  # as in nn.Linear
        self.weight = nn.Parameter(torch.empty(rows, num_pooled + maps[0]).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(rows).uniform_(-bound, bound))

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, D + d * h * w) to logits (B, rows)."""
        whole = nn.functional.linear(features[:, : self.num_pooled], self.weight[:, : self.num_pooled], self.bias)
        scores = self.scores(features).flatten(2)
        place = (self.temperature * scores).softmax(-1)
        return whole + scores.mean(-1) + self.residual * (place * scores).sum(-1)

    def scores(self, features: Tensor, rows: Tensor | None = None) -> Tensor:
        """s, what each place says of each logit, or of some `rows` of them: (B, rows, h, w)."""
        weight = self.weight[:, self.num_pooled :]
        maps = features[:, self.num_pooled :].unflatten(1, (self.maps[0], -1))
        found = (weight if rows is None else weight[rows]) @ maps
        return found.unflatten(-1, self.maps[1:])

    def attention(self, features: Tensor, rows: Tensor | None = None) -> Tensor:
        """p(z given x), the posterior of the place of each logit, or of some `rows` of them: (B, rows, h, w), summing to 1."""
        scores = self.scores(features, rows)
        return (self.temperature * scores.flatten(2)).softmax(-1).view_as(scores)
