"""Posteriors that are asked for at once are worked out together, and each is what it would be alone."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from latentlabels.serving import conditioning
from latentlabels.serving.conditioning import _MOST
from latentlabels.serving.documents import PosteriorOfImage, PosteriorRequest
from latentlabels.serving.problems import ProblemError
from latentlabels.serving.running import _listen
from latentlabels.serving.service import Service
from latentlabels.space import OneOf

ASKED: list[dict[str, Any]] = [
    {"images": ["0"], "present": ["car"]},
    {"images": ["1", "2", "3"], "present": ["bus", "red"], "absent": ["night"]},
    {"images": ["3"]},
    {"images": ["0", "7"], "present": ["car"], "annotation": "picked"},
    {"images": ["4"], "absent": ["smoke"], "annotation": "picked"},
    {"images": ["4"], "annotation": "picked"},
    {"images": ["5"], "present": ["2-doors"]},
    {"images": ["0"], "present": ["car"]},
]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of requests that were worked out together, of each time."""
    found: list[int] = []
    before = conditioning._posteriors

    def counted(group: Sequence[Any]) -> list[PosteriorOfImage]:
        found.append(len(group))
        return before(group)

    monkeypatch.setattr(conditioning, "_posteriors", counted)
    return found


def together(service: Service, asked: Sequence[dict[str, Any]]) -> list[Future[list[PosteriorOfImage]]]:
    """Requests that come while the thread is at work."""
    working = threading.Event()
    service._conditioner._thread.submit(working.wait)
    found = [service.conditioned(PosteriorRequest(**one)) for one in asked]
    working.set()
    return found


def test_each_is_what_it_would_be_alone(client: TestClient, service: Service, calls: list[int]) -> None:
    found = [one.result() for one in together(service, ASKED)]
    assert sorted(calls) == [2, 6]  # those that an annotator picked are of another kind; nothing stated is no pick
    for asked, documents in zip(ASKED, found, strict=True):
        posterior = service.posterior(asked["images"])
        present, absent = asked.get("present", []), asked.get("absent", [])
        if asked.get("annotation") == "picked" and (present or absent):
            row = np.full(posterior.space.num_labels, -1, np.int8)
            row[[posterior.space.index(label) for label in present]] = 1
            row[[posterior.space.index(label) for label in absent]] = 0
            after = posterior.observing(np.tile(row, (len(posterior), 1)), service.shown.model.conditions_by)
        else:
            after = posterior.given(present, absent)
        assert [one.id for one in documents] == asked["images"]
        for place, one in enumerate(documents):
            assert list(one.marginals.values()) == pytest.approx(after.marginals[place].tolist(), abs=1e-6)
            assert one.count == pytest.approx(after.count_probs()[place].tolist(), abs=1e-6)
            moved = np.abs(after.marginals[place] - posterior.marginals[place]) >= 0.0005
            expected = {label for k, label in enumerate(posterior.space.labels) if moved[k]} - {*present, *absent}
            assert {movement.label for movement in one.moved} == expected
            assert bool(one.unmoved) == bool(present or absent)


def test_one_that_is_impossible_spoils_no_other(client: TestClient, service: Service) -> None:
    until = time.monotonic() + 60
    while service.shown.predictor.num_done < 60:  # what it says is not written over afterwards
        assert time.monotonic() < until
        time.sleep(0.05)
    space = service.shown.space
    earlier = space.groups[: [group.name for group in space.groups].index("night")]
    logit = sum(len(group.labels) + (isinstance(group, OneOf) and group.optional) for group in earlier)
    service.shown.predictor.found.flat[1, logit] = -np.inf  # the model says that it is impossible in image 1
    found = together(service, [{"images": ["0"], "present": ["night"]}, {"images": ["1"], "present": ["night"]}])
    assert found[0].result()[0].marginals["night"] == 1
    with pytest.raises(ProblemError, match="night") as error:
        found[1].result()
    assert error.value.kind == "contradiction"


def test_many_images_are_taken_in_parts(client: TestClient, service: Service, calls: list[int]) -> None:
    some = {"images": [str(row) for row in range(50)], "present": ["bus"]}
    found = [one.result() for one in together(service, [some] * 12)]
    assert sum(calls) == 12 and 50 * max(calls) < _MOST + 50
    assert all([image.id for image in one] == some["images"] for one in found)


def test_short_answers_are_sent_at_once() -> None:
    """Without TCP_NODELAY each answer would wait 40 ms for the client's system to confirm its head."""

    async def asked() -> int:
        listening = _listen("127.0.0.1", 0)
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            own = writer.get_extra_info("socket")
            found.set_result(own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(connected, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            out = await found
            writer.close()
            return out

    assert asyncio.run(asked())
