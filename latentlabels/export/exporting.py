"""`export_model`: a fitted model as graphs that run without this package, each checked against the model before it is there."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from torch.export import Dim, ExportedProgram

from ..annotation import Annotation
from ..encoders import Standardize
from ..errors import ConfigError, ExportError
from ..kind import Kind
from ..writing import replacing, write_json, write_text
from .card import card_of
from .card_text import card_text
from .formats import FORMATS, Format, Inputs, find
from .graphs import Graph, KnownGraph, LabelGraph

if TYPE_CHECKING:
    from ..estimator import LatentLabels

TOLERANCE = 1e-4
"""The largest difference of a probability from the model's own with which a graph is written."""
KNOWN = "known"
_SIZES = 1, 6  # images that a graph is checked on
_TRACED = 3  # images that it is traced with: neither 0 nor 1, which are traced as such
_ASKED = 0.3  # share of the labels that are known in the check


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        labels: the graph of p(label | x).
        known: the graph of p(label | x, known labels).
        card: the model card, as text.
        facts: the same as JSON.
        differences: the largest difference of each graph's probabilities from the model's own, by the name of its file.
    """

    labels: Path
    known: Path
    card: Path
    facts: Path
    differences: Mapping[str, float]


def files_of(path: Path, form: Format) -> list[Path]:
    """All files that an export to `path` writes, the graph of p(label | x) first."""
    graphs = [path, path.with_name(f"{path.stem}.{KNOWN}{path.suffix}")]
    beside = [graph.with_suffix(ending) for graph in graphs for ending in form.beside]
    return [*graphs, *beside, path.with_name(path.name + ".md"), path.with_name(path.name + ".json")]


def export_model(
    model: LatentLabels,
    path: str | Path,
    to: str = "onnx",
    *,
    evaluation: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a fitted model as two graphs, with a model card.

    `path` gets the graph of p(label | x): images (N, 3, H, W), float32 in [0, 1], at the size of the fit, or embeddings
    (N, D), to probabilities (N, K). Beside it, ``NAME.known.ENDING`` is that of p(label | x, known): a second input `known`,
    int8 (N, K) of 1, 0 and -1 (unknown), enters under the annotation of the fit, as in ``posterior(images, observed)``.
    Normalisation, encoder, head and the exact sums over groups are inside, and N may be any number. ``FILE.md`` and
    ``FILE.json`` are the model card.

    Each graph is read back and compared with the model on random inputs. Files appear together, or not at all.

    Args:
        model: a fitted model.
        path: the file; its ending is that of the format.
        to: "onnx" (.onnx), "openvino" (.xml, with .bin beside it) or "torch-export" (.pt2).
        evaluation: figures against complete labels, as a run's evaluation.json has them, for the card.
        overwrite: replace files that are there.

    Raises:
        NotFittedError: before `fit`.
        ConfigError: an unknown format, an ending of another one, a library that is not installed, or files that are there.
        ExportError: the encoder cannot be exported, or a graph's probabilities differ from the model's by more than 1e-4.
    """
    check_is_fitted(model)
    path, form = Path(path), find(to)
    paths = _free_paths(path, form, overwrite)
    form.check_installed()
    name, sizes = _input_of(model)
    amortizer = deepcopy(model.model.amortizer).cpu().eval().requires_grad_(False)
    graphs = (
        _Graph(LabelGraph(amortizer), {name: sizes}),
        _Graph(
            KnownGraph(amortizer, model.conditions_by), {name: sizes, KNOWN: (model.space_.num_labels,)}, model.conditions_by
        ),
    )
    about = {"latentlabels.labels": json.dumps(model.space_.labels), "latentlabels.version": version_of("latentlabels")}
    differences: dict[str, float] = {}
    with ExitStack() as held:
        hidden = [held.enter_context(replacing(final)) for final in paths]  # the first one gets its name last
        for graph, final, place in zip(graphs, paths, hidden, strict=False):
            differences[final.name] = _write(graph, form, final, place, about, int(model.fitted_.params["seed"]))
        names = [final.name for final in paths]
        facts = card_of(model, form, names, graphs[1].inputs, differences, TOLERANCE, evaluation or {})
        write_text(hidden[-2], card_text(facts))
        write_json(hidden[-1], facts)
    return Exported(paths[0], paths[1], paths[-2], paths[-1], differences)


class _Graph(NamedTuple):
    """A graph to export.

    Attributes:
        module: that computes it.
        inputs: its inputs by name, and their sizes after the first.
        how: the annotation by which known labels enter; None where none do.
    """

    module: Graph
    inputs: Inputs
    how: Annotation | None = None


class _Batch(NamedTuple):
    """What a graph is checked with, and what the model says of it."""

    inputs: tuple[Tensor, ...]
    wanted: NDArray[np.float32]


def _free_paths(path: Path, form: Format, overwrite: bool) -> list[Path]:
    if path.suffix.lower() != form.ending:
        raise ConfigError(f"{path}: a file of {form.name} ends in {form.ending}; name it {path.stem}{form.ending}")
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: folder {path.parent} not found; create it first")
    paths = files_of(path, form)
    there = [one for one in paths if one.exists()]
    if there and not overwrite:
        raise ConfigError(f"{there[0]}: is there already; give another name, or overwrite=True (--overwrite) to replace it")
    return paths


def _input_of(model: LatentLabels) -> tuple[str, tuple[int, ...]]:
    """The name of the input, and its sizes after the first."""
    found = model.fitted_
    if found.kind is Kind.EMBEDDINGS:
        assert found.num_features is not None
        return found.kind.value, (found.num_features,)
    assert found.image_size is not None
    return found.kind.value, (3, *found.image_size)


def _write(graph: _Graph, form: Format, final: Path, place: Path, about: Mapping[str, str], seed: int) -> float:
    """Write a graph to `place`, read it back and compare it with the model: the largest difference.

    Raises:
        ExportError: it cannot be written, or says something else.
    """
    with torch.no_grad(), torch.random.fork_rng(devices=[]), _quiet():
        torch.manual_seed(seed)
        batches = [_batch(graph, size) for size in _SIZES]
        try:
            program = _traced(graph, _batch(graph, _TRACED).inputs)
            form.write(program, graph.inputs, place, about)
            run = form.open(place)
            found = [run([one.numpy() for one in batch.inputs]) for batch in batches]
        except OSError:
            raise  # a full disk, which names the file
        except Exception as error:  # of three libraries
            reason = " ".join(str(error).split())
            raise ExportError(
                f"{final}: this model cannot be exported to {form.name} ({type(error).__name__}: {reason[:400]}); try another "
                f"format ({', '.join(FORMATS)}), or another encoder"
            ) from error
    apart = [np.abs(one - batch.wanted) for one, batch in zip(found, batches, strict=True)]
    difference = max(float(np.nan_to_num(one, nan=np.inf).max(initial=0)) for one in apart)
    if difference > TOLERANCE:
        raise ExportError(
            f"{final}: the {form.name} graph differs from the model by {difference:.2g} in a probability, more than "
            f"{TOLERANCE:g}, so it was not written; try another format ({', '.join(FORMATS)})"
        )
    return difference


def _traced(graph: _Graph, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    """The graph's operations, for any number of images."""
    graph.module(*inputs)  # what is worked out once for a label space is kept, and must be numbers then
    any_number = Dim("N")
    program = torch.export.export(graph.module, inputs, dynamic_shapes=tuple({0: any_number} for _ in inputs))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine, which formats would keep
    return program


def _batch(graph: _Graph, size: int) -> _Batch:
    """Random inputs, black and white images among them, and known labels of sets that the model draws for them."""
    inputs = _random_inputs(graph, size)
    q = graph.module.vector(inputs)
    if graph.how is None:
        return _Batch((inputs,), q.marginals.numpy())
    y = q.sample()
    known = torch.where(torch.rand(y.shape) < _ASKED, y, -1).to(torch.int8)
    if graph.how.one_positive:
        known = torch.where((known == 1) & ((known == 1).cumsum(-1) > 1), -1, known).to(torch.int8)
    return _Batch((inputs, known), q.condition(known, graph.how).marginals.numpy())


def _random_inputs(graph: _Graph, size: int) -> Tensor:
    name, sizes = next(iter(graph.inputs.items()))
    if name == Kind.IMAGES:
        images = torch.rand(size, *sizes)
        images[size // 2 : size // 2 + 1], images[size // 2 + 1 : size // 2 + 2] = 0.0, 1.0
        return images
    encoder = graph.module.amortizer.encoder
    inputs = torch.randn(size, *sizes)
    return encoder.mean + encoder.scale * inputs if isinstance(encoder, Standardize) else inputs


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporters talk a lot: to stdout, in warnings and in logs."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
