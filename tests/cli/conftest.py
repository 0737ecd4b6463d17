"""One fit on pictures and one on embeddings, for all tests of the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import TINY, Done, latentlabels

from latentlabels.datasets.street_scenes import render_scenes, write_scenes


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 toy scenes: images-by-label/, truth.csv, labels.yaml."""
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(render_scenes(60, seed=3, size=32), folder)
    return folder


@pytest.fixture(scope="session")
def fitted(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """The run folder of a fit on the scenes, and what the fit said."""
    run = tmp_path_factory.mktemp("runs") / "scenes"
    done = latentlabels("fit", "--images", scenes / "images-by-label", "--labels", scenes / "labels.yaml", *TINY, "--out", run)
    assert done.code == 0, done.err
    return run, done


@pytest.fixture(scope="session")
def run(fitted: tuple[Path, Done]) -> Path:
    return fitted[0]


@pytest.fixture(scope="session")
def image(scenes: Path) -> Path:
    """One of the scenes."""
    return sorted((scenes / "images-by-label").glob("*/*.png"))[0]


LABELS = ["red", "blue", "car", "striped"]


@pytest.fixture(scope="session")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An .npz of 40 embeddings with known labels, truth, and the images' names."""
    path = tmp_path_factory.mktemp("vectors") / "vectors.npz"
    rng = np.random.default_rng(0)
    truth = np.zeros((40, 4), np.int8)
    truth[np.arange(40), np.arange(40) % 2] = 1
    truth[:, 2:] = rng.random((40, 2)) < 0.5
    observed = np.full_like(truth, -1)
    for row in truth.nonzero()[0]:
        observed[row] = -1
        observed[row, rng.choice(np.flatnonzero(truth[row]))] = 1
    embeddings = truth @ rng.normal(size=(4, 6)) + 0.1 * rng.normal(size=(40, 6))
    names = np.array([f"shop/{row:02d}.jpg" for row in range(40)])
    np.savez(path, embeddings=embeddings, truth=truth, observed=observed, labels=np.array(LABELS), images=names)
    (path.parent / "labels.yaml").write_text("- {name: colour, one_of: [red, blue]}\n- car\n- striped\n")
    return path


@pytest.fixture(scope="session")
def vector_run(vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the embeddings."""
    run = tmp_path_factory.mktemp("runs") / "vectors"
    args = ("--embeddings", vectors, "--labels", vectors.parent / "labels.yaml", "--set", "fit.epochs=2", "--out", run)
    done = latentlabels("fit", *args)
    assert done.code == 0, done.err
    return run
