"""What a file is that cannot be opened as an image, by its first bytes."""

from __future__ import annotations

from .opening import ImageSource, opened

_HEAD = 512
_TEXT = (
    (b"version https://git-lfs", "it is a pointer of Git LFS, not the image itself; run `git lfs pull`"),
    (b"<svg", "it is an SVG drawing; export it as PNG"),
    (b"<!doctype html", "it is a web page, not an image; download the image again"),
    (b"<html", "it is a web page, not an image; download the image again"),
    (b"%!ps", "it is a PostScript document (EPS); export it as PNG"),
    (b"<?xml", "it is an XML file, not an image"),
    (b"{", "it is a JSON file, not an image"),
)
_BINARY = (
    (0, b"%PDF", "it is a PDF document; export its pages as PNG"),
    (0, b"\xc5\xd0\xd3\xc6", "it is a PostScript document (EPS); export it as PNG"),
    (0, b"\xd7\xcd\xc6\x9a", "it is a drawing for Windows (WMF); export it as PNG"),
    (40, b" EMF", "it is a drawing for Windows (EMF); export it as PNG"),
    (0, b"8BPS", "it is a Photoshop document; export it as PNG"),
    (0, b"gimp xcf", "it is a GIMP document; export it as PNG"),
    (0, b"\x1f\x8b", "it is a gzip archive; unpack it"),
    (0, b"PK\x03\x04", "it is a zip archive; unpack it"),
    (0, b"BZh", "it is a bzip2 archive; unpack it"),
    (0, b"\xfd7zXZ", "it is an xz archive; unpack it"),
    (0, b"\x28\xb5\x2f\xfd", "it is a zstandard archive; unpack it"),
    (0, b"7z\xbc\xaf\x27\x1c", "it is a 7-Zip archive; unpack it"),
    (0, b"Rar!", "it is a RAR archive; unpack it"),
    (257, b"ustar", "it is a tar archive; unpack it"),
    (0, b"\xff\x0a", "it is a JPEG XL image; convert it to PNG"),
    (0, b"\0\0\0\x0cJXL ", "it is a JPEG XL image; convert it to PNG"),
    (128, b"DICM", "it is a DICOM file; export its pixels as PNG or TIFF"),
    (0, b"\x93NUMPY", "it is an array of NumPy, not an image"),
    (0, b"\x89HDF", "it is an HDF5 file, not an image"),
    (0, b"SIMPLE  =", "it is a FITS file; export its pixels as TIFF"),
    (0, b"\x00\x05\x16\x07", "it holds what macOS keeps beside a file, not the image itself"),
    (0, b"\x1aE\xdf\xa3", "it is a video; save the frames that count as images"),
)
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")


def what_it_is(path: ImageSource) -> str:
    """What a file is instead of an image, and what to do about it."""
    with opened(path) as file:
        head = file.read(_HEAD)
    if not head:
        return "the file is empty"
    if not any(head):
        return "the file holds zeros alone, as after a copy that broke off; copy it again"
    for at, signature, words in _BINARY:
        if head.startswith(signature, at):
            return words
    if head[4:8] == b"ftyp":
        return _of_iso_media(head[8:12])
    if head.startswith(_TIFF):
        return (
            "it is a damaged TIFF, or one with values that Pillow cannot read, such as colours in floating point; "
            "save it with 8 or 16 bits"
        )
    if head.startswith(_IMAGES) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP"):
        return "the image is damaged"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for start, words in _TEXT:
        if text.startswith(start) or (start == b"<svg" and text.startswith(b"<?xml") and start in text):
            return words
    return "it is a text file, not an image" if _is_text(head) else "not an image, or damaged"


def _of_iso_media(brand: bytes) -> str:
    if brand in _HEIF:
        return 'it is a HEIC image; to read it, install pillow-heif: pip install "latentlabels[formats]"'
    if brand in (b"avif", b"avis"):
        return "it is an AVIF image that is damaged, or that needs a Pillow with AVIF; convert it to PNG"
    if brand == b"crx ":
        return "it is a raw photograph; convert it to JPEG or TIFF"
    return "it is a video; save the frames that count as images"


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else the last letter is cut off
            return False
        text = head[: error.start].decode("utf-8")
    return all(letter.isprintable() or letter in "\t\r\n\f" for letter in text)


def is_cut_off(path: ImageSource) -> bool:
    """Whether a JPEG or PNG lacks its end."""
    with opened(path) as file:
        head = file.read(8)
        end = b"\xff\xd9" if head.startswith(b"\xff\xd8\xff") else b"IEND" if head.startswith(b"\x89PNG") else b""
        file.seek(0, 2)
        file.seek(max(0, file.tell() - _HEAD))
        return end not in file.read()
