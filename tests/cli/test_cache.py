"""`latentlabels cache`: what is kept, and how it goes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from command import latentlabels
from kept_features import contents, features

from latentlabels.features import FeatureStore
from latentlabels.features.folder import Notes


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Features of two encoders, one of them unused for 40 days, and things that are none of ours."""
    root = tmp_path / "cache"
    for name, number, days in (("lite0", 5, 40), ("tiny", 3, 0)):
        about = {"encoder": name, "size": [32, 48], "precision": "f32"}
        folder = root / "encoders" / f"{name}-32x48-0123"
        FeatureStore(folder, about, Notes(root)).add(contents(*range(number)), features(*range(number)))
        then = time.time() - days * 86_400
        os.utime(folder / "about.json", (then, then))
    (root / "encoders" / "mine").mkdir()
    (root / "encoders" / "mine" / "about.json").write_text('{"kind": "something else"}')
    (root / "notes.txt").write_text("mine")
    (root / "images.sqlite").write_bytes(b"")
    (root / "runtimes").mkdir()
    (root / "runtimes" / "runtime-00ff.json").write_text("{}")
    (root / "bases" / "lite0-32x48-0123").mkdir(parents=True)
    (root / "bases" / "lite0-32x48-0123" / "0123456789ab.safetensors").write_bytes(b"")
    monkeypatch.setenv("LATENTLABELS_CACHE", str(root))
    return root


def left(cache: Path) -> list[str]:
    return sorted(path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.is_file())


MINE = ["encoders/mine/about.json", "notes.txt"]


def test_list(cache: Path) -> None:
    found = latentlabels("cache", "list", "--json").document
    assert found["cache"] == str(cache)
    assert [(one["key"], one["encoder"], one["size"], one["images"]) for one in found["features"]] == [
        ("tiny-32x48-0123", "tiny", [32, 48], 3),
        ("lite0-32x48-0123", "lite0", [32, 48], 5),
    ]
    assert all(one["bytes"] > 0 for one in found["features"])
    assert found["bytes"] >= sum(one["bytes"] for one in found["features"])
    lines = latentlabels("cache", "list").out.splitlines()
    assert lines[0].split() == ["key", "encoder", "pixels", "images", "size", "last", "used"]
    assert lines[1].startswith("tiny-32x48-0123") and "32 x 48" in lines[1]


def test_nothing_is_there(tmp_path: Path) -> None:
    done = latentlabels("cache", "list", "--cache", tmp_path / "none")
    assert (done.code, done.out) == (0, f"{tmp_path / 'none'}: nothing is kept there\n")
    done = latentlabels("cache", "clear", "--all", "--cache", tmp_path / "none")
    assert (done.code, done.out) == (0, "nothing to remove\n")
    assert not (tmp_path / "none").exists()


def test_clear_one(cache: Path) -> None:
    done = latentlabels("cache", "clear", "tiny-32x48-0123", "--yes", "--json")
    assert done.code == 0, done.err
    assert done.document["removed"] == ["tiny-32x48-0123"]
    assert not (cache / "encoders" / "tiny-32x48-0123").exists()
    assert [one["encoder"] for one in latentlabels("cache", "list", "--json").document["features"]] == ["lite0"]


def test_clear_what_is_old(cache: Path) -> None:
    assert latentlabels("cache", "clear", "--older", 50, "--yes").out == "nothing to remove\n"
    done = latentlabels("cache", "clear", "--older", 30, "--yes", "--json")
    assert done.document["removed"] == ["lite0-32x48-0123"]


def test_clear_everything_but_what_is_not_ours(cache: Path) -> None:
    done = latentlabels("cache", "clear", "--all", "--yes")
    assert "2 sets of features removed" in done.out
    assert left(cache) == MINE
    assert sorted(path.name for path in cache.iterdir()) == ["encoders", "notes.txt"]


def test_it_asks(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = left(cache)
    done = latentlabels("cache", "clear", "--all")
    assert done.code == 2
    assert "remove 2 sets of features" in done.err and "Add --yes" in done.err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, kept in ((False, before), (True, MINE)):
        monkeypatch.setattr("typer.confirm", lambda *args, _answer=answer, **more: _answer or _abort())
        latentlabels("cache", "clear", "--all")
        assert left(cache) == kept


def _abort() -> None:
    import typer

    raise typer.Abort


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["clear"], "say what to remove: a KEY of `latentlabels cache list`, --older DAYS, or --all"),
        (["clear", "tiny", "--all"], "say what to remove"),
        (["clear", "tiny-32x48-012"], 'no features with the key "tiny-32x48-012"'),
        (["list", "--cache", "none"], "the cache is turned off"),
    ],
)
def test_wrong_use(cache: Path, args: list[str], said: str) -> None:
    before = left(cache)
    done = latentlabels("cache", *args)
    assert done.code == 2
    assert said in done.err
    assert left(cache) == before


def test_another_version_is_listed_and_cleared(cache: Path) -> None:
    about = cache / "encoders" / "lite0-32x48-0123" / "about.json"
    about.write_text(about.read_text().replace('"format": 1', '"format": 7'))
    assert "another version" in latentlabels("cache", "list").out
    latentlabels("cache", "clear", "--all", "--yes")
    assert left(cache) == MINE
