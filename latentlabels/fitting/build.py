"""From the settings of a model to what is trained: the one place that decides how the head is built, and builds it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .. import objectives
from ..annotation import Annotation
from ..config import FitConfig, ModelConfig
from ..distributions import LabelVector, can_be_empty
from ..encoders import (
    Frozen,
    RegionFeatures,
    Standardize,
    build_encoder,
    choose,
    describe_encoder,
    device_of,
    pixel_format,
)
from ..errors import ConfigError, DataWarning
from ..features import EncoderFeatures, cache_folder
from ..inputs import Inputs, PixelFormat, Wanted, as_size, two_windows
from ..inputs.batches import Batches, InMemory
from ..inputs.content import stamp_of
from ..inputs.feature_source import Featured
from ..inputs.rgb import Size
from ..inputs.sample import SAMPLE
from ..kind import AUTO, PASSED_THROUGH, Kind, kind_of
from ..objectives import Objective
from ..observed import Observed
from ..program import (
    Amortizer,
    CollapsedELBO,
    FeatureDecoder,
    Head,
    LabelGuide,
    LabelModel,
    LabelPrior,
    RegionHead,
    num_rows,
)
from ..program.starting_point import Anchor, frozen_logits, prior_logits
from ..progress import Phase, phase
from ..space import LabelSpace
from .names import check_names, named_head

_SCALED = 1 << 15  # features that set the scale of all; their mean is then known to half a percent of its deviation
CHOSEN = ("encoder", "weights", "frozen", "windows")  # settings that may be left open, and are decided by `settle`
SCALE_PRIOR = 0.25  # see `LabelModel`; measured: benchmarks/README.md, "at least one label"


@dataclass(frozen=True)
class HeadPolicy:
    """How the head of a fit is built, decided once by `decide_head` and stored with the run.

    Attributes:
        mixture: M, components of p(y | x).
        beta: weight of the generative side: label prior and feature decoder.
        nonempty: whether the empty label set counts little; see `NonEmptyLabelVector`.
        start: where the head starts, "prior" or "own".
        held_at_start: labels whose logits are not trained, since nothing teaches them.
        scaled: whether the features of an encoder that is trained have the scale of a frozen one, with which the fit began.
    """

    mixture: int = 1
    beta: float = 0.0
    nonempty: bool = False
    start: str = "prior"
    held_at_start: tuple[str, ...] = ()
    scaled: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self) | {"held_at_start": list(self.held_at_start)}

    @classmethod
    def from_run(cls, stored: Mapping[str, Any] | None, settings: ModelConfig) -> HeadPolicy:
        """What a run stored; of a run of version 0.1, which stored none, what its settings say.

        Raises:
            TypeError: something else than `to_dict` gives.
        """
        if stored is None:
            plain = not objectives.find(settings.objective).takes_whole_model
            mixture, beta = (1, 0.0) if plain else (settings.mixture, settings.beta)
            return cls(mixture, beta, bool(settings.at_least_one), settings.start)
        return cls(**{**stored, "held_at_start": tuple(stored["held_at_start"])})

    def frozen_rows(self, space: LabelSpace) -> Tensor:
        """(L,) True for logits of a space that are not trained."""
        return frozen_logits(space, self.held_at_start)


def decide_head(given: ModelConfig, annotation: Annotation, table: Observed, anchor: Anchor) -> HeadPolicy:
    """How the head is built, by the settings and, where they leave it open, by the known labels.

    Args:
        given: the settings of the model.
        annotation: how the known labels came about.
        table: the known labels.
        anchor: what they say about prevalences.

    Raises:
        ConfigError: at_least_one with a model that cannot have it.
    """
    objective = objectives.find(given.objective)
    # one objective, one head: the mixture and the generative side belong to the whole model
    mixture, beta = (given.mixture, given.beta) if objective.takes_whole_model else (1, 0.0)
    simple = objective.takes_whole_model and mixture == 1 and beta == 0
    if given.at_least_one and not simple:
        raise ConfigError(
            f"at_least_one needs objective {objectives.DEFAULT}, mixture 1 and beta 0, not "
            f"{given.objective}, {given.mixture} and {given.beta:g}; leave it out"
        )
    nonempty = given.at_least_one
    if nonempty is None:  # every image that was annotated by picking one of its labels has one
        nonempty = annotation.picks_present and bool((table.known.num_present > 0).all())
    held = anchor.never_known if objective.is_likelihood else ()
    return HeadPolicy(mixture, beta, nonempty and simple and can_be_empty(table.space), given.start, tuple(held))


def settle(given: ModelConfig, accelerator: str, kind: Kind | None = None) -> tuple[ModelConfig, str]:
    """The settings with nothing left open about the encoder, and a sentence that says why; "" where all was stated.

    Args:
        given: the settings of the model.
        accelerator: of the fit.
        kind: what was given to fit, where that is known: embeddings pass through.

    Raises:
        ConfigError: names with an encoder that does not know any, or regions with a model that cannot have them.
    """
    name = PASSED_THROUGH if given.encoder == AUTO and kind is Kind.EMBEDDINGS else given.encoder
    windows = False if given.windows is None and given.regions else given.windows  # places are those of one picture
    found = choose(name, given.weights, given.frozen, accelerator, windows, given.names)
    settled = given.model_copy(update={key: getattr(found, key) for key in CHOSEN})
    check_names(settled)
    _check_regions(settled)
    return settled, found.why


def _check_regions(given: ModelConfig) -> None:
    """Refuse regions of a model that cannot have them."""
    if not given.regions:
        return
    if kind_of(given.encoder) is Kind.EMBEDDINGS:
        raise ConfigError(
            "model.regions: embeddings say nothing of places; give images and an encoder, or set regions to false"
        )
    if given.windows:
        raise ConfigError(
            "model.regions finds places in one picture, not in two windows of it; set windows or regions to false"
        )
    whole = objectives.find(given.objective).takes_whole_model
    if whole and (given.mixture > 1 or given.beta > 0):
        raise ConfigError(
            f"model.regions needs mixture 1 and beta 0, not {given.mixture} and {given.beta:g}; set regions to false, or leave "
            "out the other two"
        )


def wanted_by(model: ModelConfig, fit: FitConfig, features: bool = True, read: Inputs | None = None) -> Wanted:
    """What a model takes, by its settings, before anything is fitted; "auto" is settled here for whoever only asks.

    Args:
        model: the settings of the model.
        fit: those of the fit.
        features: whether an encoder that is not trained takes its features, not pixels.
        read: inputs that were read by the same settings, perhaps, so that the encoder need not be built a second time.
    """
    model, _ = settle(model, fit.accelerator)
    size = None if model.image_size is None else as_size(model.image_size)
    pixels = pixel_format(model.encoder, model.weights)
    if model.windows:
        pixels = pixels.in_windows()
        size = None if size is None else two_windows(size)
    if model.frozen and model.weights is not None:  # what is not trained sees pictures as it was trained
        size = size or pixels.size
    kind = kind_of(model.encoder)
    source = features_by(model, fit, pixels, read) if features and kind is Kind.IMAGES else None
    return Wanted(kind, size, pixels, workers=fit.workers, augment=fit.augment, features=source)


def features_by(model: ModelConfig, fit: FitConfig, pixels: PixelFormat, read: Inputs | None = None) -> EncoderFeatures | None:
    """What computes and keeps the features of an encoder that is not trained; None of one that is, or that is random.

    Args:
        model: the settings of the model, settled.
        fit: those of the fit, which say what computes, and where features are kept.
        pixels: how pictures are made for the encoder.
        read: inputs that were read by the same settings, perhaps.
    """
    if not model.frozen or model.weights is None:
        return None
    root, device, weights = cache_folder(fit.cache), device_of(fit.accelerator), model.weights
    origin = (model.encoder, weights, stamp_of(weights), pixels, model.regions, fit.runtime, root, device)
    given = None if read is None else read.features
    if isinstance(given, EncoderFeatures) and given.origin == origin and not Path(weights).is_dir():
        return given  # its network is built already; files in a folder may be others by now
    build = partial(_published, model.encoder, weights, pixels, model.regions)
    return EncoderFeatures(model.encoder, build, pixels, fit.runtime, root, device, origin)


def features_of(encoder: nn.Module, model: ModelConfig, fit: FitConfig, pixels: PixelFormat | None) -> EncoderFeatures | None:
    """The same of an encoder that was built; None of one that is trained, or of none."""
    if not model.frozen or not isinstance(encoder, Frozen) or pixels is None:
        return None
    build = partial(_built, encoder)
    return EncoderFeatures(model.encoder, build, pixels, fit.runtime, cache_folder(fit.cache), device_of(fit.accelerator))


def _published(name: str, weights: str, pixels: PixelFormat, regions: bool, size: Size) -> nn.Module:
    """A network with its weights, for pictures of a size."""
    with torch.random.fork_rng(devices=[]):  # it is drawn at random before its weights are loaded
        return _built(build_encoder(name, weights, None, True, pixels, size, regions=regions).module, size)


def _built(encoder: nn.Module, size: Size) -> nn.Module:
    """The network of a frozen encoder, on the CPU."""
    assert isinstance(encoder, Frozen)
    own = encoder.module
    return own if all(one.device.type == "cpu" for one in own.parameters()) else deepcopy(own).cpu()


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


def features_once(
    encoder: torch.nn.Module, batches: Batches, frozen: bool, batch_size: int, keep_scale: bool = False
) -> Batches:
    """Set the scale of features, unless it is an earlier fit's; make features where the encoder is frozen and random."""
    rows = torch.arange(len(batches))
    if frozen and batches.kind is Kind.IMAGES:
        assert isinstance(encoder, Frozen)
        if isinstance(encoder.module, RegionFeatures) and encoder.module.needs_basis:
            chosen = _spread(len(batches), SAMPLE).split(batch_size)
            encoder.module.fit_basis(batches.inputs(part) for part in chosen)
        exact = torch.float32 if encoder.standardize.maps is None else torch.float16  # maps are large
        features = []
        with torch.no_grad(), phase(Phase.FEATURES, "computing features", len(rows)) as step:
            for part in rows.split(batch_size):
                features.append(encoder.extract(batches.inputs(part)).to(exact))
                step(len(part))
        batches = InMemory(torch.cat(features))
    if isinstance(batches, Featured) and batches.kept.learnt is not None and not keep_scale:
        assert isinstance(encoder, Frozen)
        assert isinstance(encoder.module, RegionFeatures)
        encoder.module.set_basis(**batches.kept.learnt.tensors)
    for part in encoder.modules():
        if isinstance(part, Standardize) and not keep_scale:
            part.fit_to(batches.inputs(_spread(len(batches), _scaled_by(part, batches))))
    return batches


def _scaled_by(part: Standardize, batches: Batches) -> int:
    """From how many features a scale is found, so that those of very many images need not be in memory at once."""
    return 4 * SAMPLE if part.maps is not None else _SCALED if isinstance(batches, Featured) else len(batches)


def _spread(number: int, most: int) -> Tensor:
    """Rows that stand for all of them, evenly spaced."""
    return torch.linspace(0, number - 1, min(number, most), dtype=torch.float64).round().long()


def label_vector(amortizer: Amortizer, batches: Batches, rows: Tensor, batch_size: int) -> LabelVector:
    """q(y | x) of some rows, batch shape (rows,), on the CPU."""
    return amortizer.vector(flat_logits(amortizer, batches, rows, batch_size))


@torch.no_grad()
def flat_logits(amortizer: Amortizer, batches: Batches, rows: Tensor, batch_size: int) -> Tensor:
    """What the head gives for some rows, (rows, `num_rows`), on the CPU."""
    amortizer.eval()
    device = next(amortizer.parameters()).device
    if not len(rows):  # encoders need not take an empty batch
        return torch.zeros(0, amortizer.head.out_features)
    parts = []
    with phase(Phase.EVALUATION, "predicting", len(rows)) as step:
        for part in rows.split(max(batch_size, 64)):
            parts.append(amortizer.head(amortizer.features(batches.inputs(part).to(device))).cpu())
            step(len(part))
    return torch.cat(parts)
