"""Whether a network takes images of a size: tried with one black image, because each network has limits of its own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ..errors import ConfigError, WeightsError
from ..inputs.rgb import Size

_UNFIT = (RuntimeError, AssertionError, ValueError, IndexError, ZeroDivisionError)  # what networks raise
_STEPS = (14, 16, 32, 224)  # sides of patches and windows, and strides
_NUM_TRIED = 8


def check(name: str, module: nn.Module, num_features: int, size: Size, make: Callable[[Size], nn.Module]) -> None:
    """Refuse a size that a network cannot take, and a network that gives something else than features.

    Args:
        name: of the encoder, for errors.
        module: float images (B, 3, H, W) in [0, 1] to features (B, num_features).
        num_features: as its family says.
        size: (height, width) of the images.
        make: another one with random weights, for images of a size; to find sizes that fit.

    Raises:
        ConfigError: a size that it cannot take, or features of another shape.
        WeightsError: features that are not finite.
    """
    try:
        found = _features(module, size)
    except _UNFIT as error:
        raise unfit(name, size, str(error), make) from error
    if found.shape != (1, num_features):
        raise ConfigError(
            f'"{name}" gives an array of shape {tuple(found.shape)} for one image, not (1, {num_features}): '
            "these are no features; choose another encoder",
            key="model.encoder",
        )
    if not found.isfinite().all():
        raise WeightsError(f"model.weights: with them {name} gives NaN or infinity for a black image; give other weights")


def unfit(name: str, size: Size, reason: str, make: Callable[[Size], nn.Module]) -> ConfigError:
    """The error of a size that does not fit, with up to two that do."""
    sides = {side // step * step + more for side in size for step in _STEPS for more in (0, step)} - {0}
    wanted = max(size)
    nearest = sorted((side for side in sides if (side, side) != size), key=lambda side: (abs(side - wanted), side))
    fitting: list[int] = []
    for side in nearest[:_NUM_TRIED]:
        if len(fitting) < 2 and _takes(make, (side, side)):
            fitting.append(side)
    listed = " or ".join(map(str, sorted(fitting))) or "null, for the size of its weights"
    why = (reason.strip() or "it fails").splitlines()[0][:200]
    return ConfigError(
        f"{name} cannot take {size[0]} x {size[1]} px ({why}); set image_size to {listed}", key="model.image_size"
    )


def _features(module: nn.Module, size: Size, device: str = "cpu") -> torch.Tensor:
    training = module.training
    try:
        with torch.no_grad():
            found: torch.Tensor = module.eval()(torch.zeros(1, 3, *size, device=device))
    finally:
        module.train(training)
    return found


def _takes(make: Callable[[Size], nn.Module], size: Size) -> bool:
    """Whether a network for a size takes it; without memory for its weights where the network can be made so."""
    for device in ("meta", "cpu"):
        try:
            with torch.device(device):
                _features(make(size), size, device)
            return True
        except NotImplementedError:
            continue  # made of numbers that are not there on "meta"
        except (*_UNFIT, ConfigError):
            return False
    return False
