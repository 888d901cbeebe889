"""Locations of data."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from spacer_like.exceptions import MessageError, MissingFieldError
from spacer_like.shown_url import is_like_url, path_of_url, shown_url

STORAGE_TYPES = ["s3", "filesystem", "memory", "url"]
"""The types that a location may name: those built in, and those that `storage.register_storage` added."""


@dataclass(frozen=True, repr=False)
class DataLocation:
    """A key in a storage: an S3 object, a file, an entry of the process's memory, or a URL.

    Fields:
        storage_type: ``filesystem``, ``s3``, ``memory``, ``url`` (http and https, read-only) or a registered one.
        key: the path of a file, the key of an S3 object, the name of an entry of the memory, or the whole URL.
        bucket_name: the S3 bucket; None for all other storage types.

    Raises:
        MessageError: the storage type is unknown, or an S3 location names no bucket.

    >>> DataLocation("s3", "photos/reef.jpg", "corals").uri
    's3://corals/photos/reef.jpg'
    """

    storage_type: str
    key: str
    bucket_name: str | None = None

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "strict": True}

    def __post_init__(self) -> None:
        if not isinstance(self.key, str):
            # A path is what Python users have at hand.
            object.__setattr__(self, "key", _path_text(self.key))
        if self.storage_type not in STORAGE_TYPES:
            raise MessageError(
                f"The storage type '{self.storage_type}' is unknown: it must be one of {', '.join(STORAGE_TYPES)}."
            )
        if self.storage_type == "s3" and not self.bucket_name:
            raise MessageError(f"The s3 location '{self.key}' needs a bucket_name.")

    @classmethod
    def example(cls) -> DataLocation:
        return cls("memory", "my_blob")

    @classmethod
    def local(cls, path: str | os.PathLike[str]) -> DataLocation:
        """The file at a path as a person writes it: absolute, without ``.`` and ``..``, ``~`` expanded.

        Behind a link, ``..`` is the parent of the folder that the link leads to, as for the system itself.

        Raises:
            MessageError: the path is empty, or no path.

        >>> DataLocation.local("/photos/2024/../reef.jpg")
        DataLocation(storage_type='filesystem', key='/photos/reef.jpg')
        """
        text = os.path.expanduser(_path_text(path))
        if not text:
            raise MessageError("An empty text names no file.")
        parts = text.split("/")
        if ".." in parts:
            # Links are followed no further than needed: one that is the file itself keeps its name.
            end = len(parts) - parts[::-1].index("..")
            text = "/".join([os.path.realpath("/".join(parts[:end])), *parts[end:]])
        return cls("filesystem", os.path.abspath(text))

    @classmethod
    def from_uri(cls, uri: str) -> DataLocation:
        """The location that a URI names; a text without a scheme is a path of the filesystem, which is taken as it is.

        Raises:
            MessageError: a ``file://`` URI of another host, or a storage type that is unknown.

        >>> DataLocation.from_uri("s3://corals/photos/reef.jpg")
        DataLocation(storage_type='s3', key='photos/reef.jpg', bucket_name='corals')
        """
        scheme, separator, rest = uri.partition("://")
        scheme = scheme.strip().lower()
        # A malformed URL is no path: errors name it without its password.
        if scheme in ("http", "https") or is_like_url(uri):
            return cls("url", uri)
        if not separator:
            return cls("filesystem", uri)
        if scheme == "file":
            return cls("filesystem", _path_of_uri(uri))
        if scheme == "s3":
            bucket, _, key = rest.partition("/")
            if "@" in bucket:
                raise MessageError(
                    f"The URI 's3://{bucket.rpartition('@')[2]}/{key}' has a name or a password before its bucket: "
                    "credentials are given by the settings."
                )
            return cls("s3", key, bucket)
        return cls(scheme, rest)

    @property
    def uri(self) -> str:
        """The location as one text, which `from_uri` reads."""
        if self.storage_type == "url":
            return self.key
        if self.storage_type == "filesystem":
            return self.key if not self.key.startswith("/") else f"file://{_quoted(self.key)}"
        if self.storage_type == "s3":
            return f"s3://{self.bucket_name}/{self.key}"
        return f"{self.storage_type}://{self.key}"

    @property
    def display_name(self) -> str:
        """The location as errors and logs name it: a URL without its query and password, which may be secrets."""
        if self.storage_type == "url":
            return shown_url(self.key)
        return self.uri if self.storage_type != "filesystem" else self.key

    @property
    def filename(self) -> str:
        """The last part of the path."""
        return PurePosixPath(path_of_url(self.key) if self.storage_type == "url" else self.key).name

    @property
    def is_remote(self) -> bool:
        return self.storage_type in ("url", "s3")

    @property
    def is_writable(self) -> bool:
        return self.storage_type != "url"

    def below(self, *parts: str) -> DataLocation:
        """A location in this folder, whose key may end with its slash; the last part "" gives a folder's slash.

        >>> DataLocation("s3", "ard/", "maps").below("33", "031111212322").uri
        's3://maps/ard/33/031111212322'
        >>> DataLocation("url", "https://host/ard?key=secret").below("33").key
        'https://host/ard/33?key=secret'
        """
        folder, mark, query = self.key.partition("?") if self.storage_type == "url" else (self.key, "", "")
        path = "/".join(parts)
        joined = f"{folder.removesuffix('/')}/{path}" if folder else path
        return DataLocation(self.storage_type, f"{joined}{mark}{query}", self.bucket_name)

    def serialize(self) -> dict[str, str | None]:
        return {"storage_type": self.storage_type, "key": self.key, "bucket_name": self.bucket_name}

    @classmethod
    def deserialize(cls, data: Any) -> DataLocation:
        """The location that `serialize` described.

        Raises:
            MessageError: not a location; `MissingFieldError` where a field is absent.
        """
        if not isinstance(data, Mapping) or set(data) - {"storage_type", "key", "bucket_name"}:
            raise MessageError("A location consists of storage_type, key and bucket_name.")
        if missing := {"storage_type", "key"} - set(data):
            raise MissingFieldError(f"A location lacks its {sorted(missing)[0]}.")
        if not all(
            isinstance(value, str) or (name == "key" and isinstance(value, os.PathLike))
            for name, value in data.items()
            if name != "bucket_name" or value is not None
        ):
            raise MessageError("The parts of a location must be text.")
        return cls(**data)

    @cached_property
    def json_text(self) -> str:
        """The location as JSON text: the key under which image labels travel."""
        return json.dumps(self.serialize())

    def __repr__(self) -> str:
        key = self.display_name if self.storage_type == "url" else self.key
        bucket = f", bucket_name={self.bucket_name!r}" if self.bucket_name is not None else ""
        return f"DataLocation(storage_type={self.storage_type!r}, key={key!r}{bucket})"


def _path_text(path: Any) -> str:
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str):
        raise MessageError(f"The key of a location must be a text or a path, and is {type(path).__name__}.")
    return text


def _path_of_uri(uri: str) -> str:
    host, path = (unquote(part) for part in urlsplit(uri)[1:3])
    if host in ("", "localhost"):
        return path
    # What people write who mean a path: file://~/photos, file://../photos.
    if host in (".", "..") or host.startswith("~"):
        return f"{host}{path}"
    raise MessageError(f"'{uri}' names the host '{host}': a file of this machine is written file:///path.")


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(path)
