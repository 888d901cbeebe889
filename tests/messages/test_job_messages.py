"""The messages that carry the others, and the schema of everything."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from spacer_like import config
from spacer_like.data_classes import DataLocation
from spacer_like.data_classes.base import parse_json
from spacer_like.exceptions import DataLimitError, MessageError, MissingFieldError
from spacer_like.messages import TASKS, ClassifyFeaturesMsg, JobMsg, JobReturnMsg, TaskOutcome, json_schema

SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "messages.schema.json"


@pytest.mark.parametrize("task_name", TASKS)
def test_a_job_of_each_task_survives_the_journey(task_name):
    job = JobMsg(task_name, [TASKS[task_name].message.example()])
    sent = json.loads(json.dumps(job.serialize()))

    assert JobMsg.deserialize(sent) == job
    assert sent["schema_version"] == 1


def test_a_job_of_pyspacer_bears_no_version():
    job = JobMsg.example().serialize()
    del job["schema_version"]
    assert JobMsg.deserialize(job) == JobMsg.example()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"task_name": "make_coffee"}, "the task 'make_coffee' is unknown; it must be one of extract_features, "),
        ({"schema_version": 2}, "messages of version 2 are not known here, only up to 1"),
        ({"schema_version": "1"}, "schema_version: it must be a whole number"),
        ({"tasks": {}}, "tasks: it must be a list"),
        ({"tasks": [ClassifyFeaturesMsg.example().serialize()]}, "number 0: ClassifyImageMsg does not validate"),
        ({"colour": "red"}, "colour: there is no such field"),
    ],
)
def test_a_job_that_cannot_be_is_refused(change, sentence):
    with pytest.raises(MessageError, match=sentence):
        JobMsg.deserialize(JobMsg.example().serialize() | change)


def test_a_missing_field_of_a_job_is_named():
    with pytest.raises(MissingFieldError, match="tasks: it is required, and missing"):
        JobMsg.deserialize({"task_name": "classify_image"})


def test_the_answer_to_a_job_survives_the_journey():
    answer = JobReturnMsg.example()
    sent = json.loads(json.dumps(answer.serialize()))

    assert JobReturnMsg.deserialize(sent) == answer
    assert list(sent) == ["original_job", "ok", "results", "error_message"]


def test_the_answer_to_a_failed_job_has_an_error_in_place_of_results():
    answer = JobReturnMsg(JobMsg.example(), False, None, "Traceback …")
    assert JobReturnMsg.deserialize(json.loads(json.dumps(answer.serialize()))) == answer


def test_the_answer_to_a_job_that_failed_in_part_tells_how_each_task_ended():
    done = TaskOutcome("done", TASKS["classify_image"].return_message.example())
    failed = TaskOutcome("failed", None, "spacer_like.exceptions.ImageError", "a.jpg is no image.", False)
    job = JobMsg("classify_image", JobMsg.example().tasks * 3)
    answer = JobReturnMsg(job, False, None, "Traceback …", [done, failed, TaskOutcome("not_run")])

    read = JobReturnMsg.deserialize(json.loads(json.dumps(answer.serialize())))
    assert read == answer
    assert read.outcomes[0].result == done.result


def test_the_answer_to_a_message_that_was_no_job_carries_it_back_as_it_was():
    answer = JobReturnMsg({"task_name": "make_coffee"}, False, None, "Error deserializing message")
    assert JobReturnMsg.deserialize(answer.serialize()).original_job == {"task_name": "make_coffee"}


def test_messages_are_stored_at_and_loaded_from_a_location(tmp_path):
    location = DataLocation("filesystem", str(tmp_path / "job.json"))
    JobMsg.example().store(location)
    assert JobMsg.load(location) == JobMsg.example()


def test_a_message_over_the_limit_is_refused_before_it_is_read(tmp_path):
    location = DataLocation("filesystem", str(tmp_path / "job.json"))
    JobMsg.example().store(location)
    with config.override(max_message_bytes=100), pytest.raises(DataLimitError, match="more than the 100"):
        JobMsg.load(location)
    with config.override(max_message_bytes=100), pytest.raises(DataLimitError):
        parse_json(b"[" + b" " * 200 + b"]")


@pytest.mark.parametrize("data", [b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000, b"{", b"", b"\xff"])
def test_what_is_no_json_is_refused_however_deep(data):
    with pytest.raises(MessageError, match="is not valid JSON"):
        parse_json(data)


def test_the_schema_has_not_changed_unannounced():
    """A changed message needs a new SCHEMA_VERSION or an optional field; then `make schema` writes the file anew."""
    assert json.loads(SCHEMA_FILE.read_text()) == json_schema()


@pytest.mark.parametrize("task_name", TASKS)
def test_the_schema_accepts_what_the_messages_accept(task_name):
    job = json.loads(json.dumps(JobMsg(task_name, [TASKS[task_name].message.example()]).serialize()))
    jsonschema.validate(job, json_schema())


def test_the_schema_refuses_what_the_messages_refuse():
    job = json.loads(json.dumps(JobMsg.example().serialize()))
    job["tasks"][0]["colour"] = "red"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(job, json_schema())


@pytest.mark.parametrize("module", ["messages", "tasks", "data_classes", "config"])
def test_the_wire_contract_is_imported_without_anything_heavy(module):
    program = (
        f"import sys, spacer_like.{module}; "
        "print([name for name in ('numpy', 'PIL', 'torch', 'tensorflow', 'sklearn', 'boto3') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
