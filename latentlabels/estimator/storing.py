"""A fit as a run folder holds it, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from ..annotation import from_config as read_annotation
from ..annotation.learned import Learned
from ..config import FitConfig, ModelConfig
from ..decisions import Decisions, Thresholds
from ..errors import RunError
from ..fitting import HeadPolicy, build_program
from ..fitting.build import Earlier
from ..fitting.fitted import Fitted
from ..fitting.run_folder import Run, environment, read_run
from ..fitting.settling import features_of
from ..inputs import Levels, PixelFormat, as_size
from ..inputs.rgb import Size
from ..kind import Kind, kind_of
from .settings import Settings, plain


class HasParams(Protocol):
    """What is made of a run's settings: a `LatentLabels`."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments that it was made with, by name."""
        ...

    def set_params(self, **params: Any) -> Any:
        """Change some of them."""
        ...


E = TypeVar("E", bound=HasParams)


class _Pictures(NamedTuple):
    """How a run's images were read; all None for embeddings.

    Attributes:
        pixels: how the encoder takes them.
        levels: which values are black and white.
        size: (height, width) in pixels.
    """

    pixels: PixelFormat | None = None
    levels: Levels | None = None
    size: Size | None = None


# --- save -----------------------------------------------------------------------------------------------


def run_of(found: Fitted, sections: Mapping[str, Any] | None = None) -> Run:
    """What a run folder holds of a fit.

    Args:
        found: the fit.
        sections: of `config.yaml` beside the estimator's own.
    """
    given = dict(found.params)
    given["at_least_one"] = found.head.nonempty  # as it was decided
    if found.image_size is not None:
        height, width = found.image_size
        given["image_size"] = height if height == width else [height, width]
    model = {key: plain(given[key]) for key in ModelConfig.model_fields}
    fit = {key: plain(given[key]) for key in FitConfig.model_fields}
    return Run(
        config={"annotation": found.annotation.to_config(), **(sections or {}), "model": model, "fit": fit},
        space=found.space,
        weights=dict(found.program.model.state_dict()),
        history=found.history,
        environment=_about(found),
        diagnostics=found.diagnostics,
        decisions=found.decisions,
    )


def _about(found: Fitted) -> dict[str, Any]:
    """Of `environment.json`, what the fit itself says."""
    about = environment(int(found.params["seed"]), found.data_hash)
    about |= {"images_hash": found.images_hash, "head": found.head.to_dict()}
    if found.columns is not None:
        about["columns"] = list(found.columns)
    if found.program.described is not None:
        about["encoder"] = dict(found.program.described)
    if found.pixels is not None:
        about["pixels"] = found.pixels.to_config()
    if found.levels is not None:
        about["levels"] = found.levels.to_config()
    return about


# --- load -----------------------------------------------------------------------------------------------


def restored(folder: str | Path, make: Callable[..., E]) -> tuple[E, Fitted]:
    """What a run folder holds: an estimator with the settings of the fit, and the fit.

    Args:
        folder: of the run.
        make: makes the estimator of a label space, an annotation and settings by name.

    Raises:
        RunError: a folder that is incomplete, damaged or of a later version.
    """
    run = read_run(folder)
    try:
        made, start = _rebuilt(run, make)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise RunError(
            f"{folder}: config.yaml and weights.safetensors do not match ({error}); restore the folder, or fit again"
        ) from error
    amortizer = start.program.model.eval().amortizer
    if run.decisions is not None and run.decisions.calibration is not None:
        amortizer.adjustment = run.decisions.calibration.adjustment()
    given, columns = Settings.of(start.params), run.environment.get("columns")
    return made, replace(
        start,
        decisions=run.decisions or start.decisions,
        features=features_of(amortizer.encoder, given.model, given.fit, start.pixels),
        columns=None if columns is None else tuple(map(str, columns)),
        history=run.history,
        diagnostics=run.diagnostics,
        data_hash=run.environment.get("data_hash", ""),
        images_hash=run.environment.get("images_hash", ""),
    )


def _rebuilt(run: Run, make: Callable[..., E]) -> tuple[E, Fitted]:
    """An estimator with a run's settings, and the program that they make, with the run's weights."""
    how = read_annotation(run.config["annotation"], run.space)
    how.learned = {name: Learned.from_dict(one) for name, one in run.diagnostics.get("learned", {}).items()}
    made = make(run.space, how, **run.config["model"], **run.config["fit"])
    model = Settings.of(made.get_params(deep=False)).model
    kind = kind_of(model.encoder)
    pixels, levels, size = _Pictures() if kind is Kind.EMBEDDINGS else _pictures(run, model.image_size)
    if levels is not None:
        made.set_params(white=levels.stated)
    features = None if kind is Kind.IMAGES else len(run.weights["amortizer.encoder.mean"])
    head = HeadPolicy.from_run(run.environment.get("head"), model)
    earlier = Earlier(run.environment.get("encoder"))
    program = build_program(run.space, how, model, head, features, None, pixels, size, earlier)
    program.model.load_state_dict(run.weights)
    return made, Fitted(
        space=run.space,
        annotation=how,
        kind=kind,
        program=program,
        decisions=Decisions(Thresholds.halves(run.space.num_labels)),
        head=head,
        params=made.get_params(deep=False),
        image_size=size,
        pixels=pixels,
        levels=levels,
        num_features=features,
    )


def _pictures(run: Run, image_size: Any) -> _Pictures:
    """How the images of a run were read."""
    about = run.environment.get("pixels")
    pixels = PixelFormat() if about is None else PixelFormat.from_config(about)  # runs of version 0.1 say nothing
    levels = Levels.from_config(run.environment.get("levels"))  # older runs had images of 8 bits in mind
    return _Pictures(pixels, levels, pixels.size if image_size is None else as_size(image_size))
