"""The label space: K labels in a forest of groups, and which label sets are valid."""

from .groups import Free, Group, OneOf
from .label_space import LabelSpace

__all__ = ["Free", "Group", "LabelSpace", "OneOf"]
