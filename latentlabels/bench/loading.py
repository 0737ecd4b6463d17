"""From a config to what is compared on: inputs with known labels, complete ones, and a part to measure on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..annotation import Annotation, from_config
from ..config import Config
from ..datasets.class_and_colour import class_and_colour
from ..datasets.hiding import hide
from ..datasets.mosaics import mosaic_scenes
from ..errors import ConfigError, DataError
from ..fitting.settling import wanted_by
from ..fitting.training_data import known_of, reading_of, space_of, training_inputs
from ..inputs import Inputs, Reading, Wanted, read_inputs
from ..inputs.batches import InMemory
from ..inputs.embeddings import load_embeddings
from ..inputs.feature_source import Featured
from ..kind import PASSED_THROUGH, Kind
from ..observed import Observed, Tree, match_names
from ..space import LabelSpace
from ..words import count
from .checking import bench_of, check_complete
from .tasks import Task

LONG = {"epochs": 200, "patience": 15}
"""How long a comparison fits by default: some losses still improve after the 50 epochs of a fit, and a patience of 5 ends
others on the noise of the mAP against known labels."""
_SPLIT = 0  # the seed of what is hidden and of the test part: the same data for every seed of a fit


def load_task(config: Config, name: str) -> Task:
    """Read what a config names: training data, test part, annotation. Each image is decoded once, for all fits.

    Raises:
        ConfigError: sections that do not go together, with the key.
        DataError, ObservationError: what is in the files cannot be used.
    """
    model = _model(config)
    wanted = wanted_by(config.model.model_copy(update={key: model[key] for key in ("encoder", "image_size")}), config.fit)
    train, test = _scenes(config, wanted) if bench_of(config).make == "mosaic" else _parts(config, wanted)
    source = _source(config)
    if _hides(config):
        train, annotation = _hidden(config, train)
        source += f"; labels hidden: {_how(config)}"
    else:
        annotation = from_config(config.annotation.model_dump(), _known(train).space)
    observed = _known(train)
    if not observed.num_known.any():
        raise DataError(f"{source}: no label of any image is known: nothing can be learned")
    train, test, model = _as_features(train, test, model)
    assert test.truth is not None
    return Task(
        name,
        observed.space,
        annotation,
        _values(train),
        observed.values,
        train.truth,
        _values(test),
        test.truth,
        {key: value for key, value in model.items() if key not in ("objective", "start")},
        {key: value for key, value in _fit(config).items() if key not in ("seed", "learning_rate", "stop")},
        source,
    )


def _source(config: Config) -> str:
    data, made = config.data, bench_of(config).make
    read = str(data.embeddings or data.images or "Fashion-MNIST")
    return read if made is None else f"{made} of {read}"


def _how(config: Config) -> str | float:
    """How labels are hidden. Data made here have complete labels, so some have to be hidden."""
    bench = bench_of(config)
    return "uniform" if bench.hide == "none" and bench.make is not None else bench.hide


def _hides(config: Config) -> bool:
    return _how(config) != "none"


def _model(config: Config) -> dict[str, Any]:
    """The `model` section; for pictures that were made a small network, unless another one is named."""
    model = config.model.model_dump()
    if bench_of(config).make is not None:
        small: dict[str, Any] = {"encoder": "tiny"}
        if bench_of(config).make == "class-and-colour":  # mosaics are made at a size of their own
            small["image_size"] = 64
        model |= {key: value for key, value in small.items() if key not in config.model.model_fields_set}
    return model


def _fit(config: Config) -> dict[str, Any]:
    """The `fit` section; unless it says how long, long enough that neither epochs nor patience decide between objectives."""
    return config.fit.model_dump() | {key: value for key, value in LONG.items() if key not in config.fit.model_fields_set}


def _known(inputs: Inputs) -> Observed:
    assert inputs.observed is not None  # every part of a comparison has labels
    return inputs.observed


def _complete(inputs: Inputs, where: Path) -> Inputs:
    """Inputs whose known labels are complete: they are the truth as well.

    Raises:
        DataError: some are unknown.
    """
    known = _known(inputs)
    check_complete(known, where)
    return inputs.labelled(known, known.values)


def _scenes(config: Config, wanted: Wanted) -> tuple[Inputs, Inputs]:
    """Scenes to train on, and a third as many of other objects to measure on."""
    number = bench_of(config).scenes
    made = [
        mosaic_scenes(config.data.images, size, _SPLIT, split=split)
        for split, size in (("train", number), ("test", number // 3))
    ]
    train, test = (read_inputs(one.images, one.truth, one.truth, space=one.space, wanted=wanted) for one in made)
    return train, test


def _parts(config: Config, wanted: Wanted) -> tuple[Inputs, Inputs]:
    """The training part, and what to measure on: what the config names, or a share of the training part."""
    bench, train = bench_of(config), _training(config, wanted)
    if bench.test is not None:
        return train, _test(config, _known(train).space, replace(wanted, levels=train.levels))
    if train.truth is None:
        raise ConfigError(
            f"{config.where('bench')}: bench.test: nothing to measure on; give bench.test, images or embeddings with "
            "complete labels"
        )
    order = np.random.default_rng(_SPLIT).permutation(len(train))
    size = round(bench.test_share * len(order))
    if not 1 <= size <= len(order) - 2:
        raise ConfigError(
            f"{config.where('bench.test_share')}: bench.test_share: {bench.test_share:g} of {count(len(order), 'image')} "
            "leaves nothing to measure on, or too few to train on"
        )
    return train.take(np.sort(order[size:])), train.take(np.sort(order[:size]))


def _training(config: Config, wanted: Wanted) -> Inputs:
    bench, data = bench_of(config), config.data
    if bench.make is not None:
        assert data.images is not None  # check_bench has seen to it
        made = class_and_colour(data.images)
        return read_inputs(list(made.images), made.truth, made.truth, space=made.space, wanted=wanted)
    if _hides(config):
        return _to_hide(config, wanted)
    train = training_inputs(config, wanted)
    if bench.truth is None:
        return train
    return train.labelled(_known(train), _aligned(config, bench.truth, train))


def _to_hide(config: Config, wanted: Wanted) -> Inputs:
    """Completely labelled inputs, whose labels are to be hidden."""
    data, bench = config.data, bench_of(config)
    table = bench.truth or data.observed
    where = data.embeddings or data.images
    assert where is not None  # check_files has seen to it
    if table is None:
        if data.embeddings is None:
            raise ConfigError(
                f"{config.where('bench.hide')}: bench.hide: hides labels of images whose labels are all known; "
                "give bench.truth, a table of them"
            )
        if not load_embeddings(data.embeddings).has("truth"):
            raise ConfigError(
                f"{config.where('bench.hide')}: bench.hide: hides labels of images whose labels are all known, and "
                f"{data.embeddings} holds no array `truth`; give bench.truth, a table"
            )
        space = space_of(config, config.space(), data.embeddings)
        return _complete(_stored(data.embeddings, space, wanted), data.embeddings)
    tree = Tree()
    options = replace(reading_of(data), space=config.space(), tree=tree, complete=True)
    known = known_of(table, wanted.kind, data.images, options)
    check_complete(known, table)
    inputs = read_inputs(where, known, space=known.space, wanted=wanted, how=Reading(tree=tree, white=data.white))
    return _complete(inputs, table)


def _stored(path: Path, space: LabelSpace, wanted: Wanted) -> Inputs:
    """Embeddings with the array `truth` as what is known of them."""
    return read_inputs(path, load_embeddings(path).known(space, "truth"), space=space, wanted=wanted)


def _aligned(config: Config, table: Path, train: Inputs) -> NDArray[np.int8]:
    """The complete labels of a table in the order of the training inputs; it may be about more than these."""
    observed = _known(train)
    complete = Observed.read(table, replace(reading_of(config.data), space=observed.space, complete=True))
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


def _test(config: Config, space: LabelSpace, wanted: Wanted) -> Inputs:
    test = bench_of(config).test
    assert test is not None
    where = test.embeddings or test.images
    assert where is not None  # check_bench has seen to it
    if test.truth is not None:
        tree = Tree()
        options = replace(reading_of(config.data), space=space, unlisted=test.unlisted, tree=tree, complete=True)
        known = known_of(test.truth, wanted.kind, test.images, options)
        check_complete(known, test.truth)
        return _complete(read_inputs(where, known, space=space, wanted=wanted, how=Reading(tree=tree)), test.truth)
    if not load_embeddings(where).has("truth"):
        raise ConfigError(
            f"{config.where('bench.test.embeddings')}: bench.test.embeddings: {where} holds no array `truth`; "
            "give bench.test.truth, a table of complete labels"
        )
    return _complete(_stored(where, space, wanted), where)


# --- what is hidden, and features -------------------------------------------------------------------------


def _hidden(config: Config, train: Inputs) -> tuple[Inputs, Annotation]:
    """The training part with most of its labels hidden, and the annotation that says how."""
    assert train.truth is not None
    space = _known(train).space
    found = hide(train.truth, _how(config), space, _SPLIT)
    kept = train.take(found.rows)
    return kept.labelled(Observed(found.observed, space, _known(kept).images), kept.truth), found.annotation


def _as_features(train: Inputs, test: Inputs, model: dict[str, Any]) -> tuple[Inputs, Inputs, dict[str, Any]]:
    """Where the encoder is frozen, its features as embeddings, for all fits; a head that looks into features reads images."""
    if model["regions"] or model["names"]:
        return train, test, model
    parts = []
    for part in (train, test):
        if not isinstance(part.items, Featured):
            return train, test, model
        vectors = InMemory(part.items.inputs(torch.arange(len(part))))
        parts.append(replace(part, kind=Kind.EMBEDDINGS, items=vectors, size=None, levels=None, pictures=None))
    return parts[0], parts[1], model | {"encoder": PASSED_THROUGH, "weights": None, "frozen": False, "windows": False}


def _values(inputs: Inputs) -> Any:
    """Inputs as a task holds them: an array, or files that are too many for memory."""
    if isinstance(inputs.items, InMemory):
        return inputs.items.values.numpy()
    return inputs.pictures if isinstance(inputs.pictures, np.ndarray) else list(inputs.names)
