"""A label site that the closed-form ELBO integrates: its posterior, and the terms of the two programs that depend on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor

from ..annotation import Annotation
from ..distributions.label_vector import Given, LabelVector
from ..space import LabelSpace
from .decoder import FeaturesGiven
from .expected import (
    NoClosedForm,
    expected_annotation,
    expected_log_prob,
    expected_log_prob_of_component,
    over_label_sets,
)
from .held import Held
from .reading import Site, Traces, Weight, is_label_site, origin, plates, read, root
from .sites import AnnotationGiven, Component, ComponentOf, LabelsOfComponent, TiedLabelVector

OTHERS = "use TraceEnum_ELBO, or Trace_ELBO for label spaces too large to enumerate"


@dataclass
class _Term:
    """factor * weight * E_q[...], what is expected being told by `key`."""

    site: str
    key: tuple[Any, ...]
    weight: Weight
    factor: float
    value: Callable[[], Tensor]

    def is_of(self, key: tuple[Any, ...], weight: Weight) -> bool:
        """Whether another term has the same expectation and the same weight."""
        same = len(key) == len(self.key) and all(a is b for a, b in zip(key, self.key, strict=True))
        return same and self.weight.same(weight)


class Latent:
    """A label site of the guide, with its mixture component if there is one.

    Args:
        name: of the site.
        site: in the guide's trace.
        component: the guide's site of the component, or None.
    """

    def __init__(self, name: str, site: Site, component: Site | None):
        fn, self.weight = read(site)
        self.name, self.plates = name, plates(site)
        self.component = None if component is None else component["name"]
        self.mixture = fn.mixture if isinstance(fn, LabelsOfComponent) else 1
        self.posterior: LabelVector = fn.joint if isinstance(fn, LabelsOfComponent) else fn
        self.base, self.known = root(self.posterior)
        self._terms: list[_Term] = []
        if component is None:
            self._add("labels", self.base, self.weight, -1.0, lambda: expected_log_prob(self.posterior, self.base))
        else:
            self._add_guide_component(component)
        for given in self.known:
            self._add_annotation(name, given, self.weight, -1.0)

    # --- the sites of the model -------------------------------------------------------------------------

    def take(self, name: str, site: Site, fn: Any, weight: Weight) -> bool:
        """Whether a site of the model is a function of these labels with a closed form; it is counted then.

        Raises:
            ValueError: an annotation that the guide does not have; a site in other plates than the labels.
        """
        value = site["value"]
        if origin(value) is not None and origin(value) in (self.name, self.component):
            if origin(value) == self.component and isinstance(fn, dist.Categorical):
                self._same_place(name, site, fn)
                self._add_component(name, fn, weight)
                return True
            if origin(value) == self.name and isinstance(fn, LabelVector | LabelsOfComponent | TiedLabelVector):
                self._same_place(name, site, fn)
                self._add_labels(name, fn, weight, 1.0)
                return True
            return False
        if isinstance(value, Held):
            return False
        if isinstance(fn, AnnotationGiven) and origin(fn.y) == self.name:
            self._same_place(name, site, fn)
            self._add_annotation(name, self._matching(name, fn, value), weight, 1.0)
            return True
        if isinstance(fn, FeaturesGiven) and origin(fn.y) == self.name:
            self._same_place(name, site, fn)
            self._same_space(name, fn.decoder.space)
            self._add_features(name, fn, value, weight)
            return True
        return False

    def _same_place(self, name: str, site: Site, fn: Any) -> None:
        if plates(site) != self.plates:
            raise ValueError(
                f"site '{name}' of the model is in {_told(plates(site))} and depends on site '{self.name}', which the guide "
                f"has in {_told(self.plates)}; put both in the same plates"
            )
        if fn.batch_shape != self.posterior.batch_shape:
            raise ValueError(
                f"site '{name}' of the model has batch shape {tuple(fn.batch_shape)}, and the labels of site '{self.name}', "
                f"on which it depends, have {tuple(self.posterior.batch_shape)} in the guide; both should be the same"
            )

    def _same_space(self, name: str, space: LabelSpace) -> None:
        if space != self.posterior.space:
            raise ValueError(
                f"site '{name}' of the model is of a label space with {space.num_labels} labels, another one than that of "
                f"'{self.name}' in the guide, with {self.posterior.space.num_labels}; make both with the same LabelSpace"
            )

    def _matching(self, name: str, fn: AnnotationGiven, observed: Tensor) -> Given:
        for given in self.known:
            if same_annotation(fn.how, given.how) and _equal(observed, given.observed):
                return given
        told = " and ".join(repr(given.how) for given in self.known)
        other = "" if all(not same_annotation(fn.how, given.how) for given in self.known) else " with other known labels"
        raise ValueError(
            f"the model's site '{name}' is {fn.how!r}{other}, the guide conditions '{self.name}' on {told}; the closed form "
            "needs one annotation in both, of the same known labels (TraceEnum_ELBO does not)"
        )

    # --- terms ------------------------------------------------------------------------------------------

    def _add(self, kind: str, what: Any, weight: Weight, factor: float, value: Callable[[], Tensor], site: str = "") -> None:
        for term in self._terms:
            if term.is_of((kind, what), weight):
                term.factor += factor
                return
        self._terms.append(_Term(site or self.name, (kind, what), weight, factor, value))

    def _add_labels(self, name: str, fn: Any, weight: Weight, factor: float) -> None:
        if isinstance(fn, TiedLabelVector):
            self._add_labels(name, fn.prior, weight, factor * fn.beta)
            self._add_labels(name, fn.own, weight, factor * (1 - fn.beta))
        elif isinstance(fn, LabelsOfComponent) and self.component is not None and origin(fn.component) == self.component:
            joint, mixture = fn.joint, fn.mixture
            self._same_space(name, joint.space)
            self._add(
                "of component",
                joint,
                weight,
                factor,
                lambda: expected_log_prob_of_component(self.posterior, joint, mixture),
                name,
            )
        else:
            vector: LabelVector = fn.vector if isinstance(fn, LabelsOfComponent) else fn
            self._same_space(name, vector.space)
            self._add("labels", vector, weight, factor, lambda: expected_log_prob(self.posterior, vector), name)

    def _add_annotation(self, name: str, given: Given, weight: Weight, factor: float) -> None:
        self._add(
            "annotation",
            given,
            weight,
            factor,
            lambda: expected_annotation(self.posterior, given.how, given.observed),
            name,
        )

    def _add_features(self, name: str, fn: FeaturesGiven, value: Tensor, weight: Weight) -> None:
        def expected() -> Tensor:
            if self.posterior.nonempty:
                return over_label_sets(self.posterior, lambda y: fn.given(y).log_prob(value))
            return fn.expected_log_prob(value, self.posterior)

        self._add("features", fn, weight, 1.0, expected, name)

    def _add_component(self, name: str, fn: dist.Categorical, weight: Weight) -> None:
        what = fn.joint if isinstance(fn, ComponentOf) else fn
        self._add("component", what, weight, 1.0, lambda: self._expected_over_components(fn.logits), name)

    def _add_guide_component(self, site: Site) -> None:
        """log q(z, y) = log q_phi(z) + log q_phi(y | z) + log p(o | y) - log Z counts as q(y | z), the rest as q(z)."""
        base, mixture = self.base, self.mixture
        weight = read(site)[1]
        self._log_components: Tensor = read(site)[0].logits
        own = ComponentOf(base, mixture)
        self._add("component", base, self.weight, -1.0, lambda: self._expected_over_components(own.logits))
        self._add(
            "of component",
            base,
            self.weight,
            -1.0,
            lambda: expected_log_prob_of_component(self.posterior, base, mixture),
        )
        for each, factor in ((weight, -1.0), (self.weight, 1.0)):
            self._add("own", self, each, factor, lambda: self._expected_over_components(self._log_components))

    def _expected_over_components(self, logits: Tensor) -> Tensor:
        """E[value_z] of a value (..., M) of the component."""
        some = self._log_components > -torch.inf
        return torch.where(some, self._log_components.exp() * logits.masked_fill(~some, 0.0), 0.0).sum(-1)

    # --- the sum ----------------------------------------------------------------------------------------

    def total(self) -> Tensor:
        """What the label site and all that depends on it add to the ELBO, a scalar."""
        shape = self.posterior.batch_shape
        parts = []
        for given in self.known:
            found = given.prior.log_found(given.observed, given.how)
            parts.append(self.weight.times((given.log_marginal + found).expand(shape)))
        for term in self._terms:
            if term.factor == 0:
                continue
            value = self._value(term)
            parts.append(term.factor * term.weight.times(value.expand(shape)))
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum()

    def _value(self, term: _Term) -> Tensor:
        try:
            value = term.value()
        except NoClosedForm:
            raise ValueError(_told_of_term(self.name, term, self.posterior)) from None
        if isinstance(value, Held):
            raise ValueError(
                f"site '{term.site}' has a distribution that depends on the labels of site "
                f"{', '.join(repr(site) for site in sorted(value.sites))}, and no closed form; {OTHERS}"
            )
        return value


def latents_of(traces: Traces) -> list[Latent]:
    """The label sites of the guide.

    Raises:
        ValueError: a label site that is no posterior, or that one of the two programs lacks.
    """
    held = {name: site for name, site in traces.guide.items() if is_label_site(site)}
    components = {name for name, site in held.items() if isinstance(read(site)[0], Component)}
    latents = []
    for name, site in held.items():
        if name in components:
            continue
        latents.append(Latent(name, site, _component_of(name, site, held)))
    for name in components - {latent.component for latent in latents}:
        raise ValueError(
            f"the guide's site '{name}' is the component of a mixture, and no site has its labels: write "
            "pyro.sample('labels', LabelsOfComponent(posterior, z, mixture)) with z its value"
        )
    for name in held:
        _in_both(name, "the guide", traces.model, "the model")
    for name, site in traces.model.items():
        if is_label_site(site):
            _in_both(name, "the model", traces.guide, "the guide")
            if name not in held:
                raise no_posterior(name)
    return latents


def _component_of(name: str, site: Site, held: dict[str, Site]) -> Site | None:
    fn = read(site)[0]
    if getattr(site["fn"], "_mask", None) is False:
        raise ValueError(f"the guide's site '{name}' has no density under .mask(False); leave it out: {OTHERS}")
    if isinstance(fn, LabelVector) and fn.given is not None:
        return None
    if not isinstance(fn, LabelsOfComponent) or fn.joint.given is None:
        raise no_posterior(name)
    component = held.get(str(origin(fn.component)))
    own = None if component is None else read(component)[0]
    if not isinstance(own, ComponentOf) or own.joint is not fn.joint:
        raise ValueError(
            f"the guide's site '{name}' has the labels of a component that is no site ComponentOf(posterior, "
            f"{fn.mixture}) of the same posterior; write z = pyro.sample('component', ComponentOf(posterior, "
            f"{fn.mixture})), then pyro.sample('{name}', LabelsOfComponent(posterior, z, {fn.mixture}))"
        )
    return component


def no_posterior(name: str) -> ValueError:
    """The error of a guide that draws labels in another way."""
    return ValueError(
        f"the guide's site '{name}' is no posterior: write pyro.sample('{name}', q.condition(observed, how)); "
        "for any other guide use TraceEnum_ELBO or Trace_ELBO"
    )


def _in_both(name: str, one: str, sites: dict[str, Site], other: str) -> None:
    if name not in sites:
        raise ValueError(
            f"{other} has no sample site '{name}' (it has: {', '.join(sites) or 'none'}), which {one} draws from a "
            "distribution over label sets; both programs need it, under one name"
        )


def same_annotation(one: Annotation, other: Annotation) -> bool:
    """Whether two annotations are of one class and hold the same numbers; what is learned has to be one object."""
    return one is other or (type(one) is type(other) and _equal_state(vars(one), vars(other)))


def _equal_state(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return not (one.requires_grad or other.requires_grad) and one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal_state(one[key], other[key]) for key in one)
    return type(one) is type(other) and isinstance(one, str | int | float | tuple) and one == other


def _equal(one: Tensor, other: Tensor) -> bool:
    """Whether numbers are the same, `other` being as large or larger."""
    if one is other:
        return True
    if one.shape == other.shape:
        return torch.equal(one, other)
    shape = torch.broadcast_shapes(one.shape, other.shape)
    return shape == other.shape and torch.equal(one.expand(shape), other)


def _told(names: frozenset[str]) -> str:
    return "no plate" if not names else "plate " + ", ".join(repr(name) for name in sorted(names))


def _told_of_term(latent: str, term: _Term, q: LabelVector) -> str:
    if term.key[0] == "of component":
        return (
            f"site '{term.site}' has labels of a mixture with {term.key[1].num_components} forests, and '{latent}' in the "
            "guide is of another number of components; make both with the same mixture=M"
        )
    what = {
        "labels": "the labels' density there",
        "annotation": "log p(o | y)",
        "features": "log p(h | y)",
    }[term.key[0]]
    return (
        f"site '{term.site}': the expectation of {what} under the posterior of '{latent}' has no closed form, and "
        f"{q.space.num_label_sets} label sets are too many to enumerate; give model and guide the same scale and mask "
        "(poutine.scale, poutine.mask), so that it cancels, or use Trace_ELBO"
    )
