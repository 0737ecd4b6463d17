"""Class x dominant colour: a completely labelled two-group set from any ImageFolder of objects.

The class is the folder, and the colour is computed from the pixels, so that the joint truth is known: a sanity check of
what is learned about one group from images labelled by the other.

Colours are the eleven basic terms of English (Berlin and Kay, "Basic Color Terms", 1969). A pixel of next to no chroma is
black, grey or white by its lightness. What people call the others is taken from the colour survey of xkcd (2010; CC0), as
matplotlib ships it: a pixel is what the nearest of the survey's shades in Lab is called by its last word ("dark navy
blue": blue). Against what sellers call their goods (2,500 catalogue photos, some on models) the dominant colour agrees for
six in ten: black, grey and white differ most, as an object in shade has other pixels than its maker's word.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from ..errors import DataError
from ..inputs.images import cache_images
from ..observed import Observed
from ..observed.image_files import warn
from ..space import LabelSpace, OneOf
from ..words import count, listed

COLOURS = ("black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
"""The names that `dominant_colour` gives."""

SIZE = 32  # pixels a side that are looked at; they are sampled, not averaged: red and white checks are not pink
SPREAD = 0.3  # standard deviation of the weight around the centre, as a share of the side
ALIKE = 6.0  # distance in Lab within which a pixel looks like one of the border
BORDER = 0.3  # share of the border that looks like a pixel from which on the pixel is background
LEAST_OBJECT = 0.08  # share of the centre's weight that is no background, below which the picture is all object
NEUTRAL = 8.0  # chroma in Lab below which a pixel is black, grey or white
BLACK, WHITE = 32.0, 75.0  # lightness up to which such a pixel is black, and from which on white: in photos, shadows included
NIGHT = 10.0  # lightness below which a pixel is black whatever its chroma
_STEP = 8  # levels of RGB that share a name: 32 steps a channel


class ClassAndColour(NamedTuple):
    """Images with complete labels in two groups.

    Attributes:
        images: N files.
        space: ``OneOf("class", ...)`` and ``OneOf("colour", ...)``, K labels.
        truth: (N, K) int8 of 1 and 0, two of them 1 in each row.
    """

    images: tuple[Path, ...]
    space: LabelSpace
    truth: NDArray[np.int8]


def dominant_colour(image: NDArray[np.uint8]) -> str:
    """The colour, one of `COLOURS`, of the object that a picture shows.

    Pixels vote for their names. A vote counts more towards the centre, and the less the more of the picture's border
    looks like the pixel: where that is more than three tenths it is background. If next to nothing is left, the picture is
    of one colour like its border, and the centre alone decides.

    Args:
        image: (H, W, 3) uint8 RGB, of any size.

    Raises:
        DataError: an array of another kind.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise DataError(f"expected a picture of uint8 (H, W, 3), not {image.dtype} of shape {image.shape}")
    rows, columns = (((np.arange(SIZE) + 0.5) * side / SIZE).astype(int) for side in image.shape[:2])
    sampled = image[rows][:, columns]
    names, lab = _table()
    bins = (sampled // _STEP).astype(np.intp) @ np.array([(256 // _STEP) ** 2, 256 // _STEP, 1])
    seen, inverse = np.unique(bins, return_inverse=True)
    inverse = inverse.reshape(SIZE, SIZE)
    edge = np.zeros((SIZE, SIZE), dtype=bool)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    share = np.bincount(inverse[edge], minlength=len(seen)) / edge.sum()
    distance = np.linalg.norm(lab[seen][:, None] - lab[seen[share > 0]], axis=-1)
    like_border = (distance < ALIKE) @ share[share > 0]
    at = (np.arange(SIZE) + 0.5) / SIZE - 0.5
    bell = np.exp(-0.5 * (at / SPREAD) ** 2)
    central = np.bincount(inverse.ravel(), weights=np.outer(bell, bell).ravel(), minlength=len(seen))
    votes = central * np.clip(1 - like_border / BORDER, 0, None)
    if votes.sum() < LEAST_OBJECT * central.sum():
        votes = central
    return COLOURS[int(np.bincount(names[seen], weights=votes, minlength=len(COLOURS)).argmax())]


@lru_cache(maxsize=1)
def _table() -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Of each step of RGB the number of its name, and its place in Lab: (32768,) and (32768, 3)."""
    from matplotlib.colors import XKCD_COLORS, to_rgb

    shades, terms = [], []
    for name, value in XKCD_COLORS.items():
        term = name.replace("/", " ").split()[-1].removeprefix("xkcd:")
        if term in COLOURS[3:]:
            shades.append(to_rgb(value))
            terms.append(COLOURS.index(term))
    prototypes = _lab((np.array(shades) * 255).round().astype(np.uint8))
    levels = np.arange(256 // _STEP) * _STEP + _STEP // 2
    lab = _lab(np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3).astype(np.uint8))
    squares = (lab**2).sum(1)[:, None] + (prototypes**2).sum(1) - 2 * lab @ prototypes.T
    names = np.array(terms, dtype=np.intp)[squares.argmin(1)]
    lightness, chroma = lab[:, 0], np.hypot(lab[:, 1], lab[:, 2])
    grey = np.where(lightness < BLACK, COLOURS.index("black"), COLOURS.index("grey"))
    grey = np.where(lightness > WHITE, COLOURS.index("white"), grey)
    names = np.where(chroma < NEUTRAL, grey, names)
    names[lightness < NIGHT] = COLOURS.index("black")
    return names, lab


def _lab(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(M, 3) sRGB to CIE L*a*b*, L from 0 to 100."""
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    converted = ImageCms.applyTransform(Image.fromarray(rgb[None]), to_lab)
    assert converted is not None
    values = np.array(converted).reshape(-1, 3)
    return np.column_stack([values[:, :1] * (100 / 255), values.view(np.int8)[:, 1:]])


def class_and_colour(root: str | Path, least: int = 5) -> ClassAndColour:
    """The two-group set of an ImageFolder of objects, one folder for each class.

    A colour that is called like a class (oranges!) is renamed: "orange-coloured". Images of colours that hardly occur are
    left out, and so are unreadable ones and those that lie in the folders of several classes; a `DataWarning` says so.

    Args:
        root: a folder with one folder of images for each class; byte-wise copies are one image.
        least: of how many images a colour has to be.

    Raises:
        DataError: no such folder, no images, fewer than two classes or two colours.
    """
    root = Path(root)
    found = Observed.from_folder(root)
    assert found.images is not None
    single = np.flatnonzero(found.num_known == 1)
    if len(single) < len(found):
        several = [found.images[row] for row in np.flatnonzero(found.num_known > 1)]
        warn(f"{root}: {count(len(several), 'image')} left out, found in folders of several classes: {listed(several)}")
    files = [root / found.images[row] for row in single]
    pixels, kept = cache_images(files, (2 * SIZE, 2 * SIZE))
    files = [files[row] for row in kept]
    classes = found.values[single[kept]].argmax(1)
    colours = np.array([COLOURS.index(dominant_colour(picture.transpose(1, 2, 0))) for picture in pixels])
    number = np.bincount(colours, minlength=len(COLOURS))
    rare = np.flatnonzero((number > 0) & (number < least))
    if len(rare):
        counted = [f"{COLOURS[k]} ({number[k]})" for k in rare]
        warn(
            f"{root}: {number[rare].sum()} images left out, whose colours fewer than {least} images have: {', '.join(counted)}"
        )
    rows = np.flatnonzero(~np.isin(colours, rare))
    class_columns, which_class = np.unique(classes[rows], return_inverse=True)
    colour_columns, which_colour = np.unique(colours[rows], return_inverse=True)
    names = [found.space.labels[k] for k in class_columns]
    shades = [COLOURS[k] for k in colour_columns]
    for what, some in (("classes", names), ("colours", shades)):
        if len(some) < 2:
            raise DataError(
                f"{root}: fewer than two {what} are left without the colours of fewer than {least} images "
                f"({', '.join(some) or 'none'}); "
                "give a folder with one folder of coloured images for each class"
            )
    space = LabelSpace([OneOf("class", names), OneOf("colour", _apart(shades, names))])
    truth = np.zeros((len(rows), space.num_labels), np.int8)
    truth[np.arange(len(rows)), which_class] = 1
    truth[np.arange(len(rows)), len(names) + which_colour] = 1
    return ClassAndColour(tuple(files[row] for row in rows), space, truth)


def _apart(colours: list[str], classes: list[str]) -> list[str]:
    """The colours by names that no class has, whatever the capitals."""
    taken = {name.casefold() for name in classes}
    out = []
    for colour in colours:
        while colour in taken:
            colour += "-coloured"
        out.append(colour)
    return out
