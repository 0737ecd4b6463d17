"""`latentlabels explore` and `latentlabels serve`: the page of a run, and its JSON interface alone."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from ..errors import DataError
from .output import Debug, Json, Output, RunFolder, UsageError
from .sources import load_run

Images = Annotated[
    Path | None,
    typer.Option(
        "--images",
        metavar="DIR",
        help="The images to show: a folder, or packed files. Default: those of the fit. For a run on embeddings, the pictures.",
    ),
]
Embeddings = Annotated[
    Path | None,
    typer.Option("--embeddings", metavar="FILE", help="For a run on embeddings: the .npz or .npy. Default: that of the fit."),
]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, metavar="N", help="The port to listen on; 0 for any free one.")]
Host = Annotated[
    str,
    typer.Option(
        "--host", metavar="ADDRESS", help="The address to listen on. With any but the default, other machines can reach it."
    ),
]
Token = Annotated[
    str | None, typer.Option("--token", metavar="TEXT", help="The token that every request must carry. Default: a random one.")
]
AnswersFile = Annotated[
    Path | None,
    typer.Option("--answers", metavar="FILE", help="The table in which answers are kept. Default: RUN/answers.csv."),
]


_STATIC = 500  # images that the page of one file is chosen from


def explore(
    run: RunFolder,
    images: Images = None,
    embeddings: Embeddings = None,
    port: Port = 8000,
    host: Host = "127.0.0.1",
    token: Token = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, but do not open a browser.")] = False,
    answers: AnswersFile = None,
    static: Annotated[
        bool, typer.Option("--static", help="Write one HTML file that needs no server; name it with -o.")
    ] = False,
    output_file: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="With --static: the file to write.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Open a page that shows a run's predictions for images, asks questions, and keeps your answers.

    For example: latentlabels explore runs/photos --images photos/

    Only this machine can open the page, unless you give --host. Its address holds a token: whoever has the address can use the
    page. Answers are kept in a table that `latentlabels fit --from RUN --answers TABLE` learns from.
    """
    with Output(as_json) as output:
        if static or output_file is not None:
            _write_static(output, run, images, embeddings, static, output_file)
            return
        _serve(output, run, images, embeddings, answers, Listening(port, host, token, True, not no_browser and not as_json))


def serve(
    run: RunFolder,
    images: Images = None,
    embeddings: Embeddings = None,
    port: Port = 8000,
    host: Host = "127.0.0.1",
    token: Token = None,
    answers: AnswersFile = None,
    label_studio: Annotated[
        str | None,
        typer.Option(
            "--label-studio",
            metavar="ADDRESS",
            help="The Label Studio from which pictures of tasks are fetched, such as http://localhost:8080. Put its access "
            "token into the environment variable LABEL_STUDIO_API_KEY.",
        ),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Serve a run's JSON interface, without the page: posteriors, questions, answers, and predictions for Label Studio.

    For example: latentlabels serve runs/photos --port 9090

    /openapi.json describes the addresses.
    """
    with Output(as_json) as output:
        if label_studio is not None and not label_studio.startswith(("http://", "https://")):
            raise UsageError(f"--label-studio {label_studio}: give an address such as http://localhost:8080")
        _serve(output, run, images, embeddings, answers, Listening(port, host, token, False, False, label_studio))


class Listening(NamedTuple):
    """Where the service listens, and what for; see `serving.running.Place`."""

    port: int
    host: str
    token: str | None
    page: bool
    browser: bool
    label_studio: str | None = None


def _serve(
    output: Output, run: Path, images: Path | None, embeddings: Path | None, answers: Path | None, listening: Listening
) -> None:  # fmt: skip
    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        raise DataError(f'{" and ".join(missing)} not installed; run: pip install "latentlabels[serve]"')
    _check_run(run)
    given = listening.token
    if given is not None and (len(given) < 16 or not given.isascii() or not given.isprintable() or " " in given):
        raise UsageError("--token: give at least 16 letters and digits, or leave it out for a random one")
    from ..serving.label_studio import Home
    from ..serving.running import Place, start_serving
    from ..serving.service import Service, Source

    service = Service(Source(run, images, embeddings, answers))

    def say(address: str, token: str) -> None:
        size = len(service.shown.collection)
        document = {"address": address, "token": token, "run": run, "num_images": size, "answers": service.answering.path}
        output.emit(document, lambda console: console.print(address))
        if not listening.page:
            output.note(f"token: {token}")
        output.note(f"answers are kept in {service.answering.path}; stop with Ctrl-C")

    home = Home(listening.label_studio, os.environ.get("LABEL_STUDIO_API_KEY"))
    place = Place(listening.host, listening.port, given, listening.page, listening.browser, home)
    try:
        start_serving(service, place, say)
    finally:
        service.close()


def _write_static(
    output: Output, run: Path, images: Path | None, embeddings: Path | None, static: bool, target: Path | None
) -> None:  # fmt: skip
    """Write the page of one file."""
    if target is None or not static:
        raise UsageError("--static and -o FILE go together, for example --static -o explore.html")
    _check_run(run)
    import numpy as np

    from ..posterior import Posterior
    from ..serving.collection import open_collection
    from ..show.card import most_instructive, write_static

    model = load_run(run)
    collection = open_collection(run, model, images, embeddings)
    rows = np.unique(np.linspace(0, len(collection) - 1, min(len(collection), _STATIC)).round().astype(np.int64))
    inputs = collection.stream.block(rows).inputs
    good = rows[inputs.rows]
    found = model.posterior(inputs)
    pictures = [collection.pictures[row] for row in good] if len(collection.pictures) else None
    posterior = Posterior(found.distribution, [collection.names[row] for row in good], pictures)
    chosen = most_instructive(posterior)
    path = write_static(posterior, target, chosen, title=run.resolve().name)
    document = {"page": path, "run": run, "num_images": len(chosen), "size": path.stat().st_size}
    output.emit(document, lambda console: console.print(f"{path}"))


def _check_run(run: Path) -> None:
    if not run.is_dir():
        what = "is a file, not a run folder" if run.exists() else "run folder not found"
        raise UsageError(f"{run}: {what}; create one with `latentlabels fit ... --out RUN`")
