"""The mean log-likelihood of images with one known label, which is present, and its gradient, both in one go.

That is what most training is. The general sums cost some eighty tensor operations of a few microseconds each, of which the
arithmetic is the small part; here are forty. Groups are roots without children, so that given the image they are independent:

    log sum_y p(y) p(o | y) = log p_k + log sum_q w_q prod_{g not of k} (1 + r_g (t_q - 1)),    r_g = P(a label of g is present)

with a free label as a group of its own. Two more terms depend on r alone and are added here, as a fit needs them: that the
empty set counts little, log D with D = 1 - c prod_g (1 - r_g), and the expected number of labels, sum_g r_g / D.

Symbols: N rows, L logits, G groups, Q nodes of the quadrature.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from .forest import Forest
from .kernels import LogPickProduct

MANY = 512  # labels from which on the sums need double precision, which the general ones have
_LEAST = 1e-30  # of a mass beside the largest of its row; below it the general sums do better


class FlatGroups(NamedTuple):
    """A label space without children, as matrices.

    Attributes:
        members: (L, G) 1 where a logit is of a group.
        none: (L, G) 1 where it is the group's "none".
        implied: (G,) 1 where "none" has no logit of its own but the fixed one 0: free labels.
        group: (K,) of each label.
        place: (K,) logit of each label.
    """

    members: Tensor
    none: Tensor
    implied: Tensor
    group: Tensor
    place: Tensor


class Terms(NamedTuple):
    """What is added up for each image.

    Attributes:
        less: (Q, 1) t - 1 of the nodes.
        log_weight: (Q,) of the nodes.
        emptied: c = 1 - r, with r how much the empty set counts; 0 where it counts as any other.
        mass_weight: on log D, negative.
        count_weight: on the squared logarithm of the mean number of labels over `expected`; 0 for none.
        expected: number of labels.
    """

    less: Tensor
    log_weight: Tensor
    emptied: float = 0.0
    mass_weight: float = 0.0
    count_weight: float = 0.0
    expected: float = 1.0


def flat_groups(forest: Forest) -> FlatGroups | None:
    """The matrices of a forest; None where a group requires a label, and where there are too many labels."""
    if not all(block.flat for block in forest.blocks) or forest.num_labels >= MANY:
        return None
    size = sum(len(block.names) for block in forest.blocks)
    members, none = torch.zeros(forest.num_logits + 1, size), torch.zeros(forest.num_logits + 1, size)
    implied = torch.zeros(size)
    group, place = torch.zeros(2, forest.num_labels + 2, dtype=torch.long)
    start = 0
    for block in forest.blocks:
        rows = torch.arange(start, start + len(block.names))
        for column in range(block.logits.shape[1]):  # the extra last row takes what padding writes
            members[block.logits[:, column].cpu(), rows] = 1.0
        if block.free:
            implied[rows] = 1.0
        else:
            none[block.logits[:, -1].cpu(), rows] = 1.0
        for column in range(block.columns.shape[1]):
            labels = block.columns[:, column].cpu()
            group[labels], place[labels] = rows, block.logits[:, column].cpu()
        start += len(block.names)
    count = forest.num_labels
    return FlatGroups(members[:-1], none[:-1], implied, group[:count].clone(), place[:count].clone())


def serves(logits: Tensor) -> bool:
    """On a CPU in full precision."""
    return LogPickProduct.serves(logits)


class PickedLogLikelihood(torch.autograd.Function):
    """The mean of what `Terms` name over rows, a scalar; None where a mass underflows.

    Called with logits (N, L), the known label's group (N, 1) and logit (N, 1), `FlatGroups` and a function from the largest
    expected number of labels of a row, without the known one's group, to `Terms`.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, own: Tensor, place: Tensor, groups: FlatGroups, terms_of: Any) -> Tensor | None:
        """The value; its gradient is worked out as well."""
        top = logits.amax(1, keepdim=True).clamp_(min=0.0)
        mass = (logits - top).exp_()  # (N, L)
        zero = torch.exp(-top) * groups.implied  # (N, G) of "none" where it has no logit
        total = torch.addmm(zero, mass, groups.members)
        absent = torch.addmm(zero, mass, groups.none).div_(total)
        picked = mass.gather(1, place)
        if not min(float(total.min()), float(picked.min())) >= _LEAST:  # or NaN
            return None
        picked.div_(total.gather(1, own))
        rest = (1 - absent).scatter_(1, own, 0.0)  # r of the other groups
        terms: Terms = terms_of(rest)
        factor = torch.addcmul(rest.new_ones(()), rest.unsqueeze(1), terms.less)  # (N, Q, G)
        nodes = factor.log().sum(-1).add_(terms.log_weight)  # (N, Q)
        log_sum = nodes.logsumexp(1, keepdim=True)
        share = nodes.sub_(log_sum).exp_().unsqueeze(1)  # (N, 1, Q)
        value = log_sum.add_(picked.log())
        slope = torch.bmm(share * terms.less.view(-1), factor.reciprocal_()).squeeze(1)  # (N, G), by r
        pull = slope.mul_(absent).scatter_(1, own, 0.0)
        total_value = value.sum()
        if terms.emptied or terms.count_weight:
            total_value, pull = _of_all_groups(total_value, pull, absent, terms)
        both = pull.scatter_add(1, own, pull.new_full((), -1.0).expand_as(own)).div_(total)
        grad = (both @ groups.members.t()).mul_(mass)
        grad.addmm_(pull, groups.none.t(), alpha=-1)
        grad.scatter_add_(1, place, grad.new_ones(()).expand_as(place))
        ctx.save_for_backward(grad.div_(len(logits)))
        return total_value / len(logits)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """The gradient by the logits."""
        if torch.is_grad_enabled():  # of create_graph; without this a second derivative would come out as 0
            raise RuntimeError("this function has no second derivatives; use LabelVector.log_marginal, which has them")
        (own,) = ctx.saved_tensors
        return own * grad, None, None, None, None


def _of_all_groups(value: Tensor, pull: Tensor, absent: Tensor, terms: Terms) -> tuple[Tensor, Tensor]:
    """The terms of log D and of the number of labels: the sum over rows, and `pull` with what they add.

    By a logit of "none", log prod_g (1 - r_g) grows as that logit's outcome is not the group's yet, and D falls with it.
    """
    rows = len(pull)
    log_empty = absent.log().sum(1, keepdim=True)
    empty = log_empty.exp().mul_(terms.emptied)  # c prod (1 - r)
    mass = 1 - empty  # D
    by_mass: Tensor | float = terms.mass_weight  # derivative by log D
    value = value + terms.mass_weight * torch.log1p(-empty).sum()
    if terms.count_weight:
        count = (1 - absent).sum(1, keepdim=True).div_(mass)
        mean = count.mean()
        ratio = (mean / terms.expected).log()
        value = value - terms.count_weight * ratio.square() * rows
        by_count = -2 * terms.count_weight * ratio / mean  # of the row's term, as the value is a mean over rows
        pull = torch.addcmul(pull, by_count / mass, absent)
        by_mass = terms.mass_weight - by_count * count
    return value, pull.add(by_mass * empty / mass)
