"""Classification networks of torchvision by name, with published weights, a file, or none."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import torchvision
from torch import Tensor, nn
from torchvision.models import WeightsEnum
from torchvision.models.vision_transformer import interpolate_embeddings

from ..errors import ConfigError, WeightsError, nearest
from ..inputs import PixelFormat
from ..inputs.rgb import Interpolation, Size
from .family import AtHand, Family, Normalize
from .hub import from_url, torch_cache, torch_file
from .weights import fit_tensors, is_intact, read_tensors, weights_file

_HEADS = ("fc", "classifier", "head", "heads")  # where these networks keep their final layer
_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")  # entries of files from before 2018
# the published weights of these two expect other pixels than their record states, and correct them inside
_INCEPTIONS: dict[str, Any] = {"transform_input": True, "aux_logits": False, "init_weights": True}


@cache
def names() -> tuple[str, ...]:
    """The names of the networks."""
    return tuple(torchvision.models.list_models(torchvision.models))


# --- what a network takes -------------------------------------------------------------------------------------


def pixel_format(name: str, weights: str | None) -> PixelFormat:
    """What the weights were trained with, as their own record says; of a local file that of the published weights of its
    name, else of the network's default ones. Without weights: ImageNet's mean and deviation, 224 pixels.
    """
    if weights is None:
        return PixelFormat()
    choices = torchvision.models.get_model_weights(name)
    if Path(weights).exists():
        file = weights_file(weights).name
        named = [one for one in choices if torch_file(one.url).name == file]
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
            f'model.weights: "{weights}" is neither a file, a folder nor published weights of {name}{hint} '
            f"(published: {', '.join(choices.__members__)}); give a file with a state_dict, or null to train from scratch"
        )
    return choices[weights]


# --- building ----------------------------------------------------------------------------------------------------


def build(name: str, weights: str | None, pixels: PixelFormat, size: Size) -> tuple[nn.Module, int]:
    """A network without its head, and the number of its features; see `Family.build`."""
    state, where = _tensors(name, weights)
    module = torchvision.models.get_model(name, weights=None, **_for_size(name, size))
    num_features = _remove_head(module, name)
    if state is not None:
        if isinstance(module, torchvision.models.VisionTransformer):
            state = _at_size(state, module, where)
        fit_tensors(module, name, state, where)
    return nn.Sequential(Normalize(pixels.mean, pixels.std), module), num_features


def _tensors(name: str, weights: str | None) -> tuple[Mapping[str, Tensor] | None, str]:
    """The tensors of weights, and where they are from."""
    if weights is None:
        return None, ""
    if Path(weights).exists():
        file = weights_file(weights)
        state, where = read_tensors(file), str(file)
    else:
        published = _published(name, weights)
        state, where = from_url(published.url, name), str(torch_file(published.url))
    if name.startswith("densenet"):
        state = {_DENSENET.sub(r"\1\2.", key): value for key, value in state.items()}
    return state, where


def _for_size(name: str, size: Size) -> dict[str, Any]:
    """How a network is made for a size; most take any.

    Raises:
        ConfigError: a size that the network cannot take.
    """
    if name.startswith("vit_"):
        patch = int(name.rpartition("_")[2])
        if size[0] != size[1] or size[0] % patch:
            raise _unfit(name, size, f"a square, its sides a multiple of {patch} px", patch)
        return {"image_size": size[0]}
    if name.startswith("maxvit"):
        if size[0] % 224 or size[1] % 224:
            raise _unfit(name, size, "sides that are multiples of 224 px", 224)
        return {"input_size": size}
    return _INCEPTIONS if name in ("googlenet", "inception_v3") else {}


def _unfit(name: str, size: Size, expected: str, step: int) -> ConfigError:
    below = max(size) // step * step
    fitting = [str(side) for side in (below, below + step) if side]
    return ConfigError(
        f"{name} cannot take {size[0]} x {size[1]} px; it takes {expected}: set image_size to {' or '.join(fitting)}",
        key="model.image_size",
    )


def _at_size(state: Mapping[str, Tensor], module: nn.Module, where: str) -> Mapping[str, Tensor]:
    """Tensors of a vision transformer with the embeddings of its places for the size of the network."""
    key = "encoder.pos_embedding"
    if key not in state or state[key].dim() != 3 or state[key].shape == module.state_dict()[key].shape:
        return state
    resized = OrderedDict(state)  # it is changed in place
    try:
        found = interpolate_embeddings(module.image_size, module.patch_size, resized)
    except ValueError as error:
        raise WeightsError(f"{where}: its embeddings of places cannot be resized ({error}); give other weights") from error
    if hasattr(state, "_metadata"):
        found._metadata = state._metadata
    return found


def _remove_head(module: nn.Module, name: str) -> int:
    """Replace the final layer, linear or a convolution of 1 x 1, by one that passes features through; how many there are."""
    head = next((one for one in _HEADS if hasattr(module, one)), None)
    layers = [] if head is None else [(key, part) for key, part in module.named_modules() if key.split(".")[0] == head]
    layers = [(key, part) for key, part in layers if any(True for _ in part.parameters(recurse=False))]
    key, last = layers[-1] if layers else ("", None)
    if isinstance(last, nn.Linear):
        found = last.in_features
    elif isinstance(last, nn.Conv2d) and last.kernel_size == (1, 1):
        found = last.in_channels
    else:
        raise ConfigError(
            f'"{name}" ends in {type(last).__name__}, neither a linear layer nor a convolution of 1 x 1, and '
            "its features are not known; choose another encoder",
            key="model.encoder",
        )
    above, _, own = key.rpartition(".")
    setattr(module.get_submodule(above), own, nn.Identity())
    return found


# --- what is on this machine --------------------------------------------------------------------------------------


def at_hand() -> list[AtHand]:
    """Networks whose published weights are in torch's hub cache."""
    folder = torch_cache()
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return [
        AtHand(
            name,
            published.name,
            "its published weights are in torch's cache",
            float(published.meta["_metrics"].get("ImageNet-1K", {}).get("acc@1", 0)),
            float(published.meta["_ops"]),
            partial(is_intact, file),
        )
        for name in (names() if there else ())
        for published in torchvision.models.get_model_weights(name)
        if (file := torch_file(published.url)).name in there
    ]


def recognise(path: Path) -> str | None:
    """The network of a published file, by its name."""
    published = {torch_file(one.url).name: name for name in names() for one in torchvision.models.get_model_weights(name)}
    return published.get(path.name)


FAMILY = Family(names, lambda name: name in names(), pixel_format, build, at_hand, recognise=recognise)
