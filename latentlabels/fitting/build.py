"""The Pyro program of a fit, made of its settings: encoder, head, prior, decoder, and where they start."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import objectives
from ..annotation import Annotation, UniformPositive, WeightedPositive
from ..config import ModelConfig
from ..config.kind import Kind, kind_of
from ..distributions import LabelVector, can_be_empty
from ..encoders import Frozen, Standardize, build_encoder
from ..errors import ConfigError, DataWarning
from ..inputs import PixelFormat
from ..inputs.batches import Batches, InMemory
from ..observed import Observed
from ..program import Amortizer, CollapsedELBO, FeatureDecoder, LabelGuide, LabelModel, LabelPrior
from ..program.starting_point import Anchor, prior_logits
from ..space import LabelSpace

SCALE_PRIOR = 0.25  # see `LabelModel`; measured: benchmarks/README.md, "at least one label"


class Program(NamedTuple):
    """What a fit trains.

    Attributes:
        model: p(known labels | x), and of the features where there is a generative side.
        guide: q(y | x), given what is known.
        elbo: their evidence lower bound, in closed form.
        objective: a published loss instead of it, or None.
        space: the label space of the head, which a published loss may change.
    """

    model: LabelModel
    guide: LabelGuide
    elbo: CollapsedELBO
    objective: Any
    space: LabelSpace


def construct(
    space: LabelSpace,
    how: Annotation,
    given: ModelConfig,
    nonempty: bool,
    num_inputs: int | None,
    anchor: Anchor | None,
    pixels: PixelFormat | None = None,
) -> Program:
    """Make the Pyro program.

    Args:
        space: the label space.
        how: the annotation.
        given: the settings of the model.
        nonempty: whether the empty label set counts little; see `has_at_least_one`.
        num_inputs: size of embeddings; None for images.
        anchor: at which the head starts, with published weights in the encoder; None for a program whose weights are
            loaded next.
        pixels: how the encoder normalises pictures; None for what its weights were trained with.
    """
    objective: Any = None if given.objective == "collapsed" else objectives.make(given.objective, space)
    head = space if objective is None else objective.space
    encoder = build_encoder(given.encoder, given.weights if anchor is not None else None, num_inputs, given.frozen, pixels)
    # one objective, one head: the mixture and the generative side belong to ours
    mixture, beta = (given.mixture, given.beta) if objective is None else (1, 0.0)
    amortizer = Amortizer(head, encoder.module, encoder.num_features, mixture, nonempty)
    logits = torch.zeros(head.num_logits)
    if anchor is not None:
        logits = prior_logits(head, anchor.prevalence)
        if given.start == "prior":
            amortizer.start_at(logits)
    prior = LabelPrior(head, logits, mixture, learn=mixture > 1) if beta > 0 else None
    decoder = FeatureDecoder(head, encoder.num_features) if beta > 0 else None
    model = LabelModel(amortizer, how, prior, decoder, beta, SCALE_PRIOR, given.expected_labels)
    return Program(model, LabelGuide(amortizer, how), CollapsedELBO(), objective, head)


def has_at_least_one(given: ModelConfig, how: Annotation, table: Observed) -> bool:
    """Whether the empty label set counts little, as told, or as the known labels suggest.

    Raises:
        ConfigError: told so of a model that cannot.
    """
    simple = given.objective == "collapsed" and given.mixture == 1 and given.beta == 0
    if given.at_least_one and not simple:
        raise ConfigError(
            "at_least_one goes with objective collapsed, mixture 1 and beta 0, not with "
            f"{given.objective}, {given.mixture} and {given.beta:g}; leave it out"
        )
    picked = isinstance(how, UniformPositive | WeightedPositive)
    told = given.at_least_one if given.at_least_one is not None else picked and bool((table.values == 1).any(1).all())
    return told and simple and can_be_empty(table.space)


def warn_of_start(given: ModelConfig, anchor: Anchor, num_labels: int, stacklevel: int) -> None:
    """Warn of what cannot be learned: labels that are never known, a frozen encoder of random weights."""
    if anchor.never_known:
        listed = ", ".join(f'"{label}"' for label in anchor.never_known[:5])
        warnings.warn(
            f"{len(anchor.never_known)} of {num_labels} labels are never known to be present "
            f"({listed}{', ...' if len(anchor.never_known) > 5 else ''}): nothing can be learned of them, "
            "they keep their prior probability",
            DataWarning,
            stacklevel=stacklevel + 1,
        )
    if given.frozen and given.weights is None and kind_of(given.encoder) is Kind.IMAGES:
        warnings.warn(
            f'the encoder "{given.encoder}" is frozen at random weights; give weights ("DEFAULT", or a file), or set frozen to '
            "false",
            DataWarning,
            stacklevel=stacklevel + 1,
        )


def features_once(encoder: torch.nn.Module, batches: Batches, frozen: bool, batch_size: int) -> Batches:
    """Set the scale of embeddings; turn images into features where the encoder is frozen."""
    if frozen and batches.kind is Kind.IMAGES:
        assert isinstance(encoder, Frozen)
        rows = torch.arange(len(batches))
        with torch.no_grad():
            features = [encoder.extract(batches.inputs(part)) for part in rows.split(batch_size)]
        batches = InMemory(torch.cat(features))
    for part in encoder.modules():
        if isinstance(part, Standardize):
            part.fit_to(batches.inputs(torch.arange(len(batches))))
    return batches


@torch.no_grad()
def label_vector(amortizer: Amortizer, batches: Batches, rows: Tensor, batch_size: int) -> LabelVector:
    """q(y | x) of some rows, batch shape (rows,), on the CPU."""
    amortizer.eval()
    device = next(amortizer.parameters()).device
    parts = [
        amortizer.head(amortizer.features(batches.inputs(part).to(device))).cpu() for part in rows.split(max(batch_size, 64))
    ]
    return amortizer.vector(torch.cat(parts))
