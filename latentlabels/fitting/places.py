"""Where labels are: the posterior of the place of each label, computed when somebody asks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import DataError
from ..inputs.batches import Batches
from ..program import Amortizer, RegionHead

_ALL_AT_ONCE = 2**24  # numbers of all labels that are kept, so that the encoder runs once for all of them


class Places:
    """p(place | label present) of N images and each label.

    Args:
        amortizer: fitted, with a `RegionHead`.
        batches: inputs.
        rows: (N,) which of them these are.
        batch_size: images that are looked at together.
    """

    def __init__(self, amortizer: Amortizer, batches: Batches, rows: Tensor, batch_size: int):
        assert isinstance(amortizer.head, RegionHead)
        self.amortizer, self.batches, self.rows, self.batch_size = amortizer, batches, rows, batch_size
        self._then = _versions(amortizer)
        self._all: Tensor | None = None

    def __call__(self, label: str) -> NDArray[np.float32]:
        """Of one label: float32 (N, h, w), each image's sum being 1.

        Raises:
            LabelSpaceError: a label that the space lacks.
            DataError: the model was changed since.
        """
        row = self.amortizer.space.logit_index(label)
        head = self.amortizer.head
        assert isinstance(head, RegionHead)
        _, high, wide = head.maps
        logits = self.amortizer.space.num_logits
        if self._all is None and len(self.rows) * logits * high * wide <= _ALL_AT_ONCE:
            self._all = self._attention(range(logits))
        found = self._attention([row])[:, 0] if self._all is None else self._all[:, row]
        return found.numpy().copy()

    def take(self, index: NDArray[np.int64]) -> Places:
        """The same of some of the images."""
        chosen = torch.from_numpy(index)
        out = Places(self.amortizer, self.batches, self.rows[chosen], self.batch_size)
        out._then = self._then
        out._all = None if self._all is None else self._all[chosen]
        return out

    @torch.no_grad()
    def _attention(self, logits: Sequence[int]) -> Tensor:
        if _versions(self.amortizer) != self._then:
            raise DataError(
                "the model was changed after this posterior was computed, so that its places are no longer known; ask for "
                "the posterior again"
            )
        amortizer = self.amortizer.eval()
        head = amortizer.head
        assert isinstance(head, RegionHead)
        device, chosen = head.bias.device, torch.tensor(logits)
        found = torch.empty(len(self.rows), len(logits), *head.maps[1:])
        for at in torch.arange(len(self.rows)).split(max(self.batch_size, 64)):
            features = amortizer.features(self.batches.inputs(self.rows[at]).to(device))
            found[at] = head.attention(features, chosen.to(device)).float().cpu()
        return found


def _versions(amortizer: Amortizer) -> list[tuple[int, int]]:
    """Of every tensor which one it is, and how often it was written to."""
    tensors = [*amortizer.parameters(), *amortizer.buffers()]
    return [(id(tensor), tensor._version) for tensor in tensors]
