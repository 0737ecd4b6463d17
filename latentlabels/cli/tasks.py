"""From a config to what `bench` compares on: known labels, complete ones, and a part to measure on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, DataError
from ..words import count
from .output import UsageError
from .sources import explained, load_training, match_names, read_table, rows_of, stored_observed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..annotation import Annotation
    from ..bench import Task
    from ..config import BenchConfig, Config
    from ..observed import Observed
    from ..space import LabelSpace

_SPLIT = 0  # the seed of what is hidden and of the test part: the same data for every seed of a fit


@dataclass(frozen=True)
class Part:
    """Inputs with labels: to train on, or to measure on.

    Attributes:
        inputs: image files, embeddings (N, D), or pixels (N, 3, H, W).
        space: of the columns.
        observed: (N, K) int8 of 1, 0, -1, or None where all that is known is complete.
        truth: (N, K) int8 complete labels, or None.
        names: N names, or None.
    """

    inputs: Any
    space: LabelSpace
    observed: NDArray[np.int8] | None
    truth: NDArray[np.int8] | None
    names: tuple[str, ...] | None

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Part:
        """Some of the rows."""
        inputs = [self.inputs[row] for row in rows] if isinstance(self.inputs, list) else self.inputs[rows]
        observed, truth = (None if values is None else values[rows] for values in (self.observed, self.truth))
        names = None if self.names is None else tuple(self.names[row] for row in rows)
        return Part(inputs, self.space, observed, truth, names)


def read_bench_config(path: Path | None, overrides: Sequence[str], flags: Mapping[str, Any]) -> Config:
    """A config with a `bench` section, checked.

    Raises:
        UsageError: neither a config nor data.
        ConfigError, LabelSpaceError: what is wrong in it, with file, line and key, or the flag.
    """
    from ..config import BenchConfig, read_config

    if path is None and flags.get("data.images") is None and flags.get("bench.make") is None:
        raise UsageError("nothing to compare on: give a CONFIG (YAML), or --make mosaic, or --images DIR with --make KIND")
    texts = {key: str(value) if isinstance(value, Path) else value for key, value in flags.items()}
    config = read_config(path, overrides, texts)
    if config.bench is None:
        config = _with_bench(config, BenchConfig())
    if bench_of(config).make is None or config.data.images is not None:
        config.check_files()
    _check_bench(config)
    return config


def _with_bench(config: Config, bench: BenchConfig) -> Config:
    changed = config.model_copy(update={"bench": bench})
    changed._source = config._source
    return changed


def bench_of(config: Config) -> BenchConfig:
    """Its `bench` section, which `read_bench_config` has seen to."""
    assert config.bench is not None
    return config.bench


def _check_bench(config: Config) -> None:
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
            raise ConfigError(f"{config.where(key)}: {key}: {path} does not exist")
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


def load_task(config: Config, name: str) -> Task:
    """Read what a config names: training data, test part, annotation.

    Raises:
        ConfigError: sections that do not go together, with the key.
        DataError, ObservationError: what is in the files cannot be used.
    """
    from ..annotation import from_config
    from ..bench import Task

    part, test = _scenes(config) if bench_of(config).make == "mosaic" else _split(config, _training(config))
    source = _source(config)
    if part.observed is None:
        part, annotation = _hidden(config, part)
        source += f"; labels hidden: {_how(config)}"
    else:
        with explained(config):
            annotation = from_config(config.annotation.model_dump(), part.space)
    if part.observed is None or not (part.observed != -1).any():
        raise DataError(f"{source}: no label of any image is known: nothing can be learned")
    model = {key: value for key, value in _model(config).items() if key not in ("objective", "start")}
    fit = {key: value for key, value in config.fit.model_dump().items() if key not in ("seed", "learning_rate", "stop")}
    part, test, model = _decoded(part, test, model)
    assert part.observed is not None
    assert test.truth is not None
    return Task(
        name, part.space, annotation, part.inputs, part.observed, part.truth, test.inputs, test.truth, model, fit, source
    )


def _source(config: Config) -> str:
    data, made = config.data, bench_of(config).make
    read = str(data.embeddings or data.images or "Fashion-MNIST")
    return read if made is None else f"{made} of {read}"


def _how(config: Config) -> str | float:
    """How labels are hidden; what is made has complete labels, of which some have to be."""
    bench = bench_of(config)
    return "uniform" if bench.hide == "none" and bench.make is not None else bench.hide


def _model(config: Config) -> dict[str, Any]:
    """The `model` section; for pictures that were made a small network, unless another one is named."""
    model = config.model.model_dump()
    if bench_of(config).make is not None:
        small = {"encoder": "tiny", "image_size": 64}
        model |= {key: value for key, value in small.items() if key not in config.model.model_fields_set}
    return model


# --- training part --------------------------------------------------------------------------------------


def _training(config: Config) -> Part:
    bench = bench_of(config)
    if bench.make is not None:
        from ..datasets.class_and_colour import class_and_colour

        assert config.data.images is not None  # _check_made has seen to it
        made = class_and_colour(config.data.images)
        return Part(list(made.images), made.space, None, made.truth, None)
    if bench.hide != "none":
        return _complete(config)
    training = load_training(config)
    observed, truth = training.observed, training.truth
    if bench.truth is not None:
        truth = _aligned(config, bench.truth, observed)
    elif truth is not None and (truth == -1).any():
        truth = None  # not complete: no oracle's
    return Part(training.inputs, observed.space, observed.values, truth, observed.images)


def _scenes(config: Config) -> tuple[Part, Part]:
    """Scenes to train on, and a third as many of other objects to measure on."""
    from ..datasets.mosaics import mosaic_scenes

    number = bench_of(config).scenes
    made = [
        mosaic_scenes(config.data.images, size, _SPLIT, split=split)
        for split, size in (("train", number), ("test", number // 3))
    ]
    train, test = (Part(scenes.images, scenes.space, None, scenes.truth, None) for scenes in made)
    return train, test


def _complete(config: Config) -> Part:
    """Inputs of which all labels are known, to be hidden."""
    from ..inputs.images import load_embeddings
    from ..space import LabelSpace

    data, bench, space = config.data, bench_of(config), config.space()
    table = bench.truth or data.observed
    if data.embeddings is not None:
        found = load_embeddings(data.embeddings)
        if table is not None:
            known = read_table(table, space, data.unlisted, strict=data.strict)
            inputs = found["embeddings"][rows_of(known, found, data.embeddings, table)]
        else:
            if found["truth"] is None:
                raise ConfigError(
                    f"{config.where('bench.hide')}: bench.hide: hides labels of images whose labels are all known, and "
                    f"{data.embeddings} holds no array `truth`; give bench.truth, a table"
                )
            if space is None:
                if found["labels"] is None:
                    raise UsageError(
                        f"{data.embeddings}: no array `labels`, so that its labels have no names; give a `labels` section"
                    )
                space = LabelSpace.free(str(label) for label in found["labels"])
            known, inputs = stored_observed(found, space, data.embeddings, "truth"), found["embeddings"]
        where = table or data.embeddings
    else:
        assert data.images is not None  # check_files has seen to it
        if table is None:
            raise ConfigError(
                f"{config.where('bench.hide')}: bench.hide: hides labels of images whose labels are all known; "
                "give bench.truth, a table of them"
            )
        known = read_table(table, space, data.unlisted, data.images, data.strict)
        inputs, where = [data.images / name for name in known.images or ()], table
    check_complete(known, where)
    return Part(inputs, known.space, None, known.values, known.images)


def check_complete(known: Observed, source: Path) -> None:
    """Refuse labels of which some are unknown.

    Raises:
        DataError: the first one is named.
    """
    import numpy as np

    unknown = np.argwhere(known.values == -1)
    if len(unknown):
        row, column = (int(at) for at in unknown[0])
        name = known.images[row] if known.images is not None else f"row {row}"
        raise DataError(
            f'{source}: not complete: {name}: label "{known.space.labels[column]}" is unknown ({len(unknown):,} such '
            "entries); every label of every image is needed; if what the table leaves open is absent, say unlisted: absent"
        )


def _aligned(config: Config, table: Path, observed: Observed) -> NDArray[np.int8]:
    """The complete labels of a table in the order of the training images."""
    complete = read_table(table, observed.space, config.data.unlisted)
    check_complete(complete, table)
    if observed.images is None or complete.images is None:
        if len(complete) != len(observed):
            raise DataError(
                f"{table}: {len(complete):,} rows for {len(observed):,} training inputs without names; give one for each"
            )
        return complete.values
    rows = match_names(observed.images, complete.images)
    lost = [name for name, row in zip(observed.images, rows, strict=True) if row is None]
    if lost:
        raise DataError(f"{table}: no complete labels of {len(lost):,} of the training images (the first is {lost[0]})")
    return complete.values[[row for row in rows if row is not None]]


# --- test part ------------------------------------------------------------------------------------------


def _split(config: Config, part: Part) -> tuple[Part, Part]:
    """The training part, and what to measure on: what the config names, or a share of the training part."""
    import numpy as np

    bench = bench_of(config)
    if bench.test is not None:
        return part, _test(config, part.space)
    if part.truth is None:
        raise ConfigError(
            f"{config.where('bench')}: bench.test: nothing to measure on; give bench.test, images or embeddings with "
            "complete labels"
        )
    order = np.random.default_rng(_SPLIT).permutation(len(part.truth))
    size = round(bench.test_share * len(order))
    if not 1 <= size <= len(order) - 2:
        raise ConfigError(
            f"{config.where('bench.test_share')}: bench.test_share: {bench.test_share:g} of {count(len(order), 'image')} "
            "leaves nothing to measure on, or too few to train on"
        )
    return part.take(np.sort(order[size:])), part.take(np.sort(order[:size]))


def _test(config: Config, space: LabelSpace) -> Part:
    from ..inputs.images import load_embeddings

    test = bench_of(config).test
    assert test is not None
    if test.embeddings is not None:
        found = load_embeddings(test.embeddings)
        if test.truth is not None:
            known = read_table(test.truth, space, test.unlisted)
            inputs = found["embeddings"][rows_of(known, found, test.embeddings, test.truth)]
        elif found["truth"] is None:
            raise ConfigError(
                f"{config.where('bench.test.embeddings')}: bench.test.embeddings: {test.embeddings} holds no array `truth`; "
                "give bench.test.truth, a table of complete labels"
            )
        else:
            known, inputs = stored_observed(found, space, test.embeddings, "truth"), found["embeddings"]
    else:
        assert test.images is not None
        assert test.truth is not None
        known = read_table(test.truth, space, test.unlisted, test.images)
        inputs = [test.images / name for name in known.images or ()]
    check_complete(known, test.truth or test.embeddings or Path())
    return Part(inputs, space, None, known.values, known.images)


# --- what is hidden -------------------------------------------------------------------------------------


def _hidden(config: Config, part: Part) -> tuple[Part, Annotation]:
    """The training part with most of its labels hidden, and the annotation that says how."""
    from ..datasets.hiding import hide

    assert part.truth is not None
    found = hide(part.truth, _how(config), part.space, _SPLIT)
    return replace(part.take(found.rows), observed=found.observed), found.annotation


# --- pixels ---------------------------------------------------------------------------------------------


def _decoded(part: Part, test: Part, model: dict[str, Any]) -> tuple[Part, Part, dict[str, Any]]:
    """Files as pixels, read once for all fits; where the encoder is frozen, its features, worked out once."""
    if not isinstance(part.inputs, list):
        return part, test, model
    import torch

    from ..encoders import Frozen, build_encoder
    from ..inputs.batches import InMemory
    from ..inputs.door import MEMORY_BUDGET
    from ..inputs.images import cache_images, check_images

    given = model["image_size"]
    size = (given, given) if isinstance(given, int) else (int(given[0]), int(given[1]))
    if (len(part.inputs) + len(test.inputs)) * 3 * size[0] * size[1] > MEMORY_BUDGET:
        return part.take(check_images(part.inputs)[0]), test.take(check_images(test.inputs)[0]), model
    frozen = model["frozen"] and model["weights"] is not None
    encoder = build_encoder(model["encoder"], model["weights"], None, frozen=True).module if frozen else None
    parts: list[Part] = []
    for one in (part, test):
        pixels, kept = cache_images(one.inputs, size)
        values: Any = pixels
        if isinstance(encoder, Frozen):
            batches = InMemory(torch.from_numpy(pixels))
            values = torch.cat([encoder.extract(batches.inputs(rows)) for rows in torch.arange(len(pixels)).split(64)]).numpy()
        parts.append(replace(one.take(list(kept)), inputs=values))
    if frozen:
        model = model | {"encoder": "embedding", "weights": None, "frozen": False}
    return parts[0], parts[1], model
