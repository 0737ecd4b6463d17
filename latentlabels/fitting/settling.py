"""What settings leave open about the encoder is decided, and what the model takes: pixels, features or embeddings."""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from pathlib import Path

import torch
from torch import nn

from .. import objectives
from ..config import FitConfig, ModelConfig
from ..encoders import Frozen, build_encoder, choose, device_of, pixel_format
from ..errors import ConfigError
from ..features import EncoderFeatures, cache_folder
from ..inputs import Inputs, PixelFormat, Wanted, as_size, two_windows
from ..inputs.content import stamp_of
from ..inputs.rgb import Size
from ..kind import AUTO, PASSED_THROUGH, Kind, kind_of
from .names import check_names

CHOSEN = ("encoder", "weights", "frozen", "windows")  # settings that may be left open, and are decided by `settle`


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
            "embeddings have no places to look at; give images and an encoder, or set regions to false", key="model.regions"
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
