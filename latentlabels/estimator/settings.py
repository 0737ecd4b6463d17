"""The settings of a `LatentLabels` as one value: what a fit reads, and what a run folder keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..annotation import Annotation, UniformPositive
from ..config import DataConfig, FitConfig, ModelConfig
from ..config.sections import refused_numbers
from ..errors import ConfigError
from ..space import LabelSpace


@dataclass(frozen=True, eq=False)
class Settings:
    """The arguments of a `LatentLabels`, as they are when it is fitted.

    Attributes:
        params: as they were given, by their names.
        space: the label space; None to take that of the known labels.
        annotation: how the known labels came about; `UniformPositive` where none was given.
        model: those of the model; checked where they are used.
        fit: those of the fit.
        white: the value of white in images with more than 8 bits; None to see it from the images.
    """

    params: Mapping[str, Any]
    space: LabelSpace | None
    annotation: Annotation
    model: ModelConfig
    fit: FitConfig
    white: float | None

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Settings:
        """The settings from the arguments by name, as ``get_params(deep=False)`` gives them."""
        model = ModelConfig.model_construct(**{key: plain(params[key]) for key in ModelConfig.model_fields})
        fit = FitConfig.model_construct(**{key: plain(params[key]) for key in FitConfig.model_fields})
        how = UniformPositive() if params["annotation"] is None else params["annotation"]
        return cls(params, params["space"], how, model, fit, params["white"])

    def check(self) -> None:
        """Refuse numbers that a config refuses; names are checked where they are looked up.

        Raises:
            ConfigError: a setting out of its range, or an annotation that is none.
        """
        if not isinstance(self.annotation, Annotation):
            raise ConfigError(
                f"annotation is {self.params['annotation']!r}, not an annotation such as latentlabels.annotation.Scar(0.5)"
            )
        for section in (ModelConfig, FitConfig, DataConfig):
            own = section.model_fields if section is not DataConfig else ("white",)
            wrong = refused_numbers(section, {key: self.params[key] for key in own})
            if wrong:
                raise ConfigError(wrong[0])


def plain(value: Any) -> Any:
    """A setting as YAML and JSON have it: numbers of numpy, paths and tuples as Python's own."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    return [plain(each) for each in value] if isinstance(value, tuple | list) else value
