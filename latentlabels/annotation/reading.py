"""Annotations by name, as a config states them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ConfigError, nearest
from ..space import LabelSpace
from .base import Annotation, sized
from .found import PerLabelSearch, Scar
from .picks import Ignorable, UniformPositive, WeightedPositive

KINDS: dict[str, type[Annotation]] = {
    kind.kind: kind for kind in (Ignorable, UniformPositive, WeightedPositive, Scar, PerLabelSearch)
}


def from_config(section: Mapping[str, Any], space: LabelSpace) -> Annotation:
    """The annotation that a config's `annotation` section names.

    Args:
        section: ``{kind, weights?, rates?, noise?}``; weights and rates are numbers in the order of the labels,
            or a mapping from label to number.
        space: whose labels they are.

    Raises:
        ConfigError: an unknown kind, or arguments that the kind does not take.
    """
    given = {key: value for key, value in dict(section).items() if value is not None}
    kind = str(given.pop("kind", UniformPositive.kind))
    if kind not in KINDS:
        raise ConfigError(f'annotation.kind: no annotation "{kind}"{nearest(kind, KINDS)} (known: {", ".join(KINDS)})')
    needs = {"weighted-positive": "weights", "scar": "rates"}.get(kind)
    takes = {"noise", *([needs] if needs else []), *(["weights"] if kind == "per-label-search" else [])}
    for key, value in given.items():
        if key not in takes:
            raise ConfigError(f'annotation.{key}: "{kind}" takes no {key} (it takes: {", ".join(sorted(takes))})')
        if isinstance(value, Mapping):
            missing = [label for label in space.labels if label not in value]
            if missing:
                raise ConfigError(f'annotation.{key}: no number for label "{missing[0]}"; give one for every label')
            given[key] = [value[label] for label in space.labels]
    if needs and needs not in given:
        raise ConfigError(f'annotation.{needs}: "{kind}" needs {needs}, one number for each label')
    annotation = KINDS[kind](**given)
    sized(getattr(annotation, "weights", None), space.num_labels, "weights")
    sized(getattr(annotation, "rates", None), space.num_labels, "rates")
    return annotation
