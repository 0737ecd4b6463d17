"""One door for data: whatever a user gives becomes `Inputs`, one frozen value that everything below takes."""

from .arrays import PixelFormat, as_size, two_windows
from .door import read_inputs
from .given import Reading, kind_given
from .inputs import Inputs, Wanted, concatenated
from .levels import Levels
from .stream import InputBlock, InputParts, InputStream, open_stream

__all__ = [
    "InputBlock",
    "InputParts",
    "InputStream",
    "Inputs",
    "Levels",
    "PixelFormat",
    "Reading",
    "Wanted",
    "as_size",
    "concatenated",
    "kind_given",
    "open_stream",
    "read_inputs",
    "two_windows",
]
