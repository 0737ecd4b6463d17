"""Where the values of a config come from: the line of every key of a YAML file, and what the command line sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ..errors import ConfigError

_WEIGHT_FILES = (".pt", ".pth", ".safetensors")


@dataclass
class Source:
    """Raw values and where each was written.

    Attributes:
        file: the YAML file, or None.
        raw: its values, with what was set over them.
        lines: line of each key path ("fit.epochs", "labels.0"), from 1.
        given: key paths that the command line set, and by which flag.
    """

    file: Path | None = None
    raw: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)

    def where(self, key: str) -> str:
        """``file:line`` of a key path or of the nearest one above it; the flag where the command line set it."""
        while key:
            if key in self.given:
                return self.given[key]
            if key in self.lines:
                return f"{self.file}:{self.lines[key]}"
            key = key.rpartition(".")[0]
        return str(self.file) if self.file else "command line"

    def line(self, key: str) -> float:
        """The line of a key path, for sorting; what the command line set comes last."""
        return float("inf") if key in self.given else self.lines.get(key, 0)

    def where_entry(self, entry: int | None) -> str:
        """Where an entry of `labels` stands, by its number from 1; where `labels` stands for None."""
        return self.where("labels" if entry is None else f"labels.{entry - 1}")

    def get(self, key: str, default: Any = None) -> Any:
        """The raw value of a key path."""
        value: Any = self.raw
        for name in key.split("."):
            if not isinstance(value, dict) or name not in value:
                return default
            value = value[name]
        return value

    def set(self, key: str, value: Any, flag: str) -> None:
        """Put a value over what the file says.

        Raises:
            ConfigError: the key path leads through a value that is not a mapping.
        """
        *above, name = key.split(".")
        section = self.raw
        for part in above:
            inner = section.get(part)
            inner = {} if inner is None else inner
            if not isinstance(inner, dict):
                raise ConfigError(f"{flag}: {part} is {inner!r} and has no keys; set {part} as a whole")
            section[part] = inner
            section = inner
        section[name] = value
        self.given = {k: v for k, v in self.given.items() if not k.startswith(f"{key}.")} | {key: flag}

    def resolve_paths(self, keys: Sequence[str], maybe: Sequence[str]) -> dict[str, Any]:
        """The raw values with absolute paths: relative to the file's folder, or to the current one where set by a flag.

        `maybe` are keys whose text may be the name of something instead.
        """
        # a section whose keys are all commented out is empty, which YAML reads as null
        raw = {key: value for key, value in deepcopy(self.raw).items() if value is not None}
        for key in (*keys, *maybe):
            *above, name = key.split(".")
            section: Any = raw
            for part in above:
                section = section.get(part) if isinstance(section, dict) else None
            if not isinstance(section, dict) or not isinstance(section.get(name), str):
                continue
            folder = self.file.parent if self.file is not None and key not in self.given else Path()
            path = (folder / Path(section[name]).expanduser()).absolute()
            file, sign, value = section[name].rpartition("=")  # of a split: the held-out value of a table
            if key in keys or path.suffix in _WEIGHT_FILES or path.exists():
                section[name] = str(path)
            elif sign and (folder / Path(file.strip())).is_file():
                section[name] = f"{(folder / Path(file.strip())).absolute()}={value}"
        return raw


def read_source(path: Path) -> Source:
    """Read a YAML file.

    Raises:
        ConfigError: no such file, no YAML, or a key that stands in it twice.
    """
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder, but a config file is expected; for a folder of images give --images {path}")
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give the path of a YAML config") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text; give the path of a YAML config") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigError(f"{where}: not valid YAML: {getattr(error, 'problem', None) or error}") from error
    if raw is None:
        return Source(path)
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}:1: expected sections such as data, model and fit, not {type(raw).__name__}")
    lines: dict[str, int] = {}
    for key, line in _lines(node, ""):
        if key in lines:
            raise ConfigError(f"{path}:{line}: {key} is given twice, first in line {lines[key]}; remove one")
        lines[key] = line
    return Source(path, raw, lines)


def _lines(node: Any, above: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            key = f"{above}{name.value}"
            yield key, name.start_mark.line + 1
            yield from _lines(value, f"{key}.")
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield f"{above}{number}", value.start_mark.line + 1
            yield from _lines(value, f"{above}{number}.")


def parse_overrides(overrides: Sequence[str]) -> list[tuple[str, Any]]:
    """Read ``"a.b=value"``, the value being YAML.

    Raises:
        ConfigError: no ``=``, no key, or a value that is not valid YAML.
    """
    parsed: list[tuple[str, Any]] = []
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {override}: expected KEY=VALUE, for example --set fit.epochs=5")
        try:
            parsed.append((key.strip(), yaml.safe_load(text)))
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {override}: {text!r} is not valid YAML; put quotes around it") from error
    return parsed
