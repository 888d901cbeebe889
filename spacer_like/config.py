"""The settings: one `Settings` object, built on first use from four sources.

A setting KEY is looked up in this order, and the first source that has a value wins:

1. the environment variable ``SPACER_KEY`` (an empty text counts as unset);
2. ``secrets.json`` in the folder above the package; where that file exists and is not empty, Django is not asked;
3. ``django.conf.settings.SPACER["KEY"]``, if Django is installed and configured;
4. the default.

PySpacer's constants (``config.MAX_IMAGE_PIXELS`` …) are read from the same object.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from spacer_like import logs
from spacer_like.exceptions import ConfigError, damage_as
from spacer_like.location import STORAGE_TYPES as STORAGE_TYPES
from spacer_like.logs import filter_warnings as filter_warnings
from spacer_like.logs import log_entry_and_exit as log_entry_and_exit
from spacer_like.shown_url import shown_url

APP_DIR = Path(__file__).resolve().parent
REPO_DIR = APP_DIR.parent
SECRETS_PATH = REPO_DIR / "secrets.json"
LOCAL_FIXTURE_DIR = str(APP_DIR / "tests" / "fixtures")

# PySpacer's own constants, for its callers alone; `spacer_like.messages.TASKS` has every task.
TASKS = ["extract_features", "train_classifier", "classify_features", "classify_image"]
CLASSIFIER_TYPES = ["LR", "MLP"]
TRAINER_NAMES = ["minibatch"]
HAS_CAFFE = True

Source = Literal["environment", "secrets.json", "django", "default"]
MIB = 2**20


@dataclass(frozen=True)
class Settings:
    """Every setting, by its lower-case name; ``SPACER_`` and the upper-case name make the environment variable."""

    aws_access_key_id: str | None = field(default=None, repr=False)
    aws_secret_access_key: str | None = field(default=None, repr=False)
    aws_session_token: str | None = field(default=None, repr=False)
    aws_profile_name: str | None = None
    aws_anonymous: bool = False
    aws_region: str | None = None
    aws_endpoint_url: str | None = field(default=None, repr=False)
    """Where S3 answers; None is Amazon itself. ``AWS_ENDPOINT_URL`` is honoured too."""

    extractors_cache_dir: str | None = None
    """Folder for weights fetched from S3 or a URL; needed only for those."""
    onnx_cache_dir: str | None = None
    """Folder for networks converted to ONNX; None is the user's cache folder."""
    onnx_models_dir: str | None = None
    """Folder of networks that were converted before, such as those of a container's image; it is only read."""
    use_onnx: bool = True
    device: str = "auto"
    """``cpu``, ``cuda`` or ``auto``: the GPU where there is one."""
    torch_threads: int | None = None

    max_image_pixels: int = 10_000 * 10_000
    max_points_per_image: int = 1000
    max_message_bytes: int = 256 * MIB
    max_download_bytes: int = 2048 * MIB
    max_upload_bytes: int = MIB
    url_timeout_seconds: int = 20
    url_total_timeout_seconds: int = 300
    url_allow_private: bool = False
    """Whether a URL may lead to an address of the own machine or a private network."""
    storage_concurrency: int = 32
    transfer_retries: int = 5
    s3_timeout_seconds: int = 60
    """Seconds of silence after which a request to S3 has failed, and is tried again."""

    training_batch_label_count: int = 5000
    """Labels in an outer training batch, and the largest reference set."""
    training_memory_bytes: int = 2048 * MIB
    """Features that training may hold at once; beyond it the files are read again in each epoch."""
    feature_file_format: str = "float32"
    """``float32``, or ``pyspacer``: float64 and deflated, as PySpacer writes it."""

    allowed_class_prefixes: tuple[str, ...] = ()
    """Packages whose extractors and trainers a message may name; as text: separated by commas."""
    allowed_classifier_classes: tuple[str, ...] = ()
    """Trusted classes, or packages: a classifier's file may hold their objects beside scikit-learn's safe ones."""
    error_names: str = "spacer_like"
    """``spacer_like``, or ``pyspacer``: answers name the classes of errors as PySpacer's callers look for them."""
    exit_codes: bool | None = None
    """Whether a container ends with 64 or 75 on a failure; False: with 0 once a return message was stored.

    None leaves it to the command: ``spacer-like env-job`` does, ``python -m spacer_like.mailman env_job`` does not.
    """
    echo_training_labels: bool = True
    """Whether a training job's return message carries the job's labels back, as PySpacer's does."""

    log_destination: str | None = None
    """``console`` or a file's path; None leaves logging to the application."""
    log_level: str = "INFO"
    log_format: str = "text"
    """``text`` or ``json``: what children of arrays and a container's job log, one object a line."""
    metrics_namespace: str | None = None
    """The namespace of CloudWatch's metrics of these; None: there are no metrics among the lines."""

    test_bucket: str | None = None
    cn_test_extractors_bucket: str | None = None
    cn_fixtures_bucket: str | None = None


CONFIGURABLE_VARS = [entry.name.upper() for entry in fields(Settings)]
_CASTS: dict[str, type] = {"bool": bool, "int": int, "tuple[str, ...]": tuple}
_TYPES = {entry.name: _CASTS.get(str(entry.type).removesuffix(" | None"), str) for entry in fields(Settings)}
_CHOICES = {
    "DEVICE": ("auto", "cpu", "cuda"),
    "FEATURE_FILE_FORMAT": ("float32", "pyspacer"),
    "ERROR_NAMES": ("spacer_like", "pyspacer"),
    "LOG_FORMAT": (logs.TEXT, logs.JSON),
    "LOG_LEVEL": ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"),
}
# The smallest and the largest value of numbers.
_RANGES = {
    "TORCH_THREADS": (1, 1024),
    "STORAGE_CONCURRENCY": (1, 1024),
    "TRANSFER_RETRIES": (0, 100),
    "URL_TIMEOUT_SECONDS": (1, 10**6),
    "URL_TOTAL_TIMEOUT_SECONDS": (1, 10**6),
    "S3_TIMEOUT_SECONDS": (1, 10**6),
}
_RANGE_OF_OTHERS = (1, 2**63 - 1)
_REQUIRED = "NO_DEFAULT"
_PREFIX = "SPACER_"


_overrides: list[Settings] = []


def settings() -> Settings:
    """The settings in force."""
    return _overrides[-1] if _overrides else _read_settings()


@contextmanager
def override(**values: Any) -> Iterator[Settings]:
    """Settings with other values, in force in the whole process until the block ends.

    >>> with override(max_points_per_image=3):
    ...     settings().max_points_per_image
    3
    """
    _overrides.append(replace(settings(), **values))
    try:
        yield _overrides[-1]
    finally:
        _overrides.pop()


def reload() -> None:
    """Discard the settings: the next use reads them from their sources again."""
    _read_settings.cache_clear()
    _secrets.cache_clear()


@cache
def _read_settings() -> Settings:
    found = {name: look_up(name.upper(), value_type)[0] for name, value_type in _TYPES.items()}
    return Settings(**{name: value for name, value in found.items() if value is not None})


def source(name: str) -> Source:
    """The source of the setting with this lower-case name."""
    return look_up(name.upper(), _TYPES[name])[1]


def look_up(key: str, value_type: type = str) -> tuple[Any, Source]:
    """The value of KEY, None where no source has one, and its source.

    Raises:
        ConfigError: the text is not a value of this type.
    """
    text = os.getenv(_PREFIX + key)
    if text:
        return _cast(key, text, value_type), "environment"
    if secrets := _secrets():
        if secrets.get(key) not in ("", None):
            with damage_as(ConfigError, str(SECRETS_PATH), f"The settings file {SECRETS_PATH} has no usable {key}"):
                return _cast(key, secrets[key], value_type), "secrets.json"
    elif (value := _django_settings().get(key)) not in ("", None):
        return _cast(key, value, value_type), "django"
    return None, "default"


def get_config_value(key: str, value_type: type = str, default: Any = _REQUIRED) -> Any:
    """The value of KEY, or `default`; a missing value without a default is a `ConfigError`."""
    value, _ = look_up(key, value_type)
    if value is None and default == _REQUIRED:
        raise ConfigError(f"{key} setting is required. (Debug info: {get_config_detection_result()})")
    return default if value is None else value


def get_config_detection_result() -> str:
    secrets, django = ("found" if values else "not found" for values in (_secrets(), _django_settings()))
    return f"Secrets file {secrets}. SPACER Django setting {django}."


def _cast(key: str, value: Any, value_type: type) -> Any:
    if value_type is bool:
        if value in ("True", "False", True, False):
            return value in ("True", True)
        raise ConfigError(f"{key} may only be True or False.")
    if value_type is int:
        return _whole_number(key, value)
    if value_type is tuple:
        entries = value.split(",") if isinstance(value, str) else value
        if not isinstance(entries, list | tuple) or not all(isinstance(entry, str) for entry in entries):
            raise ConfigError(f"{key} must be text, or a list of texts.")
        return tuple(entry.strip() for entry in entries if entry.strip())
    return _text(key, value)


def _whole_number(key: str, value: Any) -> int:
    least, largest = _RANGES.get(key, _RANGE_OF_OTHERS)
    try:
        number = int(value)
        if isinstance(value, bool) or (not isinstance(value, str) and number != value):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(f"{key} must be an integer.") from None
    if not least <= number <= largest:
        bound = f"at least {least}" if number < least else f"at most {largest}"
        raise ConfigError(f"{key} must be an integer, {bound}.")
    return number


def _text(key: str, value: Any) -> str:
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str):
        raise ConfigError(f"{key} must be text, and is of type {type(value).__name__}.")
    choices = _CHOICES.get(key)
    if key == "LOG_LEVEL":
        text = text.upper()
    if choices and text not in choices:
        raise ConfigError(f"{key} must be one of {', '.join(choices)}, and is '{text}'.")
    if key == "AWS_ENDPOINT_URL" and not text.lower().startswith(("http://", "https://")):
        raise ConfigError(f"{key} must begin with https:// or http://.")
    if key == "METRICS_NAMESPACE" and not re.fullmatch(r"(?!:|AWS/)[\w./#:-]{1,255}", text, re.ASCII):
        raise ConfigError(f"{key} must be letters, digits and ._-/#:, and not begin with AWS/, and is '{text}'.")
    return text


def unknown_settings() -> list[str]:
    """A sentence for each name in the environment or in ``secrets.json`` that is meant as a setting and is none."""
    known = set(CONFIGURABLE_VARS)
    sentences = [
        _unknown("environment variable", name, _PREFIX)
        for name in sorted(os.environ)
        if name.upper().startswith(_PREFIX) and (name[len(_PREFIX) :] not in known or not name.startswith(_PREFIX))
    ]
    return sentences + [_unknown(f"setting in {SECRETS_PATH}", name) for name in sorted(set(_secrets()) - known)]


def _unknown(what: str, name: str, prefix: str = "") -> str:
    # Imported where something is wrong already.
    from difflib import get_close_matches

    near = get_close_matches(name[len(prefix) :].upper(), CONFIGURABLE_VARS, 1)
    meant = f"did you mean {prefix}{near[0]}?" if near else "it has no effect."
    return f"There is no {what} '{name}': {meant}"


@cache
def _secrets() -> Mapping[str, Any]:
    try:
        found = json.loads(SECRETS_PATH.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    # The parser's own words might quote a secret.
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"The settings file {SECRETS_PATH} cannot be read as JSON: {type(error).__name__}.") from None
    if not isinstance(found, dict):
        raise ConfigError(f"The settings file {SECRETS_PATH} must hold a JSON object.")
    return found


def _django_settings() -> Mapping[str, Any]:
    # A process that uses Django has imported it; importing it for the others would cost them time.
    if "django" not in sys.modules and not os.getenv("DJANGO_SETTINGS_MODULE"):
        return {}
    try:
        from django.conf import settings as django_settings
        from django.core.exceptions import ImproperlyConfigured
    except ImportError:
        return {}
    try:
        found = django_settings.SPACER
    except (ImproperlyConfigured, AttributeError):
        return {}
    except ImportError as error:
        raise ConfigError(
            f"Django's settings cannot be imported, which DJANGO_SETTINGS_MODULE names: {error}. Add their folder to "
            "PYTHONPATH."
        ) from error
    if not isinstance(found, Mapping):
        raise ConfigError("Django's setting SPACER must be a dictionary.")
    if unknown := [name for name in found if name not in CONFIGURABLE_VARS]:
        raise ConfigError(_unknown("setting in Django's SPACER", str(unknown[0])))
    return found


if TYPE_CHECKING:
    AWS_ACCESS_KEY_ID: str | None
    AWS_SECRET_ACCESS_KEY: str | None
    AWS_SESSION_TOKEN: str | None
    AWS_PROFILE_NAME: str | None
    AWS_ANONYMOUS: bool
    AWS_REGION: str | None
    AWS_ENDPOINT_URL: str | None
    EXTRACTORS_CACHE_DIR: str | None
    ONNX_CACHE_DIR: str | None
    ONNX_MODELS_DIR: str | None
    USE_ONNX: bool
    DEVICE: str
    TORCH_THREADS: int | None
    MAX_IMAGE_PIXELS: int
    MAX_POINTS_PER_IMAGE: int
    MAX_MESSAGE_BYTES: int
    MAX_DOWNLOAD_BYTES: int
    MAX_UPLOAD_BYTES: int
    URL_TIMEOUT_SECONDS: int
    URL_TOTAL_TIMEOUT_SECONDS: int
    URL_ALLOW_PRIVATE: bool
    STORAGE_CONCURRENCY: int
    TRANSFER_RETRIES: int
    S3_TIMEOUT_SECONDS: int
    TRAINING_BATCH_LABEL_COUNT: int
    TRAINING_MEMORY_BYTES: int
    FEATURE_FILE_FORMAT: str
    ALLOWED_CLASS_PREFIXES: tuple[str, ...]
    ALLOWED_CLASSIFIER_CLASSES: tuple[str, ...]
    ERROR_NAMES: str
    EXIT_CODES: bool | None
    ECHO_TRAINING_LABELS: bool
    LOG_DESTINATION: str | None
    LOG_LEVEL: str
    LOG_FORMAT: str
    METRICS_NAMESPACE: str | None
    TEST_BUCKET: str | None
    CN_TEST_EXTRACTORS_BUCKET: str | None
    CN_FIXTURES_BUCKET: str | None
else:

    def __getattr__(name: str) -> Any:
        if name in CONFIGURABLE_VARS:
            return getattr(settings(), name.lower())
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *CONFIGURABLE_VARS})


def check() -> None:
    """Print every setting with its source; of a secret only whether it is set."""
    lines = [f"{name.upper()}: {displayed(name)} ({source(name)})" for name in _TYPES]
    sys.stdout.write("\n".join([get_config_detection_result(), *lines, ""]))


def displayed(name: str) -> str:
    """A setting's value as it may be shown: a secret only as set or not set, a URL without its password."""
    value = getattr(settings(), name)
    if name == "aws_endpoint_url" and value is not None:
        return shown_url(value)
    is_secret = not next(entry.repr for entry in fields(Settings) if entry.name == name)
    return str(value) if not is_secret or value is None else "(set)"


def configure_logging() -> None:
    """Send the log to the setting LOG_DESTINATION, for programs that set up no logging of their own."""
    if destination := settings().log_destination:
        try:
            lines = log_lines("%(asctime)s - %(levelname)s:%(name)s\n%(message)s")
            logs.configure(lines, settings().log_level, None if destination == "console" else destination)
        except (OSError, ValueError) as error:
            raise ConfigError(f"LOG_DESTINATION cannot be written to: {error}.") from error


def log_lines(text: str) -> logs.Lines:
    """The lines of a log by the settings LOG_FORMAT and METRICS_NAMESPACE, or of this form of text; without secrets."""
    now = settings()
    secrets = [str(getattr(now, entry.name) or "") for entry in fields(Settings) if not entry.repr]
    return logs.Lines(text, now.log_format, now.metrics_namespace, secrets)
