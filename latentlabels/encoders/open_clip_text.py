"""The text side of open_clip's networks: texts to the space of the images' embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ConfigError, WeightsError
from .family import Texts
from .open_clip_record import Record, checkpoint_of, library_of, record_of
from .weights import read_tensors

_AT_ONCE = 256  # texts in one pass


def embed_texts(name: str, weights: str | None, texts: Mapping[str, Sequence[str]]) -> Texts:
    """Embeddings of labels: the mean of those of their texts, each of length 1, again at length 1 (Radford et al., 2021).

    Args:
        name: "open_clip:" and a name.
        weights: as of the image side.
        texts: of each label, at least one.

    Raises:
        ConfigError: no weights, a missing package, a text that is longer than the network reads.
        WeightsError: weights that cannot be downloaded, read or fitted; a tokenizer that cannot be had.
    """
    if weights is None:
        raise ConfigError(
            f"{name} has random weights, so its text side has learned no words; give weights: DEFAULT, a file or a folder",
            key="model.names",
        )
    record = record_of(name, weights)
    network = _network(record, name, weights)
    said = [text for several in texts.values() for text in several]
    tokens = _tokens(record, name, said)
    with torch.no_grad():
        parts = [network.encode_text(part, normalize=True) for part in tokens.split(_AT_ONCE)]  # type: ignore[operator]
    each = torch.cat(parts).float().split([len(several) for several in texts.values()])
    means = torch.stack([nn.functional.normalize(one.mean(0), dim=-1) for one in each])
    return Texts(means, float(network.logit_scale.detach().exp()))  # type: ignore[operator, union-attr]


def _network(record: Record, name: str, weights: str) -> nn.Module:
    """Both sides, with their weights."""
    library, (path, stated) = library_of(name), checkpoint_of(name, weights)
    read_tensors(path, stated)  # refuses what is more than tensors, or another file, before anything else reads it
    config: dict[str, Any] = deepcopy(record.config)
    config["vision_cfg"]["timm_model_pretrained"] = False
    by_transformers = "hf_model_name" in config["text_cfg"]
    if by_transformers:
        config["text_cfg"]["hf_model_pretrained"] = False
    custom = config.pop("custom_text", False) or by_transformers
    kind = library.CoCa if "multimodal_cfg" in config else library.CustomTextCLIP if custom else library.CLIP
    try:
        network: nn.Module = kind(**config)
        library.load_checkpoint(network, str(path), strict=True, weights_only=True)
    except ImportError as error:
        raise _no_transformers(name, error) from error
    except (RuntimeError, TypeError, ValueError, KeyError, OSError) as error:
        first = str(error).strip().splitlines()[:2]
        raise WeightsError(
            f"{path}: not the weights of {name} ({' '.join(line.strip() for line in first)}); give weights of this network, "
            "image and text side together"
        ) from error
    return network.eval().requires_grad_(False)


def _tokens(record: Record, name: str, texts: Sequence[str]) -> Tensor:
    """(texts, length) of token numbers.

    Raises:
        ConfigError: a text that would be cut off.
    """
    library = library_of(name)
    length = int(record.config["text_cfg"].get("context_length", 77))
    try:
        tokenizer = library.get_tokenizer(record.tokenizer)
    except ImportError as error:
        raise _no_transformers(name, error) from error
    except Exception as error:  # what transformers raises is many things
        raise WeightsError(
            f"model.names: the tokenizer of {name} is not available ({error}); run again with a network, or give a folder that "
            "holds the tokenizer's files beside the weights"
        ) from error
    if hasattr(tokenizer, "encode"):  # open_clip's own, which cuts off without a word
        long = [text for text in texts if len(tokenizer.encode(text)) + 2 > length]
        if long:
            raise ConfigError(
                f'"{long[0][:60]}..." is longer than the {length} tokens that {name} reads; give this label a '
                "shorter text under model.prompts",
                key="model.prompts",
            )
    found: Tensor = tokenizer(list(texts), context_length=length)
    return found


def _no_transformers(name: str, error: ImportError) -> ConfigError:
    return ConfigError(
        f"the text side of {name} needs the package transformers ({error}); install it: pip install transformers; "
        'or take a network with open_clip\'s own text side, such as "open_clip:ViT-B-32"',
        key="model.names",
    )
