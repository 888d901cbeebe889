"""The image of an upload, taken in within bounds of bytes, time and pixels, and how requests are refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, NamedTuple

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from spacer_like.config import settings
from spacer_like.exceptions import ImageError, visible
from spacer_like.images.identify import UnidentifiedImageError, identify

if TYPE_CHECKING:
    from fastapi import Request

FIELD = "file"
"""The field of the form that holds the image."""
FORMATS = ("PNG", "JPEG", "GIF")
MOST_PIXELS = 2**24
"""Pixels of an image; a megabyte may hold more of one colour than a server has memory for."""
SECONDS_TO_SEND = 20.0
"""In which a whole request must arrive."""
# Of a form, beside the file that it holds: its boundaries and headers.
_FORM_BYTES = 2**14
_MOST_FIELDS = 8
_NAME_LENGTH = 200


class RefusedError(Exception):
    """A request that is not answered: an HTTP status, and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class Upload(NamedTuple):
    """An image that was sent.

    Attributes:
        name: the name of its file, without folders and control characters.
        data: its bytes, of one of `FORMATS` by their beginning.
    """

    name: str
    data: bytes


async def uploaded(request: Request, seconds: float = SECONDS_TO_SEND) -> Upload:
    """The image in the field `file` of a request's form.

    Args:
        seconds: in which all of it must arrive.

    Raises:
        RefusedError: there is none (400), it does not arrive (408), it is too large (413), it is something else (415),
            or its header is damaged (422).
    """
    most = settings().max_upload_bytes
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        raise RefusedError(415, f"Send the image as a form, multipart/form-data, with a field '{FIELD}'.")
    _check_length(request.headers.get("content-length", ""), most + _FORM_BYTES)
    try:
        return await asyncio.wait_for(_in_form(request, most), seconds)
    except asyncio.TimeoutError:
        raise RefusedError(408, f"The image did not arrive within {seconds:.0f} seconds.") from None
    except ClientDisconnect:
        raise RefusedError(400, "The image did not arrive.") from None


def _check_length(given: str, most: int) -> None:
    """Refuse a request before any of its body is read."""
    if given.isascii() and given.isdecimal() and (len(given) > 18 or int(given) > most):
        raise _too_large()


def _too_large() -> RefusedError:
    return RefusedError(413, f"An image may have {settings().max_upload_bytes:,} bytes, and this one has more.")


async def _in_form(request: Request, most: int) -> Upload:
    async def within_bounds() -> AsyncGenerator[bytes, None]:
        left = most + _FORM_BYTES
        async for part in request.stream():
            left -= len(part)
            if left < 0:
                raise _too_large()
            yield part

    parser = MultiPartParser(request.headers, within_bounds(), max_files=1, max_fields=_MOST_FIELDS)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        reason = str(error.message).rstrip(".")
        raise RefusedError(400, f"The form cannot be read: {reason}.") from None
    try:
        found = form.get(FIELD)
        if not isinstance(found, UploadFile):
            raise RefusedError(400, f"The form has no file in a field '{FIELD}'.")
        data, name = await found.read(), plain_name(found.filename or "")
    finally:
        await form.close()
    if len(data) > most:
        raise _too_large()
    check_image(data, name)
    return Upload(name, data)


def plain_name(text: str) -> str:
    r"""The name of a file without folders, and with control characters escaped.

    >>> plain_name("../../etc/passwd"), plain_name("C:\\images\\galaxy.png"), plain_name("..")
    ('passwd', 'galaxy.png', 'image')
    """
    base = text.replace("\\", "/").rpartition("/")[2].strip()
    return visible(base)[:_NAME_LENGTH] if base.strip(".") else "image"


def check_image(data: bytes, name: str) -> None:
    """Refuse, by its header, what is no image of `FORMATS`, or one of too many pixels.

    Raises:
        RefusedError: it is.
    """
    try:
        image = identify(data, name)
    except UnidentifiedImageError:
        raise _of_another_kind(name) from None
    except ImageError as error:
        raise RefusedError(422, str(error)) from None
    if image.format not in FORMATS:
        raise _of_another_kind(name)
    if image.width * image.height > MOST_PIXELS:
        raise RefusedError(
            413,
            f"The image '{name}' has {image.width} x {image.height} pixels; {MOST_PIXELS:,} are the most that are "
            "looked at.",
        )


def _of_another_kind(name: str) -> RefusedError:
    return RefusedError(415, f"The file '{name}' is no image in the format PNG, JPEG or GIF.")
