"""Names as evidence: which settings go with them, and the head that knows what the labels' names look like."""

from __future__ import annotations

import torch

from ..config import ModelConfig
from ..encoders import Frozen, embed_texts, has_texts, texts_of
from ..errors import ConfigError
from ..inputs.batches import Batches
from ..program import Amortizer, NamedHead, num_rows
from ..program.named_head import rows_of_names
from ..space import LabelSpace

RESIDUAL = 1.0  # r of `NamedHead`, in logits; measured: docs/names.md, "How much the images may say"
_SEEN = 512  # images whose mean embedding is taken where the encoder is trained


def check_names(given: ModelConfig) -> None:
    """See whether the settings, in which no encoder is left open, go with names.

    Raises:
        ConfigError: they do not.
    """
    if not given.names:
        if given.prompts is not None:
            raise ConfigError("model.prompts are read with model.names alone; give names: true, or leave prompts out")
        return
    if given.regions:
        raise ConfigError("model.names and model.regions are two heads of which a model has one; leave one of them out")
    if not has_texts(given.encoder):
        raise ConfigError(
            f'model.names needs an encoder with a text side, which "{given.encoder}" does not have; give open_clip:NAME, for '
            "example encoder: open_clip:ViT-B-32 with weights: DEFAULT, or names: false"
        )
    if given.weights is None:
        raise ConfigError(
            f"model.names: {given.encoder} without weights knows no words; give weights: DEFAULT, a file or a folder"
        )


def named_head(space: LabelSpace, given: ModelConfig, num_features: int, mixture: int, learns: bool) -> NamedHead:
    """The head of a model with names.

    Args:
        space: the label space of the head.
        given: the settings of the model.
        num_features: D.
        mixture: M.
        learns: whether the names are read by the encoder's text side; else the head is empty, and its state is loaded next.

    Raises:
        ConfigError: prompts that cannot be used.
        WeightsError: a text side that cannot be had.
    """
    if not learns:
        return NamedHead(torch.zeros(num_rows(space, mixture), num_features), residual=RESIDUAL)
    texts = texts_of(space.labels, given.prompts)
    found = embed_texts(given.encoder, given.weights, texts)
    embeddings = dict(zip(space.labels, found.embeddings, strict=True))
    return NamedHead(rows_of_names(space, embeddings, num_features, mixture), found.scale, RESIDUAL)


@torch.no_grad()
def centre_names(amortizer: Amortizer, batches: Batches, batch_size: int) -> None:
    """Tell a head that knows names how the features come: standardised, or as embeddings whose mean is taken from images.

    Args:
        amortizer: encoder and head; a head without names is left alone.
        batches: what is trained on.
        batch_size: of the images that go through the encoder at once.
    """
    head, encoder = amortizer.head, amortizer.encoder
    if not isinstance(head, NamedHead):
        return
    if isinstance(encoder, Frozen):
        head.see_standardized(encoder.standardize.scale, encoder.standardize.power)
        return
    was = encoder.training
    encoder.eval()
    rows = torch.linspace(0, len(batches) - 1, min(len(batches), _SEEN)).long()
    means = [encoder(batches.inputs(part)).sum(0) for part in rows.split(batch_size)]
    head.see_average(torch.stack(means).sum(0) / len(rows))
    encoder.train(was)
