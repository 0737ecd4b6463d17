"""Virtual adversarial training: predictions shall not change where they would change most easily.

Source: Miyato et al., "Virtual adversarial training: a regularization method for supervised and semi-supervised learning",
TPAMI 2019, with one power iteration; on coins instead of one softmax.

    loss = AN + weight sum_k KL([p_k(x)], p_k(x + r)),    AN as in `assume_negative`,   p = s(logits),
    r = epsilon |x| g / |g|,   g = gradient in d of the same KL with r = xi |x| d / |d|,   d drawn at random

[.] is not differentiated. epsilon = 0.1 and xi = 0.01 are shares of the length of the input x, so that they fit pixels and
embeddings of any scale (the paper takes lengths, 0.1 to 0.25 of that of its images). weight = 1, as there.

About an unknown label it assumes that it is absent. That is not the paper's: there some images are labelled completely, the
rest not at all and smoothed only. Where every image has some known label and no negative, smoothness alone would let all
labels be present everywhere; assumed negatives hold them down, and smoothness keeps single ones from being memorised.

A step costs two more passes through the network, and one more backwards. In evaluation mode it is AN.

Pitfall: smoothing cannot undo what assumed negatives teach on average, so that probabilities stay too low. Dropout differs
between the passes and is punished as if it were the perturbation's; pixels may leave [0, 1].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ConfigError
from ..space import LabelSpace
from .assume_negative import AssumeNegative
from .base import Step, batch_mean


class VirtualAdversarial(AssumeNegative):
    """Everything unknown as absent, and predictions smooth around each image; all labels free at prediction.

    Args:
        space: the declared label space.
        epsilon: length of the perturbation in units of that of the input, above 0.
        xi: length at which its direction is sought, in the same units, above 0.
        weight: of smoothness, at least 0.
    """

    name = "vat"

    def __init__(self, space: LabelSpace, epsilon: float = 0.1, xi: float = 0.01, weight: float = 1.0):
        super().__init__(space)
        if epsilon <= 0 or xi <= 0 or weight < 0:
            raise ConfigError(f"epsilon and xi must be above 0 and weight at least 0, not {epsilon}, {xi} and {weight}")
        self.epsilon, self.xi, self.weight = epsilon, xi, weight

    def _loss(self, step: Step) -> Tensor:
        loss = super()._loss(step)
        if not self.training:
            return loss
        if step.predict is None or step.inputs is None:
            raise ConfigError(
                f'objective "{self.name}" asks for the logits of perturbed inputs: give inputs and predict, a function from '
                "inputs to logits"
            )
        if not len(step.logits):
            return loss
        inputs, logits = step.inputs.detach(), step.logits.detach()
        length = torch.linalg.vector_norm(inputs.flatten(1), dim=1)
        around = _scaled(torch.randn_like(inputs), self.xi * length).requires_grad_()
        change = _divergence(logits, step.predict(inputs + around)).sum()
        (direction,) = torch.autograd.grad(change, around)  # of the inputs alone: parameters get no gradient
        perturbed = inputs + _scaled(direction, self.epsilon * length)
        return loss + self.weight * batch_mean(_divergence(logits, step.predict(perturbed)))


def _scaled(direction: Tensor, length: Tensor) -> Tensor:
    """`direction` of each image, (B, ...), at a length (B,); 0 where it is 0."""
    flat = direction.flatten(1)
    # by the largest entry first: the square of a small gradient would vanish
    flat = flat / flat.abs().amax(1, keepdim=True).clamp(min=torch.finfo(flat.dtype).tiny)
    norm = torch.linalg.vector_norm(flat, dim=1, keepdim=True).clamp(min=torch.finfo(flat.dtype).tiny)
    return (flat / norm * length.unsqueeze(1)).view_as(direction)


def _divergence(logits: Tensor, others: Tensor) -> Tensor:
    """KL of the coins of `logits` from those of `others`, summed over labels: (B,)."""
    present = torch.sigmoid(logits) * (F.logsigmoid(logits) - F.logsigmoid(others))
    absent = torch.sigmoid(-logits) * (F.logsigmoid(-logits) - F.logsigmoid(-others))
    return (present + absent).sum(-1)
