"""Commands killed at many moments leave whole files, old or new, and the same command or --resume brings them to their end."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from killing import HALF, Ended, Killer
from safetensors.numpy import load_file

from latentlabels.fitting.run_folder import read_run

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks, and looks into /proc"),
    pytest.mark.slow,
]

MOMENTS = 20
_STEPS = (0, HALF, 1, 4, 15)
"""After an event: at once; with the file that is flushed cut in two; so many calls later."""


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    with Killer() as made:
        yield made


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with vectors.npz of 40 embeddings, known labels and truth, and the config of a comparison."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    truth = np.zeros((40, 4), np.int8)
    truth[np.arange(40), np.arange(40) % 2] = 1
    truth[:, 2:] = rng.random((40, 2)) < 0.5
    observed = np.full_like(truth, -1)
    for row in range(40):
        observed[row, rng.choice(np.flatnonzero(truth[row]))] = 1
    embeddings = truth @ rng.normal(size=(4, 6)) + 0.1 * rng.normal(size=(40, 6))
    labels = np.array(["red", "blue", "car", "striped"])
    np.savez(folder / "vectors.npz", embeddings=embeddings, truth=truth, observed=observed, labels=labels)
    (folder / "bench.yaml").write_text(
        f"data: {{embeddings: {folder / 'vectors.npz'}}}\nfit: {{epochs: 1}}\n"
        "bench: {objectives: [assume-negative, collapsed], seeds: [0], learning_rates: [1e-3]}\n"
    )
    return folder


def fit_args(data: Path, run: Path) -> tuple[object, ...]:
    settings = ("fit.epochs=2", "fit.batch_size=8", "fit.learning_rate=0.01", "fit.accelerator=cpu")
    return ("fit", "--embeddings", data / "vectors.npz", *(part for one in settings for part in ("--set", one)), "--out", run)


@pytest.fixture(scope="module")
def fitted(killer: Killer, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """The run of a fit that nobody killed."""
    run = tmp_path_factory.mktemp("fitted") / "run"
    done = killer.run(fit_args(data, run), run)
    assert done.code == 0, done.err
    return run, done


def moments(events: int) -> list[tuple[int, int]]:
    """Events spread evenly over all of them, from the first to the last, each with another step than the one before."""
    assert events > 2
    numbers = np.linspace(1, events, MOMENTS).round().astype(int).tolist()
    return [(number, _STEPS[turn % len(_STEPS)]) for turn, number in enumerate(numbers)]


def assert_whole(folder: Path) -> None:
    """Every file under its final name can be read to its end; hidden ones are nobody's."""
    for path in folder.rglob("*"):
        if path.is_dir() or path.name.startswith(".") or path.suffix == ".part":
            continue
        text = path.read_bytes()
        assert text, path
        if path.suffix == ".json":
            json.loads(text)
        elif path.suffix == ".jsonl":
            assert text.endswith(b"\n"), path
            assert all(isinstance(json.loads(line), dict) for line in text.splitlines())
        elif path.suffix == ".yaml":
            assert isinstance(yaml.safe_load(text), dict), path
        elif path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                assert [arrays[name] for name in arrays.files]
        elif path.suffix == ".safetensors":
            assert load_file(path)
        elif path.suffix == ".html":
            assert text.rstrip().endswith(b"</html>"), path
        elif path.suffix == ".csv":
            assert len({line.count(b",") for line in text.splitlines()}) == 1, path
            assert text.endswith(b"\n"), path
        else:
            raise AssertionError(f"{path}: a file of an unknown kind")


def assert_clean(folder: Path) -> None:
    """Nothing is left over, and nobody holds the folder."""
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")]


def killed(done: Ended) -> bool:
    """Whether it was; a step may lie after the end of the command."""
    assert done.code in (0, -signal.SIGKILL), done.err
    return done.code != 0


# --- one command each -----------------------------------------------------------------------------------


def test_fit(killer: Killer, data: Path, fitted: tuple[Path, Ended], tmp_path: Path) -> None:
    whole, done = fitted
    weights = (whole / "weights.safetensors").read_bytes()
    deaths = resumed = 0
    for number, (event, step) in enumerate(moments(done.events)):
        run = tmp_path / str(number)
        args = fit_args(data, run)
        deaths += killed(killer.run(args, run, event, step))
        if run.exists():
            assert_whole(run)
        begun = (run / "checkpoints" / "config.yaml").exists()
        resumed += begun
        again = killer.run((*args, "--resume") if begun else args, run)
        assert again.code == 0, again.err
        assert (run / "weights.safetensors").read_bytes() == weights
        assert (run / "config.yaml").read_bytes() == (whole / "config.yaml").read_bytes()
        read_run(run)
        assert_whole(run)
        assert_clean(run)
        shutil.rmtree(run)
    assert deaths >= MOMENTS - 2
    assert resumed >= MOMENTS // 2


@pytest.mark.parametrize("verb", ["predict", "complete"])
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_tables(killer: Killer, data: Path, fitted: tuple[Path, Ended], tmp_path: Path, verb: str, ending: str) -> None:
    table = tmp_path / f"table{ending}"
    given = (data / "vectors.npz",) if verb == "predict" else ("--images", data / "vectors.npz")
    args = (verb, fitted[0], *given, "-o", table)
    done = killer.run(args, tmp_path)
    assert done.code == 0, done.err
    new, deaths = table.read_bytes(), 0
    for event, step in moments(done.events):
        table.write_bytes(b"old")
        deaths += killed(killer.run(args, tmp_path, event, step))
        assert table.read_bytes() in (b"old", new)
        seen = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
        assert {table.name} <= seen <= {table.name, f"{table.name}.part", f"{table.name}.part.json"}
    assert deaths >= MOMENTS - 5
    assert killer.run(args, tmp_path).code == 0
    assert table.read_bytes() == new
    assert_clean(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {table.name}


def test_an_interrupted_table_is_continued_and_is_as_if_nothing_had_been(
    killer: Killer, data: Path, fitted: tuple[Path, Ended], tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    args = ("predict", fitted[0], data / "vectors.npz", "-o", table)
    done = killer.run(args, tmp_path)
    new = table.read_bytes()
    continued = 0
    for event in range(1, done.events + 1):
        table.unlink(missing_ok=True)
        killer.run(args, tmp_path, event)
        again = killer.run((*args, "--resume"), tmp_path)
        assert again.code == 0, again.err
        assert table.read_bytes() == new
        continued += "already done; continuing" in again.err
    assert continued >= 2  # of three blocks


def test_evaluate(killer: Killer, data: Path, fitted: tuple[Path, Ended], tmp_path: Path) -> None:
    args = ("evaluate", tmp_path / "run", "--images", data / "vectors.npz")
    shutil.copytree(fitted[0], tmp_path / "run")
    done = killer.run(args, tmp_path)
    assert done.code == 0, done.err
    names = ("evaluation.json", "evaluation.npz", "report.html")
    new = [(tmp_path / "run" / name).read_bytes() for name in names]
    deaths = 0
    for event, step in moments(done.events):
        if event % 2:
            shutil.rmtree(tmp_path / "run")
            shutil.copytree(fitted[0], tmp_path / "run")
        deaths += killed(killer.run(args, tmp_path, event, step))
        assert_whole(tmp_path / "run")
        read_run(tmp_path / "run")
    assert deaths >= MOMENTS - 6  # a command that continues is over sooner
    assert killer.run(args, tmp_path).code == 0
    assert [(tmp_path / "run" / name).read_bytes() for name in names] == new
    assert_clean(tmp_path / "run")


def test_embed(killer: Killer, tmp_path: Path) -> None:
    """Killed while it computes features, it has lost few of them, and the cache is as good as new."""
    import torch
    from command import image_folder
    from safetensors.torch import save_file

    from latentlabels import TinyCNN

    torch.manual_seed(0)
    weights = tmp_path / "tiny.safetensors"
    save_file(TinyCNN().state_dict(), weights)
    images, cache, file = image_folder(tmp_path / "animals", cat=14, dog=14), tmp_path / "cache", tmp_path / "animals.npy"
    keys = ("model.encoder=tiny", f"model.weights={weights}", "model.image_size=32", "fit.runtime=torch", f"fit.cache={cache}")
    args = ("embed", images, *(part for key in keys for part in ("--set", key)), "-o", file, "--json")
    done = killer.run(args, cache)
    assert done.code == 0, done.err
    right, deaths, resumed = np.load(file), 0, 0
    for event, step in moments(done.events):
        shutil.rmtree(cache)
        file.unlink()
        deaths += killed(killer.run(args, cache, event, step))
        again = killer.run(args, cache)
        assert (again.code, again.err) == (0, "")
        resumed += json.loads(again.out)["computed"] < 28
        np.testing.assert_array_equal(np.load(file), right)
        assert_clean(cache)
        third = killer.run(args, cache)
        assert json.loads(third.out)["computed"] == 0
    assert deaths >= MOMENTS // 2
    assert resumed > 1


def test_bench(killer: Killer, data: Path, tmp_path: Path) -> None:
    def args(out: Path) -> tuple[object, ...]:
        return ("bench", data / "bench.yaml", "--out", out, "--workers", 0, "--json")

    done = killer.run(args(tmp_path / "whole"), tmp_path / "whole")
    assert done.code == 0, done.err
    deaths = 0
    out = tmp_path / "out"
    for number, (event, step) in enumerate(moments(done.events)):
        deaths += killed(killer.run(args(out), out, event, step))
        if out.exists():
            assert_whole(out)
        if number % 4 == 3:  # and else it goes on from what the one before left
            again = killer.run(args(out), out)
            assert again.code == 0, again.err
            assert_whole(out)
            assert_clean(out)
            rows = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
            assert len(rows) == 6  # three stopping rules of two objectives, none of them twice
            shutil.rmtree(out)
    assert deaths >= MOMENTS // 2


@pytest.mark.parametrize("seed", range(3))
def test_a_fit_at_random_times(killer: Killer, data: Path, fitted: tuple[Path, Ended], tmp_path: Path, seed: int) -> None:
    run, args = tmp_path / "run", fit_args(data, tmp_path / "run")
    rng = np.random.default_rng(seed)
    for _ in range(3):
        begun = (run / "checkpoints" / "config.yaml").exists()
        done = killer.run((*args, "--resume") if begun else args, run, after=float(rng.uniform(0.05, 0.6)))
        if run.exists():
            assert_whole(run)
        if done.code == 0:
            shutil.rmtree(run)
    begun = (run / "checkpoints" / "config.yaml").exists()
    assert killer.run((*args, "--resume") if begun else args, run).code == 0
    assert (run / "weights.safetensors").read_bytes() == (fitted[0] / "weights.safetensors").read_bytes()
    assert_clean(run)
