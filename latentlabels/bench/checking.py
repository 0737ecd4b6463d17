"""Whether a config says what a comparison needs, and whether its labels are complete."""

from __future__ import annotations

from pathlib import Path

from ..config import BenchConfig, Config
from ..errors import ConfigError, DataError
from ..observed import Observed


def bench_of(config: Config) -> BenchConfig:
    """Its `bench` section.

    Raises:
        ConfigError: it has none.
    """
    if config.bench is None:
        raise ConfigError(f"{config.where('bench')}: bench: missing; say what is compared, and on what")
    return config.bench


def check_bench(config: Config) -> None:
    """Check that the `bench` section goes with the rest of a config.

    Raises:
        ConfigError: it does not, or it names files that are not there; the key is named.
    """
    bench = bench_of(config)
    if config.fit.held_out == 0:
        raise ConfigError(
            f"{config.where('fit.held_out')}: fit.held_out: 0 leaves nothing to choose epoch and learning rate on; give a share"
        )
    paths: dict[str, Path | None] = {"bench.truth": bench.truth}
    if bench.test is not None:
        paths |= {f"bench.test.{name}": getattr(bench.test, name) for name in ("embeddings", "images", "truth")}
        if (bench.test.embeddings is None) == (bench.test.images is None):
            raise ConfigError(f"{config.where('bench.test')}: bench.test: give embeddings, or images and truth")
        for name, other in (("embeddings", "images"), ("images", "embeddings")):
            if getattr(bench.test, name) is not None and getattr(config.data, name) is None:
                raise ConfigError(
                    f"{config.where(f'bench.test.{name}')}: bench.test.{name}: but the training data are {other}; "
                    f"give bench.test.{other}"
                )
        if bench.test.images is not None and bench.test.truth is None:
            raise ConfigError(f"{config.where('bench.test')}: bench.test.truth: missing; give the table of complete labels")
    for key, path in paths.items():
        if path is not None and not path.exists():
            raise ConfigError(f"{config.where(key)}: {key}: {path} not found")
    if bench.make is not None:
        _check_made(config)


def _check_made(config: Config) -> None:
    """Scenes that are made bring their own labels and test part."""
    bench, data = bench_of(config), config.data
    for key, value in {
        "data.embeddings": data.embeddings,
        "data.observed": data.observed,
        "labels": config.labels,
        "bench.truth": bench.truth,
        "bench.test": bench.test,
    }.items():
        if value is not None:
            raise ConfigError(
                f"{config.where(key)}: {key}: bench.make: {bench.make} makes its own from images; leave {key} out"
            )
    if bench.make == "class-and-colour" and data.images is None:
        raise ConfigError(
            f"{config.where('bench.make')}: bench.make: class-and-colour takes a folder with one folder of images for each "
            "class; give data.images"
        )


def check_complete(known: Observed, source: Path) -> None:
    """Refuse labels that are partly unknown.

    Raises:
        DataError: the first one is named.
    """
    unknown = int((known.space.num_labels - known.num_known).sum())
    if unknown:
        row = int((known.num_known < known.space.num_labels).argmax())
        column = int((known.known.rows([row])[0] == -1).argmax())
        name = known.images[row] if known.images is not None else f"row {row}"
        raise DataError(
            f'{source}: not complete: {name}: label "{known.space.labels[column]}" is unknown ({unknown:,} such '
            "entries); every label of every image is needed; if what the table leaves open is absent, say unlisted: absent"
        )


# --- training part --------------------------------------------------------------------------------------
