"""One fit for all tests of the service."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

sys.path.append(str(Path(__file__).parent))  # behind tests/, whose conftest has the same name
from served import HEADERS, TOKEN, Fitted, fit_scenes

from latentlabels.serving.app import make_app
from latentlabels.serving.service import Service, Source


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """A run on 60 scenes; not to be written to."""
    return fit_scenes(tmp_path_factory.mktemp("served"))


@pytest.fixture
def own(fitted: Fitted, tmp_path: Path) -> Fitted:
    """A copy of the run, to be written to."""
    shutil.copytree(fitted.run, tmp_path / "run")
    return Fitted(tmp_path / "run", fitted.images)


@pytest.fixture
def service(fitted: Fitted, tmp_path: Path) -> Service:
    """A service of the run, whose answers go elsewhere; the client starts and closes it."""
    return Service(Source(fitted.run, answers=tmp_path / "answers.csv"))


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    """Asks the service with the right token."""
    app = make_app(service, TOKEN)
    with TestClient(app, "http://127.0.0.1:8000", headers=HEADERS, raise_server_exceptions=False) as found:
        yield found


@pytest.fixture
def looked(client: TestClient) -> TestClient:
    """The client, once the model has looked at every image."""
    until = time.monotonic() + 60
    while client.get("/v1/health").json()["num_predicted"] < 60:
        assert time.monotonic() < until
        time.sleep(0.05)
    return client
