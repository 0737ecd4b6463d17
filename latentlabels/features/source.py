"""`EncoderFeatures`: the features of an encoder that is not trained, found where they are kept, or computed and kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..encoders.fingerprint import fingerprint
from ..encoders.maps import RegionFeatures
from ..encoders.runtime import Extractor, choose_extractor
from ..encoders.runtime.extractor import PART
from ..inputs import PixelFormat
from ..inputs.feature_source import Learnt, Sample
from ..inputs.rgb import Size
from .bases import Bases
from .contents import Contents
from .folder import FORMAT, Notes
from .store import FeatureStore

STORES = "encoders"
BASES = "bases"
RUNTIMES = "runtimes"
_PRECISION = "f32"  # the one that runtimes have


class EncoderFeatures:
    """An encoder whose features are computed once.

    Args:
        name: of the encoder.
        build: gives the network, float images (B, 3, H, W) in [0, 1] to features (B, D), on the CPU.
        pixels: how pictures are made for it.
        runtime: what computes: a name, or "auto" for the fastest here.
        root: the folder of the cache; None to keep features in memory.
        device: where torch computes.
        origin: what all that follows from; None where nobody asks.
    """

    def __init__(
        self,
        name: str,
        build: Callable[[Size], nn.Module],
        pixels: PixelFormat,
        runtime: str = "auto",
        root: Path | None = None,
        device: torch.device | str = "cpu",
        origin: Hashable = None,
    ):
        self.name, self.build, self.pixels, self.runtime, self.root = name, build, pixels, runtime, root
        self.device, self.origin = device, origin
        self.notes = Notes(Path("") if root is None else root)
        self.contents = Contents(root, self.notes)
        self._sizes: dict[Size, SizedFeatures] = {}
        self._networks: dict[Size, nn.Module] = {}

    def __getstate__(self) -> dict[str, Any]:
        """A copy opens and computes for itself."""
        return {**self.__dict__, "_sizes": {}}

    @property
    def computed(self) -> int:
        """Of how many pictures it has computed features."""
        return sum(features.computed for features in self._sizes.values())

    def at(self, size: Size) -> SizedFeatures:
        """Its features of pictures of one size, (height, width)."""
        if size not in self._sizes:
            self._sizes[size] = SizedFeatures(self, size)
        return self._sizes[size]

    def network(self, size: Size) -> nn.Module:
        """What computes features of pictures of one size."""
        if size not in self._networks:
            self._networks[size] = self.build(size)
        return self._networks[size]

    def meet(self, size: Size, sample: Sample) -> None:
        """Find the principal components that are kept of its maps, where it has regions and none are known yet."""
        network = self.network(size)
        if not isinstance(network, RegionFeatures) or not network.needs_basis:
            return
        of = _name(_about(self, size, fingerprint(network, self.name)))
        bases, contents = Bases(None if self.root is None else self.root / BASES / of, self.notes), sample.contents()
        found = bases.find(contents)
        if found is None or not network.takes(found):
            parts = torch.from_numpy(sample.pixels()).split(PART)
            network.fit_basis(part.float().div_(255) for part in parts)
            bases.keep(contents, network.learnt())
        else:
            network.set_basis(**found)
        network.of = of
        self._sizes.pop(size, None)

    def adopt(self, size: Size, learnt: Learnt | None) -> None:
        """Take the principal components that other features of this encoder were computed with."""
        network = self.network(size)
        if learnt is None or not isinstance(network, RegionFeatures) or not network.needs_basis:
            return
        if learnt.of == _name(_about(self, size, fingerprint(network, self.name))):
            network.set_basis(**learnt.tensors)
            network.of = learnt.of
            self._sizes.pop(size, None)


class SizedFeatures:
    """The features of an encoder at one size.

    Args:
        source: the encoder.
        size: (height, width) of the pictures.

    Attributes:
        kept: what the numbers mean that are found and added.
        contents: what is remembered of image files.
        computed: of how many pictures features were computed.
    """

    def __init__(self, source: EncoderFeatures, size: Size):
        self._source, self._size = source, size
        self._module = source.network(size)
        self._extractor: Extractor | None = None
        about = _about(source, size, fingerprint(self._module, source.name))
        folder = None if source.root is None else source.root / STORES / _name(about)
        network, learnt = self._module, None
        if isinstance(network, RegionFeatures) and network.compressed:
            learnt = Learnt(network.of, network.learnt())
        self.kept = FeatureStore(folder, about, source.notes, _name(about), learnt)
        self.contents, self.computed = source.contents, 0

    def __getstate__(self) -> dict[str, Any]:
        """A copy chooses what computes for itself."""
        return {**self.__dict__, "_extractor": None}

    def find(self, contents: Sequence[bytes]) -> NDArray[np.int64]:
        """(N,) the numbers under which features are kept, -1 where there are none."""
        return self.kept.find(contents)

    def add(self, contents: Sequence[bytes], pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Compute and keep features of uint8 pictures (N, 3, H, W); their numbers, (N,)."""
        if isinstance(self._module, RegionFeatures) and self._module.needs_basis:
            raise RuntimeError("the encoder has to meet a sample of the pictures first; call the source's meet(size, sample)")
        extractor = self._computing()
        self.computed += len(pixels)
        return self.kept.add(contents, extractor(torch.from_numpy(pixels)).numpy())

    def _computing(self) -> Extractor:
        if self._extractor is None:
            root = self._source.root
            remembered = None if root is None else root / RUNTIMES
            self._extractor = choose_extractor(self._module, self._size, self._source.runtime, remembered, self._source.device)
        return self._extractor


def _about(source: EncoderFeatures, size: Size, digest: str) -> dict[str, Any]:
    """What features are of, as JSON has it."""
    pixels = source.pixels.to_config()
    del pixels["size"]  # that of the weights, which pictures need not have
    return {"encoder": source.name, "weights": digest, "size": list(size), "pixels": pixels, "precision": _PRECISION}


def _name(about: Mapping[str, Any]) -> str:
    """A name for a folder: what people tell it by, and a hash of everything."""
    digest = hashlib.sha256(json.dumps([FORMAT, about], sort_keys=True).encode()).hexdigest()[:12]
    height, width = about["size"]
    shown = re.sub(r"[^A-Za-z0-9_.]+", "-", str(about["encoder"]))[:40].strip("-.")
    return f"{shown}-{height}x{width}-{digest}"
