"""What kind of file a file is: an image, one that says nothing, or one that is passed over for a reason."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

_IMAGES = (
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .bmp .dib .gif .webp .tif .tiff .ppm .pgm .pbm .pnm .avif .jp2 .j2k .jpx .jpf .jpc"
)
IMAGE_SUFFIXES = frozenset(_IMAGES.split())
IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000", "DIB")
"""Formats that Pillow may open, by content; MPO is a JPEG. None runs another program, as EPS does, or a script."""
HEIF_SUFFIXES = frozenset((".heic", ".heif", ".hif"))

_SILENT = frozenset(
    ("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r", "picasa.ini", "zbthumbnail.info")
)
_HEAD = 32  # bytes that tell an image


@dataclass(frozen=True)
class FileKind:
    """A kind of file.

    Attributes:
        words: the kind in words, for several files; empty for images and for files that nobody misses.
        mend: what makes images of them; empty where nothing does.
        picture: whether people would call them pictures, so that they are missed wherever they are passed over.
    """

    words: str = ""
    mend: str = ""
    picture: bool = False


IMAGE = FileKind()
SILENT = FileKind("files of the system")
UNCLEAR = FileKind("files of unknown kind")  # only their content can say
NO_IMAGE = FileKind("without the ending of an image file or an image inside")
HEIF = FileKind("HEIC or HEIF images", 'to read them, install pillow-heif: pip install "latentlabels[formats]"', picture=True)

_KINDS = {
    FileKind("raw photographs", "convert them to JPEG or TIFF", picture=True): (
        ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .raw .rw2 .rwl .srw .x3f"
    ),
    FileKind("videos", "save the frames that count as images", picture=True): (
        ".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .vob .webm .wmv"
    ),
    FileKind("drawings and documents", "export them as PNG", picture=True): (
        ".ai .cdr .eps .indd .pdf .ps .psb .psd .svg .svgz .xcf"
    ),
    FileKind("images of formats that are not read", "convert them to PNG or TIFF", picture=True): (
        ".cur .dcm .dds .emf .exr .fit .fits .hdr .icns .ico .jxl .jxr .nii .pcx .pfm .qoi .ras .sgi .tga .wmf .xbm .xpm"
    ),
    FileKind("archives", "unpack them"): ".7z .bz2 .gz .rar .tar .tgz .xz .zip .zst",
    FileKind("unfinished downloads and backups"): ".bak .crdownload .download .old .orig .part .partial .swp .tmp",
    NO_IMAGE: (
        ".aae .cache .cfg .conf .csv .db .doc .docx .htm .html .ini .ipynb .js .json .jsonl .lnk .lock .log .mat .md .md5 "
        ".ndjson .npy .npz .parquet .pkl .pt .pth .py .pyc .rst .rtf .sh .sha256 .sqlite .thm .toml .tsv .txt .url .xls .xlsx "
        ".xml .xmp .yaml .yml"
    ),
}
_BY_SUFFIX = {suffix: kind for kind, suffixes in _KINDS.items() for suffix in suffixes.split()}


def kind_by_name(name: str) -> FileKind:
    """The kind of a file by its name alone; `UNCLEAR` where only the content can say, as without an ending."""
    last = os.path.basename(name)
    if last.startswith("."):
        return SILENT
    suffix = os.path.splitext(last)[1].lower()
    if suffix in IMAGE_SUFFIXES:
        return IMAGE
    if last.lower() in _SILENT:
        return SILENT
    if suffix in HEIF_SUFFIXES:
        return IMAGE if reads_heif() else HEIF
    if last.endswith("~"):
        return _BY_SUFFIX[".bak"]
    return _BY_SUFFIX.get(suffix, UNCLEAR)


def kind_by_content(path: str) -> FileKind:
    """Whether a file begins as an image does; what is no regular file is not opened."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return NO_IMAGE
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return NO_IMAGE
    if is_heif(head):
        return IMAGE if reads_heif() else HEIF
    return IMAGE if begins_as_an_image(head) else NO_IMAGE


def begins_as_an_image(head: bytes) -> bool:
    """Whether a file of the formats of `IMAGE_SUFFIXES` or `HEIF_SUFFIXES` can begin with these bytes; at least 18 of them.

    The signatures are those of the formats' specifications: JPEG (ITU-T T.81), PNG (ISO 15948), GIF89a, TIFF 6.0 and
    BigTIFF, WebP (RFC 9649), BMP by the size of its second header, Netpbm, JPEG 2000 (ITU-T T.800), and ISO base media
    files by their brand.
    """
    return (
        head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a"))
        or head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[:2] == b"BM" and head[14:18] in _BMP_HEADERS)
        or (head[:1] == b"P" and head[1:2] in _NETPBM and head[2:3].isspace() and head[2:].lstrip()[:1] in _NUMBER)
        or head[4:12] in (b"ftypavif", b"ftypavis")
        or head.startswith((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"))
        or is_heif(head)
    )


_NETPBM = tuple(b"%d" % number for number in range(1, 7))
_NUMBER = (b"#", *(b"%d" % number for number in range(10)))  # or a comment before it
_BMP_HEADERS = tuple(size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124))


def is_heif(head: bytes) -> bool:
    """Whether these first bytes are those of a HEIC or HEIF image."""
    return head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


@cache
def reads_heif() -> bool:
    """Whether pillow-heif is installed."""
    return find_spec("pillow_heif") is not None
