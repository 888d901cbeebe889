"""The format and the header of image bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import PIL
from PIL import Image, ImageFile

from spacer_like.exceptions import ImageError, reason_of

# Formats whose decoding would start another program.
_REFUSED_FORMATS = {"EPS"}
_PREFIX_BYTES = 16
# What a format's reader raises for a file of another format; Pillow tries the next one then, and so do we.
_NOT_THIS_FORMAT = (SyntaxError, IndexError, TypeError, struct.error)


class UnidentifiedImageError(ImageError, PIL.UnidentifiedImageError):
    """Bytes that no image format recognises, such as a text file named .jpg."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Below, the class takes the name of another one, under which pickle would look it up.
        return _make_unidentified, self.args


def _make_unidentified(*arguments: Any) -> UnidentifiedImageError:
    return UnidentifiedImageError(*arguments)


# CoralNet recognises this error by the dotted name at the start of a traceback's last line, and looks for Pillow's.
UnidentifiedImageError.__module__ = "PIL"

_Reader = Callable[[BytesIO, str], ImageFile.ImageFile]
_Accepts = Callable[[bytes], bool | str]


def identify(data: bytes, name: str) -> ImageFile.ImageFile:
    """The image in `data`, of which only the header has been read.

    Pillow's own `open` is not used, because it checks the size against a limit that is a global of the process.

    Raises:
        UnidentifiedImageError: no format recognises the bytes, or there are none.
        ImageError: the header is damaged.
    """
    if not data:
        raise UnidentifiedImageError(f"The file '{name}' is empty: give a JPEG, PNG or TIFF file.")
    for read_header, accepts in _readers():
        try:
            # An answer in words says that the format is known but cannot be read here.
            if accepts is None or accepts(data[:_PREFIX_BYTES]) is True:
                return read_header(BytesIO(data), "")
        except _NOT_THIS_FORMAT:
            continue
        # Any other exception may come out of a reader that is given hostile bytes.
        except Exception as error:
            raise ImageError(f"The header of the image '{name}' is damaged: {reason_of(error)}.") from error
    raise UnidentifiedImageError(f"The file '{name}' is not an image of a known format: give a JPEG, PNG or TIFF file.")


def _readers() -> Iterator[tuple[_Reader, _Accepts | None]]:
    tried: set[str] = set(_REFUSED_FORMATS)
    # The first loads the readers of the usual formats, the second those of all others.
    for load_readers in (Image.preinit, Image.init):
        load_readers()
        untried = [known for known in Image.ID if known not in tried]
        tried.update(untried)
        yield from (Image.OPEN[image_format] for image_format in untried)
