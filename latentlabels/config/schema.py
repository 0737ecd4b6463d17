"""The config of a fit: reading its YAML, checking it, and errors that name file, line and key.

Reading and checking a config imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import Field, PrivateAttr, ValidationError

from ..errors import ConfigError, DataError, LabelSpaceError, nearest
from ..kind import PASSED_THROUGH, Kind, kind_of
from ..shards import expand, is_packed
from ..space import LabelSpace
from ..writing import write_text
from .sections import (
    CHOICES,
    OBJECTIVE_NAMES,
    SECTIONS,
    AnnotationConfig,
    BenchConfig,
    BenchTestConfig,
    DataConfig,
    FitConfig,
    ModelConfig,
    Section,
)
from .source import Source, parse_overrides, read_source

__all__ = [
    "OBJECTIVE_NAMES",
    "AnnotationConfig",
    "BenchConfig",
    "BenchTestConfig",
    "Config",
    "DataConfig",
    "FitConfig",
    "ModelConfig",
    "read_config",
]


_PATHS = (
    *("data.images", "data.observed", "data.complete", "data.answers", "data.embeddings", "labels", "fit.init_from"),
    *("bench.truth", "bench.test.embeddings", "bench.test.images", "bench.test.truth"),
)


class Config(Section):
    """A whole config. Read it by `read_config`; every section has defaults."""

    data: DataConfig = Field(default_factory=lambda: DataConfig(), description="a mapping: images, observed, ...")
    labels: list[Any] | Path | None = Field(default=None, description="a list of groups, or the path of a labels.yaml")
    annotation: AnnotationConfig = Field(default_factory=lambda: AnnotationConfig(), description="a mapping: kind, ...")
    model: ModelConfig = Field(default_factory=lambda: ModelConfig(), description="a mapping: encoder, weights, ...")
    fit: FitConfig = Field(default_factory=lambda: FitConfig(), description="a mapping: epochs, batch_size, ...")
    bench: BenchConfig | None = Field(default=None, description="a mapping: test, objectives, seeds, ...")

    _source: Source = PrivateAttr(default_factory=Source)
    _PATHS: ClassVar[tuple[str, ...]] = ("images", "observed", "complete", "answers", "embeddings")

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
            if not self.labels.is_file():
                where = self.where("labels")
                raise LabelSpaceError(f"{where}: labels: {self.labels} not found; give the path of a labels.yaml")
            return LabelSpace.read(self.labels)
        try:
            return LabelSpace.from_config(self.labels)
        except LabelSpaceError as error:
            raise LabelSpaceError(f"{self._source.where_entry(error.entry)}: {error}") from None

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
            if name != "embeddings" and is_packed(path):
                self._check_shards(name, path)
                continue
            if not path.exists():
                # where a flag gave the path, it is relative to where the user stands, as they know
                hint = "" if f"data.{name}" in self._source.given else "; paths in a config are relative to its folder"
                raise ConfigError(f"{self.where(f'data.{name}')}: data.{name}: {path} not found{hint}")
            if (name == "images" and not path.is_dir()) or (name == "embeddings" and path.is_dir()):
                what = "a folder of images, nor a .tar, .parquet or .arrow file of them" if name == "images" else "a file"
                raise ConfigError(f"{self.where(f'data.{name}')}: data.{name}: {path} is not {what}")
        weights = self.model.weights
        if weights is not None and Path(weights).is_absolute() and not Path(weights).exists():
            raise ConfigError(
                f"{self.where('model.weights')}: model.weights: {weights} not found; give a file or a folder with weights, "
                "DEFAULT to download published weights, or null"
            )

    def _check_shards(self, name: str, path: Path) -> None:
        """Check that the files of a name that may mean several are there."""
        try:
            expand(path)
        except DataError as error:
            raise ConfigError(f"{self.where(f'data.{name}')}: data.{name}: {error}") from None

    def explain(self, error: ConfigError) -> ConfigError:
        """The same error with ``file:line`` in front, where it is about a key of this config."""
        section, _, name = (error.key or "").rpartition(".")
        known = section in SECTIONS and name in SECTIONS[section].model_fields
        return ConfigError(f"{self.where(error.key or '')}: {error}") if known else error

    def with_bench(self, bench: BenchConfig) -> Config:
        """The same with a `bench` section; it knows the same file and lines."""
        changed = self.model_copy(update={"bench": bench})
        changed._source = self._source
        return changed

    def estimator_arguments(self) -> dict[str, Any]:
        """Every key of `model` and `fit`: the keyword arguments of `LatentLabels`."""
        return {**self.model.model_dump(), **self.fit.model_dump()}

    def resolved(self) -> dict[str, Any]:
        """The config with every default filled in and absolute paths, as plain YAML values."""
        out = self.model_dump(mode="json", exclude={"bench"} if self.bench is None else None)
        size = out["model"]["image_size"]
        out["model"]["image_size"] = list(size) if isinstance(size, list | tuple) else size
        return out

    def write(self, path: str | Path) -> None:
        """Write `resolved` as YAML, which `read_config` reads again."""
        write_text(path, yaml.safe_dump(self.resolved(), sort_keys=False, allow_unicode=True))


def read_config(
    path: str | Path | None,
    overrides: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
    without: Sequence[str] = (),
) -> Config:
    """Read, override and check a config.

    Args:
        path: a YAML file; paths in it are relative to its folder. None to start from the defaults.
        overrides: ``"a.b=value"``, the value being YAML; later ones win. Paths are relative to the current folder.
        flags: values by key path that command-line flags give, as for `overrides`; None values are left out.
        without: sections of the file that are left out.

    Raises:
        ConfigError: a missing file, invalid YAML, unknown keys or wrong values; each with its line and the nearest known key.
        LabelSpaceError: the `labels` section describes no valid label space.
    """
    source = Source() if path is None else read_source(Path(path))
    source.raw = {key: value for key, value in source.raw.items() if key not in without}
    for key, value in (flags or {}).items():
        if value is not None:
            source.set(key, value, f"--{key.rpartition('.')[2].replace('_', '-')}")
    for override, (key, value) in zip(overrides, parse_overrides(overrides), strict=True):
        source.set(key, value, f"--set {override}")
    raw = source.resolve_paths(_PATHS, ("model.weights", "data.classes", "data.split", "data.together", "fit.cache"))
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
    kind = kind_of(config.model.encoder)
    if config.data.embeddings is not None and kind is not Kind.EMBEDDINGS:
        if "encoder" in config.model.model_fields_set:
            raise ConfigError(
                f'{source.where("model.encoder")}: model.encoder: data.embeddings need the encoder "embedding", not '
                f'"{config.model.encoder}"; remove one of the two keys'
            )
        model = config.model.model_copy(update={"encoder": PASSED_THROUGH})
        return config.model_copy(update={"model": model})
    if kind is Kind.EMBEDDINGS and config.data.embeddings is None and config.data.images is not None:
        raise ConfigError(
            f'{source.where("model.encoder")}: model.encoder: "embedding" takes vectors, but data.images names images; '
            "give data.embeddings, or choose another encoder"
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
        if section is BenchConfig and len(item["loc"]) > 2 and isinstance(item["loc"][2], int):  # one entry of a list
            where = where if key in source.given else source.where(f"{key}.{item['loc'][2]}")
            value = item["input"]
        shown = json.dumps(value, default=str, ensure_ascii=False)
        description = section.model_fields[field].description if field else "a mapping"
        hint = ""
        if isinstance(value, str) and field in CHOICES:
            hint = nearest(value, CHOICES[field])
        lines[key] = f"{where}: {key or 'the config'}: expected {description}, not {shown}{hint}"
    return "\n".join(lines.values())


def _nearest_key(key: str, name: str, known: Sequence[str]) -> str:
    # a key of another section, or one that lacks its section: say where it belongs
    homes = [f"{section}.{name}" for section, field in SECTIONS.items() if name in field.model_fields]
    return f'; did you mean "{homes[0]}"?' if homes and homes[0] != key else nearest(name, known)


def _locate(loc: tuple[int | str, ...]) -> tuple[str, type[Section], str | None]:
    """Key path, section and field of a pydantic location, without the names of union branches."""
    if not loc:
        return "", Config, None
    first = str(loc[0])
    if first not in SECTIONS or len(loc) == 1:
        return first, Config, first
    inner = f"{first}.{loc[1]}"
    if inner in SECTIONS and len(loc) > 2:
        return f"{inner}.{loc[2]}", SECTIONS[inner], str(loc[2])
    return f"{first}.{loc[1]}", SECTIONS[first], str(loc[1])
