"""The tree of exceptions: its two branches, and the names that callers rely on."""

import pickle
import traceback
from pathlib import Path

import pytest

from spacer_like import exceptions
from spacer_like.exceptions import (
    DataNotFoundError,
    FeatureFileError,
    MessageError,
    MissingExtraError,
    MissingFieldError,
    SpacerError,
    SpacerInputError,
    TransientError,
    URLDownloadError,
)
from spacer_like.message_base import Unreadable, none_of

ALL = [found for found in vars(exceptions).values() if isinstance(found, type) and issubclass(found, SpacerError)]
ABSTRACT = {SpacerError, SpacerInputError, TransientError, URLDownloadError}


@pytest.mark.parametrize("error", [found for found in ALL if found not in ABSTRACT])
def test_every_error_belongs_to_exactly_one_branch(error):
    assert issubclass(error, SpacerInputError) != issubclass(error, TransientError)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (MessageError, ValueError),
        (MissingFieldError, KeyError),
        (DataNotFoundError, FileNotFoundError),
        (DataNotFoundError, KeyError),
        (FeatureFileError, AssertionError),
        (exceptions.TrainingLabelsError, ValueError),
        (exceptions.ReadOnlyStorageError, TypeError),
        (exceptions.AccessDeniedError, PermissionError),
        (exceptions.StorageUnavailableError, ConnectionError),
    ],
)
def test_errors_are_also_the_builtins_that_callers_catch(error, builtin):
    assert issubclass(error, builtin)


def test_no_sentence_says_none_of_one():
    """What none of several files allows is said by `none_of`, which knows the singular."""
    package = Path(exceptions.__file__).parent
    saying = {str(path.relative_to(package)) for path in package.rglob("*.py") if "None of the {" in path.read_text()}
    assert saying == {"message_base.py", "cli/running.py"}
    one, more = Unreadable(name="a", reason="The file 'a' is empty."), Unreadable(name="b", reason="It is a link.")
    assert none_of([one], "chip", "be decoded") == "The one chip cannot be decoded: The file 'a' is empty."
    assert none_of([more], "file in 'x'", "be scored") == "The one file in 'x', 'b', cannot be scored: It is a link."
    assert none_of([more, one], "file in 'x'", "be scored") == (
        "None of the 2 files in 'x' can be scored, the first, 'b', because: It is a link."
    )


def test_an_error_reads_as_its_sentence_even_where_its_builtin_base_would_print_a_repr():
    assert str(DataNotFoundError("There is no file 'a'.")) == "There is no file 'a'."


@pytest.mark.parametrize("transient", [True, False])
def test_a_failed_download_is_told_by_one_name_whichever_branch_it_belongs_to(transient):
    error = URLDownloadError("Failed to download.", TimeoutError("timed out"), transient=transient)

    assert isinstance(error, TransientError) is transient
    assert isinstance(error, SpacerInputError) is not transient
    assert traceback.format_exception_only(error)[-1].strip() == (
        "spacer_like.exceptions.URLDownloadError: Failed to download. / Details - TimeoutError: timed out"
    )


@pytest.mark.parametrize(
    "error",
    [
        DataNotFoundError("gone"),
        MissingExtraError("Extraction", "torch"),
        URLDownloadError("m", ValueError("x"), transient=True),
        URLDownloadError("m", ValueError("x")),
    ],
)
def test_errors_cross_processes(error):
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error)


def test_a_missing_extra_is_told_with_the_command_that_installs_it():
    said = str(MissingExtraError("Extraction", "torch"))
    assert said.index('pip install torch==2.13.0 --index-url "$TORCH_INDEX"') < said.index("'spacer_like[torch]'")
    assert "torch==" not in str(MissingExtraError("Drawing", "plots"))
