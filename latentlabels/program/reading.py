"""Programs as the closed-form ELBO reads them: traces with held labels, and what the sites of a trace are.

What a site is follows from its distribution, inside `.mask(...)` and `.to_event(...)`, and never from its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pyro
import torch
from pyro.distributions import MaskedDistribution
from pyro.distributions.util import scale_and_mask
from pyro.poutine.messenger import Messenger
from pyro.poutine.util import site_is_subsample
from torch import Tensor

from ..distributions.label_vector import Given, LabelVector
from .held import Held, Use, Uses, hold
from .sites import Component, LabelsOfComponent, TiedLabelVector

Site = dict[str, Any]
LABELS = (LabelVector, LabelsOfComponent, TiedLabelVector)


class Weight(NamedTuple):
    """How much a log-density counts: the scale and mask of a site, of plates and of `.mask(...)` together.

    Attributes:
        scale: a number, or of the batch shape.
        mask: None or True for all of it, False for nothing, or of the batch shape.
    """

    scale: float | Tensor
    mask: bool | Tensor | None

    def times(self, value: Tensor) -> Tensor:
        """The weighted sum of a log-density, a scalar; what is masked may be anything, NaN too."""
        out: Tensor = scale_and_mask(value, self.scale, self.mask).sum()
        return out

    def masked(self, mask: bool | Tensor) -> Weight:
        """With a further mask."""
        if mask is True or self.mask is False:
            return self
        if mask is False or self.mask is None or self.mask is True:
            return self._replace(mask=mask)
        return self._replace(mask=mask & self.mask)

    def inside(self, dims: int) -> Weight:
        """Of the distribution inside one that sums over its last `dims` batch dimensions."""
        place = (..., *(None for _ in range(dims)))
        scale = self.scale[place] if isinstance(self.scale, Tensor) else self.scale
        return Weight(scale, self.mask[place] if isinstance(self.mask, Tensor) else self.mask)

    def same(self, other: Weight) -> bool:
        """Whether both are one, gradients included."""
        return _same(self.scale, other.scale) and _same(self.mask is None or self.mask, other.mask is None or other.mask)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        constant = not (one.requires_grad or other.requires_grad)
        return one is other or (constant and one.shape == other.shape and torch.equal(one, other))
    return not isinstance(one, Tensor) and not isinstance(other, Tensor) and one == other


class Traces(NamedTuple):
    """One run of guide and model.

    Attributes:
        model: sample sites by name; those of subsampling are left out.
        guide: the same of the guide.
        uses: what was taken from held labels as no tensor carries on.
        next_sites: for each use, the site that came next.
        whole: the traces of model and guide as Pyro made them.
    """

    model: dict[str, Site]
    guide: dict[str, Site]
    uses: Uses
    next_sites: list[str]
    whole: tuple[Any, Any]


class _Hold(Messenger):
    """Keeps label sites from drawing: their distributions are wanted, not their values."""

    def __init__(self) -> None:
        super().__init__()
        self.uses, self.next_sites = Uses(), list[str]()

    def _pyro_sample(self, msg: Any) -> None:
        self.next_sites += [msg["name"]] * (len(self.uses) - len(self.next_sites))
        if msg["is_observed"] or msg["done"] or msg["value"] is not None:
            return
        fn = bare(msg["fn"], Weight(1.0, None))[0]
        if isinstance(fn, (*LABELS, Component)):
            like = logits_of(fn)
            dtype = torch.long if isinstance(fn, Component) else like.dtype
            msg["value"] = hold(msg["name"], msg["fn"].shape(), dtype, like.device, self.uses)
            msg["done"] = True


def run(model: Callable[..., Any], guide: Callable[..., Any], args: Any, kwargs: Any) -> Traces:
    """Run guide and model once, with labels held.

    Raises:
        ValueError: a program that stopped after it had looked at labels, which are not there.
    """
    if isinstance(pyro.poutine.unwrap(guide), Messenger):
        raise ValueError("the guide is a GuideMessenger; write it as a function or PyroModule of the model's signature")
    held = _Hold()
    try:
        with held:
            guide_trace = pyro.poutine.trace(guide).get_trace(*args, **kwargs)
            replayed = pyro.poutine.replay(model, trace=guide_trace)
            model_trace = pyro.poutine.trace(replayed).get_trace(*args, **kwargs)
    except Exception as error:
        if held.uses:
            raise ValueError(told_of_use(held.uses, held.next_sites)) from error
        raise
    return Traces(_samples(model_trace), _samples(guide_trace), held.uses, held.next_sites, (model_trace, guide_trace))


def told_of_use(uses: Sequence[Use], next_sites: list[str]) -> str:
    """The message about the first use."""
    use = uses[0]
    sites = ", ".join(f"'{name}'" for name in sorted(use.sites))
    after = f", before site '{next_sites[0]}'" if next_sites else ""
    return (
        f"{use.what} at {use.where}{after}: the program runs differently for different labels of site {sites}, which "
        "CollapsedELBO sums over without running it for each; use torch.where instead of `if` and keep the labels in "
        "tensors for TraceEnum_ELBO, or take Trace_ELBO, which samples"
    )


def _samples(trace: Any) -> dict[str, Site]:
    return {name: node for name, node in trace.nodes.items() if node["type"] == "sample" and not site_is_subsample(node)}


def bare(fn: Any, weight: Weight) -> tuple[Any, Weight]:
    """The distribution inside `.mask(...)` and `.to_event(...)`, and how much its log-density counts."""
    while True:
        if isinstance(fn, MaskedDistribution):
            weight, fn = weight.masked(fn._mask), fn.base_dist
        elif isinstance(fn, torch.distributions.Independent):
            weight, fn = weight.inside(fn.reinterpreted_batch_ndims), fn.base_dist
        else:
            return fn, weight


def read(site: Site) -> tuple[Any, Weight]:
    """The distribution of a site, and how much its log-density counts."""
    return bare(site["fn"], Weight(site["scale"], site["mask"]))


def logits_of(fn: Any) -> Tensor:
    """Logits of the type and device of a label site, without working out those of a posterior."""
    if isinstance(fn, TiedLabelVector):
        return logits_of(fn.own)
    if isinstance(fn, LabelsOfComponent):
        return logits_of(fn.joint)
    logits: Tensor = fn.logits if isinstance(fn, Component) else root(fn)[0].logits
    return logits


def root(q: LabelVector) -> tuple[LabelVector, list[Given]]:
    """What a posterior was before anything was known, and what became known, last first."""
    known: list[Given] = []
    while q.given is not None:
        known.append(q.given)
        q = q.given.prior
    return q, known


def is_label_site(site: Site) -> bool:
    """Whether a site is latent and of a distribution over label sets or mixture components."""
    return origin(site["value"]) == site["name"] and isinstance(read(site)[0], (*LABELS, Component))


def origin(value: Any) -> str | None:
    """The site whose labels a value is, unchanged."""
    return value.origin if isinstance(value, Held) else None


def plates(site: Site) -> frozenset[str]:
    """Names of the vectorised plates of a site."""
    return frozenset(frame.name for frame in site["cond_indep_stack"] if frame.vectorized)
