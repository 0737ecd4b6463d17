"""The label space: K labels in a forest of groups, and which label sets are valid."""

from .groups import Free, Group, OneOf
from .label_space import ExhaustiveSet, LabelSpace
from .parents import Parent
from .ties import Shared, Tie, ties

__all__ = ["ExhaustiveSet", "Free", "Group", "LabelSpace", "OneOf", "Parent", "Shared", "Tie", "ties"]
