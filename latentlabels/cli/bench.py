"""`latentlabels bench`: objectives side by side on data of the user's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConfigError, DataError
from ..words import NONE, count
from . import options
from .configs import explained
from .interrupt import advise
from .output import Debug, Json, Output, UsageError, table

if TYPE_CHECKING:
    from rich.console import Console

    from ..bench import Task
    from ..bench.grid import Grid
    from ..bench.results import Metric, Spread, Summary
    from ..config import Config

_SHOWN = ("mAP", "nll", "brier", "ece", "f1", "f1_expected", "count_error", "seconds", "peak_mb")
_GRID = ("objectives", "seeds", "learning_rates", "starts")


def bench(
    configs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="CONFIG...", help="YAML configs, one for each data set. Without any, give --images or --make."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="A new folder, or the folder of an earlier bench to resume.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option("--images", metavar="DIR", help="A folder of images. It replaces data.images.")
    ] = None,
    hide: Annotated[
        str | None,
        typer.Option(
            "--hide",
            metavar="HOW",
            help="How to hide labels of a completely labelled data set: uniform, salience, per-label, or the rate to "
            "keep, such as 0.3.",
        ),
    ] = None,
    make: Annotated[
        str | None,
        typer.Option("--make", metavar="KIND", help="Make scenes from a folder of objects: class-and-colour or mosaic."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="N",
            min=0,
            help="Number of fits to run at a time, each in its own process. Default: one for each core.",
        ),
    ] = None,
    overrides: options.Overrides = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Fit every objective with several learning rates and seeds, and compare them in one table.

    For example: latentlabels bench products.yaml photos.yaml --out bench/

    Writes one row to rows.jsonl after each fit. If it is interrupted, run the same command again to resume. At the end it
    prints the table and writes a CSV file, a JSON document and an HTML page with plots.
    """
    with Output(as_json) as output:
        if out is None:
            raise UsageError("no folder for the results; give --out DIR")
        flags = {"data.images": images, "bench.hide": hide, "bench.make": make}
        paths: list[Path | None] = [*configs] if configs else [None]
        read = [read_bench_config(path, overrides or (), flags) for path in paths]
        grid = _grid(read)
        names = [_name(config, path) for config, path in zip(read, paths, strict=True)]
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled is not None:
            raise UsageError(f'two data sets are called "{doubled}"; give each config its own bench.name')
        tasks = [_task(config, name) for config, name in zip(read, names, strict=True)]

        from ..bench.grid import run_grid
        from ..bench.page import write_results
        from ..bench.summary import summarize

        output.note(f"{count(len(tasks), 'data set')}; results go to {out}")
        advise(f"finished fits are in {out}; run the same command again to resume")
        rows = run_grid(tasks, grid, out, workers, output.note)
        summary = summarize(rows, tasks)
        document = write_results(out, summary, tasks, grid)
        output.emit({"out": out, "report": out / "report.html", **document}, lambda console: _show(console, summary, out))
        if not any(data.tables for data in summary.data):
            raise DataError(f"every fit failed. The first error: {summary.failures[0].error}")


def read_bench_config(path: Path | None, overrides: Sequence[str], flags: Mapping[str, Any]) -> Config:
    """A config with a `bench` section, checked.

    Raises:
        UsageError: neither a config nor data.
        ConfigError, LabelSpaceError: what is wrong in it, with file, line and key, or the flag.
    """
    from ..bench.checking import bench_of, check_bench
    from ..config import BenchConfig, read_config

    if path is None and flags.get("data.images") is None and flags.get("bench.make") is None:
        raise UsageError("no data to compare on; give a CONFIG (YAML), or --make mosaic, or --images DIR with --make KIND")
    texts = {key: str(value) if isinstance(value, Path) else value for key, value in flags.items()}
    config = read_config(path, overrides, texts)
    if config.bench is None:
        config = config.with_bench(BenchConfig())
    if bench_of(config).make is None or config.data.images is not None:
        config.check_files()
    check_bench(config)
    return config


def _task(config: Config, name: str) -> Task:
    from ..bench.loading import load_task

    with explained(config):
        return load_task(config, name)


def _show(console: Console, summary: Summary, out: Path) -> None:
    from ..bench.results import METRICS
    from ..bench.summary import at_limit

    columns = ("objective", *(METRICS[metric].title for metric in _SHOWN), "rate", "stopped by")
    for data in summary.data:
        for one in data.tables:
            start = "" if one.start == "prior" else ", the losses' own start"
            rows = []
            for place in one.results:
                name = place.objective + {"ours": " (ours)", "oracle": " (complete labels)"}.get(place.kind, "")
                cells = [_figure(place.figures.get(metric), METRICS[metric], data.num_test) for metric in _SHOWN]
                fitted = place.kind != "baseline"  # which has no learning rate
                rows.append((name, *cells, f"{place.learning_rate:g}" if fitted else NONE, place.rule if fitted else NONE))
            console.print(table(columns, rows, columns[1:-1], title=f"{data.name}, {one.protocol}{start}"))
            console.print()
            ended = at_limit(one)
            for text in (*one.serves, *(found.text for found in one.findings), *([] if ended is None else [ended])):
                console.print(text)
            console.print()
    if summary.failures:
        first = summary.failures[0]
        console.print(
            f"{count(len(summary.failures), 'fit')} failed. The first ({first.data}, {first.objective}): {first.error}\n"
        )
    for name in ("report.html", "results.csv", "results.json", "rows.jsonl"):
        console.print(str(out / name))


def _figure(found: Spread | None, how: Metric, num_test: int) -> str:
    if found is None:
        return NONE
    error = found.error(how, num_test)
    return how.show(found.mean, error=error) + ("" if found.sd is None else f" ± {how.show(found.sd, error=error)}")


def _name(config: Config, path: Path | None) -> str:
    from ..bench.checking import bench_of

    given = bench_of(config).name
    return given if given is not None else (path or config.data.images or Path(bench_of(config).make or "data")).stem


def _grid(configs: list[Config]) -> Grid:
    """The grid of the first config, which the others may repeat.

    Raises:
        ConfigError: another one says something else, or an objective is named that is not there.
    """
    from .. import objectives
    from ..bench.checking import bench_of
    from ..bench.grid import Grid
    from ..config.sections import BENCH_OBJECTIVES, TRUE_COUNT

    first = bench_of(configs[0])
    for config in configs[1:]:
        for key in _GRID:
            if key in bench_of(config).model_fields_set and getattr(bench_of(config), key) != getattr(first, key):
                raise ConfigError(
                    f"{config.where(f'bench.{key}')}: bench.{key}: all configs of one bench must share this value, but "
                    f"{configs[0].where('bench')} sets {getattr(first, key)}; use the same value, or leave it out"
                )
    there = list(objectives.OBJECTIVES)
    # ours is told the true count only where somebody asks for that
    usual = [name for name in BENCH_OBJECTIVES if name != f"{objectives.DEFAULT}{TRUE_COUNT}"]
    asked = [name for name in usual if name.removesuffix(TRUE_COUNT) in there] if first.objectives is None else first.objectives
    for name in asked:
        if name.removesuffix(TRUE_COUNT) not in there:
            raise ConfigError(f'{configs[0].where("bench.objectives")}: bench.objectives: "{name}" is not available yet')
    starts = ["prior", "own"] if "both" in first.starts else first.starts
    values: dict[str, Any] = {
        "objectives": asked,
        "starts": starts,
        "learning_rates": first.learning_rates,
        "seeds": first.seeds,
    }
    return Grid(**{key: tuple(dict.fromkeys(value)) for key, value in values.items()})
