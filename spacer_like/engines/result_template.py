"""Places of one's own for the outcomes of a submission, such as ``s3://bucket/{job}/{name}.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from string import Formatter

from spacer_like.exceptions import MessageError, nearest, visible
from spacer_like.location import DataLocation
from spacer_like.message_base import Message
from spacer_like.messages import TaskOutcome
from spacer_like.overwriting import NamedLocation, check_tasks, locations_of
from spacer_like.storage import list_keys, write_bytes
from spacer_like.storage.base import check_key

FIELDS = ("job", "name", "index", "task", "digest")
"""``job``: the request's own `job_token`, else the name of the submission's folder; ``name``: the name, without its
ending, of the first file that the request writes, or else reads; ``index``: its position, from 0; its task; its digest.
"""


class ResultTemplate:
    """Where outcomes are stored besides the submission's own folder, each as JSON of a `TaskOutcome`.

    Args:
        text: a URI or a path whose key has `FIELDS` in braces.
        folder: of the submission.

    Raises:
        MessageError: another field, a location that cannot be written, or one in the submission's folder.

    >>> from spacer_like.messages import ClassifyFeaturesMsg
    >>> template = ResultTemplate("s3://reef/{job}/{index}.json", DataLocation("s3", "july", "jobs"))
    >>> template.place(ClassifyFeaturesMsg.example(), 7, "0" * 64).uri
    's3://reef/my_job/7.json'
    """

    def __init__(self, text: str, folder: DataLocation) -> None:
        found = DataLocation.from_uri(text)
        self._location = DataLocation.local(found.key) if found.storage_type == "filesystem" else found
        self._folder, name = folder, self._location.display_name
        if "{" in (found.bucket_name or "") or text.endswith("/"):
            raise MessageError(
                f"The results' place '{visible(text)}' must name a bucket, and end with a file's name, such as"
                " s3://bucket/{job}/{name}.json."
            )
        check_key(self._location.key)
        try:
            parsed = list(Formatter().parse(self._location.key))
        except ValueError:
            raise MessageError(
                f"'{name}' has a brace without the other one: a brace itself is written twice."
            ) from None
        self.fields = {field for _, field, _, _ in parsed if field is not None}
        for field in sorted(self.fields - {*FIELDS}):
            hint = nearest(field, FIELDS) or f" Choose of {', '.join(FIELDS)}."
            raise MessageError(f"The results' place '{name}' has an unknown field '{visible(field)}'.{hint}")
        if any(how or conversion for _, _, how, conversion in parsed):
            raise MessageError(f"The results' place '{name}' may have nothing beside a field's name in its braces.")
        if not self._location.is_writable or self._location.storage_type == "memory":
            raise MessageError(f"Results cannot be written to '{name}': name a place in S3, or a path.")
        own = folder.below("")
        same = (own.storage_type, own.bucket_name) == (self._location.storage_type, self._location.bucket_name)
        if same and self._location.key.startswith(own.key):
            raise MessageError(f"The results' place '{name}' lies in the submission's own folder: name another one.")

    @property
    def text(self) -> str:
        """What makes it again."""
        return self._location.display_name

    def place(self, message: Message, index: int, digest: str) -> DataLocation:
        """The place of the outcome of a request.

        Raises:
            MessageError: a field's value is none that a part of a path can have.
        """
        values = {"index": str(index), "task": message.task, "digest": digest}
        if "job" in self.fields:
            values["job"] = _part(getattr(message, "job_token", None) or self._folder.filename, "job", index)
        if "name" in self.fields:
            values["name"] = _part(_name_of(message), "name", index)
        key = self._location.key.format_map(values)
        return DataLocation(self._location.storage_type, key, self._location.bucket_name)

    def check(self, messages: Mapping[str, Message], indexes: Mapping[str, int]) -> None:
        """Refuse places that two requests share, or that one of them reads or writes.

        Args:
            messages, indexes: the requests and their positions, by digest.

        Raises:
            MessageError: there are such; the sentence names both.
            SpacerError: nothing can lie at these places, such as in a bucket that is not there.
        """
        places = [
            NamedLocation(f"the result of request {indexes[digest]}", self.place(one, indexes[digest], digest), True)
            for digest, one in messages.items()
        ]
        check_tasks(list(messages.values()), places, in_order=True)
        for named in places[:1]:
            next(list_keys(named.location), None)

    def store(self, message: Message, index: int, digest: str, outcome: TaskOutcome) -> None:
        """Store the outcome of a request at its place."""
        write_bytes(self.place(message, index, digest), json.dumps(outcome.serialize()).encode())


def first_indexes(digests: Sequence[str]) -> dict[str, int]:
    """The position at which each digest comes first."""
    return {digest: index for index, digest in reversed([*enumerate(digests)])}


def _name_of(message: Message) -> str:
    located = [named for named in locations_of(message) if named.folder is None]
    first = next((named for named in located if named.is_output), located[0] if located else None)
    return first.location.filename.rpartition(".")[0] or first.location.filename if first is not None else ""


def _part(value: str, field: str, index: int) -> str:
    if not value or "/" in value or value in (".", "..") or not value.isprintable():
        raise MessageError(
            f"The {field} of request {index}, '{visible(value)}', cannot be a part of its result's place: use index or"
            " digest."
        )
    return value
