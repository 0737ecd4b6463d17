"""The sections of a config: their keys, defaults and what each may be.

The defaults of the `model` and `fit` sections stand here alone: `LatentLabels` reads them from `ModelConfig`
and `FitConfig`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from .. import annotation, objectives
from ..kind import AUTO

OBJECTIVE_NAMES: tuple[str, ...] = objectives.NAMES
TRUE_COUNT = ":true-count"
"""What follows the name of an objective that a comparison tells the true number of labels per image."""
BENCH_OBJECTIVES: tuple[str, ...] = (*OBJECTIVE_NAMES, *(f"{name}{TRUE_COUNT}" for name in objectives.COUNTED))

if TYPE_CHECKING:
    AnnotationKind = str
    Objective = str
    BenchObjective = str
else:  # the registries' names, whose import costs no torch
    AnnotationKind = Literal[annotation.NAMES]
    Objective = Annotated[Literal[OBJECTIVE_NAMES], BeforeValidator(objectives.current)]
    BenchObjective = Annotated[Literal[BENCH_OBJECTIVES], BeforeValidator(objectives.current)]


def _no_flag(value: Any) -> Any:
    # pydantic reads `true` as the number 1: in `epochs: yes` that would hide a mistake
    if isinstance(value, bool):
        raise ValueError("a number, not yes or no")
    return value


def _no_text(value: Any) -> Any:
    # "12" in quotes is text that somebody meant as text
    if isinstance(value, str):
        raise ValueError("a number, not text")
    return value


# YAML 1.1 reads 1e-3, without a dot, as text: a Real takes text that is a number
Whole = Annotated[int, BeforeValidator(_no_flag), BeforeValidator(_no_text)]
Real = Annotated[float, BeforeValidator(_no_flag), Field(allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
Positive = Annotated[Real, Field(gt=0)]
Size = Annotated[Whole, Field(ge=8)]


class Section(BaseModel):
    """A part of the config; the description of a field says what its errors expect."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


NUMBERS = (
    "mixture",
    "beta",
    "epochs",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "held_out",
    "patience",
    "average",
    "consistency",
    "seed",
    "workers",
    "image_size",
    "frozen",
    "augment",
    "at_least_one",
    "windows",
    "regions",
    "names",
    "white",
)
"""Keys of `model`, `fit` and `data` that are one number each, in a range that holds for every use."""


def _plain(value: Any) -> Any:
    """A number of numpy as Python's; in a list as well."""
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value.item() if hasattr(value, "item") else value


def refused_numbers(section: type[Section], values: dict[str, Any]) -> list[str]:
    """What a section says of numbers and flags that were not read from a config: a sentence for each that it refuses.

    Args:
        section: `ModelConfig` or `FitConfig`.
        values: by key; numbers of numpy are numbers.
    """
    numbers = {key: _plain(value) for key, value in values.items() if key in NUMBERS}
    try:
        section.model_validate(numbers)
    except ValidationError as error:
        wrong = dict.fromkeys(str(item["loc"][0]) for item in error.errors())
        return [f"{key} is {numbers[key]!r}; expected {section.model_fields[key].description}" for key in wrong]
    return []


Text = Annotated[str, Field(min_length=1)]
Names = list[Text]
Cell = str | bool | int | float
Cells = Cell | list[Cell] | dict[str, Cell | list[Cell]]
_CELLS = "a value, a list of values, or a mapping from columns to values"


class DataConfig(Section):
    """Where images and known labels are, and what their tables and folders mean."""

    images: Path | None = Field(default=None, description="the path of a folder of images")
    observed: Path | None = Field(default=None, description="the path of a table of known labels")
    complete: Path | None = Field(default=None, description="the path of a table of completely labelled images")
    answers: Path | None = Field(default=None, description="the path of a table of answers to questions: image, label, value")
    format: str | None = Field(
        default=None, description="the name of a format of known labels, or null to recognise it from the file"
    )
    unlisted: Literal["unknown", "absent"] | None = Field(default=None, description="unknown or absent")
    present: Cells | None = Field(default=None, description=_CELLS)
    absent: Cells | None = Field(default=None, description=_CELLS)
    unknown: Cells | None = Field(default=None, description=_CELLS)
    image_column: Text | None = Field(default=None, description="the name of a column")
    label_columns: Names | None = Field(default=None, min_length=1, description="a list of columns")
    ignore: Names = Field(default=[], description="a list of columns or folders")
    classes: Names | Text | None = Field(
        default=None, min_length=1, description="the names of the classes 0, 1, ...: a list, or a file with one on each line"
    )
    separator: str | None = Field(default=None, description='what separates labels in a cell; "" for one label in a cell')
    part: Names | None = Field(default=None, min_length=1, description="the parts of the data set to use, for example train")
    split: str | None = Field(default=None, description="a column, or the path of a table: which images are held out")
    together: str | None = Field(default=None, description="a column, or the path of a table: which images belong together")
    unlabelled: Names | None = Field(default=None, description="a list of folders of images without a known label")
    contradictions: Literal["refuse", "unknown", "vote"] = Field(default="refuse", description="refuse, unknown or vote")
    white: Positive | None = Field(default=None, description="the value of white in the images, or null to find it in them")
    single_positive: Annotated[Whole, Field(ge=0)] | None = Field(
        default=None, description="a seed: keep one known present label of each image, drawn at random, or null"
    )
    embeddings: Path | None = Field(default=None, description="the path of an .npz or .npy file")
    strict: Flag = Field(default=False, description="true or false")

    @field_validator("ignore", "unlabelled", "label_columns", "part", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class AnnotationConfig(Section):
    """How the known labels came about; see `latentlabels.annotation`."""

    kind: AnnotationKind = Field(default=annotation.DEFAULT, description="one of " + ", ".join(annotation.NAMES))
    weights: list[Positive] | dict[str, Positive] | Literal["learn"] | None = Field(
        default=None,
        description="positive numbers, one for each label: a list in the order of the labels, or label: number; or learn",
    )
    rates: Annotated[Real, Field(gt=0, le=1)] | list[Positive] | dict[str, Positive] | Literal["learn"] | None = Field(
        default=None,
        description="a number above 0 up to 1, a list of them in the order of the labels, or label: number; or learn",
    )
    noise: Annotated[Real, Field(ge=0, lt=1)] | Literal["learn"] = Field(
        default=0.0, description="a probability, at least 0 and below 1, or learn"
    )


class ModelConfig(Section):
    """The encoder and what the model states about the labels."""

    encoder: str = Field(default="auto", description="auto, or the name of an encoder, for example lite0, resnet18 or tiny")
    weights: str | None = Field(
        default=AUTO,
        description="auto, DEFAULT or another name of published weights, a file, a folder, or null for random ones",
    )
    frozen: Flag | None = Field(default=None, description="true or false, or null to freeze published weights on a CPU")
    image_size: Size | tuple[Size, Size] | None = Field(
        default=None, description="a number of pixels of at least 8, or [height, width]"
    )
    expected_labels: Positive | None = Field(default=None, description="a number above 0, or null to derive it from the data")
    mixture: Whole = Field(default=1, ge=1, description="a whole number of at least 1")
    beta: Real = Field(default=0.0, ge=0, le=1, description="a number from 0 to 1")
    objective: Objective = Field(default=objectives.DEFAULT, description="one of " + ", ".join(OBJECTIVE_NAMES))
    at_least_one: Flag | None = Field(default=None, description="true or false, or null to decide from the data")
    start: Literal["prior", "own"] = Field(default="prior", description="prior or own")
    windows: Flag | None = Field(
        default=None, description="true or false, or null for two windows of a picture where auto chose the encoder"
    )
    regions: Flag = Field(default=False, description="true or false")
    names: Flag = Field(default=False, description="true or false")
    prompts: Names | dict[str, Names] | None = Field(
        default=None, description="a list of texts with {} for the label, or a mapping from labels to lists of texts, or null"
    )


class FitConfig(Section):
    """How long, how fast and on what to train."""

    epochs: Whole = Field(default=50, ge=1, description="a whole number of at least 1")
    batch_size: Whole = Field(default=64, ge=1, description="a whole number of at least 1")
    learning_rate: Real = Field(default=1e-3, gt=0, description="a number above 0")
    weight_decay: Real = Field(default=1e-2, ge=0, description="a number of at least 0")
    held_out: Real = Field(default=0.1, ge=0, lt=1, description="a share, at least 0 and below 1")
    patience: Whole = Field(default=5, ge=1, description="a whole number of epochs of at least 1")
    stop: Literal["auto", "likelihood", "known-map", "none"] = Field(
        default="auto", description="auto, likelihood, known-map or none"
    )
    average: Real = Field(default=0.0, ge=0, description="a number of epochs of at least 0")
    schedule: Literal["constant", "cosine"] = Field(default="constant", description="constant or cosine")
    consistency: Real = Field(default=0.0, ge=0, description="a weight of at least 0")
    seed: Whole = Field(default=0, ge=0, description="a whole number of at least 0")
    accelerator: str = Field(default="auto", description="auto, cpu, gpu, or another accelerator of Lightning")
    devices: Whole | list[Whole] | Literal["auto"] = Field(default="auto", description="auto, a number, or a list of numbers")
    strategy: str = Field(default="auto", description="auto, ddp, or another strategy of Lightning")
    workers: Whole = Field(default=0, ge=0, description="a whole number of at least 0")
    augment: Flag | Literal["strong"] = Field(default=True, description="true, false or strong")
    init_from: Path | None = Field(default=None, description="the path of a run folder to start from, or null")
    runtime: Literal["auto", "torch", "openvino", "onnx"] = Field(default="auto", description="auto, torch, openvino or onnx")
    cache: str | None = Field(
        default=None, description='the path of a folder for features, "none" to keep none, or null for the usual folder'
    )


class BenchTestConfig(Section):
    """What a comparison measures on: inputs with complete labels."""

    embeddings: Path | None = Field(default=None, description="the path of an .npz with `truth`, or of one beside `truth`")
    images: Path | None = Field(default=None, description="the path of a folder of images")
    truth: Path | None = Field(default=None, description="the path of a table of complete labels")
    unlisted: Literal["unknown", "absent"] | None = Field(default=None, description="unknown or absent")


def _hide(value: Any) -> Any:
    return value if value in HIDE else _no_flag(value)


HIDE = ("none", "uniform", "salience", "per-label")
MAKE = ("class-and-colour", "mosaic")
Share = Annotated[Real, Field(gt=0, lt=1)]
Rate = Annotated[Real, Field(gt=0, le=1)]


class BenchConfig(Section):
    """What `latentlabels bench` compares, and on what."""

    name: str | None = Field(default=None, min_length=1, description="a name for the data")
    test: BenchTestConfig | None = Field(default=None, description="a mapping: embeddings, or images and truth")
    truth: Path | None = Field(default=None, description="the path of a table of complete labels of the training images")
    test_share: Share = Field(default=0.2, description="a share above 0 and below 1")
    hide: Annotated[Literal["none", "uniform", "salience", "per-label"] | Rate, BeforeValidator(_hide)] = Field(
        default="none", description=f"{', '.join(HIDE)}, or a rate above 0 up to 1"
    )
    make: Literal["class-and-colour", "mosaic"] | None = Field(default=None, description=f"{', '.join(MAKE)} or null")
    scenes: Whole = Field(default=6000, ge=20, description="a whole number of at least 20")
    objectives: list[BenchObjective] | None = Field(
        default=None, min_length=1, description="a list of names (known: " + ", ".join(BENCH_OBJECTIVES) + "), or null for all"
    )
    seeds: list[Annotated[Whole, Field(ge=0)]] = Field(
        default=[0, 1, 2, 3, 4], min_length=1, description="a list of whole numbers of at least 0"
    )
    learning_rates: list[Positive] = Field(default=[3e-4, 1e-3, 3e-3], min_length=1, description="a list of numbers above 0")
    starts: list[Literal["prior", "own", "both"]] = Field(
        default=["prior"], min_length=1, description="a list of prior, own or both"
    )


SECTIONS: dict[str, type[Section]] = {
    "data": DataConfig,
    "annotation": AnnotationConfig,
    "model": ModelConfig,
    "fit": FitConfig,
    "bench": BenchConfig,
    "bench.test": BenchTestConfig,
}

CHOICES: dict[str, tuple[str, ...]] = {
    "kind": annotation.NAMES,
    "objective": OBJECTIVE_NAMES,
    "start": ("prior", "own"),
    "unlisted": ("unknown", "absent"),
    "contradictions": ("refuse", "unknown", "vote"),
    "stop": ("auto", "likelihood", "known-map", "none"),
    "schedule": ("constant", "cosine"),
    "runtime": ("auto", "torch", "openvino", "onnx"),
    "objectives": BENCH_OBJECTIVES,
    "starts": ("prior", "own", "both"),
    "hide": HIDE,
    "make": MAKE,
}
"""Keys whose values are names: the nearest one is suggested."""
