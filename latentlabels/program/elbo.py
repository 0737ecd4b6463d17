"""`CollapsedELBO`: the evidence lower bound of programs with our label sites and guide, in closed form.

With q(y | x, o) = q_phi(y | x) p(o | y) / Z_phi(o | x), the ELBO of `LabelModel` splits, exactly, into

    log Z_phi(o | x)  +  E_q[ log p(y) + log p(h | y) - log q_phi(y | x) ],

and every term is a finite sum over groups. Nothing is sampled and no label set enumerated: the programs are traced with
their labels held, and what the sites' distributions are is read off. In general a program's ELBO is

    sum over its sites s of  w_s E_q[log p_s]  -  sum over the guide's sites of  w_s E_q[log q_s],

w the scales and masks. What does not depend on the labels is added as it is; terms of the same weight that cancel, as
log p(o | y) in the ordinary program, are never worked out. Swersky et al., 2012, and Tarlow et al., 2012, sum
cardinality potentials in the same spirit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from pyro.distributions.util import is_identically_zero
from pyro.infer import ELBO
from pyro.infer.util import is_validation_enabled, torch_item
from pyro.util import check_model_guide_match, check_site_shape
from torch import Tensor

from . import reading
from .held import Held
from .latent import OTHERS, latents_of, no_posterior
from .reading import Site, Traces, Weight
from .sharing import shared_passes


class CollapsedELBO(ELBO):
    """The closed-form ELBO of programs whose labels are a `LabelVector` and whose guide is its exact posterior.

    For ``pyro.infer.SVI(model, guide, optim, loss=CollapsedELBO())``, or ``CollapsedELBO()(model, guide)`` as a
    module. Equal to ``TraceEnum_ELBO`` of the same programs in loss and gradient, at a cost linear in the number
    of labels.

    What is accepted. In the guide, label sites ``pyro.sample(name, q.condition(observed, annotation))`` (for a mixture,
    `ComponentOf` and `LabelsOfComponent` of it). In the model, sites of the same names that are a `LabelVector`,
    `TiedLabelVector` or `LabelsOfComponent`; `AnnotationGiven` the labels, with the annotation and the observation of the
    guide; the features of a `FeatureDecoder`. Any further site, of both programs, if its density does not depend on the
    labels; latent ones are drawn by reparametrised samples in the guide. Names, plates, scales and masks are free. All
    that depends on labels, model and guide, is in the same plates.

    Dependence on labels is found as follows. The programs run once, with a tensor without values in the place of the
    labels. It marks whatever is worked out from it (also by comparing, indexing and sampling), except for shapes and
    types. A site whose log-density comes out marked is refused by name. So is a program in which something of the labels
    leaves the tensors: ``if y[0, 0]``, ``.item()``, a shape that they decide, a tensor that is written in place. A site
    under ``mask=False``, as that of ``pyro.deterministic``, adds nothing and is free.

    The encoder runs once for model and guide where both see the same images (`Amortizer.once`).

    Args:
        num_particles: over how many draws of the sampled sites the loss is averaged; labels are not drawn.
        kwargs: as of `pyro.infer.ELBO`; `vectorize_particles` is a loop here.

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
            loss.backward(retain_graph=self.retain_graph)
        return float(torch_item(loss))

    def differentiable_loss(self, model: Callable[..., Any], guide: Callable[..., Any], *args: Any, **kwargs: Any) -> Tensor:
        """Minus the ELBO, summed over the batch, a scalar."""
        losses = []
        for _ in range(self.num_particles):
            with shared_passes():
                losses.append(-_elbo(self._get_trace(model, guide, args, kwargs)))
        return losses[0] if len(losses) == 1 else torch.stack(losses).mean()

    def _get_trace(self, model: Any, guide: Any, args: Any, kwargs: Any) -> Traces:
        return reading.run(model, guide, args, kwargs)


def _elbo(traces: Traces) -> Tensor:
    latents = latents_of(traces)
    parts = [-_drawn(name, site, traces) for name, site in traces.guide.items() if not reading.is_label_site(site)]
    for name, site in traces.model.items():
        fn, weight = reading.read(site)
        if isinstance(weight.scale, Held) or isinstance(weight.mask, Held):
            raise _depends(name, weight.mask if isinstance(weight.mask, Held) else weight.scale, "a scale or mask that")
        if weight.mask is not False and not any(latent.take(name, site, fn, weight) for latent in latents):
            parts.append(_free(name, site, traces))
    if traces.uses:
        raise ValueError(reading.told_of_use(traces.uses, traces.next_sites))
    parts += [latent.total() for latent in latents]
    if is_validation_enabled():
        _check(traces)
    return torch.stack(parts).sum() if len(parts) != 1 else parts[0]


def _free(name: str, site: Site, traces: Traces) -> Tensor:
    """The log-density of a site of the model that does not depend on labels, weighted and summed."""
    if not site["is_observed"] and name not in traces.guide:
        raise ValueError(
            f"site '{name}' is latent in the model and is not drawn by reparametrised samples in the guide; the closed "
            "form integrates labels alone: use TraceEnum_ELBO or Trace_ELBO"
        )
    return _density(name, site, traces, site["fn"].log_prob)


def _drawn(name: str, site: Site, traces: Traces) -> Tensor:
    """The log-density of a site of the guide that is sampled, weighted and summed."""
    other = traces.model.get(name)
    if other is not None and isinstance(reading.read(other)[0], reading.LABELS):
        raise no_posterior(name)

    def log_prob(value: Tensor, *args: Any, **kwargs: Any) -> Any:
        parts = site["fn"].score_parts(value, *args, **kwargs)
        if not isinstance(parts.log_prob, Held) and not is_identically_zero(parts.score_function):
            raise ValueError(
                f"site '{name}' of the guide is not drawn by reparametrised samples (has_rsample); the closed form "
                "integrates labels alone: use TraceEnum_ELBO or Trace_ELBO"
            )
        return parts.log_prob

    return _density(name, site, traces, log_prob)


def _density(name: str, site: Site, traces: Traces, log_prob: Callable[..., Any]) -> Tensor:
    before = len(traces.uses)
    value = log_prob(site["value"], *site["args"], **site["kwargs"])
    if isinstance(value, Held):
        raise _depends(name, value, f"a density ({type(site['fn']).__name__}) that")
    if len(traces.uses) > before:
        raise ValueError(f"site '{name}': {reading.told_of_use(traces.uses[before:], [])}")
    site["log_prob"] = value
    return Weight(site["scale"], site["mask"]).times(value)


def _depends(name: str, value: Any, what: str) -> ValueError:
    return ValueError(
        f"site '{name}' has {what} depends on the labels of site {', '.join(repr(site) for site in sorted(value.sites))} "
        f"and has no closed form (AnnotationGiven and FeatureDecoder have, of the labels as drawn); {OTHERS}"
    )


class _Shaped(NamedTuple):
    """What Pyro asks of a log-density when it checks a site."""

    shape: torch.Size


def _check(traces: Traces) -> None:
    """Pyro's own checks: that the programs' sites match, and that every batch dimension is one of a plate."""
    for sites in (traces.model, traces.guide):
        for site in sites.values():
            if site["cond_indep_stack"] or len(site["fn"].batch_shape):
                shape = site["log_prob"].shape if "log_prob" in site else site["fn"].batch_shape
                check_site_shape({**site, "log_prob": _Shaped(shape)}, math.inf)  # type: ignore[arg-type, typeddict-item]
    check_model_guide_match(*traces.whole)
