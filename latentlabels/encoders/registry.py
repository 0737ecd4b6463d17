"""Encoders: images to features. CNNs of torchvision by name, a small one for toys, embeddings passed through."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from ..errors import ConfigError, WeightsError, nearest

_FAMILIES = ("resnet", "resnext", "wide_resnet", "convnext", "efficientnet")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Encoder:
    """An encoder and what it expects.

    Attributes:
        module: float images (B, 3, H, W), or embeddings (B, D), to features (B, num_features).
        num_features: D.
        on_images: whether it takes images.
    """

    module: nn.Module
    num_features: int
    on_images: bool


def names() -> list[str]:
    """The names that `build_encoder` takes."""
    listed = [name for name in torchvision.models.list_models(torchvision.models) if name.startswith(_FAMILIES)]
    return ["embedding", "tiny", *listed]


def build_encoder(name: str, weights: str | None = None, num_inputs: int | None = None, frozen: bool = False) -> Encoder:
    """An encoder by name.

    Args:
        name: a torchvision ResNet, ConvNeXt or EfficientNet, "tiny", or "embedding".
        weights: None for random weights; "DEFAULT" or another torchvision name for published weights, which
            are downloaded; or the path of a local file (.safetensors, .pth, .pt) with a state_dict.
        num_inputs: D of the embeddings.
        frozen: whether the encoder is left as it is and only the head is trained.

    Raises:
        ConfigError: an unknown name.
        WeightsError: weights that cannot be downloaded, read or fitted.
    """
    if name == "embedding":
        if num_inputs is None:
            raise ConfigError('encoder "embedding" takes an array of embeddings (N, D), not images')
        return Encoder(Standardize(num_inputs), num_inputs, on_images=False)
    if name == "tiny":
        module: nn.Module = TinyCNN()
        if weights is not None:
            _load(module, name, weights)
        return _finished(module, TinyCNN.num_features, frozen)
    if name not in names():
        raise ConfigError(
            f'model.encoder: no encoder "{name}"{nearest(name, names())} '
            "(a torchvision resnet, convnext or efficientnet, tiny, or embedding)"
        )
    module, num_features = _torchvision(name, weights)
    return _finished(nn.Sequential(Normalize(), module), num_features, frozen)


def _finished(module: nn.Module, num_features: int, frozen: bool) -> Encoder:
    return Encoder(Frozen(module, num_features) if frozen else module, num_features, on_images=True)


def _torchvision(name: str, weights: str | None) -> tuple[nn.Module, int]:
    published = None
    if weights is not None and not Path(weights).exists():
        choices = torchvision.models.get_model_weights(name)
        if weights not in choices.__members__:
            hint = nearest(weights, choices.__members__)
            raise WeightsError(
                f'model.weights: "{weights}" is neither a file nor weights of {name}{hint} '
                f"(published: {', '.join(choices.__members__)}); give a file with a state_dict, or none to train from scratch"
            )
        published = choices[weights]
    module = torchvision.models.get_model(name, weights=None)
    if published is not None:
        try:
            module.load_state_dict(published.get_state_dict(progress=False))
        except (OSError, RuntimeError) as error:
            raise WeightsError(
                f'model.weights: "{weights}" of {name} could not be downloaded ({error}); give the path of a local '
                f"state_dict file as weights (the file behind {published.url}), or weights: null to train from scratch"
            ) from error
    num_features = _remove_head(module, name)
    if weights is not None and published is None:
        _load(module, name, weights)
    return module, num_features


def _remove_head(module: nn.Module, name: str) -> int:
    if isinstance(getattr(module, "fc", None), nn.Linear):
        head = module.fc
        module.fc = nn.Identity()
    else:
        classifier = module.classifier
        if not isinstance(classifier, nn.Sequential) or not isinstance(classifier[-1], nn.Linear):
            raise ConfigError(f'model.encoder: "{name}" has a head of a kind that is not known here')
        head = classifier[-1]
        classifier[-1] = nn.Identity()
    assert isinstance(head, nn.Linear)
    return head.in_features


def _load(module: nn.Module, name: str, path: str) -> None:
    """Load a state_dict file; entries of a classification head are left out."""
    try:
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            state: dict[str, Any] = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(
            f"{path}: cannot be read as a state_dict ({error}); save one by torch.save(net.state_dict(), path)"
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    own = module.state_dict()
    state = {key.removeprefix("module."): value for key, value in state.items()}
    fitting = {key: value for key, value in state.items() if key in own and own[key].shape == value.shape}
    missing = [key for key in own if key not in fitting and not key.endswith("num_batches_tracked")]
    if missing:
        raise WeightsError(
            f"{path}: not the weights of {name}: {len(missing)} of {len(own)} entries are missing or of another "
            f'size, the first is "{missing[0]}"'
        )
    module.load_state_dict(fitting, strict=False)


class Normalize(nn.Module):
    """Images in [0, 1] to the mean and deviation of ImageNet, on which published weights were trained."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to the same shape."""
        return (images - self.mean) / self.std


class Standardize(nn.Module):
    """Embeddings to zero mean and a mean squared norm of 100, set by `fit_to` from the training embeddings.

    One scale for all D features, so that their relative sizes, which the network that made them learned, remain.
    With the norm fixed, one learning rate serves embeddings of any origin and size.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("scale", torch.ones(()))

    def fit_to(self, embeddings: Tensor) -> None:
        """Take mean and scale from embeddings (N, D)."""
        self.mean.copy_(embeddings.mean(0))
        norm = (embeddings - self.mean).pow(2).sum(-1).mean().sqrt()
        self.scale.copy_(norm / 10 if norm > 0 else torch.ones(()))

    def forward(self, embeddings: Tensor) -> Tensor:
        """(B, D) to the same shape."""
        return (embeddings - self.mean).div_(self.scale)


class Frozen(nn.Module):
    """An encoder that is not trained: images to features, and features that were worked out before to a common scale.

    Args:
        module: images (B, 3, H, W) to features (B, D).
        num_features: D.
    """

    def __init__(self, module: nn.Module, num_features: int):
        super().__init__()
        self.module = module.requires_grad_(False).eval()
        self.standardize = Standardize(num_features)

    def extract(self, images: Tensor) -> Tensor:
        """Features of images, before their scale: (B, D)."""
        with torch.no_grad():
            return self.module(images)

    def forward(self, inputs: Tensor) -> Tensor:
        """Images (B, 3, H, W), or features of `extract` (B, D), to (B, D)."""
        return self.standardize(self.extract(inputs) if inputs.dim() == 4 else inputs)

    def train(self, mode: bool = True) -> Frozen:
        """Always in evaluation mode: normalisation keeps its statistics."""
        return super().train(False)


class TinyCNN(nn.Module):
    """Four strided convolutions and a global mean and maximum: for toys, tests and small pictures on a CPU."""

    num_features = 256

    def __init__(self) -> None:
        super().__init__()

        def stage(inputs: int, outputs: int, size: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(inputs, outputs, size, stride=2, padding=size // 2, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            )

        self.stages = nn.Sequential(stage(3, 24, 5), stage(24, 48, 3), stage(48, 96, 3), stage(96, 128, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] to features (B, 256)."""
        maps = self.stages(images * 2 - 1)
        return torch.cat([maps.mean((-2, -1)), maps.amax((-2, -1))], -1)
