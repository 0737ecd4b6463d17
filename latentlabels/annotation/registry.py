"""The annotations by name: the one list of them. Names cost no import of torch; a class is imported when first asked for."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, nearest
from ..space import LabelSpace

if TYPE_CHECKING:
    from .base import Annotation

HOMES: dict[str, str] = {
    "ignorable": "ignorable:Ignorable",
    "uniform-positive": "uniform:UniformPositive",
    "weighted-positive": "weighted:WeightedPositive",
    "scar": "scar:Scar",
    "per-label-search": "label_search:PerLabelSearch",
}
"""Where each annotation lives, ``"module:class"`` in this package. A new annotation is a file and a line here."""

NAMES: tuple[str, ...] = tuple(HOMES)
DEFAULT = "uniform-positive"


class _Kinds(Mapping[str, "type[Annotation]"]):
    """Annotations by name."""

    def __getitem__(self, kind: str) -> type[Annotation]:
        module, _, name = HOMES[kind].partition(":")
        found: type[Annotation] = getattr(importlib.import_module(f".{module}", __package__), name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(HOMES)

    def __len__(self) -> int:
        return len(HOMES)


KINDS = _Kinds()


def from_config(section: Mapping[str, Any], space: LabelSpace) -> Annotation:
    """The annotation that a config's `annotation` section names.

    Args:
        section: ``{kind, weights?, rates?, noise?}``; weights and rates are numbers in the order of the labels,
            or a mapping from label to number. Each may be "learn"; see `latentlabels.annotation.learning`.
        space: whose labels they are.

    Raises:
        ConfigError: an unknown kind, or arguments that the kind does not take.
    """
    given = {key: value for key, value in dict(section).items() if value is not None}
    kind = str(given.pop("kind", DEFAULT))
    if kind not in KINDS:
        raise ConfigError(f'no annotation "{kind}"{nearest(kind, KINDS)} (known: {", ".join(KINDS)})', key="annotation.kind")
    parameters = dict(inspect.signature(KINDS[kind]).parameters)
    for key, value in given.items():
        if key not in parameters:
            raise ConfigError(f'"{kind}" takes no {key} (it takes: {", ".join(sorted(parameters))})', key=f"annotation.{key}")
        if isinstance(value, Mapping):
            missing = [label for label in space.labels if label not in value]
            if missing:
                raise ConfigError(f'no number for label "{missing[0]}"; give one for every label', key=f"annotation.{key}")
            given[key] = [value[label] for label in space.labels]
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in given:
            raise ConfigError(f'"{kind}" needs {key}, one number for each label', key=f"annotation.{key}")
    annotation = KINDS[kind](**given)
    if not {"weights", "rates"} & {*annotation.learns}:
        annotation.readiness(space.num_labels)  # which refuses another number of weights or rates than labels
    return annotation
