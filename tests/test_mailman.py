"""Jobs: what becomes of their tasks, and how a container ends."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from spacer_like import config, mailman, tasks
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import ConfigError, ImageError, MessageError, StorageUnavailableError
from spacer_like.mailman import ExitCode, env_job, process_job
from spacer_like.messages import TASKS, ClassifyFeaturesMsg, ClassifyReturnMsg, ExtractFeaturesMsg, JobMsg, JobReturnMsg
from spacer_like.overwriting import NamedLocation
from spacer_like.prefetch import ReadingTask
from spacer_like.progress import listening

ANSWER = ClassifyReturnMsg.example()


def job_of(*tokens):
    location = DataLocation("memory", "nothing")
    return JobMsg("classify_features", [ClassifyFeaturesMsg(token, location, location) for token in tokens])


@pytest.fixture
def answer_with(monkeypatch):
    """Replace the task by a function, as a caller of PySpacer does."""
    return lambda function: monkeypatch.setattr(tasks, "classify_features", function, raising=False)


def failing(error, tokens=("bad",)):
    def task(msg):
        if msg.job_token in tokens:
            raise error
        return ANSWER

    return task


def test_a_job_is_answered_task_by_task(answer_with):
    answer_with(lambda msg: ANSWER.model_copy(update={"runtime": float(msg.job_token)}))
    answer = process_job(job_of("1", "2"))

    assert answer.ok
    assert [result.runtime for result in answer.results] == [1, 2]
    assert (answer.error_message, answer.outcomes, answer.original_job) == (None, None, job_of("1", "2"))


def test_tasks_process_job_is_the_same():
    assert tasks.process_job(JobMsg("classify_features", [])).ok


def test_a_failing_task_is_told_by_its_traceback(answer_with):
    answer_with(failing(ImageError("reef.jpg is no image.")))
    answer = process_job(job_of("bad"))

    assert not answer.ok
    assert answer.results is None
    assert answer.error_message.startswith("Traceback")
    assert answer.error_message.splitlines()[-1] == "spacer_like.exceptions.ImageError: reef.jpg is no image."


def test_one_bad_task_costs_no_other_its_result(answer_with):
    answer_with(failing(ImageError("reef.jpg is no image.")))
    answer = process_job(job_of("1", "bad", "2"))

    assert not answer.ok
    assert [outcome.status for outcome in answer.outcomes] == ["done", "failed", "done"]
    assert answer.outcomes[2].result == ANSWER
    assert answer.outcomes[1].error_class == "spacer_like.exceptions.ImageError"
    assert answer.outcomes[1].error_message == "reef.jpg is no image."
    assert answer.outcomes[1].transient is False


def test_a_transient_failure_ends_the_job_since_the_others_would_meet_it_too(answer_with):
    answer_with(failing(StorageUnavailableError("The storage is busy.")))
    answer = process_job(job_of("1", "bad", "2"))

    assert [outcome.status for outcome in answer.outcomes] == ["done", "failed", "not_run"]
    assert answer.outcomes[1].transient is True


def test_progress_is_told_after_each_task(answer_with):
    answer_with(failing(ImageError("reef.jpg is no image.")))
    seen = []
    with listening(lambda *told: seen.append(told)):
        process_job(job_of("1", "bad", "2"))
    assert seen == [("classify_features", ended, 3) for ended in (1, 2, 3)]


def test_what_is_no_job_is_refused():
    with pytest.raises(MessageError, match="takes a JobMsg, not dict"):
        process_job({"task_name": "classify_features", "tasks": []})


def test_the_next_material_is_read_while_this_one_is_computed(answer_with):
    second_was_read = threading.Event()

    def read(msg):
        if msg.job_token == "2":
            second_was_read.set()
        return msg.job_token

    def compute(msg, material):
        assert second_was_read.wait(10), "the second is not read beside the first"
        return ANSWER

    answer_with(ReadingTask(read, compute))
    assert process_job(job_of("1", "2")).ok


@pytest.mark.parametrize(("cores", "readers"), [(1, 1), (2, 1), (7, 1), (8, 2), (64, 4)])
def test_more_cores_read_more_at_a_time(answer_with, cores, readers):
    all_there = threading.Barrier(readers)

    def read(msg):
        all_there.wait(10)
        return msg.job_token

    answer_with(ReadingTask(read, lambda msg, material: ANSWER.model_copy(update={"runtime": float(material)})))
    with config.override(torch_threads=cores):
        answer = process_job(job_of(*"12345678"))
    assert [result.runtime for result in answer.results] == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(("cores", "ahead"), [(1, 1), (8, 2), (64, 4)])
def test_no_more_than_that_are_read_ahead(answer_with, cores, ahead):
    read, computed = [], []

    def compute(msg, material):
        computed.append(material)
        time.sleep(0.02)
        assert len(read) - len(computed) <= ahead
        return ANSWER

    answer_with(ReadingTask(lambda msg: read.append(msg.job_token), compute))
    with config.override(torch_threads=cores):
        assert process_job(job_of(*"abcdefgh")).ok


def test_a_material_that_cannot_be_read_fails_its_own_task_alone(answer_with):
    def read(msg):
        if msg.job_token == "bad":
            raise ImageError("reef.jpg is no image.")

    answer_with(ReadingTask(read, lambda msg, material: ANSWER))
    assert [outcome.status for outcome in process_job(job_of("1", "bad", "2")).outcomes] == ["done", "failed", "done"]


def test_a_job_of_no_tasks_is_done():
    assert process_job(JobMsg("extract_features", [])).ok


@pytest.fixture
def run_in_environment(monkeypatch, tmp_path):
    """Run env_job on a job in a file; returns the exit code and the stored return message."""

    def run(job, result="result.json"):
        (tmp_path / "job.json").write_text(job if isinstance(job, str) else json.dumps(job.serialize()))
        place = {name: DataLocation("filesystem", str(tmp_path / name)) for name in ("job.json", result)}
        monkeypatch.setenv("JOB_MSG_LOC", place["job.json"].json_text)
        monkeypatch.setenv("RES_MSG_LOC", place[result].json_text)
        code = env_job()
        return code, JobReturnMsg.load(place[result])

    return run


def test_a_container_that_did_its_job_ends_with_0(answer_with, run_in_environment):
    answer_with(lambda msg: ANSWER)
    code, answer = run_in_environment(job_of("1"))
    assert (code, answer.ok, answer.results) == (0, True, [ANSWER])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ImageError("no image"), 64),
        (RuntimeError("a fault in the program"), 64),
        (StorageUnavailableError("busy"), 75),
        (ConnectionResetError("cut"), 75),
        (MemoryError(), 75),
    ],
)
def test_a_container_tells_whether_a_retry_is_worth_it(answer_with, run_in_environment, error, code):
    answer_with(failing(error))
    found, answer = run_in_environment(job_of("bad"))
    assert (found, answer.ok) == (code, False)


def test_a_setting_keeps_pyspacers_way_of_always_ending_with_0(answer_with, run_in_environment):
    answer_with(failing(ImageError("no image")))
    with config.override(exit_codes=False):
        code, answer = run_in_environment(job_of("bad"))
    assert (code, answer.ok) == (0, False)


@pytest.fixture
def run_command(tmp_path):
    """Run a container command, as a process of its own, on a job that fails; returns its exit code."""

    def run(*command, job='{"task_name": "classify_image", "tasks": [{}]}', **settings):
        (tmp_path / "job.json").write_text(job)
        environment = os.environ | {"JOB_MSG_LOC": f"{tmp_path}/job.json", "RES_MSG_LOC": f"{tmp_path}/result.json"}
        return subprocess.run(command, env=environment | settings, stderr=subprocess.DEVNULL).returncode

    return run


PYSPACERS_COMMAND = (sys.executable, "-m", "spacer_like.mailman", "env_job")
OWN_COMMAND = (sys.executable, "-m", "spacer_like", "env-job")
A_MISSING_FILE = job_of("1").model_copy(
    update={"tasks": [ClassifyFeaturesMsg("1", *[DataLocation("filesystem", "/nowhere/at all")] * 2)]}
)


@pytest.mark.parametrize(
    ("command", "setting", "code"),
    [
        (PYSPACERS_COMMAND, "", 0),
        (OWN_COMMAND, "", 64),
        (PYSPACERS_COMMAND, "True", 64),
        (OWN_COMMAND, "False", 0),
    ],
)
@pytest.mark.parametrize("job", ["{", json.dumps(A_MISSING_FILE.serialize())])
def test_pyspacers_command_ends_with_0_once_an_answer_is_stored_and_ours_with_64(
    run_command, tmp_path, command, setting, code, job
):
    assert run_command(*command, job=job, SPACER_EXIT_CODES=setting) == code
    assert JobReturnMsg.load(DataLocation("filesystem", str(tmp_path / "result.json"))).ok is False


def test_pyspacers_command_tells_by_its_code_that_no_answer_could_be_stored(run_command):
    assert run_command(*PYSPACERS_COMMAND, RES_MSG_LOC="https://example.org/result.json") == 64
    assert run_command(*PYSPACERS_COMMAND, RES_MSG_LOC="") == 64


def test_pyspacers_command_ends_with_143_where_the_machine_is_taken_away(answer_with, run_in_environment):
    def taken_away(msg):
        os.kill(os.getpid(), signal.SIGTERM)

    answer_with(taken_away)
    with config.override(exit_codes=False):
        assert run_in_environment(job_of("1"))[0] == 143


class NotedError(RuntimeError):
    pass


def _with_notes(error):
    error.__notes__ = ["a note", "another"]
    return error


@pytest.mark.parametrize(
    ("error", "last_line"),
    [
        (ImageError("a\nb is no image."), "spacer_like.exceptions.ImageError: a b is no image."),
        (ImageError("a\u2028b is no image."), "spacer_like.exceptions.ImageError: a\\u2028b is no image."),
        (RuntimeError("two\nlines"), "RuntimeError: two lines"),
        (RuntimeError("two\rlines\n"), "RuntimeError: two lines "),
        (RuntimeError("two\x1clines"), "RuntimeError: two\\x1clines"),
        (RuntimeError("two\u2029lines"), "RuntimeError: two\\u2029lines"),
        (KeyError("no such point"), "KeyError: 'no such point'"),
        (KeyError("two\nlines"), r"KeyError: 'two\nlines'"),
        (_with_notes(NotedError("noted")), f"{NotedError.__module__}.NotedError: noted"),
        *(
            [(ExceptionGroup("several", [ValueError("a")]), "ExceptionGroup: several (1 sub-exception)")]  # noqa: F821
            if sys.version_info >= (3, 11)
            else []
        ),
        (SyntaxError("bad", ("a.py", 1, 1, "a b")), "SyntaxError: bad"),
        (ValueError(), "ValueError"),
    ],
)
def test_the_last_line_of_the_error_begins_with_its_class(answer_with, error, last_line):
    answer_with(failing(error))
    assert process_job(job_of("bad")).error_message.splitlines()[-1] == last_line


def test_a_key_with_a_line_feed_leaves_the_class_at_the_start_of_the_last_line():
    location = DataLocation("memory", "a\nValueError: b")
    answer = process_job(JobMsg("classify_features", [ClassifyFeaturesMsg("1", location, location)]))
    assert answer.error_message.splitlines()[-1].startswith("spacer_like.exceptions.DataNotFoundError: ")
    assert "KeyError: 'a\\nValueError: b'" in answer.error_message


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"task_name": "make_coffee", "tasks": []}', "the task 'make_coffee' is unknown"),
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("[]", "must be a JSON object"),
        ('{"task_name": ["classify_image"], "tasks": []}', "task_name: it must be a text"),
        ('{"task_name": {}, "tasks": {}}', "task_name: it must be a text"),
    ],
)
def test_a_message_that_cannot_be_read_is_answered_all_the_same(run_in_environment, text, sentence):
    code, answer = run_in_environment(text)
    assert (code, answer.ok) == (64, False)
    assert answer.error_message.startswith("Error deserializing message: ")
    assert sentence in answer.error_message


def of_tasks(task_name, *tasks):
    return json.dumps({"task_name": task_name, "tasks": tasks})


def example_with(task_name, **fields):
    return of_tasks(task_name, TASKS[task_name].message.example().serialize() | fields)


HOSTILE = {
    **{f"{name} with self": example_with(name, self=1) for name in TASKS},
    "a job with self": json.dumps(JobMsg.example().serialize() | {"self": 1, "cls": 2}),
    "an extractor with self": example_with(
        "extract_features", extractor={"class_path": "spacer_like.extractors.DummyExtractor", "self": 1, "cls": 1}
    ),
    "a trainer with self": example_with("train_classifier", trainer={"class_path": "minibatch", "self": 1}),
    "a location with self": example_with(
        "extract_features", image_loc={"storage_type": "memory", "key": "", "self": 1}
    ),
    "a task name that is a list": of_tasks(["classify_image"]),
    "a task name that is an object": of_tasks({"classify_image": 1}),
    "a task name that is no text": of_tasks("\ud800"),
    "tasks that are objects": json.dumps({"task_name": "classify_image", "tasks": {"0": {}}}),
    "not a number": '{"task_name": "classify_image", "tasks": [{"job_token": NaN}]}',
    "infinity": '{"task_name": -Infinity}',
    "a number of 6000 digits": '{"task_name": ' + "9" * 6000 + "}",
    "nesting": '{"a":' * 180 + "1" + "}" * 180,
    "nesting without end": '{"a":' * 100_000,
    "200,000 fields": json.dumps(dict.fromkeys(map(str, range(200_000)))),
    "nothing": "",
    "null": "null",
    "a text": '"job"',
    "bytes that are no text": b'{"task_name": "\xff"}',
    "a picture": b"\x89PNG\r\n\x1a\n\x00",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_whatever_a_job_message_holds_a_return_message_is_stored(monkeypatch, tmp_path, data):
    (tmp_path / "job.json").write_bytes(data if isinstance(data, bytes) else data.encode())
    monkeypatch.setenv("JOB_MSG_LOC", f"{tmp_path}/job.json")
    monkeypatch.setenv("RES_MSG_LOC", f"{tmp_path}/result.json")

    assert env_job() == ExitCode.PERMANENT_FAILURE
    stored = json.loads((tmp_path / "result.json").read_text(), parse_constant=pytest.fail)
    assert stored["ok"] is False
    assert re.match(r"Error deserializing message: \w*(Message|MissingField)Error\(", stored["error_message"])
    assert len(stored["error_message"]) < 3000


def test_a_job_message_that_is_not_there_is_answered_too(monkeypatch, tmp_path):
    monkeypatch.setenv("JOB_MSG_LOC", f"file://{tmp_path}/nowhere.json")
    monkeypatch.setenv("RES_MSG_LOC", f"file://{tmp_path}/result.json")
    assert env_job() == ExitCode.PERMANENT_FAILURE
    assert "nowhere.json" in JobReturnMsg.load(DataLocation("filesystem", f"{tmp_path}/result.json")).error_message


def test_a_job_message_over_the_limit_is_not_even_read(run_in_environment, monkeypatch):
    from spacer_like.storage.filesystem import FilesystemStorage

    read = FilesystemStorage.read
    keys = []
    monkeypatch.setattr(FilesystemStorage, "read", lambda self, key: keys.append(key) or read(self, key))
    with config.override(max_message_bytes=300):
        (code, answer) = run_in_environment(" " * 400)

    assert (code, answer.ok) == (64, False)
    assert "has 400 bytes, more than the 300" in answer.error_message
    assert not any(key.endswith("job.json") for key in keys)


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ("job.json", "RES_MSG_LOC would overwrite JOB_MSG_LOC"),
        ("link.json", "RES_MSG_LOC would overwrite JOB_MSG_LOC"),
        ("model.pkl", "RES_MSG_LOC would overwrite classifier_loc"),
    ],
)
def test_the_return_message_overwrites_neither_the_job_nor_what_it_reads(run_in_environment, tmp_path, result, told):
    (tmp_path / "model.pkl").write_bytes(b"model")
    (tmp_path / "link.json").symlink_to("job.json")
    model = DataLocation("filesystem", str(tmp_path / "model.pkl"))
    job = JobMsg("classify_features", [ClassifyFeaturesMsg("1", DataLocation("memory", "f"), model)])
    with pytest.raises(MessageError, match=told):
        run_in_environment(job, result)
    assert json.loads((tmp_path / "job.json").read_text()) == job.serialize()
    assert (tmp_path / "model.pkl").read_bytes() == b"model"


def test_a_job_that_would_overwrite_its_own_message_is_answered_without_being_run(run_in_environment, tmp_path):
    message = ExtractFeaturesMsg.example().model_copy(
        update={"feature_loc": DataLocation("filesystem", str(tmp_path / "job.json"))}
    )
    code, answer = run_in_environment(JobMsg("extract_features", [message]))
    assert (code, answer.ok) == (64, False)
    assert "feature_loc would overwrite JOB_MSG_LOC" in answer.error_message


def test_without_a_place_for_the_result_the_exit_code_tells(monkeypatch, tmp_path, answer_with):
    answer_with(failing(ImageError("no image")))
    job_of("bad").store(DataLocation("filesystem", str(tmp_path / "job.json")))
    monkeypatch.setenv("JOB_MSG_LOC", str(tmp_path / "job.json"))
    monkeypatch.delenv("RES_MSG_LOC", raising=False)
    assert env_job() == 64


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("", "JOB_MSG_LOC env. variable not set"),
        ("{", "JOB_MSG_LOC holds no location"),
        ('{"storage_type": "ftp", "key": "a"}', "JOB_MSG_LOC holds no location: The storage type 'ftp' is unknown"),
    ],
)
def test_an_environment_without_a_job_is_refused(monkeypatch, value, sentence):
    monkeypatch.setenv("JOB_MSG_LOC", value)
    with pytest.raises(ConfigError, match=sentence):
        env_job()


def test_the_labels_of_a_training_need_not_travel_back():
    from spacer_like.messages import TrainClassifierMsg

    job = JobMsg("train_classifier", [TrainClassifierMsg.example()])
    with config.override(echo_training_labels=False):
        answer = process_job(job)
    assert answer.original_job.tasks[0].labels.label_count == 0
    assert answer.original_job.tasks[0].model_loc == job.tasks[0].model_loc


SLOW_CONTAINER = """
import sys, time
from spacer_like import mailman, tasks
from spacer_like.messages import ClassifyReturnMsg

def slow(msg):
    if msg.job_token != "1":
        print("under way", flush=True)
        time.sleep(60)
    return ClassifyReturnMsg.example()

tasks.classify_features = slow
sys.exit(mailman.main(["env_job"]))
"""


def test_a_container_that_is_taken_away_keeps_what_is_done(tmp_path):
    job_of("1", "2", "3").store(DataLocation("filesystem", str(tmp_path / "job.json")))
    environment = os.environ | {"JOB_MSG_LOC": f"{tmp_path}/job.json", "RES_MSG_LOC": f"{tmp_path}/result.json"}
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_CONTAINER], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as container:
        container.stdout.readline()
        container.send_signal(signal.SIGTERM)
        code = container.wait(20)

    answer = JobReturnMsg.load(DataLocation("filesystem", str(tmp_path / "result.json")))
    assert code == 143
    assert answer.error_message == "Interrupted by SIGTERM."
    assert [outcome.status for outcome in answer.outcomes] == ["done", "not_run", "not_run"]


def test_the_module_is_pyspacers_container_command(tmp_path):
    environment = os.environ | {"JOB_MSG_LOC": f"{tmp_path}/job.json", "RES_MSG_LOC": f"{tmp_path}/result.json"}
    JobMsg("classify_features", []).store(DataLocation("filesystem", str(tmp_path / "job.json")))
    command = [sys.executable, "-m", "spacer_like.mailman"]

    assert subprocess.run([*command, "env_job"], env=environment, stderr=subprocess.DEVNULL).returncode == 0
    assert subprocess.run(command, env=environment, stderr=subprocess.DEVNULL).returncode == 2


def test_of_several_failures_the_first_ones_traceback_is_the_jobs(answer_with):
    def task(msg):
        raise ImageError(f"{msg.job_token} is no image.")

    answer_with(task)
    answer = process_job(job_of("1", "2", "3"))
    assert answer.error_message.splitlines()[-1].endswith("ImageError: 1 is no image.")
    assert [outcome.error_message for outcome in answer.outcomes] == [f"{token} is no image." for token in "123"]


@pytest.mark.parametrize(("fails", "code"), [(None, 64), (ImageError("no"), 64), (StorageUnavailableError("busy"), 75)])
def test_a_return_message_that_is_too_large_hides_no_failure_that_is_worth_a_retry(
    answer_with, monkeypatch, fails, code
):
    job, result = DataLocation("memory", "large job"), DataLocation("memory", "large result")
    job_of(*"12345", "bad").store(job)
    answer_with(failing(fails, ("bad",)) if fails else lambda msg: ANSWER)
    monkeypatch.setenv("JOB_MSG_LOC", job.json_text)
    monkeypatch.setenv("RES_MSG_LOC", result.json_text)
    with config.override(max_message_bytes=len(json.dumps(job_of(*"12345", "bad").serialize())) + 600):
        assert env_job() == code
        assert "could not be read back" in JobReturnMsg.load(result).error_message


def test_a_return_message_is_stored_once():
    job, result = DataLocation("memory", "job"), DataLocation("memory", "stored once")
    container = mailman._Container(job, result, [NamedLocation("RES_MSG_LOC", result, is_output=True)])
    for number in ("1", "2"):
        container._store(mailman._return_message(job_of(number), number))
    assert JobReturnMsg.load(result).error_message == "1"


def test_memory_is_the_only_foreign_error_besides_the_networks_that_is_worth_a_retry():
    assert mailman.is_transient(TimeoutError())
    assert not mailman.is_transient(ValueError())


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_pickled_by_its_name(name):
    task = getattr(tasks, name)
    assert pickle.loads(pickle.dumps(task)) is task
