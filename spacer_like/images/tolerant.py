"""Truncated and damaged images, of which the decodable part is used.

Pillow does this for a whole process, by a global (``ImageFile.LOAD_TRUNCATED_IMAGES``), which another part of the
process may want otherwise. Here it is a property of one image: its class becomes a subclass of what Pillow made. The
pixels are those that Pillow decodes with the global set: a JPEG's remainder is grey, of other formats black.
"""

from __future__ import annotations

import contextlib
import logging
from functools import cache
from typing import Any

from PIL import ImageFile, JpegImagePlugin

from spacer_like.exceptions import ImageError, reason_of

logger = logging.getLogger(__name__)

_JPEG_END_OF_IMAGE = b"\xff\xd9"


def make_tolerant(image: ImageFile.ImageFile, name: str) -> ImageFile.ImageFile:
    """Let `image` decode as much as it can; `name` is its name in errors and the log."""
    image.__class__ = _tolerant_class(type(image))
    image.display_name = name  # type: ignore[attr-defined]
    return image


@cache
def _tolerant_class(image_class: type[ImageFile.ImageFile]) -> type[ImageFile.ImageFile]:
    bases = (_Tolerant, _EndedJpeg) if issubclass(image_class, JpegImagePlugin.JpegImageFile) else (_Tolerant,)
    return type(f"Tolerant{image_class.__name__}", (*bases, image_class), {})


class _Tolerant:
    """Mixed into an image class: a truncated body is decoded up to its end."""

    display_name: str
    tile: list[Any]
    # The public `im` raises an exception as long as there are no pixels.
    _im: Any

    def load(self) -> Any:
        if self.tile or self._im is None:
            error = self._load_what_there_is()
            if error is not None and self._is_one_colour():
                # Repeated calls raise the same error.
                self._im = None
                raise ImageError(f"The image '{self.display_name}' cannot be decoded: {reason_of(error)}.") from error
            if error is not None:
                logger.warning("The image '%s' is truncated or damaged: %s.", self.display_name, reason_of(error))
        return super().load()  # type: ignore[misc]

    def _load_what_there_is(self) -> Exception | None:
        """Decode, and return why the image is incomplete."""
        try:
            super().load()  # type: ignore[misc]
        # Any exception may come out of a decoder that is given hostile bytes; of a very wide row, an empty MemoryError.
        except Exception as error:
            # Without tiles Pillow takes the pixels as they are.
            self.tile = []
            with contextlib.suppress(Exception):
                self.load_end()  # type: ignore[attr-defined]
            return error
        return OSError("the file ends before the image") if getattr(self, "was_ended", False) else None

    def _is_one_colour(self) -> bool:
        pixels = self._im
        if pixels is None:
            return True
        bands = [pixels] if pixels.bands == 1 else [pixels.getband(number) for number in range(pixels.bands)]
        return all(low == high for low, high in (band.getextrema() for band in bands))


class _EndedJpeg:
    """Mixed into a JPEG class: an end marker is added where the bytes end without one."""

    was_ended = False

    def load_read(self, read_bytes: int) -> bytes:
        data: bytes = super().load_read(read_bytes)  # type: ignore[misc]
        if not data and not self.was_ended:
            # libjpeg then fills what is missing with grey, as it does for other programs.
            self.was_ended = True
            return _JPEG_END_OF_IMAGE
        return data
