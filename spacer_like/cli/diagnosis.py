"""The checks of ``spacer-like doctor``. None prints or returns a secret."""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple
from uuid import uuid4

from spacer_like import __version__, config
from spacer_like.cli.installed_packages import CORE, EXTRAS, Package, installed
from spacer_like.exceptions import BrokenPackageError, MissingExtraError, SpacerError, sentence_of
from spacer_like.location import DataLocation
from spacer_like.shown_url import shown_url
from spacer_like.storage.unfinished_files import remove_old, temporary_folder

State = Literal["ok", "missing", "failed", "info"]
"""``missing``: absent, and the rest works without it; ``failed``: something that should work does not."""

PROBE = b"spacer_like"


class Finding(NamedTuple):
    """One line of the report."""

    section: str
    name: str
    state: State
    text: str


def examine(
    bucket: str | None = None,
    url: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cleaned: Sequence[Path] | None = None,
) -> Iterator[Finding]:
    """Every finding, section by section.

    Args:
        bucket: an S3 bucket to write, read and delete an object in.
        url: a URL to ask for.
        progress: called with (sections done, sections in all).
        cleaned: folders from which, besides the own ones, old unfinished files are removed; None: nothing is removed.
    """
    sections = [_packages, _settings, lambda: _storages(bucket, url), _networks]
    if cleaned is not None:
        sections.append(lambda: _cleaned(cleaned))
    for done, section in enumerate(sections):
        progress(done, len(sections))
        try:
            yield from section()
        except SpacerError as error:
            yield Finding("Faults", type(error).__name__, "failed", sentence_of(error))


def _packages() -> Iterator[Finding]:
    section = "Versions"
    yield Finding(section, "spacer_like", "ok", __version__)
    yield Finding(section, "Python", "ok", f"{platform.python_version()} at {sys.executable}, {platform.platform()}")
    found = installed(sorted({*CORE, *(name for names in EXTRAS.values() for name in names)}))
    for name in CORE:
        package = found.get(name)
        if package is None:
            yield Finding(section, name, "failed", "not installed: run pip install spacer_like")
        elif package.fault:
            yield Finding(section, name, "failed", _broken(name, package))
        else:
            yield Finding(section, name, "ok", package.version)
    for extra, names in EXTRAS.items():
        yield _extra(extra, names, found)


def _extra(extra: str, names: tuple[str, ...], found: dict[str, Package]) -> Finding:
    lacking = [name for name in names if name not in found]
    broken = [_broken(name, found[name]) for name in names if name in found and found[name].fault]
    have = ", ".join(f"{name} {found[name].version}" for name in names if name in found and not found[name].fault)
    lacks = [f"lacks {', '.join(lacking)}: run pip install 'spacer_like[{extra}]'"] if lacking else []
    has = [f"has {have}"] if have else []
    if broken:
        return Finding("Extras", extra, "failed", "; ".join([*broken, *lacks, *has]))
    if lacking:
        return Finding("Extras", extra, "missing", lacks[0] + (f" (has {have})" if have else ""))
    return Finding("Extras", extra, "ok", have)


def _broken(name: str, package: Package) -> str:
    return f"{name} {package.version} is installed and cannot be imported: {package.fault}"


def _settings() -> Iterator[Finding]:
    for sentence in config.unknown_settings():
        yield Finding("Settings", "unknown", "failed", sentence)
    config.settings()
    for name in (entry.name for entry in fields(config.Settings)):
        source = config.source(name)
        yield Finding(
            "Settings", name.upper(), "info" if source == "default" else "ok", f"{config.displayed(name)} ({source})"
        )


def _storages(bucket: str | None, url: str | None) -> Iterator[Finding]:
    with temporary_folder() as folder:
        yield _round_trip(
            "filesystem", DataLocation("filesystem", str(folder / "probe")), f"in {tempfile.gettempdir()}"
        )
    yield _round_trip("memory", DataLocation("memory", f"doctor-{uuid4()}"), "")
    yield from _cache_folder()
    yield from _s3(bucket)
    yield _url(url)


def _round_trip(name: str, location: DataLocation, where: str) -> Finding:
    """Write, read and delete a few bytes."""
    from spacer_like import storage

    try:
        storage.write_bytes(location, PROBE)
        try:
            whole = storage.read_bytes(location) == PROBE
        finally:
            storage.delete(location)
    except (SpacerError, OSError) as error:
        return Finding("Storages", name, "failed", sentence_of(error))
    if not whole:
        return Finding("Storages", name, "failed", "what was read is not what was written")
    return Finding("Storages", name, "ok", f"writes, reads and deletes {where}".strip())


def _cache_folder() -> Iterator[Finding]:
    folder = config.settings().extractors_cache_dir
    if folder is None:
        yield Finding(
            "Storages", "weights' cache", "info", "EXTRACTORS_CACHE_DIR is not set: only remote weights need it"
        )
        return
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        yield Finding("Storages", "weights' cache", "failed", f"{folder} cannot be made: {error.strerror}")
        return
    yield _round_trip(
        "weights' cache", DataLocation("filesystem", str(Path(folder) / f".doctor-{uuid4()}")), f"in {folder}"
    )


def _s3(bucket: str | None) -> Iterator[Finding]:
    settings = config.settings()
    endpoint = shown_url(settings.aws_endpoint_url or "Amazon S3")
    where = f"{endpoint}, region {settings.aws_region or 'by default'}"
    identity, configured = _identity(ask_machine=bucket is not None)
    yield Finding("Storages", "s3 identity", "ok" if configured else "missing", f"{identity}; endpoint: {where}")
    if bucket:
        yield _round_trip(
            f"s3://{bucket}", DataLocation("s3", f"spacer-like-doctor/{uuid4()}", bucket), f"at {endpoint}"
        )


def _identity(ask_machine: bool) -> tuple[str, bool]:
    """The source of S3 credentials in boto3's chain, or that there is none; nothing of the credentials themselves.

    Args:
        ask_machine: whether the address is asked where a machine of Amazon's gives its role.
    """
    from spacer_like.aws import create_aws_session

    if config.settings().aws_anonymous:
        return "anonymous", True
    try:
        session = create_aws_session()
        if not ask_machine:
            session._session.get_component("credential_provider").remove("iam-role")
        credentials = session.get_credentials()
    except Exception as error:
        # botocore raises errors of many kinds here, such as for a profile that does not exist.
        return f"no credentials ({type(error).__name__}: {error})", False
    if credentials is None:
        role = "a role" if ask_machine else "a role (of a machine: see --bucket)"
        return (
            f"no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, {role}, or AWS_ANONYMOUS",
            False,
        )
    return f"credentials from {credentials.method}", True


def _cleaned(folders: Sequence[Path]) -> Iterator[Finding]:
    """Remove files that killed processes left in and below the folders, and in the caches."""
    from spacer_like.extractors.onnx_session import models_folder

    caches = (tempfile.gettempdir(), config.settings().extractors_cache_dir, models_folder())
    for folder in dict.fromkeys(Path(name) for name in caches if name is not None):
        yield _clean(folder, below=False)
    for folder in folders:
        yield _clean(folder, below=True)


def _clean(folder: Path, below: bool) -> Finding:
    if not folder.is_dir():
        return Finding("Cleaning", str(folder), "failed" if below else "info", "is no folder")
    removed = len(remove_old(folder, below))
    what = {0: "no old unfinished file", 1: "1 old unfinished file removed"}
    return Finding("Cleaning", str(folder), "ok", what.get(removed, f"{removed} old unfinished files removed"))


def _url(url: str | None) -> Finding:
    policy = "private addresses are allowed" if config.settings().url_allow_private else "no private addresses"
    if url is None:
        return Finding("Storages", "url", "info", f"http and https, {policy}; try one with --url")
    from spacer_like import storage

    location = DataLocation("url", url)
    try:
        answers = storage.exists(location)
    except (SpacerError, OSError) as error:
        return Finding("Storages", "url", "failed", sentence_of(error))
    return Finding(
        "Storages",
        "url",
        "ok" if answers else "failed",
        f"{location.display_name} {'answers' if answers else 'does not answer'}",
    )


def _networks() -> Iterator[Finding]:
    yield _default_weights()
    yield _onnx()
    yield _device()
    yield _extraction()


def _default_weights() -> Finding:
    from spacer_like.extractors import EfficientNetLite0Extractor

    extractor = EfficientNetLite0Extractor()
    return Finding("Networks", "default extractor", "ok", f"EfficientNetLite0Extractor, id {extractor.extractor_id}")


def _onnx() -> Finding:
    if not config.settings().use_onnx:
        return Finding("Networks", "onnxruntime", "info", "switched off by the setting USE_ONNX")
    from spacer_like.extras import import_if_installed

    try:
        onnxruntime = import_if_installed("onnxruntime")
    except BrokenPackageError as error:
        return Finding("Networks", "onnxruntime", "failed", str(error))
    if onnxruntime is None:
        return Finding("Networks", "onnxruntime", "missing", "not installed, torch does its work")
    return Finding("Networks", "onnxruntime", "ok", ", ".join(onnxruntime.get_available_providers()))


def _device() -> Finding:
    from spacer_like.extractors.network_extractor import chosen_device

    return Finding("Networks", "device", "ok", chosen_device())


def _extraction() -> Finding:
    """Extract one vector with the default extractor, from weights to runtime."""
    import time

    import numpy as np

    from spacer_like.extractors import EfficientNetLite0Extractor

    start = time.perf_counter()
    try:
        features, _ = EfficientNetLite0Extractor()(np.full((32, 32, 3), 127, np.uint8), [(16, 16)])
    except MissingExtraError:
        text = "needs the extra torch, or a network converted before; stored features can be classified without"
        return Finding("Networks", "extraction", "missing", text)
    except SpacerError as error:
        return Finding("Networks", "extraction", "failed", str(error))
    seconds = time.perf_counter() - start
    text = f"a vector of {features.feature_dim} numbers, {seconds:.1f} s with the start"
    if find_spec("torch") is None:
        text += "; without torch only networks that were converted before"
    return Finding("Networks", "extraction", "ok", text)
