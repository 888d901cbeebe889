"""Errors of images, in the words that callers look for."""

from __future__ import annotations

from typing import Any

import PIL

from spacer_like.exceptions import ImageError


class UnidentifiedImageError(ImageError, PIL.UnidentifiedImageError):
    """Bytes that no image format recognises, such as a text file named .jpg."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Below, the class takes the name of another one, under which pickle would look it up.
        return _make_unidentified, self.args


def _make_unidentified(*arguments: Any) -> UnidentifiedImageError:
    return UnidentifiedImageError(*arguments)


# CoralNet recognises this error by the dotted name at the start of a traceback's last line, and looks for Pillow's.
UnidentifiedImageError.__module__ = "PIL"
