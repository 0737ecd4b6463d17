"""Draws the toy scenes: one coloured vehicle or shape on a street, from a set of labels and a handful of dice.

Everything is drawn four times too large with PIL and scaled down, in a picture 64 units wide whose y grows
downwards; light (lamps, smoke, noise) is added to the small picture with numpy. All dice of a scene are
thrown before the first line is drawn, so two pictures from the same dice differ by their labels alone.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw

from .figures import BEAM_HEIGHT, EXHAUSTS, HEIGHTS, LAMPS, Canvas, Colour, Paint, draw_figure

UNITS = 64  # width and height of every scene in the units that the code below speaks
SUPERSAMPLE = 4
