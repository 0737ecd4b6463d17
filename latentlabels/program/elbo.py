"""`CollapsedELBO`: the evidence lower bound of `LabelModel` and `LabelGuide`, in closed form.

With q(y|x,o) = q_phi(y|x) p(o|y) / Z_phi(o|x), the ELBO splits, exactly, into

    log Z_phi(o | x)  +  E_q[ log p(y) + log p(h | y) - log q_phi(y | x) ],

and every term is a finite sum over groups. Nothing is sampled and no label set enumerated: the programs are
traced with their label sites held, and what the sites' distributions are is read off. Swersky et al., 2012, and
Tarlow et al., 2012, sum cardinality potentials in the same spirit.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pyro
import torch
from pyro.distributions import Unit
from pyro.infer import ELBO
from pyro.infer.util import torch_item
from pyro.poutine.messenger import Messenger
from torch import Tensor

from .. import exact
from ..distributions.label_vector import LabelVector
from .model import AnnotationGiven, ComponentOf, LabelModel, TiedLabelVector

_LATENT = ("component", "labels")


class _HoldLabels(Messenger):
    """Keeps the label sites from drawing: their distributions are wanted, not their values."""

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if msg["name"] in _LATENT and not msg["is_observed"] and msg["value"] is None:
            fn = msg["fn"]
            while isinstance(fn, TiedLabelVector):
                fn = fn.own
            like = fn.given.prior.logits if isinstance(fn, LabelVector) and fn.given else fn.logits
            dtype = torch.long if isinstance(fn, ComponentOf) else like.dtype
            msg["value"] = torch.zeros(fn.batch_shape + fn.event_shape, dtype=dtype, device=like.device)
            msg["done"] = True


class CollapsedELBO(ELBO):
    """The closed-form ELBO of programs with the sites "labels" (and "component") of this package.

    For ``pyro.infer.SVI(model, guide, optim, loss=CollapsedELBO())``, or ``CollapsedELBO()(model, guide)`` as a
    module. Equal to ``TraceEnum_ELBO`` of the same programs in loss and gradient, at a cost linear in the number
    of labels. Other latent sites are allowed where the guide draws them by reparametrised samples.

    Raises:
        ValueError: programs that it cannot integrate; the message names the site and the ELBO that can.
    """

    def loss(self, model: Callable[..., Any], guide: Callable[..., Any], *args: Any, **kwargs: Any) -> float:
        """Minus the ELBO, summed over the batch, as a float."""
        with torch.no_grad():
            return float(torch_item(self.differentiable_loss(model, guide, *args, **kwargs)))

    def loss_and_grads(self, model: Callable[..., Any], guide: Callable[..., Any], *args: Any, **kwargs: Any) -> float:
        """Minus the ELBO as a float; its gradient is added to that of the parameters."""
        loss = self.differentiable_loss(model, guide, *args, **kwargs)
        if loss.requires_grad:
            loss.backward()
        return float(torch_item(loss))

    def differentiable_loss(self, model: Callable[..., Any], guide: Callable[..., Any], *args: Any, **kwargs: Any) -> Tensor:
        """Minus the ELBO, summed over the batch, a scalar."""
        amortizer = getattr(model, "amortizer", None)
        if amortizer is not None and amortizer is not getattr(guide, "amortizer", None):
            amortizer = None  # two encoders: each has to run
        with amortizer.once() if amortizer is not None else nullcontext():
            model_trace, guide_trace = self._get_trace(model, guide, args, kwargs)
            return -self._elbo(model, model_trace, guide_trace)

    def _get_trace(self, model: Any, guide: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
        with _HoldLabels():
            guide_trace = pyro.poutine.trace(guide).get_trace(*args, **kwargs)
            replayed = pyro.poutine.replay(model, trace=guide_trace)
            return pyro.poutine.trace(replayed).get_trace(*args, **kwargs), guide_trace

    def _elbo(self, model: Any, model_trace: Any, guide_trace: Any) -> Tensor:
        posterior, scale = _posterior(guide_trace)
        target = _site(model_trace, "labels", "the model")
        joint = model_trace.nodes["component"]["fn"].joint if "component" in model_trace.nodes else target["fn"]
        observed = _site(model_trace, "observed", "the model")["fn"]
        given = posterior.given
        assert given is not None
        if not isinstance(observed, AnnotationGiven) or observed.how != given.how:
            raise ValueError(
                f"the model's site 'observed' is {getattr(observed, 'how', observed)!r}, the guide conditions on "
                f"{given.how!r}; the closed form needs one annotation in both (TraceEnum_ELBO does not)"
            )
        value = given.log_marginal
        value = value + _tie(posterior, given.prior, joint)
        for name, site in model_trace.nodes.items():
            if site["type"] != "sample" or name in (*_LATENT, "observed", "found", "images"):
                continue
            if name == "anchor" and isinstance(site["fn"], Unit):
                value = value + site["fn"].log_factor
            elif name == "features" and isinstance(model, LabelModel) and model.decoder is not None:
                value = value + site["scale"] * model.decoder.expected_log_prob(site["value"], posterior)
            elif not site["is_observed"] and type(site["fn"]).__name__ != "_Subsample":
                value = value + _sampled(name, site, guide_trace) / value.numel()
        return (value * scale).sum()


def _posterior(trace: Any) -> tuple[LabelVector, Any]:
    site = _site(trace, "labels", "the guide")
    fn = trace.nodes["component"]["fn"].joint if "component" in trace.nodes else site["fn"]
    if not isinstance(fn, LabelVector) or fn.given is None:
        raise ValueError(
            "the guide's site 'labels' is no posterior: write pyro.sample('labels', q.condition(observed, how)); "
            "for any other guide use TraceEnum_ELBO or Trace_ELBO"
        )
    return fn, site["scale"]


def _site(trace: Any, name: str, program: str) -> Any:
    if name not in trace.nodes:
        sites = [key for key, node in trace.nodes.items() if node["type"] == "sample"]
        raise ValueError(f"{program} has no sample site '{name}' (it has: {', '.join(sites) or 'none'})")
    return trace.nodes[name]


def _sampled(name: str, site: Any, guide_trace: Any) -> Tensor:
    other = guide_trace.nodes.get(name)
    if other is None or not getattr(other["fn"], "has_rsample", False):
        raise ValueError(
            f"site '{name}' is latent and is not drawn by reparametrised samples in the guide; the closed form "
            "integrates 'labels' alone: use TraceEnum_ELBO or Trace_ELBO"
        )
    log_p = (site["fn"].log_prob(site["value"]) * site["scale"]).sum()
    return log_p - (other["fn"].log_prob(other["value"]) * other["scale"]).sum()


def _tie(posterior: LabelVector, own: LabelVector, target: Any) -> Tensor | float:
    """E_q[log p(y) - log q_phi(y)] (with the component, if there is one); 0 where the two are one."""
    if target is own:
        return 0.0
    if isinstance(target, TiedLabelVector):
        if target.own is own:
            return target.beta * (_expected(posterior, target.prior) - _expected(posterior, own))
        parts = target.beta * _expected(posterior, target.prior) + (1 - target.beta) * _expected(posterior, target.own)
        return parts - _expected(posterior, own)
    if not isinstance(target, LabelVector):
        raise ValueError(f"the model's site 'labels' is a {type(target).__name__}; the closed form needs a LabelVector")
    return _expected(posterior, target) - _expected(posterior, own)


def _expected(posterior: LabelVector, target: LabelVector) -> Tensor:
    """E[log w_z + log p_z(y)] of the posterior's components (..., M * Q), z the one of M that each belongs to."""
    size = target.num_components
    logits = posterior.logits.unflatten(-2, (size, -1))  # (..., M, Q, L)
    weights = posterior.log_weights.exp().unflatten(-1, (size, -1))
    parts = exact.expected_log_prob(posterior.forest, logits, target.logits.unsqueeze(-2))
    parts = parts + target.log_weights.unsqueeze(-1)
    return torch.where(weights > 0, weights * parts, 0.0).sum((-2, -1))
