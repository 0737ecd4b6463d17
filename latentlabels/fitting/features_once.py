"""Features of an encoder that is not trained, computed once before training, and their scale."""

from __future__ import annotations

import torch
from torch import Tensor

from ..encoders import Frozen, RegionFeatures, Standardize
from ..inputs.batches import Batches, InMemory
from ..inputs.feature_source import Featured
from ..inputs.sample import SAMPLE
from ..kind import Kind
from ..progress import Phase, phase

_SCALED = 1 << 15  # features that set the scale of all; their mean is then known to half a percent of its deviation


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
