"""From the settings of a model to what is trained: encoder, head, Pyro program and objective."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from .. import objectives
from ..annotation import Annotation
from ..config import ModelConfig
from ..encoders import build_encoder, describe_encoder
from ..errors import DataWarning
from ..inputs import PixelFormat
from ..inputs.rgb import Size
from ..kind import Kind, kind_of
from ..objectives import Objective
from ..program import Amortizer, CollapsedELBO, FeatureDecoder, Head, LabelGuide, LabelModel, LabelPrior, RegionHead, num_rows
from ..program.starting_point import Anchor, prior_logits
from ..space import LabelSpace
from .head_policy import HeadPolicy
from .names import named_head

SCALE_PRIOR = 0.25  # see `LabelModel`; measured: benchmarks/README.md, "at least one label"


@dataclass(frozen=True)
class Earlier:
    """The fit whose weights a program is built for.

    Attributes:
        described: what it stored of the encoder beside its name; see `describe_encoder`.
        read: labels whose names it has read; the text side of the encoder is asked for the others alone.
    """

    described: Mapping[str, Any] | None = None
    read: frozenset[str] = frozenset()


class Program(NamedTuple):
    """What a fit trains.

    Attributes:
        model: p(known labels | x), and of the features where there is a generative side.
        guide: q(y | x), given the known labels.
        elbo: their evidence lower bound, in closed form.
        objective: what is minimised, attached to them.
        space: the label space of the head, which the objective may change.
        described: what a run stores of the encoder beside its name; None where the name says it.
    """

    model: LabelModel
    guide: LabelGuide
    elbo: CollapsedELBO
    objective: Objective
    space: LabelSpace
    described: Mapping[str, Any] | None = None


def build_program(
    space: LabelSpace,
    annotation: Annotation,
    given: ModelConfig,
    policy: HeadPolicy,
    num_inputs: int | None,
    anchor: Anchor | None,
    pixels: PixelFormat | None = None,
    size: Size | None = None,
    earlier: Earlier | None = None,
    num_images: int | None = None,
) -> Program:
    """Make the Pyro program and the objective.

    Args:
        space: the label space.
        annotation: how the known labels came about.
        given: the settings of the model.
        policy: how the head is built.
        num_inputs: size of embeddings; None for images.
        anchor: at which the head starts; None for a program all of whose weights are loaded next.
        pixels: how the encoder normalises pictures; None for what its weights were trained with.
        size: (height, width) of the pictures; None for that of `pixels`, or for embeddings.
        earlier: the fit whose weights are loaded next; None for the published ones of the settings.
        num_images: of the data set.
    """
    objective = objectives.make(given.objective, space)
    head, mixture, beta = objective.space, policy.mixture, policy.beta
    weights = given.weights if earlier is None else None
    stored = None if earlier is None else earlier.described
    encoder = build_encoder(
        given.encoder, weights, num_inputs, bool(given.frozen), pixels, size, policy.scaled, given.regions, stored
    )
    own: Head | None = None
    if encoder.maps is not None:
        own = RegionHead(encoder.num_pooled, encoder.maps, num_rows(head, mixture))
    elif given.names:
        unread = () if anchor is None else [one for one in head.labels if earlier is None or one not in earlier.read]
        own = named_head(head, given, encoder.num_features, mixture, unread)
    amortizer = Amortizer(head, encoder.module, encoder.num_features, mixture, policy.nonempty, own)
    logits = torch.zeros(head.num_logits)
    if anchor is not None:
        logits = prior_logits(head, anchor.prevalence)
        if policy.start == "prior":
            amortizer.start_at(logits)
    hold = given.expected_labels if anchor is None else anchor.hold
    prior = LabelPrior(head, logits, mixture, learn=mixture > 1) if beta > 0 else None
    decoder = FeatureDecoder(head, encoder.num_features) if beta > 0 else None
    model = LabelModel(amortizer, annotation, prior, decoder, beta, SCALE_PRIOR, hold, num_images)
    guide = LabelGuide(amortizer, annotation)
    objective.attach(model, guide)
    described = stored or describe_encoder(given.encoder, weights)
    return Program(model, guide, CollapsedELBO(), objective, head, described)


def warn_of_start(given: ModelConfig, anchor: Anchor, num_labels: int, stacklevel: int) -> None:
    """Warn of what cannot be learned: labels that are never known, a frozen encoder of random weights."""
    if anchor.never_known:
        listed = ", ".join(f'"{label}"' for label in anchor.never_known[:5])
        warnings.warn(
            f"{len(anchor.never_known)} of {num_labels} labels are never known to be present "
            f"({listed}{', ...' if len(anchor.never_known) > 5 else ''}): "
            + (
                "their names alone say where they are"
                if given.names
                else "they cannot be learned and keep their prior probability"
            ),
            DataWarning,
            stacklevel=stacklevel + 1,
        )
    if given.frozen and given.weights is None and kind_of(given.encoder) is Kind.IMAGES:
        warnings.warn(
            f'the encoder "{given.encoder}" has random weights and is frozen; give weights ("DEFAULT", or a file), or set '
            "frozen to "
            "false",
            DataWarning,
            stacklevel=stacklevel + 1,
        )
