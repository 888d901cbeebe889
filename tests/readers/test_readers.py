"""Every reader of the package answers a damaged file with a value, or with one sentence that names the file.

Each reader of `rows.py` is fed with hundreds of damaged forms of a valid file. With the environment variable
READER_MUTATIONS, the number of random ones, it may go on for hours: READER_MUTATIONS=20000 pytest tests/readers -n 2.
"""

from __future__ import annotations

import logging
import os
import re
import resource
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spacer_like.exceptions import SpacerInputError

from .mutations import mutations
from .rows import READERS, Reader

COUNT = int(os.environ.get("READER_MUTATIONS", "60"))
SEED = int(os.environ.get("READER_SEED", "0"))
MOST_SECONDS = 5.0
"""Of the processor, that one file may take."""
MOST_BYTES = 2**30
"""Of memory, that one file of a few kilobytes may take more than the process has."""
CONTROLS = re.compile(r"[\0-\x1f\x7f-\x9f\ud800-\udfff]")


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@contextmanager
def little_memory() -> Iterator[None]:
    """No more memory than there is in use, and `MOST_BYTES`."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + MOST_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def fault_of(reader: Reader, data: bytes, name: str) -> str | None:
    """What is wrong with how a reader answers a file."""
    start = time.process_time()
    try:
        with warnings.catch_warnings():
            # What libraries warn of is not ours to say; the command line keeps it back.
            warnings.simplefilter("ignore")
            reader.read(data, name)
    except SpacerInputError as error:
        fault = _fault_of_sentence(str(error), reader.called or name) or _fault_of_cause(error)
    except Exception as error:
        fault = f"a bare {type(error).__name__}: {str(error)[:200]}"
    else:
        fault = None
    if (seconds := time.process_time() - start) > MOST_SECONDS:
        return f"{seconds:.1f} seconds; {fault or ''}"
    return fault


def _fault_of_sentence(sentence: str, name: str) -> str | None:
    if name not in sentence:
        return f"the file's name is missing: {sentence[:300]}"
    if not sentence.endswith(".") or "\n" in sentence or len(sentence) > 4100 or CONTROLS.search(sentence):
        return f"no sentence: {sentence[:300]!r}"
    return None


def _fault_of_cause(error: BaseException) -> str | None:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError):
            return f"more than {MOST_BYTES} bytes of memory: {error}"
        cause = cause.__cause__ or cause.__context__
    return None


@pytest.fixture(scope="module")
def valid_files() -> dict[str, bytes]:
    return {}


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_damaged_file_is_read_or_named(reader):
    valid = reader.make()
    name = f"reef-7{reader.ending}"
    reader.read(valid, name)
    faults: dict[str, bytes] = {}
    with little_memory():
        for data in mutations(valid, int(COUNT * reader.share), SEED):
            if fault := fault_of(reader, data, name):
                faults.setdefault(fault, data)
    if faults and (folder := os.environ.get("READER_FAULTS")):
        for number, data in enumerate(faults.values()):
            (Path(folder) / f"{reader.name.replace(' ', '-').replace('/', '-')}-{number}").write_bytes(data)
    if faults:
        pytest.fail("\n".join(fault[:400] for fault in faults), pytrace=False)
