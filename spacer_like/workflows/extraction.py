"""The record of a folder's feature files, by which those that are done and unchanged are not extracted again."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from typing import Any

from spacer_like import config
from spacer_like.exceptions import SpacerError
from spacer_like.location import DataLocation
from spacer_like.points.messages import ExtractFeaturesMsg
from spacer_like.storage import read_bytes, storage_factory, write_bytes
from spacer_like.storage.base import outcomes

logger = logging.getLogger(__name__)

RECORD = ".extracted.json"
"""The record's name, in the folder of the feature files."""
_VERSION = 1
# What a killed run has extracted since the record was last written is extracted again.
_SECONDS_BETWEEN_WRITES = 5.0

Entry = list[str]
"""A hash of extractor and points, and the versions of the image and of the feature file."""


class ExtractionRecord:
    """Which feature files of a folder are done: of what image, of which points, by which extractor.

    Args:
        loc: of the record; one that is lacking, damaged or of another version names no files.
    """

    def __init__(self, loc: DataLocation) -> None:
        self._loc = loc
        self._entries = _read(loc)
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
            and self._entries.get(task.feature_loc.key) == expected
            for task in tasks
        ]

    def add(self, task: ExtractFeaturesMsg) -> None:
        """Record that a task of those that `is_done` was asked about is done; written now or within seconds."""
        versions = self._images[task.image_loc], _versions([task.feature_loc])[task.feature_loc]
        if None in versions:
            self._entries.pop(task.feature_loc.key, None)
        else:
            self._entries[task.feature_loc.key] = [_request(task), *map(str, versions)]
        self._is_changed = True
        if time.monotonic() - self._last_write > _SECONDS_BETWEEN_WRITES:
            self.write()

    def write(self) -> None:
        """Write what was added. A folder that takes no record is none: the log says so, and nothing else is lost."""
        if not self._is_changed:
            return
        try:
            write_bytes(self._loc, json.dumps({"version": _VERSION, "files": self._entries}, indent=0).encode())
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


def _read(loc: DataLocation) -> dict[str, Entry]:
    try:
        record: Any = json.loads(read_bytes(loc))
    except (SpacerError, ValueError, RecursionError):
        return {}
    files = record.get("files") if isinstance(record, dict) and record.get("version") == _VERSION else None
    return files if isinstance(files, dict) else {}
