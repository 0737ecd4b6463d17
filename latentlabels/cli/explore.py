"""`latentlabels explore` and `latentlabels serve`: the page of a run, and its JSON interface alone."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from ..errors import DataError
from .output import Debug, Json, Output, RunFolder, UsageError

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
    typer.Option("--host", metavar="ADDRESS", help="The address to listen on. With another than the default, others may ask."),
]
Token = Annotated[
    str | None, typer.Option("--token", metavar="TEXT", help="The token that requests need. Default: a random one.")
]
AnswersFile = Annotated[
    Path | None,
    typer.Option("--answers", metavar="FILE", help="The table that answers are kept in. Default: RUN/answers.csv."),
]


def explore(
    run: RunFolder,
    images: Images = None,
    embeddings: Embeddings = None,
    port: Port = 8000,
    host: Host = "127.0.0.1",
    token: Token = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser, where there is one.")
    ] = True,
    answers: AnswersFile = None,
    static: Annotated[
        bool, typer.Option("--static", help="Write one HTML file that needs no server, and end; name it with -o.")
    ] = False,
    output_file: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="With --static: the file to write.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Open a page that shows what a run says of its images, asks questions, and keeps your answers.

    For example: latentlabels explore runs/photos --images photos/

    The page is served on this machine alone. Its address holds a token; whoever has the address can use the page. Answers are
    kept in a table that `fit --observed` reads.
    """
    with Output(as_json) as output:
        if static or output_file is not None:
            _write(output, run, images, embeddings, output_file)
            return
        _serve(output, run, images, embeddings, port, host, token, answers, page=True, browser=browser and not as_json)


def serve(
    run: RunFolder,
    images: Images = None,
    embeddings: Embeddings = None,
    port: Port = 8000,
    host: Host = "127.0.0.1",
    token: Token = None,
    answers: AnswersFile = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Serve a run's JSON interface, without the page: posteriors, questions, answers, and predictions for Label Studio.

    For example: latentlabels serve runs/photos --port 9090

    The addresses are described at /openapi.json.
    """
    with Output(as_json) as output:
        _serve(output, run, images, embeddings, port, host, token, answers, page=False, browser=False)


def _write(output: Output, run: Path, images: Path | None, embeddings: Path | None, file: Path | None) -> None:
    """The page of one file."""
    if file is None:
        raise UsageError("--static writes a file; name it with -o, for example -o explore.html")
    _check_run(run)
    from ..serving.static_file import write_explore

    path, shown = write_explore(run, file, images, embeddings)
    output.emit({"file": path, "num_images": shown}, lambda console: console.print(str(path), soft_wrap=True))


def _check_run(run: Path) -> None:
    if not run.is_dir():
        what = "is a file, not a run folder" if run.exists() else "run folder not found"
        raise UsageError(f"{run}: {what}; create one with `latentlabels fit ... --out RUN`")


def _serve(
    output: Output, run: Path, images: Path | None, embeddings: Path | None, port: int, host: str, token: str | None,
    answers: Path | None, page: bool, browser: bool,
) -> None:  # fmt: skip
    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        raise DataError(f'{" and ".join(missing)} not installed; run: pip install "latentlabels[serve]"')
    _check_run(run)
    if token is not None and (len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token):
        raise UsageError("--token: give at least 16 letters and digits, or leave it out for a random one")
    from ..serving.running import Place, start_serving
    from ..serving.service import Service, Source

    service = Service(Source(run, images, embeddings, answers))

    def say(address: str, token: str) -> None:
        size = len(service.shown.collection)
        document = {"address": address, "token": token, "run": run, "num_images": size, "answers": service.answering.path}
        output.emit(document, lambda console: console.print(address))
        if not page:
            output.note(f"token: {token}")
        output.note(f"answers are kept in {service.answering.path}; stop with Ctrl-C")

    try:
        start_serving(service, Place(host, port, token, page, browser), say)
    finally:
        service.close()
