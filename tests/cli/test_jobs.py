"""Messages from the shell: run, validate, schema."""

import io
import json
import sys
from types import SimpleNamespace

import pytest

from spacer_like.data_classes import DataLocation
from spacer_like.messages import ClassifyFeaturesMsg, ExtractFeaturesMsg, JobMsg, JobReturnMsg
from spacer_like.storage import read_bytes

from .conftest import COLOURS


def at(path):
    return DataLocation("filesystem", str(path))


@pytest.fixture
def job(trained):
    """A job of two tasks, one of which cannot succeed, in job.json."""
    files = [trained / "features/photos/0.jpg.features", trained / "nix.features"]
    tasks = [ClassifyFeaturesMsg(file.name, at(file), at(trained / "reef.pkl")) for file in files]
    JobMsg("classify_features", tasks[:1]).store(at(trained / "good.json"))
    JobMsg("classify_features", tasks).store(at(trained / "job.json"))
    return trained


def test_a_job_is_run_and_told_task_by_task(job, command):
    said = command("run", "good.json", "--result", "answer.json")
    assert said.code == 0
    assert "1 of 1 classify_features task done." in said.out
    assert JobReturnMsg.load(at(job / "answer.json")).ok


def test_with_json_the_answer_is_the_return_message(job, command):
    said = command("run", "good.json", "--json")
    assert JobReturnMsg.deserialize(said.json).results[0].valid_rowcol
    assert said.err == ""


def test_a_failing_task_is_told_and_the_exit_code_says_it_is_permanent(job, command):
    said = command("run", "job.json", "--result", "memory://answer")
    assert said.code == 64
    assert "1 of 2 classify_features tasks done." in said.out
    assert "nix.features" in said.out
    assert "Traceback" not in said.out + said.err
    assert json.loads(read_bytes(DataLocation("memory", "answer")))["ok"] is False


def test_a_transient_failure_is_worth_a_retry(job, command, monkeypatch):
    from spacer_like import tasks
    from spacer_like.exceptions import StorageUnavailableError

    def unavailable(msg):
        raise StorageUnavailableError("The storage does not answer.")

    monkeypatch.setattr(tasks, "classify_features", unavailable, raising=False)
    assert command("run", "good.json").code == 75


@pytest.mark.parametrize("name", ["job.json", "file://{folder}/job.json", "memory://job", "-"])
def test_a_job_may_come_from_anywhere(job, command, monkeypatch, name):
    data = (job / "good.json").read_bytes()
    (job / "job.json").write_bytes(data)
    JobMsg.load(at(job / "good.json")).store(DataLocation("memory", "job"))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert command("run", name.format(folder=job)).code == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("[]", "must be a JSON object"),
        ('{"task_name": "dance", "tasks": []}', "the task 'dance' is unknown"),
        ('{"task_name": "classify_features", "tasks": [], "colour": 1}', "colour"),
        ('{"task_name": "classify_features"}', "tasks"),
        ('{"task_name": "classify_features", "tasks": [{"job_token": 1}]}', "tasks: number 0: "),
    ],
)
@pytest.mark.parametrize("verb", ["run", "validate"])
def test_a_job_that_does_not_validate(reef, command, verb, text, told):
    (reef / "job.json").write_text(text)
    said = command(verb, "job.json")
    assert said.code == 64
    assert told in said.err
    assert "job.json" in said.err
    assert said.err.count("\n") == 1


def test_a_job_over_the_limit_is_not_parsed(job, command, monkeypatch):
    from spacer_like import config

    with config.override(max_message_bytes=100):
        said = command("run", "good.json")
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b" " * 1000)))
        from_stdin = command("run", "-")
    assert (said.code, from_stdin.code) == (64, 64)
    assert "more than the 100" in said.err
    assert "more than the 100" in from_stdin.err


def test_a_result_that_cannot_be_written_is_told_before_the_work(job, command):
    said = command("run", "good.json", "--result", "https://example.org/answer.json")
    assert said.code == 64
    assert "can only be read" in said.err


def test_validate_tells_what_a_file_is(job, command):
    command("run", "good.json", "--result", "answer.json")
    (job / "request.json").write_text(json.dumps(ExtractFeaturesMsg.example().serialize()))
    assert "valid: a JobMsg of 2 classify_features tasks." in command("validate", "job.json").out
    assert "valid: a JobReturnMsg." in command("validate", "answer.json").out
    assert (
        "valid: a message of the class ExtractFeaturesMsg."
        in command("validate", "request.json", "--as", "extract_features").out
    )
    assert "valid: 96 points in 6 images, 2 classes." in command("validate", "labels.csv").out
    assert command("validate", "job.json", "--json").json["tasks"] == 2


def test_schema(command):
    assert "oneOf" in command("schema").out
    assert "rowcols" in command("schema", "classify_image").out
    assert command("schema", "JobReturnMsg", "--json").json["title"] == "JobReturnMsg"
    said = command("schema", "dance")
    assert said.code == 64
    assert "Choose one of extract_features" in said.err


def test_extractors_of_ones_own_are_run(reef, command):
    tasks = [
        ExtractFeaturesMsg("0", {"class_path": COLOURS}, [(1, 1)], at(reef / "photos/0.jpg"), at(reef / "0.features"))
    ]
    JobMsg("extract_features", tasks).store(at(reef / "job.json"))
    assert command("run", "job.json").code == 0
    assert (reef / "0.features").is_file()
