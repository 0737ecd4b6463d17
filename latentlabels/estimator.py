"""`LatentLabels`: fit label probabilities from partly known labels, and ask for posteriors."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from torch import Tensor

from . import objectives
from .annotation import Annotation, UniformPositive
from .annotation import from_config as read_annotation
from .checks import fit_warnings
from .checks.diagnostics import diagnose
from .config import FitConfig, ModelConfig
from .errors import AnchorWarning, ConfigError, DataError, RunError, nearest
from .fitting import Best, HeadPolicy, LabelModule, LoopSettings, TrainingResult, build_program, decide_head, train
from .fitting.build import features_once, label_vector, warn_of_start
from .fitting.checkpoint import begun_with
from .fitting.run_folder import Run, environment, hash_data, read_run, write_run
from .inputs.batches import Batches, split_rows
from .inputs.door import resolve_inputs
from .observed import Observed
from .posterior import Posterior
from .program.starting_point import Anchor, derive_prior
from .providers import provided
from .space import LabelSpace

_M, _F = ModelConfig(), FitConfig()


class LatentLabels(BaseEstimator):
    """Learns p(y | x) of K labels per image from images of which few labels are known.

    Args:
        space: the label space.
        annotation: how the known labels came about; `UniformPositive` if not given.
        encoder: "embedding" for arrays (N, D), "tiny", or a torchvision ResNet, ConvNeXt or EfficientNet.
        weights: of the encoder: None, the name of published weights ("DEFAULT"), or a local file.
        frozen: train the head alone, on features that are worked out once.
        image_size: pixels that image files are resized to, one number or (height, width); arrays keep their own size, to
            which files are resized later.
        expected_labels: how many labels an image has on average, as the user states it, at which the fit is then held; None
            to derive it from the known labels where an exhaustive group allows that, else 1.5 per known one: where it starts.
        mixture: M, components of p(y | x); more than one lets labels depend on each other given the image.
        beta: weight in [0, 1] of the generative side: label prior and feature decoder. 0: p(y | x) alone.
        objective: "collapsed", ours, or a published loss by name, for comparison.
        at_least_one: whether images have at least one label as a rule; None: so it is where every image to fit has a known one.
        start: where the head starts: "prior", at the prevalences that the known labels imply, or "own", at random.
        epochs: at most.
        batch_size: images per step.
        learning_rate: of AdamW.
        weight_decay: of AdamW.
        held_out: share of images on which early stopping looks at log p(known labels).
        patience: epochs without a better one before it stops.
        stop: what it looks at: "auto", "likelihood", "known-map" (mAP against held-out known labels), "none".
        seed: of the split, the initialisation and the order.
        accelerator: of Lightning: "auto", "cpu", "gpu".
        devices: of Lightning.
        strategy: of Lightning: "auto", "ddp", ...
        workers: processes that read images which do not fit into memory.

    After `fit`: ``model``, ``guide``, ``elbo`` (the Pyro program), ``history_`` (a dict per epoch),
    ``diagnostics_``, ``anchor_`` (prevalences before training), ``kept_`` (the best epoch of each rule that was watched).
    """

    history_: list[dict[str, Any]]
    kept_: dict[str, Best]
    diagnostics_: dict[str, Any]

    def __init__(
        self,
        space: LabelSpace | None = None,
        annotation: Annotation | None = None,
        encoder: str = _M.encoder,
        *,
        weights: str | None = _M.weights,
        frozen: bool = _M.frozen,
        image_size: int | Sequence[int] = _M.image_size,
        expected_labels: float | None = _M.expected_labels,
        mixture: int = _M.mixture,
        beta: float = _M.beta,
        objective: str = _M.objective,
        at_least_one: bool | None = _M.at_least_one,
        start: str = _M.start,
        epochs: int = _F.epochs,
        batch_size: int = _F.batch_size,
        learning_rate: float = _F.learning_rate,
        weight_decay: float = _F.weight_decay,
        held_out: float = _F.held_out,
        patience: int = _F.patience,
        stop: str = _F.stop,
        seed: int = _F.seed,
        accelerator: str = _F.accelerator,
        devices: Any = _F.devices,
        strategy: str = _F.strategy,
        workers: int = _F.workers,
    ):
        self.space = space
        self.annotation = annotation
        self.encoder = encoder
        self.weights = weights
        self.frozen = frozen
        self.image_size = image_size
        self.expected_labels = expected_labels
        self.mixture = mixture
        self.beta = beta
        self.objective = objective
        self.at_least_one = at_least_one
        self.start = start
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.held_out = held_out
        self.patience = patience
        self.stop = stop
        self.seed = seed
        self.accelerator = accelerator
        self.devices = devices
        self.strategy = strategy
        self.workers = workers

    # --- fitting ----------------------------------------------------------------------------------------

    def fit(
        self,
        images: Any,
        observed: Any = None,
        truth: Any = None,
        *,
        checkpoints: str | Path | None = None,
        resume: bool = False,
        watch: Sequence[str] = (),
    ) -> LatentLabels:
        """Fit by SVI, and keep the weights of the best epoch.

        Args:
            images: a folder, a list of image files, a torch Dataset of images (3, H, W), an array of images
                (N, 3, H, W), or of embeddings (N, D) with encoder="embedding".
            observed: `Observed`, or an array (N, K) of 1, 0, -1; may be left out where `images` is an ImageFolder.
            truth: complete labels (N, K), which only the ceilings and the stopping rule "truth-map" read.
            checkpoints: a folder for the state after each epoch.
            resume: go on from the state in `checkpoints`.
            watch: further stopping rules whose best weights are kept as well, for `use`; the fit goes on while any of
                them gets better. "truth-map", the mAP against complete labels of held-out images, is an oracle's.

        Returns:
            self.

        Raises:
            ObservationError, DataError, ConfigError, WeightsError: what cannot be used, and what to do.
        """
        batches, table = self._prepare(images, observed)
        objective = self._objective
        if objective.needs_truth and truth is None:
            raise ConfigError(f'objective "{self.objective}" reads complete labels; give them as fit(..., truth=Y)')
        known = table.to_tensor()
        rows = split_rows(len(batches), self.held_out, self.seed)
        prevalence = torch.tensor(self.anchor_.prevalence, dtype=torch.float32)
        objective.start(objectives.Known(known, rows[0], prevalence, self.anchor_.expected_labels, batches.inputs))
        frozen = self._head.frozen_rows(self._head_space)
        module = LabelModule(self.model, objective, self.learning_rate, self.weight_decay, frozen)
        stop = self.stop if self.stop != "auto" else ("likelihood" if objective.stops_by_value() else "known-map")
        settings = LoopSettings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            patience=self.patience,
            seed=self.seed,
            accelerator=self.accelerator,
            devices=self.devices,
            strategy=self.strategy,
            stop=stop if len(rows[1]) else "none",
            also=tuple(watch) if len(rows[1]) else (),
        )
        complete = None if truth is None else torch.as_tensor(np.asarray(truth), dtype=torch.int8)
        folder = None if checkpoints is None else Path(checkpoints)
        assert self.space is not None
        begun = begun_with(self.space, table, self._begun_settings(settings))
        result = train(module, batches, known, complete, rows, settings, folder, resume, begun)
        self.history_ = result.history
        self.kept_ = result.kept
        count = self._predicted_count(batches, rows[1], result)
        ours = objective.is_likelihood
        self.diagnostics_ = diagnose(table, self._how, self.anchor_, result, count, ours, rows[1], self._nonempty)
        for message in fit_warnings(self.diagnostics_):
            warnings.warn(message, AnchorWarning, stacklevel=2)
        self._data_hash = hash_data(table.values, table.images)
        self._fitted = True
        return self

    def use(self, rule: str) -> LatentLabels:
        """Put in place the weights that were best by one of the rules that `fit` watched; see its `watch`.

        Returns:
            self.

        Raises:
            ConfigError: a rule that was not watched.
        """
        self._check_fitted()
        kept = getattr(self, "kept_", {})
        if rule not in kept:
            raise ConfigError(f'the rule "{rule}" was not watched{nearest(rule, kept)} (kept: {", ".join(kept) or "none"})')
        own = self.model.state_dict().keys()
        state = {key.removeprefix("model."): value for key, value in kept[rule].state.items()}
        self.model.load_state_dict({key: value for key, value in state.items() if key in own})
        return self

    def prepare(self, images: Any, observed: Any = None) -> LatentLabels:
        """Build `model`, `guide` and `elbo` at their start, anchored by the known labels, without training.

        For ``pyro.infer.SVI(m.model, m.guide, optimiser, loss=m.elbo)`` in a loop of one's own, with
        ``svi.step(batch_of_images, batch_of_observed)``. Arguments are those of `fit`. Pyro keeps parameters by name for the
        whole process: call ``pyro.clear_param_store()`` before training another one.
        """
        self._prepare(images, observed)
        self.history_ = []
        self.diagnostics_ = {}
        self._fitted = True
        return self

    def _prepare(self, images: Any, observed: Any) -> tuple[Batches, Observed]:
        batches, table, names = resolve_inputs(
            images,
            observed,
            self.space,
            on_images=self.encoder != "embedding",
            image_size=self.image_size,
            workers=self.workers,
            merge=not self._how.one_positive,
        )
        if self.space is None:
            self.space = table.space
        if len(batches) < 2:
            raise DataError(f"{len(batches)} image is too few to fit; give at least two")
        self.names_ = names
        self._size = self.image_size
        if batches.on_images:  # arrays and Datasets bring a size of their own, at which files are to be read later
            height, width = batches.inputs(torch.arange(1)).shape[-2:]
            given = self.image_size if not isinstance(self.image_size, int) else (self.image_size, self.image_size)
            if tuple(given) != (height, width):
                self._size = height if height == width else [height, width]
        self.anchor_: Anchor = derive_prior(self.space, table.values, self._how, self.expected_labels)
        warn_of_start(self._settings, self.anchor_, self.space.num_labels, stacklevel=3)
        torch.manual_seed(self.seed)
        num_inputs = None if batches.on_images else batches.inputs(torch.arange(1)).shape[1]
        self._head = decide_head(self._settings, self._how, table, self.anchor_)
        self._build(num_inputs, self.anchor_)
        encoder = self.model.amortizer.encoder
        return features_once(encoder, batches, self.frozen, self.batch_size), table

    @property
    def _how(self) -> Annotation:
        return UniformPositive() if self.annotation is None else self.annotation

    @property
    def _settings(self) -> ModelConfig:
        """The settings of the model, as they are now; checked where they are used."""
        return ModelConfig.model_construct(**{key: getattr(self, key) for key in ModelConfig.model_fields})

    def _build(self, num_inputs: int | None, anchor: Anchor | None) -> None:
        """Make the Pyro program; `anchor` is None where weights are loaded next."""
        assert self.space is not None
        made = build_program(self.space, self._how, self._settings, self._head, num_inputs, anchor)
        self.model, self.guide, self.elbo, self._objective, self._head_space = made

    @property
    def _nonempty(self) -> bool:
        return self._head.nonempty

    def _begun_settings(self, loop: LoopSettings) -> dict[str, Any]:
        """What makes a fit another fit; how long it lasts and where it runs do not."""
        fit = ("batch_size", "learning_rate", "weight_decay", "held_out", "seed")
        chosen = {key: _plain(getattr(self, key)) for key in (*ModelConfig.model_fields, *fit)}
        return chosen | {"annotation": self._how.to_config(), "stop": loop.stop, "watch": sorted(loop.also)}

    def _predicted_count(self, batches: Batches, held: Tensor, result: TrainingResult) -> float:
        """Labels per held-out image after the best epoch."""
        row = next((row for row in result.history if row["epoch"] == result.best_epoch), {})
        if row.get("predicted_count") is not None:
            return float(row["predicted_count"])
        rows = held if len(held) else torch.arange(min(len(batches), 1000))
        return float(label_vector(self.model.amortizer, batches, rows, self.batch_size).marginals.sum(-1).mean())

    # --- answers ----------------------------------------------------------------------------------------

    def posterior(self, images: Any, observed: Any = None) -> Posterior:
        """The posterior of all labels.

        Args:
            images: as for `fit`.
            observed: what is known of them, as for `fit`: the posterior is then given that, under the annotation.

        Raises:
            NotFittedError: before `fit`.
        """
        self._check_fitted()
        batches, table, names = resolve_inputs(
            images,
            observed,
            self.space,
            on_images=self.encoder != "embedding",
            image_size=getattr(self, "_size", self.image_size),
            workers=self.workers,
            labelled=observed is not None,
        )
        q = label_vector(self.model.amortizer, batches, torch.arange(len(batches)), self.batch_size)
        files = isinstance(images, str | Path) or (isinstance(images, list | tuple) and isinstance(images[0], str | Path))
        pictures = names if files else images if batches.on_images else None  # files that could not be read have no row
        found = Posterior(q, names, pictures)
        return found if observed is None else found.observing(table.values, self.conditions_by)

    @property
    def conditions_by(self) -> Annotation:
        """The annotation by which known labels of an image enter its posterior; published losses have none."""
        return objectives.find(self.objective).conditions_by(self._how)

    def predict_proba(self, images: Any) -> NDArray[np.float32]:
        """``posterior(images).marginals``: float32 (N, K)."""
        return self.posterior(images).marginals

    def _check_fitted(self) -> None:
        if not getattr(self, "_fitted", False):
            raise NotFittedError(
                "this LatentLabels is not fitted yet; call fit(images, observed) first, or LatentLabels.load(run)"
            )

    def __sklearn_is_fitted__(self) -> bool:
        return bool(getattr(self, "_fitted", False))

    # --- what is shown ----------------------------------------------------------------------------------

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        return str(provided("one line")(self))

    @property
    def _repr_html_(self) -> Callable[[], str]:
        """What a notebook shows, where scikit-learn's option `display` is "diagram", as it is by default."""
        if get_config()["display"] != "diagram":
            raise AttributeError('_repr_html_ is there where scikit-learn\'s option display is "diagram"')
        return partial(provided("notebook view"), self)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """What IPython asks for first: of `BaseEstimator` it would be the diagram of a pipeline."""
        show = getattr(self, "_repr_html_", None)
        return {"text/plain": repr(self)} | ({} if show is None else {"text/html": show()})

    # --- the run folder ---------------------------------------------------------------------------------

    def save(self, folder: str | Path, sections: Mapping[str, Any] | None = None) -> Path:
        """Write a run folder, from which `load` makes this estimator again.

        Args:
            folder: a new folder, or that of an earlier run, which is replaced file by file.
            sections: of `config.yaml` beside the estimator's own: `data` says what was read.
        """
        self._check_fitted()
        given = self.get_params(deep=False)
        given["at_least_one"] = self._nonempty  # as it was decided
        given["image_size"] = getattr(self, "_size", self.image_size)
        model = {key: _plain(given[key]) for key in ModelConfig.model_fields}
        fit = {key: _plain(given[key]) for key in FitConfig.model_fields}
        config = {"annotation": self._how.to_config(), **(sections or {}), "model": model, "fit": fit}
        assert self.space is not None
        return write_run(
            folder,
            Run(
                config=config,
                space=self.space,
                weights=dict(self.model.state_dict()),
                history=self.history_,
                environment=environment(self.seed, getattr(self, "_data_hash", "")) | {"head": self._head.to_dict()},
                diagnostics=self.diagnostics_,
            ),
        )

    @classmethod
    def load(cls, folder: str | Path) -> LatentLabels:
        """The estimator of a run folder.

        Raises:
            RunError: a folder that is incomplete, damaged or of a later version.
        """
        run = read_run(folder)
        try:
            how = read_annotation(run.config["annotation"], run.space)
            out = cls(run.space, how, **run.config["model"], **run.config["fit"])
            size = run.weights["amortizer.head.weight"].shape[1]
            out._head = HeadPolicy.from_run(run.environment.get("head"), out._settings)
            out._build(size if out.encoder == "embedding" else None, None)
            out.model.load_state_dict(run.weights)
        except (KeyError, TypeError, RuntimeError) as error:
            raise RunError(f"{folder}: config.yaml and weights.safetensors do not fit together ({error})") from error
        out.model.eval()
        out.history_, out.diagnostics_ = run.history, run.diagnostics
        out._data_hash = run.environment.get("data_hash", "")
        out._fitted = True
        return out


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list) else value
