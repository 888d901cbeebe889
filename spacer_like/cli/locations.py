"""Locations from texts of the command line."""

from __future__ import annotations

import posixpath
import sys
from pathlib import Path

from spacer_like.exceptions import DataLimitError, DataNotFoundError, InvalidKeyError, SpacerInputError
from spacer_like.images.names import with_slashes
from spacer_like.location import DataLocation

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif")
STANDARD_INPUT = "-"


def location(text: str) -> DataLocation:
    """The location of a path or a URI (s3://, https://, file://, memory://); paths as `DataLocation.local`."""
    if not text:
        raise InvalidKeyError("An empty text names no file.")
    found = DataLocation.from_uri(text)
    if found.storage_type == "filesystem":
        # A message may be run from another folder than the one it was written in.
        return DataLocation.local(found.key)
    return found


def local_folder(text: str, what: str) -> Path:
    """The folder of this machine at a path or a ``file://`` URI.

    Raises:
        SpacerInputError: it lies elsewhere.
    """
    found = location(text)
    if found.storage_type != "filesystem":
        raise SpacerInputError(f"{what} must be a folder of this machine, and is {found.display_name}.")
    return Path(found.key)


def inside(folder: DataLocation, name: str) -> DataLocation:
    """The location of the relative path `name` below a folder or URI prefix."""
    prefix = folder.key.rstrip("/")
    # A bucket's own root, and the working folder, have no name before the slash.
    return DataLocation(folder.storage_type, f"{prefix}/{name}" if prefix or folder.key else name, folder.bucket_name)


def name_inside(name: str) -> str:
    r"""The relative path of an image's result: the image's path where it stays below the folder, else its file name.

    >>> name_inside("site1/001.jpg"), name_inside("../site1/./001.jpg"), name_inside("s3://photos/001.jpg")
    ('site1/001.jpg', 'site1/001.jpg', '001.jpg')
    >>> name_inside("D:\\survey\\001.jpg")
    'survey/001.jpg'
    """
    name = name if "://" in name else with_slashes(name)
    if "://" in name or name.startswith(("/", "~")):
        return location(name).filename
    parts = posixpath.normpath(name).split("/")
    return "/".join(part for part in parts if part != "..") or name


def is_relative(text: str) -> bool:
    """Whether a text names a file by its path from some folder on."""
    return "://" not in text and not text.startswith(("/", "~"))


def read_text_source(text: str) -> tuple[bytes, str]:
    """The bytes at a path, a URI or ``-`` (standard input), and their name in errors.

    Raises:
        DataLimitError: standard input holds more than the setting MAX_MESSAGE_BYTES.
        InvalidKeyError: a pipe that is named as a file.
    """
    if text != STANDARD_INPUT:
        from spacer_like.storage import read_bytes

        source = location(text)
        try:
            return read_bytes(source), source.display_name
        except InvalidKeyError:
            if source.storage_type != "filesystem" or not Path(source.key).is_fifo():
                raise
            # Such as the /dev/fd/63 that a shell makes of <(...).
            raise InvalidKeyError(
                f"'{text}' is a pipe and no ordinary file: name a file, or '-' and send the pipe to standard input."
            ) from None
    from spacer_like.config import settings

    limit = settings().max_message_bytes
    data = sys.stdin.buffer.read(limit + 1)
    if len(data) > limit:
        raise DataLimitError(f"Standard input holds more than the {limit} bytes that a message may have.")
    return data, "standard input"


def images_named(arguments: list[str]) -> list[tuple[str, DataLocation]]:
    """(name, location) of each image in the arguments; a local folder stands for the images below it.

    Raises:
        DataNotFoundError: a folder that holds no image.
    """
    found: list[tuple[str, DataLocation]] = []
    for argument in arguments:
        loc = location(argument)
        if loc.storage_type == "filesystem" and (folder := Path(loc.key)).is_dir():
            files = sorted(
                path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS and path.is_file()
            )
            if not files:
                raise DataNotFoundError(f"The folder {argument} holds no image ({', '.join(IMAGE_ENDINGS)}).")
            found += [(path.relative_to(folder).as_posix(), location(str(path))) for path in files]
        else:
            found.append((loc.filename, loc))
    return found
