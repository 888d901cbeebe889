"""The tree of errors that spacer_like raises.

::

    SpacerError
    ├── SpacerInputError                 permanent: the same request fails again; never retried
    │   ├── ConfigError                  a setting is missing or malformed
    │   ├── MissingExtraError            a package of an extra is not installed    (also ImportError)
    │   ├── BrokenPackageError           a package is installed and does not load  (also ImportError)
    │   ├── MessageError                 a message that does not validate          (also ValueError)
    │   │   ├── MissingFieldError        a field of it is absent                   (also KeyError)
    │   │   ├── ClassNotFoundError       a class that may not be named or imported (also ImportError)
    │   │   ├── ClassNotInModuleError    a class that its module does not have     (also AttributeError)
    │   │   └── WrongClassError          a class of another kind, or of other arguments (also TypeError)
    │   ├── DataLimitError               more pixels, points or bytes than a limit allows
    │   ├── InvalidKeyError              a key or URI that may not be used         (also ValueError)
    │   ├── ReadOnlyStorageError         writing to a storage that only reads      (also TypeError)
    │   ├── DataNotFoundError            nothing is stored under a key             (also FileNotFoundError, KeyError)
    │   ├── AccessDeniedError            the storage refuses the credentials       (also PermissionError)
    │   ├── HashMismatchError            bytes that are not those announced
    │   ├── ImageError                   an image that cannot be decoded           (also ValueError)
    │   ├── RowColumnInvalidError        a point outside the image, or not of integers (also ValueError)
    │   ├── RowColumnMismatchError       an annotated point that the feature file lacks (also ValueError)
    │   ├── RowColumnMissingError        legacy features without positions         (also ValueError)
    │   ├── FeatureFileError             a malformed feature file                  (also ValueError, AssertionError)
    │   ├── TrainingLabelsError          labels that cannot be trained on          (also ValueError)
    │   ├── ModelFileError               a classifier file that is unsafe or unreadable (also ValueError)
    │   ├── WeightsError                 weights of another architecture           (also ValueError)
    │   ├── ExtractorMismatchError       features of one extractor, a model of another (also ValueError)
    │   ├── ArchiveError                 an archive that is unsafe or unreadable (also ValueError)
    │   ├── CollectionError              a collection that cannot be worked on     (also ValueError)
    │   ├── HistogramError               histograms that are malformed or do not go together (also ValueError)
    │   ├── TableError                   a malformed table, or one of other columns (also ValueError)
    │   │   └── TooFewRowsError          a table with fewer rows than a result takes
    │   ├── TileError                    a tile or a chip that cannot be worked on  (also ValueError)
    │   └── MapDataError                 map data, or labels for it, that are malformed (also ValueError)
    ├── TransientError                   network, throttling: the same request may succeed later
    │   └── StorageUnavailableError      a storage does not answer, or broke off   (also ConnectionError)
    └── URLDownloadError                 a download that failed; always of one of the two branches above

The built-in base classes are those that callers of PySpacer already catch. CoralNet recognises an error by its dotted
name (``spacer_like.exceptions.Name``) at the start of a traceback's last line, so the names are promises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

_LONGEST_REASON = 300
# What Python says of its own operations tells nobody about the file whose value they met.
_OF_PYTHON = re.compile(
    r"unsupported operand|object is not|indices must be|object has no attribute|unhashable type|values to unpack|"
    r"not supported between|takes no (keyword )?arguments|must be a (real number|mapping|string)"
)
# Names and keys in a sentence may be as long as a stranger likes.
_LONGEST_SENTENCE = 4000
# What terminals obey and what no encoding can write, which a name or a value in a stranger's file may hold: controls,
# surrogates, separators of lines and marks of direction.
_INVISIBLE = (*range(32), *range(127, 160), *range(0x2028, 0x202F), *range(0x2066, 0x206A), *range(0xD800, 0xE000))
_VISIBLE = {code: ascii(chr(code))[1:-1] for code in _INVISIBLE} | dict.fromkeys(map(ord, "\t\n\v\f\r"), " ")


# Without it pip takes the GPU build of several GB for Linux.
_CPU_STEP = (
    'pip install torch==2.13.0 --index-url "$TORCH_INDEX" (on Linux, TORCH_INDEX being the index of CPU builds that '
    "PyTorch's installation page names), then "
)


class SpacerError(Exception):
    """Base of all errors of this package."""

    def __str__(self) -> str:
        # KeyError would print the repr of its argument, OSError a pair: a user reads the sentence.
        text = " ".join(str(argument) for argument in self.args) or _meaning(type(self))
        return visible(text if len(text) <= _LONGEST_SENTENCE else f"{text[:_LONGEST_SENTENCE]}...")


class SpacerInputError(SpacerError):
    """The request is at fault: a retry fails again."""


class TransientError(SpacerError):
    """A temporary fault outside the request: a retry may succeed."""


class ConfigError(SpacerInputError, ValueError):
    """A setting is missing or malformed."""


class MissingExtraError(SpacerInputError, ImportError):
    """A package that belongs to an extra is not installed."""

    def __init__(self, purpose: str, extra: str) -> None:
        first = _CPU_STEP if extra == "torch" else ""
        install = f"run {first}pip install 'spacer_like[{extra}]'."
        super().__init__(f"{purpose} needs packages that are not installed: {install}")
        self.purpose = purpose
        self.extra = extra

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.purpose, self.extra)


class BrokenPackageError(SpacerInputError, ImportError):
    """A package that is installed and cannot be imported, for instance because a shared library is missing."""

    def __init__(self, package: str, reason: str) -> None:
        super().__init__(
            f"The package {package or 'that is needed'} cannot be imported: {reason}. "
            "Install what it lacks, or reinstall it."
        )
        self.package = package
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.package, self.reason)


class MessageError(SpacerInputError, ValueError):
    """A message does not validate; the sentence names the field's path."""


class MissingFieldError(MessageError, KeyError):
    """A field that a message needs is absent."""


class ClassNotFoundError(MessageError, ImportError):
    """A class that a message may not name, or whose module cannot be imported."""


class ClassNotInModuleError(MessageError, AttributeError):
    """A class that its module does not have."""


class WrongClassError(MessageError, TypeError):
    """A class of the wrong kind, or one that does not take the arguments."""


class DataLimitError(SpacerInputError, ValueError):
    """More pixels, points, members or bytes than a limit allows."""


class InvalidKeyError(SpacerInputError, ValueError):
    """A key or URI that may not be used, such as one that climbs out of its root."""


class ReadOnlyStorageError(SpacerInputError, TypeError):
    """An attempt to write to or delete from a read-only storage."""


class DataNotFoundError(SpacerInputError, FileNotFoundError, KeyError):
    """Nothing is stored under a key, or its bucket does not exist."""


class AccessDeniedError(SpacerInputError, PermissionError):
    """The storage refuses the credentials, or the file its permissions."""


class HashMismatchError(SpacerInputError, ValueError):
    """Bytes whose SHA-256 differs from the expected one."""


class ImageError(SpacerInputError, ValueError):
    """Bytes that cannot be decoded as an image."""


class RowColumnInvalidError(SpacerInputError, ValueError):
    """A point that lies outside the image, or whose numbers are not integers."""


class RowColumnMismatchError(SpacerInputError, ValueError):
    """An annotated point that the feature file lacks."""


class RowColumnMissingError(SpacerInputError, ValueError):
    """Legacy features, which have no positions, where positions are needed."""


class FeatureFileError(SpacerInputError, ValueError, AssertionError):
    """A feature file that is empty or malformed."""


class TrainingLabelsError(SpacerInputError, ValueError):
    """Labels that no classifier can be trained on."""


class ModelFileError(SpacerInputError, ValueError):
    """A file that is unsafe to open, or is not a classifier."""


class WeightsError(SpacerInputError, ValueError):
    """Weights that do not fit the network."""


class ExtractorMismatchError(SpacerInputError, ValueError):
    """Features or a model of one extractor used with those of another."""


class ArchiveError(SpacerInputError, ValueError):
    """An archive that is damaged, or unsafe to unpack."""


class CollectionError(SpacerInputError, ValueError):
    """A collection of images that cannot be worked on: no image, two images of one token, a stack of another size."""


class HistogramError(SpacerInputError, ValueError):
    """A histogram that is malformed, or does not go together with another one."""


class TableError(SpacerInputError, ValueError):
    """A table that is malformed, or lacks a column."""


class TooFewRowsError(TableError):
    """A table with fewer rows than a result takes."""


class StorageUnavailableError(TransientError, ConnectionError):
    """A storage that does not answer, is busy, or broke off a transfer."""


class TileError(SpacerInputError, ValueError):
    """A tile that is damaged or is not a tile, or a chip whose name does not give its coordinates."""


class MapDataError(SpacerInputError, ValueError):
    """Map data, or a description of labels for it, that is malformed; a query that the map server refuses."""


class URLDownloadError(SpacerError):
    """A download that failed.

    ``message`` is the sentence, ``original_error`` what the network said. Which branch an instance belongs to depends
    on the cause: made with ``transient=True`` it is a `TransientError`, otherwise a `SpacerInputError`.
    """

    def __new__(cls, message: str, original_error: BaseException, transient: bool = False) -> URLDownloadError:
        return super().__new__(_TransientURLDownloadError if transient else _PermanentURLDownloadError)

    def __init__(self, message: str, original_error: BaseException, transient: bool = False) -> None:
        super().__init__(message, original_error)
        self.message = message
        self.original_error = original_error

    def __str__(self) -> str:
        details = f"{type(self.original_error).__name__}: {reason_of(self.original_error)}"
        return visible(f"{self.message} / Details - {details}")

    def __reduce__(self) -> tuple[Any, ...]:
        return URLDownloadError, (self.message, self.original_error, isinstance(self, TransientError))


class _PermanentURLDownloadError(URLDownloadError, SpacerInputError):
    pass


class _TransientURLDownloadError(URLDownloadError, TransientError):
    pass


# A traceback prints the qualified name, and both must read as the documented one.
_PermanentURLDownloadError.__qualname__ = _TransientURLDownloadError.__qualname__ = URLDownloadError.__qualname__


def visible(text: str, keep: str = "") -> str:
    """A text in one line with control characters escaped, except those in `keep`."""
    # Thousands of characters: copied only where it must be.
    return text.translate({**_VISIBLE, **{ord(kept): kept for kept in keep}} if keep else _VISIBLE)


# Those that PySpacer has, by which its callers tell what a user may read from what an administrator must.
_PYSPACER = {
    *("ConfigError", "DataLimitError", "HashMismatchError", "RowColumnInvalidError", "RowColumnMismatchError"),
    *("RowColumnMissingError", "SpacerInputError", "TrainingLabelsError", "URLDownloadError"),
}


def class_of(error: BaseException, as_pyspacer: bool = False) -> str:
    """The dotted name of an error's class, as it travels in messages.

    Args:
        as_pyspacer: by the name of PySpacer's class that it would be, or is derived from; for an image that cannot be
            read, Pillow's.

    >>> class_of(DataNotFoundError()), class_of(DataNotFoundError(), as_pyspacer=True)
    ('spacer_like.exceptions.DataNotFoundError', 'spacer.exceptions.SpacerInputError')
    """
    if as_pyspacer and isinstance(error, SpacerError):
        if isinstance(error, ImageError):
            return "PIL.UnidentifiedImageError"
        for one in type(error).__mro__:
            if one.__name__ in _PYSPACER:
                return f"spacer.exceptions.{one.__name__}"
    return f"{type(error).__module__}.{type(error).__qualname__}"


def sentence_of(error: BaseException) -> str:
    """The message of an error, or what its class means where the message is empty."""
    try:
        # KeyError prints the repr of its argument.
        text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    except Exception:
        # Some errors of libraries cannot be printed.
        text = ""
    return text if text.strip() else f"{type(error).__name__}: {_meaning(type(error))}"


def reason_of(error: BaseException) -> str:
    """The message of an error as the end of a sentence: one printable line of bounded length, without a full stop."""
    if isinstance(error, MemoryError):
        return "reading it takes more memory than there is"
    if isinstance(error, KeyError) and not (error.args and isinstance(error.args[0], str) and error.args[0]):
        return "it refers to something that it does not hold"
    if isinstance(error, KeyError) and len(error.args) == 1 and " " not in str(error.args[0]):
        return f"it lacks {error.args[0]!r}"[:_LONGEST_REASON].translate(_VISIBLE)
    if isinstance(error, UnicodeDecodeError):
        return f"it is not text in {error.encoding.upper()}"
    if isinstance(error, TypeError | AttributeError | ValueError) and _OF_PYTHON.search(str(error)):
        return "a value is of another type than is expected"
    line = next(filter(str.strip, sentence_of(error).splitlines()))
    return " ".join(visible(line[:_LONGEST_REASON]).split()).rstrip(".")


@contextmanager
def damage_as(error_class: type[SpacerInputError], name: str, sentence: str) -> Iterator[None]:
    """Convert whatever a library raises while it reads a file.

    Every reader of files has its parsing inside one of these: a file may come from a stranger, and no list of the
    exceptions that a library raises for hostile bytes is complete. Lack of memory counts as damage too, because the
    same file takes as much memory the next time.

    Args:
        error_class: of the error that is raised. This package's own errors about values pass, and get the file's name
            in front where they do not say it; those about storages and extras pass as they are.
        name: the file's.
        sentence: says what the file is not, without a full stop; the library's reason is added.
    """
    try:
        yield
    except SpacerError as error:
        # What is said of a value, not of a storage or an extra.
        if not isinstance(error, ValueError) or _has_name(str(error), name):
            raise
        if isinstance(error, error_class | DataLimitError):
            raise type(error)(f"{name}: {error}") from error
        raise error_class(f"{_with_name(name, sentence)}: {reason_of(error)}.") from error
    except ImportError:
        # A package that does not load is no fault of the file.
        raise
    except Exception as error:
        raise error_class(f"{_with_name(name, sentence)}: {reason_of(error)}.") from error


def _with_name(name: str, sentence: str) -> str:
    return sentence if _has_name(sentence, name) else f"{name}: {sentence}"


def _has_name(text: str, name: str) -> bool:
    # The file may be called by a letter.
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) is not None


def _meaning(error_class: type[BaseException]) -> str:
    return (error_class.__doc__ or error_class.__name__).strip().partition("\n")[0]


def nearest(name: str, choices: Iterable[str]) -> str:
    """A hint about an unknown name: the choice with the most similar spelling, if there is one.

    >>> nearest("lite", ["lite0", "vgg16"]), nearest("x", ["lite0", "vgg16"])
    (' Did you mean lite0?', '')
    """
    from difflib import get_close_matches

    found = get_close_matches(name, list(choices), n=1)
    return f" Did you mean {found[0]}?" if found else ""
