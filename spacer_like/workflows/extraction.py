"""The record of a folder's feature files, by which those that are done and unchanged are not extracted again.

Runs at the same time need no lock: each writes a file of its own, named by its contents and never changed, of all that
it has read and added, and deletes those that it has read. What another run writes meanwhile stays, and the next run
reads both. An entry holds only as long as the versions in it are those of the files, so that old ones do no harm.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

from spacer_like import config
from spacer_like.exceptions import DataNotFoundError, SpacerError
from spacer_like.location import DataLocation
from spacer_like.points.messages import ExtractFeaturesMsg
from spacer_like.storage import delete, list_keys, read_bytes, storage_factory, write_bytes
from spacer_like.storage.base import outcomes

logger = logging.getLogger(__name__)

RECORD = ".extracted"
"""How the names of the record's files begin, in the folder of the feature files."""
_VERSION = 2
# What a killed run has extracted since the record was last written is extracted again.
_SECONDS_BETWEEN_WRITES = 5.0
_ATTEMPTS = 5

Entry = list[str]
"""A hash of extractor and points, and the versions of the image and of the feature file."""
Entries = dict[str, list[Entry]]
"""By the key of the feature file, what was recorded of it: one entry, or those of runs at the same time."""


class ExtractionRecord:
    """Which feature files of a folder are done: of what image, of which points, by which extractor.

    Args:
        folder: of the feature files; a record that is lacking, damaged or of another version names none.
    """

    def __init__(self, folder: DataLocation) -> None:
        self._folder = folder
        self._entries, self._files = _read(folder)
        self._images: dict[DataLocation, str | None] = {}
        self._last_write = time.monotonic()
        self._is_changed = False

    def is_done(self, tasks: Sequence[ExtractFeaturesMsg]) -> list[bool]:
        """For each task, whether its feature file is there and unchanged, and was made of the same image and request.

        Notes the versions of the images, which `add` records: call it before the images are read.
        """
        self._images = _versions([task.image_loc for task in tasks])
        files = _versions([task.feature_loc for task in tasks if task.feature_loc.key in self._entries])
        return [
            None not in (expected := [_request(task), self._images[task.image_loc], files.get(task.feature_loc)])
            and expected in self._entries.get(task.feature_loc.key, ())
            for task in tasks
        ]

    def add(self, task: ExtractFeaturesMsg) -> None:
        """Record that a task of those that `is_done` was asked about is done; written now or within seconds."""
        versions = self._images[task.image_loc], _versions([task.feature_loc])[task.feature_loc]
        if None in versions:
            self._entries.pop(task.feature_loc.key, None)
        else:
            self._entries[task.feature_loc.key] = [[_request(task), *map(str, versions)]]
        self._is_changed = True
        if time.monotonic() - self._last_write > _SECONDS_BETWEEN_WRITES:
            self.write()

    def write(self) -> None:
        """Write what was added. A folder that takes no record is none: the log says so, and nothing else is lost."""
        if not self._is_changed:
            return
        data = json.dumps({"version": _VERSION, "files": self._entries}, indent=0).encode()
        own = self._folder.below(f"{RECORD}-{hashlib.sha256(data).hexdigest()[:16]}.json")
        try:
            write_bytes(own, data)
            # Only now: whenever a run is killed, what it has read is in a file that is there.
            for loc in self._files - {own}:
                delete(loc)
            self._files = {own}
        except SpacerError as error:
            logger.warning("Which features are done is not recorded: %s", error)
        self._last_write, self._is_changed = time.monotonic(), False


def _request(task: ExtractFeaturesMsg) -> str:
    described = [task.extractor.extractor_id, [list(rowcol) for rowcol in task.rowcols]]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()


def _versions(locs: Sequence[DataLocation]) -> dict[DataLocation, str | None]:
    """The version of each location, many asked for at once; None where it cannot be told."""
    found = outcomes(_version, locs, config.settings().storage_concurrency)
    return {loc: None if isinstance(version, SpacerError) else version for loc, version in found}


def _version(loc: DataLocation) -> str:
    return storage_factory(loc.storage_type, loc.bucket_name).version(loc.key)


def _read(folder: DataLocation) -> tuple[Entries, set[DataLocation]]:
    """The entries of all files of a record, and those files."""
    for _ in range(_ATTEMPTS):
        try:
            locs = set(list_keys(folder.below(RECORD)))
            found: Entries = {}
            for key, entry in (one for loc in locs for one in _entries(loc)):
                found.setdefault(key, []).append(entry)
            return found, locs
        except DataNotFoundError:
            # Another run has replaced a file since they were listed.
            continue
        except SpacerError:
            break
    return {}, set()


def _entries(loc: DataLocation) -> Iterator[tuple[str, Entry]]:
    try:
        record: Any = json.loads(read_bytes(loc))
    except (ValueError, RecursionError):
        return
    files = record.get("files") if isinstance(record, dict) and record.get("version") == _VERSION else None
    for key, entries in files.items() if isinstance(files, dict) else ():
        yield from ((key, entry) for entry in (entries if isinstance(entries, list) else ()))
