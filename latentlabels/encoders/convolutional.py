"""CNNs of torchvision by name: ResNets, ConvNeXts and EfficientNets, with published weights, a file, or none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torchvision
from torch import nn
from torchvision.models import WeightsEnum

from ..errors import ConfigError, WeightsError, nearest
from ..inputs import PixelFormat
from ..inputs.rgb import Interpolation, Size
from .family import Family, Normalize
from .weights import load_weights

_FAMILIES = ("resnet", "resnext", "wide_resnet", "convnext", "efficientnet")


@cache
def names() -> tuple[str, ...]:
    """The names of the networks."""
    return tuple(name for name in torchvision.models.list_models(torchvision.models) if name.startswith(_FAMILIES))


def build(name: str, weights: str | None, pixels: PixelFormat, size: Size) -> tuple[nn.Module, int]:
    """A network without its head, and the number of its features.

    Raises:
        WeightsError: weights that cannot be downloaded, read or fitted.
    """
    published = None if weights is None or Path(weights).exists() else _published(name, weights)
    module = torchvision.models.get_model(name, weights=None)
    if published is not None:
        try:
            module.load_state_dict(published.get_state_dict(progress=False, check_hash=True, weights_only=True))
        except (OSError, RuntimeError) as error:
            raise WeightsError(
                f'model.weights: "{weights}" of {name} could not be downloaded ({error}); give the path of a local '
                f"state_dict file as weights (the file behind {published.url}), or weights: null to train from scratch"
            ) from error
    num_features = _remove_head(module, name)
    if weights is not None and published is None:
        load_weights(module, name, weights)
    return nn.Sequential(Normalize(pixels.mean, pixels.std), module), num_features


def pixel_format(name: str, weights: str | None) -> PixelFormat:
    """What the weights were trained with, as their own record says; of a local file that of the published weights of its
    name, else of the network's default ones. Without weights: ImageNet's mean and deviation, 224 pixels.
    """
    if weights is None:
        return PixelFormat()
    choices = torchvision.models.get_model_weights(name)
    if Path(weights).exists():
        named = [one for one in choices if Path(one.url).name == Path(weights).name]
        chosen = named[0] if named else choices.DEFAULT
    else:
        chosen = _published(name, weights)
    record = chosen.transforms()
    size = int(record.crop_size[0])
    interpolation: Interpolation = "bicubic" if record.interpolation.value == "bicubic" else "bilinear"
    return PixelFormat((size, size), _three(record.mean), _three(record.std), interpolation)


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)


def _published(name: str, weights: str) -> WeightsEnum:
    choices = torchvision.models.get_model_weights(name)
    if weights not in choices.__members__:
        hint = nearest(weights, choices.__members__)
        raise WeightsError(
            f'model.weights: "{weights}" is neither a file nor weights of {name}{hint} '
            f"(published: {', '.join(choices.__members__)}); give a file with a state_dict, or null to train from scratch"
        )
    return choices[weights]


def _remove_head(module: nn.Module, name: str) -> int:
    if isinstance(getattr(module, "fc", None), nn.Linear):
        head = module.fc
        module.fc = nn.Identity()
    else:
        classifier = module.classifier
        if not isinstance(classifier, nn.Sequential) or not isinstance(classifier[-1], nn.Linear):
            raise ConfigError(f'model.encoder: "{name}" has a final layer of an unsupported type; choose another encoder')
        head = classifier[-1]
        classifier[-1] = nn.Identity()
    assert isinstance(head, nn.Linear)
    return head.in_features


FAMILY = Family(names, lambda name: name in names(), pixel_format, build)
