"""Files that hold many images: tar shards, Parquet and Arrow tables. Which images are in them, and where their bytes lie."""

from .contents import Contents, PackedImage, contents_of

__all__ = ["Contents", "PackedImage", "contents_of"]
