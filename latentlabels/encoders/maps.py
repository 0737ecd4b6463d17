"""Maps: what an encoder says of each place of an image, beside what it says of the whole.

Before a network pools its features over the image it has them for every place of a grid, 7 x 7 for most networks at 224 px.
`RegionFeatures` finds where: the last output of a part of the network that is spread over the image, a map (B, C, h, w), one
with its channels last (B, h, w, C), or tokens of a transformer (B, T, C), whose last h * w are the patches. It runs
the network once and gives both in one row, so that a cache, a runtime and a batch see features like any others.

Maps are large. Of those of a frozen encoder only the principal components are kept: the directions in which the maps of
training images differ most, found once from a sample of them. They are buffers of the module, and so part of what the
encoder is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from ..inputs.rgb import Size

Maps = tuple[int, int, int]
"""Channels, rows and columns of maps: (d, h, w)."""

_LARGEST = 65504.0  # of half precision
COMPONENTS = 384
"""Principal components of a frozen encoder's maps that are kept; measured: benchmarks/README.md, "regions"."""

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Tap(NamedTuple):
    """Where a network has its maps.

    Attributes:
        part: the path of the module whose output they are.
        channels: C.
        grid: (h, w).
        layout: "channels first", "channels last" or "tokens".
    """

    part: str
    channels: int
    grid: tuple[int, int]
    layout: str

    def maps(self, output: Tensor) -> Tensor:
        """The module's output as (B, C, h, w)."""
        if self.layout == "channels first":
            return output
        if self.layout == "channels last":
            return output.movedim(-1, 1)
        high, wide = self.grid
        return output[:, output.shape[1] - high * wide :].transpose(1, 2).unflatten(-1, (high, wide))


def rounded_to_half(values: Tensor) -> Tensor:
    """Values in float32 with the 11 binary digits of float16, no larger than it holds.

    By Veltkamp's splitting: a runtime that computes in float32 may drop a conversion to float16 and back. Below 6e-5, where
    float16 has fewer digits, more are left.
    """
    values = values.clamp(-_LARGEST, _LARGEST)
    above = values * (2**13 + 1)
    return above - (above - values)


class RegionFeatures(nn.Module):
    """Pooled features and maps of a network, side by side: images (B, 3, H, W) to (B, D + d * h * w).

    Args:
        network: images to pooled features (B, D).
        num_pooled: D.
        size: (height, width) of the images.
        name: of the encoder, for messages.
        components: principal components of the maps that are kept, d; None for the maps themselves, d = C.

    Attributes:
        tap: where the network has its maps.
        maps: (d, h, w).
        num_features: D + d * h * w.
        of: which encoder it is without its principal components; "" where nobody has said so.

    Raises:
        ConfigError: a network without maps, or images so small that a map has one place.
    """

    mean: Tensor
    basis: Tensor
    ready: Tensor

    def __init__(self, network: nn.Module, num_pooled: int, size: Size, name: str, components: int | None = None):
        super().__init__()
        self.tap = find_maps(network, size, name)
        channels = self.tap.channels
        kept = channels if components is None else min(components, channels)
        self.network, self.num_pooled = network, num_pooled
        self.maps = (kept, *self.tap.grid)
        self.num_features = num_pooled + kept * self.tap.grid[0] * self.tap.grid[1]
        self.compressed = components is not None
        self.of = ""
        if self.compressed:
            self.register_buffer("mean", torch.zeros(channels))
            self.register_buffer("basis", torch.zeros(channels, kept))
            self.register_buffer("ready", torch.tensor(False))
        self._held: dict[int, Tensor] = {}  # by thread: a server asks from several
        network.get_submodule(self.tap.part).register_forward_hook(self._hold)

    def _hold(self, module: nn.Module, inputs: object, output: Tensor) -> None:
        self._held[threading.get_ident()] = output

    def both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features (B, D) and the maps as they are (B, C, h, w)."""
        pooled = self.network(images)
        return pooled, self.tap.maps(self._held.pop(threading.get_ident()))

    def row(self, pooled: Tensor, maps: Tensor) -> Tensor:
        """Both side by side, (B, D + d * h * w); of the maps (B, C, h, w) their principal components where those are kept."""
        places = maps.flatten(2)
        if self.compressed:
            places = self.basis.T @ (places - self.mean.unsqueeze(-1))
        return torch.cat([pooled, places.flatten(1)], 1)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] to pooled features and maps in one row, (B, D + d * h * w)."""
        found = self.row(*self.both(images))
        # compressed, they are kept in half precision; rounded here, what is kept is what was computed, and what is exported too
        return rounded_to_half(found) if self.compressed and not found.requires_grad else found

    @property
    def needs_basis(self) -> bool:
        """Whether the principal components are still to be found, by `fit_basis`."""
        return self.compressed and not bool(self.ready)

    @torch.no_grad()
    def fit_basis(self, images: Iterable[Tensor]) -> None:
        """Find the principal components of the maps of some images, batches of (B, 3, H, W) in [0, 1]."""
        mean, covariance = moments(self.both(batch)[1] for batch in images)
        _, directions = torch.linalg.eigh(covariance)  # in rising order
        chosen = directions.flip(1)[:, : self.maps[0]]
        largest = chosen.gather(0, chosen.abs().argmax(0, keepdim=True))
        self.set_basis(mean, chosen * largest.sign())  # of a direction and its opposite, one

    def learnt(self) -> dict[str, Tensor]:
        """The principal components, as `set_basis` takes them."""
        return {"mean": self.mean.clone(), "basis": self.basis.clone()}

    def takes(self, found: Mapping[str, Tensor]) -> bool:
        """Whether these are principal components of such maps."""
        return {key: value.shape for key, value in found.items()} == {"mean": self.mean.shape, "basis": self.basis.shape}

    @torch.no_grad()
    def set_basis(self, mean: Tensor, basis: Tensor) -> None:
        """Take the principal components: mean (C,) and orthonormal directions (C, d)."""
        self.mean.copy_(mean)
        self.basis.copy_(basis)
        self.ready.fill_(True)


def moments(maps: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean (C,) and covariance (C, C) over the images and places of maps (B, C, h, w), float64.

    Raises:
        ValueError: no maps.
    """
    count, total, products, shift = 0, torch.zeros(()), torch.zeros(()), None
    for batch in maps:
        places = batch.movedim(1, -1).flatten(0, -2).double()
        if shift is None:
            shift = places.mean(0)  # near the mean: squares of large numbers with a small spread would cancel
        about = places - shift
        count, total, products = count + len(places), total + about.sum(0), products + about.T @ about
    if shift is None:
        raise ValueError("no images to find principal components from; give at least one")
    mean = total / count
    return shift + mean, products / count - torch.outer(mean, mean)


def find_maps(network: nn.Module, size: Size, name: str) -> Tap:
    """Where a network has its maps, found by running it once on two empty images.

    Args:
        network: images (B, 3, H, W) to features (B, D).
        size: (height, width) of the images.
        name: of the encoder, for messages.

    Raises:
        ConfigError: there are none, or they have one place.
    """
    outputs = list(_outputs(network, size))
    found, patches = None, None
    convolved_after = False
    for part, module, shape in outputs:
        tap = _tap(part, shape, size, patches)
        if tap is not None:
            found, convolved_after = tap, False
            patches = tap.grid if tap.layout != "tokens" else patches
        elif isinstance(module, _CONVOLUTIONS) and max(module.kernel_size) > 1:
            convolved_after = True
        elif len(shape) == 3 and shape[0] == 2 and shape[1] > 1:
            found = None  # tokens that are fewer than the patches: which place each is of is not known
    if found is None:
        raise ConfigError(
            f'the encoder "{name}" has no maps, only features of the whole image; choose a CNN or a vision '
            "transformer, or set regions to false",
            key="model.regions",
        )
    if convolved_after:  # the network reduces the image to one place, and what was found is far from its end
        raise ConfigError(
            f'at {size[0]} x {size[1]} px a map of the encoder "{name}" has one place, so that nothing can be '
            "told apart in it; set image_size to twice as many pixels or more, or regions to false",
            key="model.regions",
        )
    return found


def _tap(part: str, shape: tuple[int, ...], size: Size, patches: tuple[int, int] | None) -> Tap | None:
    """What an output of this shape would be for two images of a size; None for none of a map."""
    if len(shape) == 4 and shape[0] == 2:
        for layout, channels, grid in (
            ("channels first", shape[1], (shape[2], shape[3])),
            ("channels last", shape[3], (shape[1], shape[2])),
        ):
            if grid != (1, 1) and _is_grid(grid, size):
                return Tap(part, channels, grid, layout)
    if len(shape) == 3 and shape[0] == 2 and patches is not None and shape[1] >= patches[0] * patches[1] > 1:
        return Tap(part, shape[2], patches, "tokens")
    return None


def _is_grid(grid: tuple[int, int], size: Size) -> bool:
    """Whether an image of a size, divided alike in both directions, has this grid: rounded up or down."""
    steps = [range(-(-side // (cells + 1)), (side // max(cells - 1, 1)) + 1) for side, cells in zip(size, grid, strict=True)]
    return all(cells <= side for side, cells in zip(size, grid, strict=True)) and max(s.start for s in steps) < min(
        s.stop for s in steps
    )


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    modes = [(part, part.training) for part in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def _outputs(network: nn.Module, size: Size) -> list[tuple[str, nn.Module, tuple[int, ...]]]:
    """The parts of a network with the shapes of what they give, in the order in which they end."""
    found: list[tuple[str, nn.Module, tuple[int, ...]]] = []

    def note(part: str, module: nn.Module, output: object) -> None:
        if isinstance(output, Tensor):
            found.append((part, module, tuple(output.shape)))

    handles = [
        module.register_forward_hook(lambda module, _, output, part=part: note(part, module, output))
        for part, module in network.named_modules()
    ]
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    try:
        with _evaluating(network), torch.no_grad():
            network(torch.zeros(2, 3, *size, device=device))
    finally:
        for handle in handles:
            handle.remove()
    return found
