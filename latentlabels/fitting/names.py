"""Names as evidence: which settings go with them, and the head that knows what the labels' names look like."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch

from ..config import ModelConfig
from ..encoders import Frozen, embed_texts, has_texts, texts_of
from ..errors import ConfigError
from ..inputs.batches import Batches
from ..program import Amortizer, NamedHead, num_rows
from ..program.named_head import rows_of_names
from ..space import LabelSpace

RESIDUAL = 2.0  # r of `NamedHead`, in logits; measured: docs/names.md, "Two numbers"
SPREAD = 1.5  # of the logits that names give at the start, over images; measured: the same
_SEEN = 512  # images that are looked at before the start


def check_names(given: ModelConfig) -> None:
    """See whether the settings, in which no encoder is left open, go with names.

    Raises:
        ConfigError: they do not.
    """
    if not given.names:
        if given.prompts is not None:
            raise ConfigError(
                "model.prompts are used only with model.names; set model.names to true, or leave model.prompts out"
            )
        return
    if given.regions:
        raise ConfigError("model.names and model.regions cannot be combined; leave one of them out")
    if not has_texts(given.encoder):
        raise ConfigError(
            f'model.names needs an encoder with a text side, which "{given.encoder}" does not have; give open_clip:NAME, for '
            "example encoder: open_clip:ViT-B-32 with weights: DEFAULT, or names: false"
        )
    if given.weights is None:
        raise ConfigError(
            f"{given.encoder} without weights has learned no words; give weights: DEFAULT, a file or a folder",
            key="model.names",
        )


def named_head(space: LabelSpace, given: ModelConfig, num_features: int, mixture: int, unread: Collection[str]) -> NamedHead:
    """The head of a model with names.

    Args:
        space: the label space of the head.
        given: the settings of the model.
        num_features: D.
        mixture: M.
        unread: labels whose names the encoder's text side reads now; the state of the others is loaded next.

    Raises:
        ConfigError: prompts that cannot be used.
        WeightsError: a text side that cannot be had.
    """
    said = texts_of(space.labels, given.prompts)
    wanted = {label: said[label] for label in space.labels if label in unread}
    if not wanted:
        return NamedHead(torch.zeros(num_rows(space, mixture), num_features), residual=RESIDUAL)
    found = embed_texts(given.encoder, given.weights, wanted)
    embeddings = dict(zip(wanted, found.embeddings, strict=True))
    return NamedHead(rows_of_names(space, embeddings, num_features, mixture), found.scale, RESIDUAL)


@torch.no_grad()
def show_names(amortizer: Amortizer, batches: Batches, batch_size: int, begun: bool = False) -> None:
    """Show a head that reads names the features of some images: how they come, and how far they differ.

    Args:
        amortizer: encoder and head; a head without names is left alone.
        batches: what is trained on, of which some images are looked at.
        batch_size: of the images that go through the encoder at once.
        begun: whether the head goes on from an earlier fit: then new labels alone are placed.
    """
    head, encoder = amortizer.head, amortizer.encoder
    if not isinstance(head, NamedHead):
        return
    was = encoder.training
    encoder.eval()
    rows = torch.linspace(0, len(batches) - 1, min(len(batches), _SEEN)).long()
    features = torch.cat([encoder(batches.inputs(part)) for part in rows.split(batch_size)])
    encoder.train(was)
    if not begun:
        head.see_scale(features, encoder.standardize.scale if isinstance(encoder, Frozen) else torch.ones(()))
    head.see_average(features)
    if not begun:
        head.start_within(SPREAD, features)


def names_found(amortizer: Amortizer) -> dict[str, Any]:
    """What a fit reports of names, ready for JSON; nothing without names."""
    head = amortizer.head
    return {"names": {"scale": head.scale}} if isinstance(head, NamedHead) else {}
