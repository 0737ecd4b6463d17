"""The config of a fit: what its YAML may hold, its defaults, and errors that name file, line and key.

The defaults of the `model` and `fit` sections stand here alone: `LatentLabels` reads them from `ModelConfig`
and `FitConfig`. Reading and checking a config imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError

from .config_source import Source, parse_overrides, read_source
from .errors import ConfigError, LabelSpaceError, nearest
from .labels import LabelSpace

AnnotationKind = Literal["ignorable", "uniform-positive", "weighted-positive", "scar", "per-label-search"]
Objective = Literal[
    "collapsed",
    "assume-negative",
    "label-smoothing",
    "weighted-negative",
    "expected-positive",
    "role",
    "em",
    "em-apl",
    "ll-r",
    "ll-ct",
    "ll-cp",
    "hill",
    "splc",
    "asl",
    "focal",
    "gr",
    "nnpu",
    "smile",
    "revealed-group",
    "unknown-class",
    "vat",
    "multilabel-soft-margin",
    "one-positive-all-negatives",
    "full-labels",
]
OBJECTIVE_NAMES: tuple[str, ...] = get_args(Objective)


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


class _Section(BaseModel):
    """A part of the config; the description of a field says what its errors expect."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class DataConfig(_Section):
    """Where images and known labels are."""

    images: Path | None = Field(None, description="the path of a folder of images")
    observed: Path | None = Field(None, description="the path of a table of known labels")
    unlisted: Literal["unknown", "absent"] | None = Field(None, description="unknown or absent")
    embeddings: Path | None = Field(None, description="the path of an .npz or .npy file")
    strict: Flag = Field(False, description="true or false")


class AnnotationConfig(_Section):
    """How the known labels came about; see `latentlabels.annotation`."""

    kind: AnnotationKind = Field("uniform-positive", description="one of " + ", ".join(get_args(AnnotationKind)))
    weights: list[Positive] | dict[str, Positive] | None = Field(
        None, description="positive numbers, one for each label: a list in the order of the labels, or label: number"
    )
    rates: Annotated[Real, Field(gt=0, le=1)] | list[Positive] | dict[str, Positive] | None = Field(
        None, description="a number above 0 up to 1, a list of them in the order of the labels, or label: number"
    )
    noise: Real = Field(0.0, ge=0, lt=1, description="a probability, at least 0 and below 1")


class ModelConfig(_Section):
    """The encoder and what the model states about the labels."""

    encoder: str = Field("resnet18", description="the name of an encoder, for example resnet18, tiny or embedding")
    weights: str | None = Field(None, description="DEFAULT or another name of published weights, the path of a file, or null")
    frozen: Flag = Field(False, description="true or false")
    image_size: Size | tuple[Size, Size] = Field(224, description="a number of pixels of at least 8, or [height, width]")
    expected_labels: Positive | None = Field(None, description="a number above 0, or null to derive it from the data")
    mixture: Whole = Field(1, ge=1, description="a whole number of at least 1")
    beta: Real = Field(0.0, ge=0, le=1, description="a number from 0 to 1")
    objective: Objective = Field("collapsed", description="one of " + ", ".join(OBJECTIVE_NAMES))


class FitConfig(_Section):
    """How long, how fast and on what to train."""

    epochs: Whole = Field(50, ge=1, description="a whole number of at least 1")
    batch_size: Whole = Field(64, ge=1, description="a whole number of at least 1")
    learning_rate: Real = Field(1e-3, gt=0, description="a number above 0")
    weight_decay: Real = Field(1e-2, ge=0, description="a number of at least 0")
    held_out: Real = Field(0.1, ge=0, lt=1, description="a share, at least 0 and below 1")
    patience: Whole = Field(5, ge=1, description="a whole number of epochs of at least 1")
    stop: Literal["auto", "likelihood", "known-map", "none"] = Field(
        "auto", description="auto, likelihood, known-map or none"
    )
    seed: Whole = Field(0, ge=0, description="a whole number of at least 0")
    accelerator: str = Field("auto", description="auto, cpu, gpu, or another accelerator of Lightning")
    devices: Whole | list[Whole] | Literal["auto"] = Field("auto", description="auto, a number of devices, or a list of them")
    strategy: str = Field("auto", description="auto, ddp, or another strategy of Lightning")
    workers: Whole = Field(0, ge=0, description="a whole number of at least 0")


class Config(_Section):
    """A whole config. Read it by `read_config`; every section has defaults."""

    data: DataConfig = Field(default_factory=lambda: DataConfig(), description="a mapping: images, observed, ...")
    labels: list[Any] | Path | None = Field(None, description="a list of groups, or the path of a labels.yaml")
    annotation: AnnotationConfig = Field(default_factory=lambda: AnnotationConfig(), description="a mapping: kind, ...")
    model: ModelConfig = Field(default_factory=lambda: ModelConfig(), description="a mapping: encoder, weights, ...")
    fit: FitConfig = Field(default_factory=lambda: FitConfig(), description="a mapping: epochs, batch_size, ...")

    _source: Source = PrivateAttr(default_factory=Source)
    _PATHS: ClassVar[tuple[str, ...]] = ("images", "observed", "embeddings")

    def where(self, key: str) -> str:
        """``file:line`` of a key path such as ``"fit.epochs"``, or of the nearest key above it."""
        return self._source.where(key)

    def space(self) -> LabelSpace | None:
        """The label space of the `labels` section; None without one.

        Raises:
            LabelSpaceError: the section, or the file that it names, describes no valid space; file and line are named.
        """
        if self.labels is None:
            return None
        if isinstance(self.labels, Path):
            return LabelSpace.read(self.labels)
        try:
            return LabelSpace.from_config(self.labels)
        except LabelSpaceError as error:
            raise LabelSpaceError(f"{self._source.where_entry(str(error))}: {error}") from None

    def check_files(self) -> None:
        """Check that the config names data, and that the files and folders it names are there.

        Raises:
            ConfigError: no data, or a path that does not exist; the key and its line are named.
        """
        if self.data.images is None and self.data.embeddings is None:
            raise ConfigError(f"{self.where('data')}: no data; give data.images (a folder) or data.embeddings (a file)")
        for name in self._PATHS:
            path: Path | None = getattr(self.data, name)
            if path is None:
                continue
            if not path.exists():
                raise ConfigError(
                    f"{self.where(f'data.{name}')}: data.{name}: {path} does not exist; "
                    "paths in a config are relative to its folder"
                )
            if path.is_dir() != (name == "images"):
                what = "a folder of images" if name == "images" else "a file"
                raise ConfigError(f"{self.where(f'data.{name}')}: data.{name}: expected {what}, and {path} is none")
        weights = self.model.weights
        if weights is not None and Path(weights).is_absolute() and not Path(weights).is_file():
            raise ConfigError(
                f"{self.where('model.weights')}: model.weights: {weights} does not exist; give a file with a state_dict, "
                "DEFAULT to download published weights, or null"
            )

    def explain(self, error: ConfigError) -> ConfigError:
        """The same error with ``file:line`` in front, where its message starts with a key path of this config."""
        message = str(error)
        key = message.split(":", 1)[0]
        section, _, name = key.partition(".")
        known = section in type(self).model_fields and name in type(getattr(self, section)).model_fields
        return ConfigError(f"{self.where(key)}: {message}") if name and known else error

    def estimator_arguments(self) -> dict[str, Any]:
        """Every key of `model` and `fit`: the keyword arguments of `LatentLabels`."""
        return {**self.model.model_dump(), **self.fit.model_dump()}

    def resolved(self) -> dict[str, Any]:
        """The config with every default filled in and absolute paths, as plain YAML values."""
        out = self.model_dump(mode="json")
        size = out["model"]["image_size"]
        out["model"]["image_size"] = list(size) if isinstance(size, list | tuple) else size
        return out

    def write(self, path: str | Path) -> None:
        """Write `resolved` as YAML, which `read_config` reads again."""
        text = yaml.safe_dump(self.resolved(), sort_keys=False, allow_unicode=True)
        Path(path).write_text(text, encoding="utf-8")


def read_config(
    path: str | Path | None, overrides: Sequence[str] = (), flags: Mapping[str, Any] | None = None
) -> Config:
    """Read, override and check a config.

    Args:
        path: a YAML file; paths in it are relative to its folder. None to start from the defaults.
        overrides: ``"a.b=value"``, the value being YAML; later ones win. Paths are relative to the current folder.
        flags: values by key path that command-line flags give, as for `overrides`; None values are left out.

    Raises:
        ConfigError: no such file, no YAML, unknown keys or wrong values; each with its line and the nearest known key.
        LabelSpaceError: the `labels` section describes no valid label space.
    """
    source = Source() if path is None else read_source(Path(path))
    for key, value in (flags or {}).items():
        if value is not None:
            source.set(key, value, f"--{key.rpartition('.')[2].replace('_', '-')}")
    for override, (key, value) in zip(overrides, parse_overrides(overrides), strict=True):
        source.set(key, value, f"--set {override}")
    raw = source.resolve_paths(("data.images", "data.observed", "data.embeddings", "labels"), ("model.weights",))
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(_explain(error, source)) from None
    config = _settle_encoder(config, source)
    config._source = source
    config.space()
    return config


def _settle_encoder(config: Config, source: Source) -> Config:
    """Embeddings pass through: their encoder is "embedding", without it being said."""
    if config.data.embeddings is not None and config.model.encoder != "embedding":
        if "encoder" in config.model.model_fields_set:
            raise ConfigError(
                f'{source.where("model.encoder")}: model.encoder: data.embeddings go with the encoder "embedding", not '
                f'"{config.model.encoder}"; remove one of the two'
            )
        model = config.model.model_copy(update={"encoder": "embedding"})
        return config.model_copy(update={"model": model})
    if config.model.encoder == "embedding" and config.data.embeddings is None and config.data.images is not None:
        raise ConfigError(
            f'{source.where("model.encoder")}: model.encoder: "embedding" takes vectors, and data.images are images; '
            "give data.embeddings, or another encoder"
        )
    return config


def _explain(error: ValidationError, source: Source) -> str:
    """One line for each wrong key, in the order of the file."""
    lines: dict[str, str] = {}
    for item in sorted(error.errors(), key=lambda item: source.line(_locate(item["loc"])[0])):
        key, section, field = _locate(item["loc"])
        if key in lines:
            continue  # each branch of a union reports the same value
        where = source.where(key)
        if item["type"] == "extra_forbidden":
            known = list(section.model_fields)
            name = key.rpartition(".")[2]
            lines[key] = f"{where}: unknown key {key}{_nearest_key(key, name, known)} (known: {', '.join(known)})"
            continue
        value = source.get(key, item["input"])
        shown = json.dumps(value, default=str, ensure_ascii=False)
        description = section.model_fields[field].description if field else "a mapping"
        hint = ""
        if isinstance(value, str) and field in _CHOICES:
            hint = nearest(value, _CHOICES[field])
        lines[key] = f"{where}: {key or 'the config'}: expected {description}, not {shown}{hint}"
    return "\n".join(lines.values())


def _nearest_key(key: str, name: str, known: Sequence[str]) -> str:
    if hint := nearest(name, known):
        return hint
    # a key of another section, or one that lacks its section: say where it belongs
    homes = [f"{section}.{name}" for section, field in SECTIONS.items() if name in field.model_fields]
    return f'; did you mean "{homes[0]}"?' if homes and homes[0] != key else ""


SECTIONS: dict[str, type[_Section]] = {
    "data": DataConfig,
    "annotation": AnnotationConfig,
    "model": ModelConfig,
    "fit": FitConfig,
}


_CHOICES: dict[str, tuple[str, ...]] = {
    "kind": get_args(AnnotationKind),
    "objective": OBJECTIVE_NAMES,
    "unlisted": ("unknown", "absent"),
    "stop": ("auto", "likelihood", "known-map", "none"),
}


def _locate(loc: tuple[int | str, ...]) -> tuple[str, type[_Section], str | None]:
    """Key path, section and field of a pydantic location, without the names of union branches."""
    if not loc:
        return "", Config, None
    first = str(loc[0])
    if first not in SECTIONS or len(loc) == 1:
        return first, Config, first
    return f"{first}.{loc[1]}", SECTIONS[first], str(loc[1])
