"""`latentlabels embed`: features ahead of time, as a file, and from then on in every command."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from command import Done, image_folder, latentlabels, picture

import latentlabels as ll
from latentlabels.inputs.images import decode_images


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from safetensors.torch import save_file

    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(ll.TinyCNN().state_dict(), path)
    return path


@pytest.fixture
def settings(weights: Path, tmp_path: Path) -> tuple[str, ...]:
    keys = ("model.encoder=tiny", f"model.weights={weights}", "model.image_size=32", "fit.runtime=torch", "fit.epochs=1")
    return tuple(part for key in (*keys, f"fit.cache={tmp_path / 'cache'}", "fit.batch_size=16") for part in ("--set", key))


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    return image_folder(tmp_path / "animals", cat=12, dog=14)


def embed(*args: object) -> Done:
    done = latentlabels("embed", *args, "--json")
    assert done.code == 0, done.err
    return done


def expected(files: list[Path], weights: Path) -> np.ndarray:
    from safetensors.torch import load_file

    network = ll.TinyCNN().eval()
    network.load_state_dict(load_file(weights))
    with torch.no_grad():
        return network(torch.from_numpy(decode_images(files, (32, 32)).pixels).float() / 255).numpy()  # type: ignore[no-any-return]


def test_features_are_computed_once(animals: Path, settings: tuple[str, ...], tmp_path: Path) -> None:
    found = embed(animals, *settings).document
    assert (found["num_images"], found["computed"], found["numbers"], found["size"]) == (26, 26, 256, [32, 32])
    assert found["cache"] == str(tmp_path / "cache")
    again = embed(animals, *settings).document
    assert (again["num_images"], again["computed"], again["key"]) == (26, 0, found["key"])
    picture(animals / "cat" / "new.png", seed=99)
    assert embed(animals, *settings).document["computed"] == 1
    text = latentlabels("embed", animals, *settings).out
    assert "computed       none" in text
    assert "there already  27" in text
    assert "tiny, 32 x 32 pixels, 256 numbers for each image" in text


def test_fit_predict_evaluate_and_report_take_them(
    animals: Path, settings: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed(animals, *settings)

    def refuse(*args: object, **more: object) -> None:
        raise AssertionError("an image is computed")

    monkeypatch.setattr("latentlabels.features.source.SizedFeatures.add", refuse)
    run = tmp_path / "run"
    done = latentlabels("fit", "--images", animals, *settings, "--out", run)
    assert done.code == 0, done.err
    assert (run / "report.html").exists()
    truth = tmp_path / "truth.csv"
    names = sorted(path.relative_to(animals).as_posix() for path in animals.glob("*/*.png"))
    truth.write_text("image,cat,dog\n" + "".join(f"{name},{int(name[0] == 'c')},{int(name[0] == 'd')}\n" for name in names))
    for args in (
        ("predict", run, animals, "-o", tmp_path / "p.csv"),
        ("evaluate", run, "--images", animals, "--truth", truth),
        ("complete", run, "--observed", truth, "--absent", "0", "--images", animals, "-o", tmp_path / "c.csv"),
        ("query", run, animals / names[0], "--given", "cat"),
        ("report", run, "--images", animals),
    ):
        done = latentlabels(*args)
        assert done.code == 0, (args, done.err)


def test_a_file_of_features_is_fitted_on(animals: Path, settings: tuple[str, ...], weights: Path, tmp_path: Path) -> None:
    file = tmp_path / "animals.npz"
    done = latentlabels("embed", animals, *settings, "-o", file)
    assert done.code == 0, done.err
    assert f"next: latentlabels fit --embeddings {file}" in done.out
    with np.load(file) as found:
        names = found["images"].tolist()
        assert found["labels"].tolist() == ["cat", "dog"]
        assert found["observed"].tolist() == [[1, -1] if name.startswith("cat/") else [-1, 1] for name in names]
        assert found["embeddings"].dtype == np.float32
        right = expected([animals / name for name in names], weights)
        np.testing.assert_allclose(found["embeddings"], right, rtol=1e-5, atol=1e-5)
    done = latentlabels("fit", "--embeddings", file, "--set", "fit.epochs=1", "--out", tmp_path / "run")
    assert done.code == 0, done.err
    embed(animals, *settings, "-o", tmp_path / "animals.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "animals.npy"), np.load(file)["embeddings"])


def test_a_table_of_labels_goes_into_the_file(animals: Path, settings: tuple[str, ...], tmp_path: Path) -> None:
    table = tmp_path / "known.csv"
    table.write_text("image,cat,striped\ncat/3.png,1,\ndog/2.png,0,1\n")
    embed(animals, "--observed", table, *settings, "-o", tmp_path / "some.npz")
    with np.load(tmp_path / "some.npz") as found:
        assert found["images"].tolist() == ["cat/3.png", "dog/2.png"]
        assert found["observed"].tolist() == [[1, -1], [0, 1]]
    config = tmp_path / "some.yaml"
    config.write_text(f"data: {{images: {animals}, observed: {table}}}\n")
    assert embed(config, *settings).document["computed"] == 0


def test_a_folder_without_labels(settings: tuple[str, ...], tmp_path: Path) -> None:
    files = [picture(tmp_path / "plain" / f"{row}.png", row) for row in range(4)]
    done = embed(tmp_path / "plain", *settings, "-o", tmp_path / "plain.npz")
    assert "note: without known labels, because none were found" in done.err
    with np.load(tmp_path / "plain.npz") as found:
        assert sorted(found.files) == ["embeddings", "images"]
        assert found["images"].tolist() == [file.name for file in files]


def test_images_that_cannot_be_read(animals: Path, settings: tuple[str, ...]) -> None:
    (animals / "cat" / "3.png").write_bytes(b"no picture")
    done = embed(animals, *settings)
    assert done.document["unreadable"] == [str(animals / "cat" / "3.png")]
    assert done.document["num_images"] == 25
    assert "warning: 1 of 26 images cannot be read" in done.err
    done = latentlabels("embed", animals, *settings, "--strict")
    assert done.code == 1
    assert "1 of 26 images cannot be read" in done.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nowhere"], "nowhere not found"),
        (["animals", "-o", "x.csv"], 'x.csv: unknown file ending ".csv" (known: .npz, .npy)'),
        (["animals", "-o", "none/x.npz"], "folder none not found"),
        (["animals", "--set", "model.weights=null"], 'the encoder "tiny" has random weights'),
        (["animals", "--set", "fit.cache=3"], "fit.cache"),
    ],
)
def test_wrong_use(
    args: list[str], said: str, animals: Path, settings: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = latentlabels("embed", args[0], *settings, *args[1:])
    assert done.code == 2, done.err
    assert said in done.err
    assert done.err.count("\n") == 1


def test_embeddings_are_embedded_already(tmp_path: Path) -> None:
    np.savez(tmp_path / "vectors.npz", embeddings=np.ones((3, 2)))
    done = latentlabels("embed", tmp_path / "vectors.npz")
    assert done.code == 2
    assert "vectors.npz: holds embeddings already; give a folder of images" in done.err


def test_nothing_is_kept_where_that_is_asked_for(animals: Path, settings: tuple[str, ...], tmp_path: Path) -> None:
    for _ in range(2):
        found = embed(animals, *settings, "--set", "fit.cache=none").document
        assert (found["computed"], found["cache"]) == (26, None)
    assert not (tmp_path / "cache").exists()


@pytest.mark.skipif(os.name == "nt", reason="another full device")
def test_a_full_disk_is_one_warning(
    animals: Path, settings: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("latentlabels.features.rows._write_at", full)
    run = tmp_path / "run"
    done = latentlabels("fit", "--images", animals, *settings, "--out", run)
    assert done.code == 0, done.err
    assert done.err.count("warning: ") == 1 + done.err.count("warning: label")
    assert "features cannot be kept there (no space left on device)" in done.err
    monkeypatch.undo()
    assert embed(animals, *settings).document["computed"] == 26
