"""What every annotation is: p(o | y), with mistakes, its exact sums and its draws.

If every label of an image is known, somebody was asked for all of its labels. Whatever the annotation of the other images,
log p(o | y) of such a row is 0 for the y that it states, and -inf for all others. Such a row may hold values that the
annotation does not describe, such as several known positives.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ConfigError, ObservationError
from ..exact.evidence import Evidence, mix, pinned, pinned_where
from .asked import ASKED, only_picked, pinning, without_asking
from .learned import LEARN, Learned

if TYPE_CHECKING:
    from ..observed.known_table import KnownTable


class CountBound(NamedTuple):
    """How many labels can be present at once, for annotations whose sums depend on it.

    Attributes:
        expected: an upper bound of the expected number of unknown labels that are present.
        block: the largest number of one tree of the label space.
        longest: the largest number altogether.
    """

    expected: float
    block: int
    longest: int


def as_observed(observed: Tensor) -> Tensor:
    """What is known as int8 of 1, 0 and -1; NaN in a table of floats means unknown, as in a table that pandas has read.

    Raises:
        ObservationError: a float that is none of 1, 0, -1 and NaN.
    """
    if not observed.is_floating_point():
        return observed.to(torch.int8) if observed.dtype == torch.bool else observed
    unknown = torch.isnan(observed)
    wrong = ~unknown & (observed != 1) & (observed != 0) & (observed != -1) & (observed != ASKED)
    if bool(wrong.any()):
        place, value = tuple(wrong.nonzero()[0].tolist()), float(observed[wrong][0])
        raise ObservationError(
            f"observed holds {value:g} at {place}; expected 1 (present), 0 (absent), and -1 or NaN (unknown). "
            "Probabilities are not known labels: round them, or make the unsure ones unknown"
        )
    return observed.masked_fill(unknown, -1).to(torch.int8)


class Annotation(ABC):
    """p(o | y); subclasses say how the known positives are picked. Stateless: safe to share."""

    kind: str
    meaning: ClassVar[str] = ""
    """What it says of known labels, in a few words."""
    one_positive: ClassVar[bool] = False
    """Whether it describes a single known positive per row: an image that was found twice is then two rows."""

    says_which: ClassVar[bool] = True
    """Whether it says which labels become known; otherwise nothing can be checked against counts."""
    picks_present: ClassVar[bool] = False
    """Whether known positives are a pick from the present labels, so that an image with a known one is never empty."""
    one_by_one: ClassVar[bool] = False
    """Whether each present label is reported by itself; otherwise one or more are picked together."""
    by_label: ClassVar[bool] = False
    """Whether images were collected label by label: how many images a label has then says nothing about its prevalence."""

    learned: Mapping[str, Learned] = {}
    """What was learned, by parameter; see `latentlabels.annotation.learning`."""

    def __init__(self, *, noise: float | str = 0.0):
        self._learns: tuple[str, ...] = ()
        self.noise = 0.0
        if not self._is_learned("noise", noise):
            if isinstance(noise, str) or not 0.0 <= noise < 1.0:
                raise ConfigError(f'noise is a probability in [0, 1), not {noise}; or it is "{LEARN}"')
            self.noise = float(noise)

    # --- numbers that are learned -----------------------------------------------------------------------

    @property
    def learns(self) -> tuple[str, ...]:
        """Parameters whose numbers a fit has to learn: of "weights", "rates", "noise"."""
        return self._learns

    def _is_learned(self, parameter: str, value: Any) -> bool:
        """Note that a parameter is to be learned, if that was given for its numbers.

        Raises:
            ConfigError: another text.
        """
        if not isinstance(value, str):
            return False
        if value != LEARN:
            raise ConfigError(f'{parameter} is "{value}"; give numbers, or "{LEARN}"')
        self._learns = (*self._learns, parameter)
        return True

    def _needs(self, *parameters: str) -> None:
        """Refuse to go on without numbers that are still to be learned."""
        missing = [one for one in parameters if one in self._learns]
        if missing:
            raise ConfigError(
                f'the annotation "{self.kind}" must learn its {" and ".join(missing)} first; call fit(images, observed) and '
                "use its annotation_, or state the numbers"
            )

    def with_learned(self, found: Iterable[Learned]) -> Annotation:
        """The same annotation with the numbers that were found."""
        learned = {one.parameter: one for one in found}
        numbers = {name: one.estimate[0] if name == "noise" else one.estimate for name, one in learned.items()}
        stated = {key: value for key, value in self.to_config().items() if key != "kind"}
        out = type(self)(**{**stated, **numbers})
        out.learned = learned
        return out

    def with_noise(self, noise: float) -> Annotation:
        """The same annotation with another rate of mistakes.

        Raises:
            ConfigError: a rate outside of [0, 1).
        """
        out = copy.copy(self)
        Annotation.__init__(out, noise=noise)
        out._learns = tuple(one for one in self._learns if one != "noise")
        return out

    # --- what a subclass states -------------------------------------------------------------------------

    @abstractmethod
    def log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        """log p(known positives | y), given that all of them are present in y: (...)."""

    @abstractmethod
    def products(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        """`log_pick` with the pins, as a mixture of products; `dtype` sets the tolerance of a quadrature."""

    @abstractmethod
    def draw(self, y: Tensor, generator: torch.Generator | None) -> Tensor:
        """`sample` without noise."""

    def complete(self, observed: Tensor) -> Tensor:
        """Which rows of observed (..., K) state every label, and are therefore not the annotation's: bool (...).

        A row of presences alone can be the annotation's, too, where that describes several known positives.
        """
        told = (observed != -1).all(-1)
        return told if self._never_all(observed.shape[-1]) else told & ((observed == 0) | (observed == ASKED)).any(-1)

    def complete_rows(self, table: KnownTable) -> NDArray[np.int64]:
        """The same of a table (N, K), numbers of rows; rows of presences alone are complete where other rows are."""
        size = table.shape[1]
        told = table.num_known == size
        some = self._never_all(size) or bool((told & (table.num_present < size)).any())
        return np.flatnonzero(told & some)

    def _never_all(self, num_labels: int) -> bool:
        return self.one_positive and num_labels > 1

    def check(self, observed: Tensor) -> None:  # noqa: B027
        """Refuse observations that the annotation does not describe; most describe all."""

    def log_cardinality(self, observed: Tensor, most: int, dtype: torch.dtype) -> Tensor | None:
        """log p(o | y) as a function of N = 0..`most` present labels where it depends on nothing else, or None."""
        return None

    def selection_weights(self, num_labels: int, dtype: torch.dtype, device: torch.device) -> Tensor | None:
        """Weights v by which an image got into the data, with probability sum_k v_k y_k; None if all did."""
        return None

    def readiness(self, num_labels: int) -> NDArray[np.float64]:
        """(K,) in proportion to the probability that a present label becomes known, all else equal."""
        return np.ones(num_labels)

    def prevalence(self, known: KnownTable) -> tuple[NDArray[np.float64], str] | None:
        """Prevalences (K,) that known labels (N, K) imply by themselves, and what says so; None if only up to a scale."""
        return None

    # --- what the package calls -------------------------------------------------------------------------

    def log_prob(self, observed: Tensor, y: Tensor) -> Tensor:
        """log p(o | y); of annotations with `selection_weights`, of being found and of o, which y makes possible.

        Args:
            observed: (..., K) of 1, 0 and -1; NaN in a table of floats means unknown. `ASKED` is a presence that was asked
                for; see `annotation.asked`.
            y: (..., K) of 0 and 1, broadcast against `observed`.

        Returns:
            (...), -inf where y contradicts what is known; float32 at least.

        Raises:
            ObservationError: more known positives than the annotation describes, or other values.
        """
        self._needs(*self._learns)
        observed = as_observed(observed)
        told = self.complete(observed)
        if bool(told.any()):
            stated = torch.where((without_asking(observed) == (y > 0.5)).all(-1), 0.0, -torch.inf)
            return torch.where(told, stated, self.log_prob(observed.masked_fill(told.unsqueeze(-1), -1), y))
        asked, observed = observed == ASKED, only_picked(observed)
        if bool(asked.any()):
            return torch.where((asked & (y <= 0.5)).any(-1), -torch.inf, self.log_prob(observed, y))
        self.check(observed)
        present = y > 0.5
        dtype = torch.promote_types(y.dtype, torch.float32) if y.is_floating_point() else torch.get_default_dtype()
        observed, present = torch.broadcast_tensors(observed, present)
        fits = ~((observed == 1) & ~present).any(-1)
        absent = ((observed == 0) & present).any(-1)
        value = self.log_pick(observed, present.double())
        value = torch.where(fits, value, -torch.inf)
        if self.noise:
            mistaken = self.log_pick(observed, (observed != 0).double()) + self._log_found(observed, present)
            value = torch.logaddexp(value + math.log1p(-self.noise), mistaken + math.log(self.noise))
        return torch.where(absent, -torch.inf, value).to(dtype)

    def _log_found(self, observed: Tensor, present: Tensor) -> Tensor | float:
        """log-probability that an image with these labels was found, (...): 0 where nothing is known to be present."""
        weights = self.selection_weights(observed.shape[-1], torch.float64, observed.device)
        if weights is None:
            return 0.0
        return torch.where((observed == 1).any(-1), (present * weights).sum(-1).log(), 0.0)

    def evidence(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        """p(o | .) as a mixture of products over labels, for the exact sums.

        Args:
            observed: (..., K) int8 of 1, 0, -1 and `ASKED`.
            bound: gives the `CountBound` of the images, worked out only where it is needed.
            dtype: of the logits, which sets the tolerance; weights and tilts are in double precision.
        """
        self._needs(*self._learns)
        told = self.complete(observed)
        if bool(told.any()):
            others = observed.masked_fill(told.unsqueeze(-1), -1)
            return pinned_where(told, without_asking(observed), self.evidence(others, bound, dtype))
        asked, observed = observed == ASKED, only_picked(observed)
        self.check(observed)
        found = self._with_mistakes(self.products(observed, bound, dtype), observed)
        return pinning(found, asked) if bool(asked.any()) else found

    def evidence_of_any(self, num_labels: int, most: int) -> Callable[[Tensor], Evidence]:
        """`evidence` as one sequence of operations for all observations, which an exported graph can hold; nothing is checked.

        Args:
            num_labels: K.
            most: the largest number of labels that are present at once.

        Returns:
            A function of observed, (..., K) int8. Its tolerance is that of logits in float32.
        """
        self._needs(*self._learns)
        products = self.products_of_any(num_labels, most)

        def evidence(observed: Tensor) -> Evidence:
            told = self.complete(observed)
            others = observed.masked_fill(told.unsqueeze(-1), -1)
            return pinned_where(told, observed, self._with_mistakes(products(others), others))

        return evidence

    def products_of_any(self, num_labels: int, most: int) -> Callable[[Tensor], Evidence]:
        """`products` in the same way; what does not depend on the observations is worked out here."""
        bound = CountBound(float(most), most, most)
        return lambda observed: self.products(observed, lambda: bound, torch.float32)

    def _with_mistakes(self, base: Evidence, observed: Tensor) -> Evidence:
        """The products, and with noise those of known positives that say nothing."""
        if not self.noise:
            return base
        right, wrong = math.log1p(-self.noise), math.log(self.noise)
        mistaken = self.log_pick(observed, (observed != 0).double()).unsqueeze(-1) + wrong
        absences = pinned(torch.where(observed == 1, -1, observed).to(observed.dtype), torch.float64)
        weights = self.selection_weights(observed.shape[-1], torch.float64, observed.device)
        if weights is None:
            return mix(base, absences, right, mistaken)
        known = (observed == 1).any(-1, keepdim=True)  # where nothing is known to be present nothing can be a mistake
        absences = absences._replace(log_found=weights.log())
        return mix(base, absences, known.double() * right, torch.where(known, mistaken, -torch.inf))

    def sample(self, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw what becomes known of label sets, mistakes included: the simulation of p(o | y).

        Args:
            y: (..., K) of 0 and 1.
            generator: of the random numbers.

        Returns:
            (..., K) int8 of 1 and -1: one known positive, if there is any, or one draw per label for `Scar`; and 0 where
            `Ignorable` asked for an absent label.
        """
        self._needs(*self._learns)
        if not self.noise:
            return self.draw(y, generator)
        mistaken = torch.rand((*y.shape[:-1], 1), generator=generator, device=y.device) < self.noise
        return self.draw(torch.where(mistaken & self._can_be_found(y), torch.ones_like(y), y), generator)

    def _can_be_found(self, y: Tensor) -> Tensor:
        """Whether an image with these labels can be in the data: (..., 1)."""
        weights = self.selection_weights(y.shape[-1], torch.float64, y.device)
        return torch.ones_like(y[..., :1], dtype=torch.bool) if weights is None else (y > 0.5).any(-1, keepdim=True)

    def to_config(self) -> dict[str, Any]:
        """The `annotation` section of a config that gives this annotation."""
        noise = LEARN if "noise" in self._learns else self.noise
        return {"kind": self.kind} | ({"noise": noise} if noise else {})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Annotation) and self.to_config() == other.to_config()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        given = {key: value for key, value in self.to_config().items() if key != "kind"}
        return f"{type(self).__name__}({', '.join(f'{key}={value}' for key, value in given.items())})"


def pick_one(y: Tensor, weights: Tensor | None, generator: torch.Generator | None) -> Tensor:
    """One of the present labels of each row of y (..., K), in proportion to weights: int8 of 1 and -1; none where none is."""
    score = torch.where(y > 0.5, y.new_ones(()) if weights is None else weights.to(y), 0.0)
    some = score.sum(-1, keepdim=True) > 0
    flat = torch.where(some, score, 1.0).reshape(-1, y.shape[-1])
    if not len(flat):
        return torch.full(y.shape, -1, dtype=torch.int8, device=y.device)
    drawn = torch.multinomial(flat, 1, generator=generator).reshape(*y.shape[:-1], 1)
    out = torch.full(y.shape, -1, dtype=torch.int8, device=y.device)
    return torch.where(some, out.scatter(-1, drawn, 1), out)


def numbers_of(
    values: float | Sequence[float] | Tensor, name: str, low: float, low_open: bool, high: float = math.inf
) -> Tensor:
    """Numbers of a user's, in [low, high] or ]low, high], as float64 (n,).

    Raises:
        ConfigError: other numbers, or none.
    """
    numbers = torch.as_tensor(values, dtype=torch.float64).detach().cpu().reshape(-1)
    wrong = (numbers < low) | (numbers > high) | ~numbers.isfinite() | ((numbers == low) & low_open)
    if not len(numbers) or bool(wrong.any()):
        shown = numbers[wrong][0].item() if len(numbers) else "an empty list"
        raise ConfigError(
            f"{name} are numbers above {low:g}" + (f" up to {high:g}" if high < math.inf else "") + f", not {shown}"
        )
    return numbers


def sized(numbers: Any, num_labels: int, name: str) -> Any:
    """`numbers`, one for each label; a single one is that of all.

    Raises:
        ConfigError: another number of them.
    """
    if numbers is not None and len(numbers) not in (1, num_labels):
        raise ConfigError(f"{len(numbers)} {name} for {num_labels} labels; give one for each label")
    return numbers if numbers is None or len(numbers) == num_labels else numbers.expand(num_labels)
