"""The objectives by name: the one list of them. Names cost no import of torch; a class is imported when first asked for."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from .._moved import RENAMED_OBJECTIVES
from ..errors import ConfigError, nearest
from ..space import LabelSpace

if TYPE_CHECKING:
    from .base import Objective

HOMES: dict[str, str] = {
    "collapsed": "collapsed:Collapsed",
    "assume-negative": "assume_negative:AssumeNegative",
    "label-smoothing": "label_smoothing:LabelSmoothing",
    "weighted-negative": "weighted_negative:WeightedNegative",
    "expected-positive": "expected_positive:ExpectedPositive",
    "role": "expected_positive:Role",
    "em": "entropy:EntropyMaximisation",
    "em-apl": "entropy:AsymmetricPseudoLabels",
    "ll-r": "large_losses:LargeLossRejection",
    "ll-ct": "large_losses:LargeLossTemporary",
    "ll-cp": "large_losses:LargeLossPermanent",
    "hill": "self_paced:Hill",
    "splc": "self_paced:SelfPaced",
    "asl": "focusing:Asymmetric",
    "focal": "focusing:Focal",
    "gr": "generalized_robust:GeneralizedRobust",
    "gr-coco": "generalized_robust:GeneralizedRobustCoco",
    "gpr": "penalised_robust:PenalisedRobust",
    "nnpu": "non_negative:NonNegative",
    "pu-mlc": "positive_unlabelled:PositiveUnlabelled",
    "crisp": "class_priors:ClassPriors",
    "one-softmax": "one_softmax:OneSoftmax",
    "smile-soft-labels": "label_enhancement:LabelEnhancement",
    "revealed-group": "revealed_group:RevealedGroup",
    "unknown-class": "unknown_class:UnknownClass",
    "vat": "virtual_adversarial:VirtualAdversarial",
    "multilabel-soft-margin": "soft_margin:MultiLabelSoftMargin",
    "one-positive-all-negatives": "one_positive_all_negatives:OnePositiveAllNegatives",
    "full-labels": "full_labels:FullLabels",
}
"""Where each objective lives, ``"module:class"`` in this package. A new objective is a file and a line here."""

NAMES: tuple[str, ...] = tuple(HOMES)
DEFAULT = "collapsed"
COUNTED: tuple[str, ...] = ("expected-positive", "role", "nnpu", "gpr", DEFAULT)
"""Those to which the number of labels per image matters beyond where the head starts; the papers of all but the last are
given the true one."""


class _Registry(MutableMapping[str, "type[Objective]"]):
    """Objectives by name, in the order of `HOMES`; others may be added, as ``OBJECTIVES[Mine.name] = Mine``."""

    def __init__(self, homes: dict[str, str]):
        self._classes: dict[str, type[Objective] | str] = dict(homes)

    def __getitem__(self, name: str) -> type[Objective]:
        found = self._classes[name]
        if isinstance(found, str):
            module, _, attribute = found.partition(":")
            found = getattr(importlib.import_module(f".{module}", __package__), attribute)
            self._classes[name] = found
        return found

    def __setitem__(self, name: str, objective: type[Objective]) -> None:
        self._classes[name] = objective

    def __delitem__(self, name: str) -> None:
        del self._classes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)

    def __contains__(self, name: object) -> bool:
        return name in self._classes


OBJECTIVES = _Registry(HOMES)
"""The objectives by name. Each class states what its value is called, what it reads and how it conditions; see `Objective`."""


def current(name: Any) -> Any:
    """The name of an objective today, with a DeprecationWarning where the given one is of an earlier version."""
    later = RENAMED_OBJECTIVES.get(name) if isinstance(name, str) and name not in OBJECTIVES else None
    if later is None:
        return name
    said = f'objective "{name}" is now called "{later}"; the old name goes with version 0.3'
    warnings.warn(said, DeprecationWarning, stacklevel=3)
    return later


def find(name: str) -> type[Objective]:
    """The class of an objective; a name of an earlier version is taken, see `current`.

    Raises:
        ConfigError: an unknown name; the nearest known one is suggested.
    """
    name = current(name)
    if name not in OBJECTIVES:
        raise ConfigError(f'there is no objective "{name}"{nearest(name, OBJECTIVES)} (known: {", ".join(OBJECTIVES)})')
    return OBJECTIVES[name]


def of_run(config: Mapping[str, Any]) -> type[Objective]:
    """The class of the objective that a run's config names, `DEFAULT` if it names none.

    Raises:
        ConfigError: an unknown name.
    """
    model = config.get("model") or {}
    return find(str(model.get("objective") or DEFAULT))


def make(name: str, space: LabelSpace, **options: Any) -> Objective:
    """Build an objective by name.

    Args:
        name: a key of `OBJECTIVES`.
        space: the declared label space.
        options: further arguments of the objective.

    Raises:
        ConfigError: an unknown name or option; the nearest known one is suggested.
    """
    objective = find(name)
    accepted = [key for key in inspect.signature(objective).parameters if key != "space"]
    for key in options:
        if key not in accepted:
            takes = f"it takes {', '.join(accepted)}" if accepted else "it takes none"
            raise ConfigError(f'objective "{name}" has no option "{key}"{nearest(key, accepted)} ({takes})')
    return objective(space, **options)
