"""`latentlabels embed`: compute the features of images once, so that fits, predictions and reports find them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConfigError, DataError, ObservationError, nearest
from ..progress import Phase, Plan, following, phase
from ..words import count, quoted
from . import options
from .configs import config_of, explained
from .interrupt import advise
from .label_options import reads_labels
from .output import Debug, Json, Output, Strict, UsageError, show_facts

if TYPE_CHECKING:
    from rich.console import Console

    from ..config import Config
    from ..inputs import Inputs, Wanted

_ENDINGS = (".npz", ".npy")


@reads_labels()
def embed(
    reading: dict[str, Any],
    source: Annotated[
        Path,
        typer.Argument(metavar="CONFIG|DIR", help="A config, a run folder, a folder of images, or a file with images inside."),
    ],
    labels: options.Labels = None,
    observed: options.Table = None,
    overrides: options.Overrides = None,
    output_file: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Also write the features to a file: .npz, with the images' names and known labels, or .npy.",
        ),
    ] = None,
    strict: Strict = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Compute the features of images and keep them on disk, so that later commands find them.

    For example: latentlabels embed photos/ --set model.encoder=lite0 -o photos.npz

    Files that have not changed since their features were computed are not read again. If the command is
    interrupted, run it again to continue.
    """
    with Output(as_json) as output:
        _check_target(output_file)
        config = _frozen(config_of(source, labels, observed, reading, overrides))
        wanted = _wanted(config)
        advise("features that were computed are kept; run the same command again to continue")
        assert wanted.features is not None
        before, begun = wanted.features.computed, time.perf_counter()
        with following(Plan({Phase.READING: 1.0, Phase.FEATURES: 1.0})), phase(Phase.READING, "reading the data"):
            inputs = _read(config, wanted, output, strict, alone=not (labels or observed or reading))
        computed, seconds = wanted.features.computed - before, time.perf_counter() - begun
        if output_file is not None:
            from ..features.npz import write_embeddings

            write_embeddings(output_file, inputs, _names(inputs, source))
        document = _document(config, inputs, computed, seconds) | {"source": source, "output": output_file}
        output.emit(document, lambda console: _show(console, document))


def _check_target(path: Path | None) -> None:
    """Refuse a file that cannot be written, before anything is computed.

    Raises:
        UsageError: an unknown ending, or no such folder.
    """
    if path is None:
        return
    if path.suffix.lower() not in _ENDINGS:
        known = ", ".join(_ENDINGS)
        raise UsageError(f'{path}: unknown file ending "{path.suffix}"{nearest(path.suffix, _ENDINGS)} (known: {known})')
    if not path.parent.is_dir():
        raise UsageError(f"{path}: folder {path.parent} not found; create it first")


def _frozen(config: Config) -> Config:
    """The same config with an encoder that is not trained."""
    if config.data.embeddings is not None:
        raise UsageError(f"{config.data.embeddings}: holds embeddings already; give a folder of images")
    return config.model_copy(update={"model": config.model.model_copy(update={"frozen": True})})


def _wanted(config: Config) -> Wanted:
    """What the encoder takes.

    Raises:
        ConfigError: an encoder without weights.
    """
    from ..fitting.settling import settle, wanted_by

    with explained(config):
        wanted = wanted_by(config.model, config.fit)
        if wanted.features is None:
            name = settle(config.model, config.fit.accelerator)[0].encoder
            raise ConfigError(
                f'the encoder "{name}" has random weights, so that its features say little; give --set '
                "model.weights=DEFAULT or a file, or an encoder with published weights",
                key="model.weights",
            )
    return wanted


def _read(config: Config, wanted: Wanted, output: Output, strict: bool, alone: bool) -> Inputs:
    """The images with their features, and their known labels where there are any.

    Args:
        config: what it is about.
        wanted: what the encoder takes.
        output: where notes go.
        strict: whether an image that cannot be read is an error.
        alone: whether nothing was said about labels: then a folder without any is as good.
    """
    from ..fitting.training_data import training_inputs
    from ..inputs import Reading, read_inputs

    how = Reading(unreadable="error" if strict else "warn", white=config.data.white)
    try:
        with explained(config):
            return training_inputs(config, wanted, how)
    except (DataError, ObservationError, UsageError) as error:
        if not alone or config.data.observed is not None or config.data.images is None:
            raise
        reason = str(error)
    inputs = read_inputs(config.data.images, space=None, wanted=wanted, how=how)
    output.note(f"note: without known labels, because none were found: {reason.splitlines()[0]}")
    return inputs


def _names(inputs: Inputs, source: Path) -> tuple[str, ...]:
    """Names for a file of embeddings: those of the table, or relative to the folder that was given."""
    if inputs.observed is not None and inputs.observed.images is not None:
        return inputs.observed.images
    folder = f"{source}/"
    return tuple(name.removeprefix(folder) for name in inputs.names)


def _document(config: Config, inputs: Inputs, computed: int, seconds: float) -> dict[str, Any]:
    import torch

    from ..features import cache_folder
    from ..fitting.settling import settle

    assert inputs.size is not None
    settled, why = settle(config.model, config.fit.accelerator)
    return {
        "encoder": settled.encoder,
        "weights": settled.weights,
        "why": why,
        "size": list(inputs.size),
        "numbers": int(inputs.items.inputs(torch.arange(min(1, len(inputs)))).shape[1]),
        "num_images": len(inputs),
        "computed": computed,
        "seconds": seconds,
        "images_per_second": computed / seconds,
        "labelled": inputs.observed is not None,
        "unreadable": [image.name for image in inputs.left_out],
        "cache": cache_folder(config.fit.cache),
        "key": inputs.encoded_by,
    }


def _show(console: Console, found: dict[str, Any]) -> None:
    height, width = found["size"]
    there = max(found["num_images"] - found["computed"], 0)
    bad = found["unreadable"]
    images = f"{found['num_images']:,}" + (f"; {len(bad):,} more could not be read and were left out" if bad else "")
    computed = f"{found['computed']:,} in {found['seconds']:.1f} s"
    rows = [
        ("encoder", f"{found['encoder']}, {height} x {width} pixels, {found['numbers']:,} numbers for each image"),
        ("images", images),
        ("computed", f"{computed} ({found['images_per_second']:,.0f} images/s)" if found["computed"] else "none"),
        ("there already", f"{there:,}"),
        ("cache", "none (fit.cache)" if found["cache"] is None else f"{found['cache']}"),
    ]
    if found["output"] is not None:
        rows.append(("written", f"{found['output']}, {count(found['num_images'], 'image')}"))
    show_facts(console, rows)
    if found["output"] is not None and found["labelled"]:
        console.print(f"\nnext: latentlabels fit --embeddings {quoted(found['output'])}")
