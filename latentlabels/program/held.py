"""`Held`: a tensor that stands for labels which are summed over, and that passes its mark on to all that is made of it.

The closed-form ELBO runs a program once, without labels. Whatever the program works out from them has to be known: it
decides which densities are constant in the sum. `Held` has no storage of its own, so that every operation, of Python or
of C++, has to pass `__torch_dispatch__`: results carry the mark, and what leaves the world of tensors is written down.
"""

from __future__ import annotations

import os
import sys
from typing import Any, NamedTuple

import pyro
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

_AROUND = (*(os.path.dirname(str(module.__file__)) + os.sep for module in (torch, pyro)), __file__)
_VALIDATION = sys.modules[torch.distributions.Distribution.__module__].__file__

# results that take nothing but shape, type and device from their argument
_SHAPE_ONLY = frozenset(
    f"aten::{name}"
    for name in (
        *("empty_like", "full_like", "ones_like", "rand_like", "randn_like", "zeros_like"),
        *("new_empty", "new_empty_strided", "new_full", "new_ones", "new_zeros"),
    )
)
_SAME = frozenset({"aten::alias", "aten::detach"})  # the labels themselves, as another object


class Use(NamedTuple):
    """A place where a program took something from held labels that no tensor carries on.

    Attributes:
        sites: whose labels they were.
        what: what happened.
        where: file and line.
    """

    sites: frozenset[str]
    what: str
    where: str


class Uses(list[Use]):
    """What was taken from held labels, in order, and the memory of these labels."""

    def __init__(self) -> None:
        super().__init__()
        self.memory: set[int] = set()


class Held(Tensor):
    """Labels of a sample site, or what was worked out from them. Its numbers mean nothing.

    Attributes:
        numbers: numbers of the right shape.
        sites: names of the sites on which it depends.
        uses: the list in which uses are written down.
        origin: the site whose labels these are, unchanged; None for anything else.
    """

    numbers: Tensor
    sites: frozenset[str]
    uses: Uses
    origin: str | None

    # operations go straight to __torch_dispatch__
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(  # noqa: D102
        cls: type[Held], numbers: Tensor, sites: frozenset[str], uses: Uses, origin: str | None = None
    ) -> Held:
        out = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            numbers.shape,
            strides=numbers.stride(),
            storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype,
            device=numbers.device,
        )
        out.numbers, out.sites, out.uses, out.origin = numbers, sites, uses, origin
        return out

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        held = [part for part in tree_leaves((args, kwargs)) if isinstance(part, Held)]
        name, tags = func._schema.name, func.tags
        plain_args, plain_kwargs = tree_map_only(Held, lambda part: part.numbers, (args, kwargs))
        if name in _SHAPE_ONLY:
            return func(*plain_args, **plain_kwargs)
        sites, uses = frozenset().union(*(part.sites for part in held)), held[0].uses
        if torch.Tag.data_dependent_output in tags:
            _note(uses, sites, "a Python value is read from the labels")
        elif torch.Tag.dynamic_output_shape in tags and _shaped_by(func, held):
            _note(uses, sites, "the shape of a tensor depends on the labels")
        if _writes(func, args, kwargs):
            _note(uses, sites, "a tensor is changed in place")
        out = func(*plain_args, **plain_kwargs)
        if func._schema.is_mutable and args and isinstance(args[0], Held) and out is args[0].numbers:
            return args[0]
        same = held[0].origin if name in _SAME or (name == "aten::expand" and out.shape == held[0].shape) else None
        return tree_map_only(Tensor, lambda part: Held(part, sites, uses, same), out)

    def _is_of_site(self) -> bool:
        """Whether this shares its memory with the labels as drawn."""
        return self.numbers.untyped_storage().data_ptr() in self.uses.memory

    def _read(self) -> Tensor:
        _note(self.uses, self.sites, "a Python value is read from the labels")
        return self.numbers

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        """As of a tensor; the use is written down."""
        return self._read().numpy(*args, **kwargs)

    def tolist(self) -> Any:
        """As of a tensor; the use is written down."""
        return self._read().tolist()

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        return self._read().__array__(*args, **kwargs)

    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any:
        return self._read().__dlpack__(*args, **kwargs)

    def untyped_storage(self) -> Any:
        """As of a tensor; the use is written down."""
        return self._read().untyped_storage()

    def data_ptr(self) -> int:
        """As of a tensor; the use is written down."""
        return self._read().data_ptr()

    def __deepcopy__(self, memo: Any) -> Held:
        return Held(self.numbers, self.sites, self.uses, self.origin)

    def __repr__(self, **kwargs: Any) -> str:  # type: ignore[override]
        return f"<labels of {', '.join(sorted(self.sites))}, summed over: shape {tuple(self.shape)}>"

    def __format__(self, spec: str) -> str:
        return repr(self)


def hold(site: str, shape: torch.Size, dtype: torch.dtype, device: torch.device, uses: Uses) -> Held:
    """What stands for the labels of a site."""
    numbers = torch.zeros(shape, dtype=dtype, device=device)
    uses.memory.add(numbers.untyped_storage().data_ptr())
    return Held(numbers, frozenset({site}), uses, site)


def _shaped_by(func: Any, held: list[Held]) -> bool:
    """Whether the values, not the shapes, of held tensors decide the shape of the result."""
    return func._schema.name != "aten::index" or any(part.dtype in (torch.bool, torch.uint8) for part in held)


def _writes(func: Any, args: Any, kwargs: Any) -> bool:
    """Whether an operation changes labels as drawn, or writes what depends on labels into a tensor without the mark."""
    if "batch_norm" in func._schema.name:  # which does not declare that it changes its running statistics
        return len(args) > 5 and isinstance(args[3], Tensor) and args[5] is True
    if not func._schema.is_mutable:
        return False
    for place, given in enumerate(func._schema.arguments):
        part = args[place] if place < len(args) else kwargs.get(given.name)
        if given.alias_info is None or not given.alias_info.is_write or not isinstance(part, Tensor):
            continue
        if not isinstance(part, Held) or part._is_of_site():
            return True
    return False


def _note(uses: Uses, sites: frozenset[str], what: str) -> None:
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back  # type: ignore[assignment]
    if frame is not None and frame.f_code.co_filename == _VALIDATION:
        return  # Pyro looks whether the parameters are valid: it raises, or nothing comes of it
    while frame is not None and frame.f_code.co_filename.startswith(_AROUND):
        frame = frame.f_back  # type: ignore[assignment]
    where = "unknown" if frame is None else f"{os.path.basename(frame.f_code.co_filename)}, line {frame.f_lineno}"
    uses.append(Use(sites, what, where))
