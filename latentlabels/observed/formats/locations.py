"""Where tools of annotation say that an image is, and the name that it has in a user's folder."""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Sequence
from urllib.parse import parse_qs, unquote, urlsplit

from ..image_files import Tree, find_images, is_image
from ..options import ReadOptions
from .entries import image_name

_UPLOADED = re.compile(r"/data/upload/(?:\d+/)?(?P<prefix>[0-9a-f]{4,8}-)?(?P<name>[^/]+)$")


def likely_image(location: object) -> bool:
    """Whether a text looks like the location of an image."""
    return isinstance(location, str) and (location.startswith("data:image/") or is_image(file_at(location)))


def file_at(location: str) -> str:
    """The path of the file at an address: without server, query and percent signs; a plain path stays as it is."""
    parts = urlsplit(location) if "://" in location or location.startswith("/") else None
    if parts is None:
        return image_name(location)
    query = parse_qs(parts.query)
    if "d" in query:  # /data/local-files/?d=dir/1.jpg
        return image_name(query["d"][0])
    if "fileuri" in query:  # /tasks/1/resolve/?fileuri=..., an address in base 64
        code = query["fileuri"][0]
        try:
            return file_at(base64.b64decode(code + "=" * (-len(code) % 4), validate=True).decode())
        except (binascii.Error, UnicodeDecodeError):
            pass
    served = "://" in location or location.startswith("/data/")
    return image_name(unquote(parts.path) if served else location).lstrip("/")


def names_of(locations: Sequence[str], options: ReadOptions) -> tuple[list[str], list[tuple[str, str]]]:
    """The names of images in a user's folder, by where a tool says that they are.

    An uploaded file has a random prefix (``ab12cd34-1.jpg``), which the user's own file has not; it stays where two
    files would have one name without it, and where `options.images_root` holds the files with it. Of an address only the
    name of the file is kept, unless that is the name of several.

    Args:
        locations: of different images.
        options: how they are read.

    Returns:
        As many different names, and what was done as facts for people.
    """
    found = [_UPLOADED.search(unquote(one)) for one in locations]
    uploads = [match[0].rsplit("/", 1)[-1] for match in found if match and match["prefix"]]
    stored = _stored(options) if uploads else {}
    keep = any(name in stored for name in uploads)
    short, long = [], []
    for location, match in zip(locations, found, strict=True):
        path = file_at(location)
        remote = "://" in location and "?d=" not in location
        base = path.rsplit("/", 1)[-1] if remote or match else path
        if match and match["prefix"] and not keep:
            base = match["name"]
        short.append(stored.get(base, base))
        long.append(path)
    often = Counter(short)
    names = [one if often[one] == 1 else other for one, other in zip(short, long, strict=True)]
    often = Counter(names)
    names = [one if often[one] == 1 else image_name(location) for one, location in zip(names, locations, strict=True)]
    changed = next((number for number, one in enumerate(locations) if names[number] != one), None)
    if changed is None:
        return names, []
    what = "the file at an address"
    if uploads:
        what = f"the prefix of an upload is {'kept, as the files have it' if keep else 'left out'}"
    return names, [("image names", f"{what} ({locations[changed]} is {names[changed]})")]


def _as_uploaded(name: str) -> str:
    """A file name as Label Studio stores it: blanks become underscores, and signs other than ``-_.`` are dropped."""
    return re.sub(r"[^-\w.]", "", name.strip().replace(" ", "_"))


def _stored(options: ReadOptions) -> dict[str, str]:
    """The names of the files in the folder of images, also by how they would be named once uploaded."""
    root = options.images_root
    if root is None or not root.is_dir():
        return {}
    names = [path.name for path in find_images(root, options.tree or Tree())]
    often = Counter(map(_as_uploaded, names))
    return {_as_uploaded(name): name for name in names if often[_as_uploaded(name)] == 1} | {name: name for name in names}
