"""How much a request may ask for, so that no client takes the memory or the time of the others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of a service; what is beyond them is refused with a problem document.

    Attributes:
        upload_bytes: of an uploaded picture.
        json_bytes: of every other body.
        pixels: of an uploaded picture, before it is decoded: what has more is taken for a decompression bomb.
        uploads: pictures that are kept; the oldest is forgotten first.
        waiting: uploads that may wait for the model.
        images: of one request.
        labels: that one request may state.
        tasks: of Label Studio in one request, whose body may be as large as a picture.
        page: images of one page of a list.
        body_seconds: in which the body of a request has to arrive.
        head_seconds: in which the head of a request has to arrive.
        answer_seconds: that an upload waits for the model.
        connections: at once.
        batch: uploads that go through the model together.
        batch_seconds: that the first upload of a batch waits for others.
    """

    upload_bytes: int = 20 << 20
    json_bytes: int = 1 << 20
    pixels: int = 50_000_000
    uploads: int = 256
    waiting: int = 128
    images: int = 100
    labels: int = 1000
    tasks: int = 1000
    page: int = 500
    body_seconds: float = 20.0
    head_seconds: float = 10.0
    answer_seconds: float = 60.0
    connections: int = 256
    batch: int = 16
    batch_seconds: float = 0.004
