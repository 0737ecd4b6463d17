"""Runs of other kinds: on embeddings without names, by a published loss, on files that are damaged or gone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from command import TINY, latentlabels
from served import HEADERS, TOKEN, Fitted
from starlette.testclient import TestClient

from latentlabels.errors import DataError, RunError
from latentlabels.fitting.answers_table import read_answers
from latentlabels.serving.app import make_app
from latentlabels.serving.refit_material import material_for
from latentlabels.serving.service import Service, Source

ADDRESSES = (
    "/v1/space", "/v1/images", "/v1/images/0", "/v1/next", "/v1/next?per=label", "/v1/answers", "/v1/verdict", "/v1/mistakes",
    "/v1/labels", "/v1/complete/next", "/v1/images?show=wrong", "/v1/images?show=mistakes",
)  # fmt: skip


@contextmanager
def asked(service: Service) -> Iterator[TestClient]:
    """A client of a service that has looked at every image."""
    app = make_app(service, TOKEN)
    with TestClient(app, "http://127.0.0.1:8000", headers=HEADERS, raise_server_exceptions=False) as client:
        until = time.monotonic() + 60
        while client.get("/v1/health").json()["num_predicted"] < len(service.shown.collection):
            assert time.monotonic() < until
            time.sleep(0.05)
        yield client


def test_embeddings_without_names_are_called_as_their_table_calls_them(tmp_path: Path) -> None:
    names = [f'ü, "{row}"/{"x" * 120}.png' for row in range(40)]
    np.savez(tmp_path / "e.npz", embeddings=np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32))
    labels = ["Straße, nass", "a/b", '"quoted"']
    lines = ['"{}","{}"'.format(name.replace('"', '""'), labels[row % 3].replace('"', '""')) for row, name in enumerate(names)]
    (tmp_path / "known.csv").write_text("image,label\n" + "\n".join(lines) + "\n")
    done = latentlabels(
        "fit", "--embeddings", tmp_path / "e.npz", "--observed", tmp_path / "known.csv", "--unlisted", "unknown",
        "--set", "fit.epochs=1", "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.code == 0, done.err
    service = Service(Source(tmp_path / "run"))
    with asked(service) as client:
        assert service.shown.collection.names == tuple(names)
        assert service.shown.collection.known[:, service.shown.space.index("a/b")].tolist() == ([-1, 1, -1] * 14)[:40]
        for address in ADDRESSES:
            assert client.get(address).status_code == 200, address
        assert client.get("/v1/labels/a%2Fb").status_code == 200
        assert client.get("/v1/images/0/picture").status_code == 404
        assert client.post("/v1/uploads", content=b"x", headers={"content-type": "image/png"}).status_code == 409
        found = client.post("/v1/posterior", json={"images": ["0"], "present": ["a/b"], "absent": ['"quoted"']})
        assert found.json()["images"][0]["marginals"]["a/b"] == 1
        assert client.post("/v1/answers", json={"image": "0", "label": "Straße, nass", "value": 0}).status_code == 201
        found = material_for(tmp_path / "run", service.shown.model, service.shown.collection, service.answering)
        assert found.unused == "" and f"data.embeddings={(tmp_path / 'e.npz').resolve()}" in found.options
    assert read_answers(tmp_path / "run" / "answers.csv", service.shown.space).images == (names[0],)


def test_a_published_loss_keeps_to_the_declared_label_space(fitted: Fitted, tmp_path: Path) -> None:
    labels = fitted.images.parent / "labels.yaml"
    options = [*TINY, "--set", "fit.epochs=1", "--set", "model.objective=assume-negative"]
    done = latentlabels("fit", "--images", fitted.images, "--labels", labels, *options, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    with asked(Service(Source(tmp_path / "run"))) as client:
        for address in ADDRESSES:
            assert client.get(address).status_code == 200, address
        for annotation in ("looked-up", "picked"):
            body = {"images": ["0"], "annotation": annotation}
            assert client.post("/v1/posterior", json={**body, "present": ["car"]}).status_code == 200
            refused = client.post("/v1/posterior", json={**body, "present": ["car", "bike"]})
            assert refused.status_code == 422 and "exclude" in refused.json()["detail"]


def test_images_that_are_damaged_or_gone_say_so(fitted: Fitted, tmp_path: Path) -> None:
    folder = tmp_path / "some"
    folder.mkdir()
    for place, file in enumerate(sorted(fitted.images.glob("*/*.png"))[:4]):
        (folder / f"{place}.png").write_bytes(file.read_bytes() if place else b"no picture")
    service = Service(Source(fitted.run, folder, answers=tmp_path / "answers.csv"))
    (folder / "1.png").unlink()
    with asked(service) as client:
        for image, why in (("0", "0.png: cannot be read as an image"), ("1", "1.png: cannot be read as an image")):
            for address in (f"/v1/images/{image}", f"/v1/images/{image}/picture"):
                found = client.get(address)
                assert found.status_code in (404, 422) and why in found.json()["detail"]
        sentences = [one["sentence"] for one in client.get("/v1/images?sort=name").json()["images"]]
        assert sentences[0].startswith("The model could not look at this image: cannot be read as an image")
        assert client.post("/v1/posterior", json={"images": ["2", "3"], "present": ["car"]}).status_code == 200
        assert client.get("/v1/next").json()["chosen_from"] == "the 2 of 4 images that the model has looked at"
        assert client.get("/v1/complete/next").status_code == 200


def test_a_run_whose_images_are_gone_says_what_to_give(own: Fitted, tmp_path: Path) -> None:
    text = (own.run / "config.yaml").read_text()
    assert str(own.images) in text
    moved = own.images.rename(own.images.with_name("moved"))
    try:
        with pytest.raises(DataError, match="--images DIR"):
            Service(Source(own.run))
        service = Service(Source(own.run, moved))
        with asked(service) as client:
            assert client.get("/v1/images/0").status_code == 200
            assert client.post("/v1/answers", json={"image": "0", "label": "smoke", "value": 0}).status_code == 201
            refused = client.post("/v1/refit")
            assert refused.status_code == 409 and f"--from {own.run} --images DIR" in refused.json()["detail"]
    finally:
        moved.rename(own.images)


@pytest.mark.parametrize("place", ["file/answers.csv", "/proc/answers.csv", "folder.csv", "answers.txt"])
def test_answers_that_cannot_be_kept_are_told_at_the_start(fitted: Fitted, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="--answers|should end in .csv"):
        Service(Source(fitted.run, answers=tmp_path / place))


def test_a_run_that_is_being_fitted_is_not_shown(own: Fitted) -> None:
    (own.run / "weights.safetensors").unlink()
    with pytest.raises(RunError, match="not finished|missing|damaged"):
        Service(Source(own.run))
