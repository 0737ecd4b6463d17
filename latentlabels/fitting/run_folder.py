"""The run folder: what a fit leaves behind, written whole and read without executing anything; see docs/run-folder.md."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as pack
from torch import Tensor

from ..decisions import Decisions
from ..decisions.decisions import FILE as DECISIONS
from ..errors import RunError
from ..observed.known_table import KnownTable
from ..space import LabelSpace
from ..words import quoted
from ..writing import clear_leftovers, write_bytes, write_json, write_text

FORMAT = 2
"""Of the folder. 1: version 0.1, without a manifest. 2: `manifest.json` is written last."""
MANIFEST, CONFIG, WEIGHTS, CHECKPOINTS = "manifest.json", "config.yaml", "weights.safetensors", "checkpoints"
_NEEDED = (CONFIG, "labels.json", WEIGHTS, "environment.json")
_LISTED = (*_NEEDED, "metrics.jsonl", "diagnostics.json")
_SECTIONS = ("data", "labels", "annotation", "model", "fit")
_PACKAGES = ("latentlabels", "torch", "torchvision", "pyro-ppl", "lightning", "numpy")


@dataclass(frozen=True)
class Run:
    """The contents of a run folder.

    Attributes:
        config: sections `annotation`, `model` and `fit`, resolved; `data` too, where a command made the fit.
        space: the label space.
        weights: the state_dict of the Pyro model.
        history: a dict per epoch.
        environment: versions, seed, a hash of the data, the format of the folder.
        diagnostics: what the fit reports; see `LatentLabels.diagnostics_`.
        decisions: what it decides by; None of a run that is older than that.
    """

    config: dict[str, Any]
    space: LabelSpace
    weights: dict[str, Tensor]
    history: list[dict[str, Any]]
    environment: dict[str, Any]
    diagnostics: dict[str, Any]
    decisions: Decisions | None = None


def write_run(folder: str | Path, run: Run) -> Path:
    """Write a run folder; existing files of the same names are replaced.

    `environment.json` comes first and says that there is a manifest; `manifest.json` comes last. A process that is killed in
    between leaves a folder that `read_run` refuses, naming the files that are missing or do not belong together.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    clear_leftovers(folder)
    labels = run.space.to_config()
    sections = {**run.config, "labels": labels}
    config = {key: sections[key] for key in (*_SECTIONS, *sections) if key in sections}
    write_json(folder / "environment.json", {**run.environment, "decisions": run.decisions is not None})
    write_json(folder / "labels.json", {"labels": labels})
    write_bytes(folder / WEIGHTS, pack({key: value.detach().cpu().contiguous() for key, value in run.weights.items()}))
    write_text(folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in run.history))
    write_json(folder / "diagnostics.json", run.diagnostics)
    write_text(folder / CONFIG, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    if run.decisions is not None:
        write_decisions(folder, run.decisions)
    write_manifest(folder)
    return folder


def write_decisions(folder: str | Path, decisions: Decisions) -> None:
    """Replace what a run decides by, in one step: a process that is killed leaves the old decisions or the new ones."""
    folder = Path(folder)
    write_bytes(folder / DECISIONS, decisions.to_bytes(_hash(folder / WEIGHTS)))


def write_manifest(folder: str | Path) -> None:
    """Write `manifest.json`: the sizes and hashes of the files of a run as they are now."""
    folder = Path(folder)
    files = {name: {"size": (folder / name).stat().st_size, "sha256": _hash(folder / name)} for name in _LISTED}
    write_json(folder / MANIFEST, {"format": FORMAT, "files": files})


def read_run(folder: str | Path, *, unfinished: bool = False) -> Run:
    """Read a run folder, and see that each of its files is the one that was written.

    Args:
        folder: where it is.
        unfinished: take what an interrupted fit left as well, without weights and diagnostics.

    Raises:
        RunError: no run folder, a fit that was not finished, a file that is missing or damaged, or a later format.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(f"{folder}: run folder not found; create one with `latentlabels fit ... --out {quoted(folder)}`")
    if is_unfinished(folder):
        if unfinished:
            return _unfinished(folder)
        raise RunError(f"{folder}: its fit is not finished; resume it with `latentlabels fit --resume --out {quoted(folder)}`")
    missing = [name for name in _NEEDED if not (folder / name).exists()]
    if missing:
        raise RunError(f"{folder}: not a complete run folder: {', '.join(missing)} missing; fit again with --out")
    try:
        environment = _environment(folder)
        _check_format(environment, folder)
        _check_files(environment, folder)
        config = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
        weights = load_file(folder / WEIGHTS)
        history = _lines(folder / "metrics.jsonl")
        diagnostics = _lines(folder / "diagnostics.json", whole=True)
        decisions = _decisions(folder, environment)
        for what in (config, diagnostics, *history):
            if not isinstance(what, dict):
                raise ValueError(f"expected names and values, not {str(what)[:40]!r}")
    except (ValueError, yaml.YAMLError, SafetensorError, OSError) as error:
        raise RunError(f"{folder}: damaged ({error}); fit again, or restore the folder") from error
    space = LabelSpace.read(folder / "labels.json")
    return Run(config, space, weights, history, environment, diagnostics, decisions)


def is_unfinished(folder: Path) -> bool:
    """Whether a fit was begun here and has not written its run to the end."""
    if not (folder / CHECKPOINTS).is_dir():
        return False
    if not (folder / WEIGHTS).exists():
        return True
    return not (folder / MANIFEST).exists() and (_format(folder) or 0) >= 2


def begun_config(folder: str | Path) -> Path:
    """The config that a fit was begun with: in `checkpoints`, or where version 0.1 put it."""
    begun = Path(folder) / CHECKPOINTS / CONFIG
    return begun if begun.exists() else Path(folder) / CONFIG


def _format(folder: Path) -> int | None:
    try:
        return int(json.loads((folder / "environment.json").read_text(encoding="utf-8"))["format"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _environment(folder: Path) -> Any:
    try:
        return json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"environment.json cannot be read: {error}") from error


def _decisions(folder: Path, environment: dict[str, Any]) -> Decisions | None:
    """What a run decides by; None of an older run, unless it was calibrated later."""
    if (folder / DECISIONS).exists():
        return Decisions.read(folder / DECISIONS, _hash(folder / WEIGHTS))
    if environment.get("decisions"):
        raise ValueError(f"{DECISIONS} is missing")
    return None


def _check_format(environment: Any, folder: Path) -> None:
    if not isinstance(environment, dict):
        raise ValueError(f"environment.json: expected names and values, not {str(environment)[:40]!r}")
    if environment.get("format", 0) > FORMAT:
        raise RunError(
            f"{folder}: written by version {environment.get('versions', {}).get('latentlabels')}, in a format that this "
            "version cannot read; install that version or a later one"
        )


def _check_files(environment: dict[str, Any], folder: Path) -> None:
    """Compare the files with the manifest, which runs of version 0.1 lack.

    Raises:
        ValueError: what is missing, of another size, or changed.
    """
    path = folder / MANIFEST
    if not path.exists():
        if environment.get("format", 0) < 2:
            return
        raise ValueError(f"{MANIFEST} is missing: the run was not written completely")
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        stated = {str(name): (int(found["size"]), str(found["sha256"])) for name, found in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{MANIFEST} holds no sizes and hashes of files") from None
    wrong = [problem for name, (size, digest) in stated.items() if (problem := _problem(folder / name, size, digest))]
    if wrong:
        raise ValueError("; ".join(wrong))


def _problem(path: Path, size: int, digest: str) -> str:
    """What is wrong with a file that had this size and hash; "" if nothing is."""
    if not path.exists():
        return f"{path.name} is missing"
    found = path.stat().st_size
    if found != size:
        return f"{path.name} has {found:,} bytes, but had {size:,} when it was written"
    return f"{path.name} has changed since it was written" if _hash(path) != digest else ""


def hash_of_weights(folder: str | Path) -> str:
    """Of a run's weights: what was found with other weights is out of date.

    Raises:
        RunError: a folder without weights.
    """
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise RunError(f"{folder}: not a complete run folder: {WEIGHTS} missing; fit again with --out")
    return _hash(path)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unfinished(folder: Path) -> Run:
    """What a fit has written before it was interrupted: its config, and the epochs that it finished."""
    try:
        config = yaml.safe_load(begun_config(folder).read_text(encoding="utf-8"))
        history = _lines(folder / CHECKPOINTS / "last.json", whole=True) or []
        space = LabelSpace.from_config(config["labels"])
        if not isinstance(history, list) or not all(isinstance(row, dict) for row in history):
            raise ValueError("checkpoints/last.json holds no epochs")
    except (ValueError, KeyError, TypeError, yaml.YAMLError, OSError) as error:
        raise RunError(f"{folder}: the interrupted fit is damaged ({error}); fit again") from error
    return Run(config, space, {}, history, {}, {})


def environment(seed: int, data_hash: str) -> dict[str, Any]:
    """What a fit ran on."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {"format": FORMAT, "versions": versions, "seed": seed, "data_hash": data_hash, "platform": platform.platform()}


def hash_data(known: KnownTable, images: tuple[str, ...] | None) -> str:
    """A hash of the known labels and the images' names; equal data give equal hashes, however they are kept."""
    digest = known.hashed()
    digest.update("\n".join(images or ()).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def hash_names(images: tuple[str, ...]) -> str:
    """A hash of the images' names, by which a fit knows the images of an earlier one."""
    return hashlib.sha256("\n".join(images).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _lines(path: Path, whole: bool = False) -> Any:
    if not path.exists():
        return {} if whole else []
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if whole else [json.loads(line) for line in text.splitlines() if line.strip()]
