"""The folder of a fit: where it is begun, kept from other fits, and resumed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, RunError
from ..locking import LOCK, holding
from ..words import quoted
from ..writing import clear_leftovers, is_leftover, write_text
from .configs import make_config
from .interrupt import advise
from .output import Output, UsageError

if TYPE_CHECKING:
    from ..config import Config
    from ..inputs import Inputs

# what may differ when a fit is resumed: all else would make it another fit
_FREE_TO_CHANGE = {"fit.epochs", "fit.patience", "fit.accelerator", "fit.devices", "fit.strategy", "fit.workers", "data.strict"}


def new_fit(path: Path | None, given: dict[str, Any], out: Path | None, first: bool) -> tuple[Config, Path]:
    """The config and the folder of a fit that is to begin.

    Args:
        path: the config file, if there is one.
        given: what the command line sets, as for `make_config`.
        out: the folder, if it is named.
        first: whether this process is the first of the fit.

    Raises:
        UsageError: a folder that holds something.
    """
    config = make_config(path, **given)
    begin = None if given["begin"] is None else given["begin"].resolve()
    name = (
        path.stem
        if path is not None
        else begin.name
        if begin is not None
        else (config.data.images or config.data.embeddings or Path("run")).stem
    )
    name = re.sub(r"[*?{}\[\]]+", "", name).rstrip("-_.") or "run"  # of a pattern of shards what is the same in all
    folder = out if out is not None else Path("runs") / name
    if begin is not None and out is None:  # beside the run that it begins with
        folder = next(new for n in range(2, 10_000) if not (new := begin.with_name(f"{name}-{n}")).exists())
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder}: is a file; give the name of a new folder")
    if first and not (folder / LOCK).exists():  # else the lock says first who is there
        _check_empty(folder)
    return config, folder


def _check_empty(folder: Path) -> None:
    """Refuse a folder that is not empty; remains of a process killed before its fit began do not count."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    if not any(name for name in names if not (name in (LOCK, "checkpoints") or is_leftover(name))) and not _is_begun(folder):
        return
    other = next(new for n in range(2, 10_000) if not (new := folder.with_name(f"{folder.name}-{n}")).exists())
    resume = ", or --resume to continue the fit in it" if _is_begun(folder) else ""
    raise UsageError(
        f"--out {folder}: folder is not empty and is never overwritten; give another one (--out {quoted(other)}){resume}"
    )


def _is_begun(folder: Path) -> bool:
    """Whether a fit was begun there, so that --resume can continue it."""
    checkpoints = folder / "checkpoints"
    return (checkpoints / "config.yaml").exists() or ((folder / "config.yaml").exists() and checkpoints.exists())


@contextmanager
def holding_folder(folder: Path, resume: bool, output: Output) -> Iterator[None]:
    """Keep other fits out of a folder; one that fails before its first epoch leaves nothing, which would be in the way."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with holding(folder, "fitting", output.note):
            for part in (folder, folder / "checkpoints"):
                clear_leftovers(part)
            if not resume:
                _check_empty(folder)  # another fit may have come between
            try:
                yield
            except Exception:
                _remove_begun(folder)
                raise
    finally:
        for path in made:
            with suppress(OSError):  # it holds something
                path.rmdir()


def _remove_begun(folder: Path) -> None:
    """Remove the files of a fit without a finished epoch."""
    checkpoints = folder / "checkpoints"
    if not (checkpoints / "last.json").exists() and checkpoints.exists():
        (checkpoints / "config.yaml").unlink(missing_ok=True)
        with suppress(OSError):
            checkpoints.rmdir()


@contextmanager
def begun_fit(folder: Path, config: Config, inputs: Inputs) -> Iterator[None]:
    """Write down what is fitted, before training, so that an interrupted fit can be resumed by its folder alone.

    Raises:
        RunError: a fit was begun there on other data; its files stay as they were.
    """
    from ..fitting.identity import OtherFitError

    stored = folder / "checkpoints" / "config.yaml"
    stored.parent.mkdir(exist_ok=True)
    before = stored.read_text(encoding="utf-8") if stored.exists() else None
    assert inputs.observed is not None  # the training data of a config have labels
    config.model_copy(update={"labels": inputs.observed.space.to_config()}).write(stored)
    advise(f"to resume, run the same command with --resume, or: latentlabels fit --resume --out {quoted(folder)}")
    try:
        yield
    except OtherFitError as error:
        if before is not None:
            write_text(stored, before)
        found = "; ".join(
            f"the {what}: {then or 'none'} then, {now or 'none'} now" for what, (then, now) in error.differing.items()
        )
        raise RunError(
            f"--resume: the fit in {folder} was started on other data ({found}). Restore those data to resume it, or start a "
            "new fit: leave out --resume and give another --out"
        ) from None


def resumed_fit(path: Path | None, given: dict[str, Any], out: Path | None) -> tuple[Config, Path]:
    """The config of an interrupted fit; options that are given again must agree with it."""
    from ..fitting.run_folder import begun_config

    if out is None and path is None:
        raise UsageError("--resume: no run folder given; name the fit to resume with --out RUN")
    folder = out if out is not None else Path("runs") / (path.stem if path is not None else "")
    if not _is_begun(folder):
        raise UsageError(f"--resume: no interrupted fit in {folder}; leave out --resume to start one")
    stored = begun_config(folder)
    if path is None and given["images"] is None and given["embeddings"] is None and given["begin"] is None:
        return make_config(stored, **given), folder
    config, before = make_config(path, **given), make_config(stored)
    new, old = _flat(config.resolved()), _flat(before.resolved())
    if config.labels is None:
        new["labels"] = old["labels"]  # the folder's own labels, which the stored config spells out
    elif (space := config.space()) is not None:
        new["labels"] = space.to_config()
    differing = [key for key in sorted({*new, *old}) if new.get(key) != old.get(key) and key not in _FREE_TO_CHANGE]
    if differing:
        key = differing[0]
        raise ConfigError(
            f"{config.where(key)}: {key} is {new.get(key)!r}, but {old.get(key)!r} in {stored}; --resume continues the same "
            f"fit ({', '.join(sorted(_FREE_TO_CHANGE))} may differ); give another --out to start a new one"
        )
    return config.model_copy(update={"labels": before.labels}), folder


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for section, value in config.items():
        flat |= {f"{section}.{key}": item for key, item in value.items()} if isinstance(value, dict) else {section: value}
    return flat
