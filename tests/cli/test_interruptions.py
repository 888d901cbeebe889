"""SIGTERM and Ctrl-C: acted on within seconds, whatever a command is doing."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spacer_like.data_classes import DataLocation
from spacer_like.messages import ClassifyFeaturesMsg, ExtractFeaturesMsg, JobMsg, JobReturnMsg

from ..conftest import plain_environment
from ..workflows.conftest import drawing

COMMAND = [sys.executable, "-m", "spacer_like"]
SECONDS = 5
SIGNALS = {signal.SIGTERM: (143, "Interrupted by SIGTERM."), signal.SIGINT: (130, "Interrupted by Ctrl-C.")}
BOTH = pytest.mark.parametrize("number", SIGNALS, ids=["SIGTERM", "Ctrl-C"])


def at(path):
    return DataLocation("filesystem", str(path))


@contextmanager
def started(command, **environment):
    """A command as the leader of a group of processes, as a terminal starts it."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=plain_environment() | {key: str(value) for key, value in environment.items()},
        start_new_session=True,
        # Whoever runs the tests in the background of a shell ignores Ctrl-C, and so would the child.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def ended(process, number, group=True):
    """(exit code, standard output, standard error) of a command after a signal to its group, or to it alone."""
    (os.killpg if group else os.kill)(process.pid, number)
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


def without_log(text):
    return [line for line in text.splitlines() if "spacer_like" not in line]


@pytest.fixture
def silent_server():
    """The port of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def job(tmp_path, silent_server):
    """A job of three images in job.json, the second of which is read from a server that does not answer."""
    Image.new("RGB", (40, 40)).save(tmp_path / "here.png")
    there = DataLocation("url", f"http://127.0.0.1:{silent_server.getsockname()[1]}/there.png")
    tasks = [
        ExtractFeaturesMsg(
            str(number), "spacer_like.extractors.DummyExtractor", [(1, 1)], image, at(tmp_path / f"{number}.features")
        )
        for number, image in enumerate((at(tmp_path / "here.png"), there, at(tmp_path / "here.png")))
    ]
    JobMsg("extract_features", tasks).store(at(tmp_path / "job.json"))
    return tmp_path / "job.json"


@pytest.fixture
def container(job, tmp_path):
    """env-job as a process; its environment may be added to."""
    command, places = [*COMMAND, "env-job"], {"JOB_MSG_LOC": job, "RES_MSG_LOC": tmp_path / "answer.json"}
    return lambda command=command, **more: started(command, SPACER_URL_ALLOW_PRIVATE=True, **places, **more)


@BOTH
def test_a_container_that_waits_for_a_slow_server_keeps_what_is_done(container, tmp_path, number):
    with container() as process:
        assert any("Exiting: extract_features [0]" in line for line in iter(process.stderr.readline, ""))
        time.sleep(0.1)
        code, _, err = ended(process, number)
    answer = JobReturnMsg.load(at(tmp_path / "answer.json"))
    assert (code, without_log(err)) == (SIGNALS[number][0], [SIGNALS[number][1]])
    assert answer.error_message == SIGNALS[number][1]
    assert [outcome.status for outcome in answer.outcomes] == ["done", "not_run", "not_run"]


@pytest.mark.parametrize("command", [[*COMMAND, "env-job"], [sys.executable, "-m", "spacer_like.mailman", "env_job"]])
@pytest.mark.parametrize("after", [0.1, 0.25, 0.5])
def test_a_container_that_is_only_starting_stores_an_answer(container, tmp_path, command, after):
    with container(command) as process:
        # Not before its own code runs: Python itself takes some hundredths of a second to begin.
        while process.poll() is None and not hears_signals(process.pid):
            time.sleep(0.002)
        time.sleep(after)
        code, _, err = ended(process, signal.SIGTERM, group=False)
    assert code == 143
    assert JobReturnMsg.load(at(tmp_path / "answer.json")).error_message == "Interrupted by SIGTERM."
    assert without_log(err) == ["Interrupted by SIGTERM."]


def hears_signals(pid):
    with open(f"/proc/{pid}/status") as status:
        caught = next(line.split()[1] for line in status if line.startswith("SigCgt"))
    return bool(int(caught, 16) & 1 << (signal.SIGTERM - 1))


SLOW_STORE = """
import sys, time
from spacer_like import interruption
from spacer_like.messages import JobReturnMsg
interruption.listen()
store = JobReturnMsg.store
def slowly(self, location):
    print("storing", flush=True)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        time.sleep(0.05)
    store(self, location)
JobReturnMsg.store = slowly
from spacer_like import mailman
sys.exit(mailman.main(["env_job"]))
"""


def test_a_return_message_that_is_being_stored_is_stored_whole(container, tmp_path):
    JobMsg("extract_features", []).store(at(tmp_path / "job.json"))
    with container([sys.executable, "-c", SLOW_STORE]) as process:
        assert process.stdout.readline() == "storing\n"
        code, _, err = ended(process, signal.SIGTERM)
    assert code == 143
    assert JobReturnMsg.load(at(tmp_path / "answer.json")).ok
    assert without_log(err) == ["Interrupted by SIGTERM."]


STUCK = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from spacer_like import interruption
interruption.listen()
from spacer_like import cli, tasks
from spacer_like.messages import ClassifyReturnMsg
def stuck(msg):
    if msg.job_token == "0":
        return ClassifyReturnMsg.example()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: (print("under way", flush=True), time.sleep(60)))
tasks.classify_features = stuck
sys.exit(cli.main())
"""


@BOTH
@pytest.mark.parametrize("arguments", [["env-job"], ["run", "{job}", "--json"]], ids=["env-job", "run"])
def test_threads_that_nobody_can_interrupt_are_not_waited_for(container, job, tmp_path, number, arguments):
    model = DataLocation("memory", "m")
    JobMsg("classify_features", [ClassifyFeaturesMsg(str(n), model, model) for n in range(2)]).store(at(job))
    with container([sys.executable, "-c", STUCK, *(one.format(job=job) for one in arguments)]) as process:
        assert process.stdout.readline() == "under way\n"
        code, out, err = ended(process, number)
    assert (code, without_log(err)) == (SIGNALS[number][0], [SIGNALS[number][1]])
    if arguments[0] == "run":
        assert json.loads(out)["interrupted"] is True
    else:
        answer = JobReturnMsg.load(at(tmp_path / "answer.json"))
        assert [outcome.status for outcome in answer.outcomes] == ["done", "not_run"]


ASLEEP = """
import queue, signal, sys, threading, time
from spacer_like import interruption
interruption.listen(20)
def send():
    time.sleep(0.3)
    signal.pthread_kill(threading.get_ident(), int(sys.argv[1]))
    time.sleep(60)
threading.Thread(target=send, daemon=True).start()
try:
    interruption.ready()
    queue.SimpleQueue().get()
except interruption.Interrupted as signal:
    print("closing files")
    interruption.finish(signal.exit_code)
"""


@BOTH
def test_a_main_thread_that_waits_is_woken_when_another_thread_takes_the_signal(number):
    with started([sys.executable, "-c", ASLEEP, str(int(number))]) as process:
        out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, err) == (SIGNALS[number][0], "closing files\n", "")


def test_a_second_ctrl_c_ends_at_once(container, job):
    model = DataLocation("memory", "m")
    JobMsg("classify_features", [ClassifyFeaturesMsg("1", model, model)]).store(at(job))
    with container([sys.executable, "-c", STUCK, "run", str(job)]) as process:
        assert process.stdout.readline() == "under way\n"
        begun = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.7)
        assert ended(process, signal.SIGINT)[0] == 130
        assert time.monotonic() - begun < 1.8


@pytest.fixture
def collections(tmp_path):
    for name in "abc":
        (tmp_path / "collections" / name / "resized").mkdir(parents=True)
        for number in range(60):
            drawing(number, 200).save(tmp_path / "collections" / name / "resized" / str(number), "PNG")
    return tmp_path / "collections"


@BOTH
@pytest.mark.parametrize("after", [0.0, 0.4])
def test_processes_of_a_command_end_with_it_and_say_nothing(collections, tmp_path, number, after):
    command = [*COMMAND, "rarity", str(collections), "--out", str(tmp_path / "out"), "--processes", "2", "--json"]
    with started(command) as process:
        while process.poll() is None and not (workers := workers_of(process.pid)):
            time.sleep(0.01)
        time.sleep(after)
        code, out, err = ended(process, number)
    assert (code, err) == (SIGNALS[number][0], f"{SIGNALS[number][1]}\n")
    assert json.loads(out) == {
        "ok": False,
        "exit_code": code,
        "interrupted": True,
        "error": {"class": "interrupted", "message": SIGNALS[number][1]},
    }
    assert workers
    deadline = time.monotonic() + 2
    while any(os.path.exists(f"/proc/{pid}") for pid in workers):
        assert time.monotonic() < deadline, "processes go on without their command"
        time.sleep(0.02)


def workers_of(pid):
    pids = []
    # A thread may end meanwhile.
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            pids += Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
    return pids


@BOTH
def test_a_command_with_a_part_done_answers_with_that_part(reef_on_disk, number):
    points, server = reef_on_disk
    command = [*COMMAND, "extract", "--points", str(points), "--out", str(points.parent / "features"), "--json"]
    with (
        started(
            [*command, "--extractor", "spacer_like.extractors.DummyExtractor"],
            SPACER_URL_ALLOW_PRIVATE=True,
            SPACER_URL_TIMEOUT_SECONDS=3,
        ) as process,
        server.accept()[0] as connection,
    ):
        connection.recv(1)
        while process.poll() is None and not (points.parent / "features" / "0.png.features").exists():
            time.sleep(0.01)
        time.sleep(0.5)
        code, out, err = ended(process, number)
    answer = json.loads(out)
    assert (code, err) == (SIGNALS[number][0], f"{SIGNALS[number][1]}\n")
    assert (answer["ok"], answer["interrupted"]) == (False, True)
    assert [file["image"] for file in answer["files"]] == ["0.png"]
    assert [failure["message"].rpartition(": ")[2] for failure in answer["failures"]] == ["interrupted."]


@pytest.fixture
def reef_on_disk(tmp_path, silent_server):
    """A table of points of an image that is here, and of one on a server that does not answer."""
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / "0.png")
    address = f"http://127.0.0.1:{silent_server.getsockname()[1]}/1.png"
    (tmp_path / "points.csv").write_text(f"image,row,col\n0.png,1,1\n{address},1,1\n")
    return tmp_path / "points.csv", silent_server


def test_what_fails_for_now_does_not_wait_for_what_is_read_ahead(container, job, silent_server):
    # The first image cannot be read now; the others are being read meanwhile.
    closed = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{closed.getsockname()[1]}/0.png"
    closed.close()
    message = json.loads(job.read_text())
    message["tasks"][0]["image_loc"] = {"storage_type": "url", "key": address}
    job.write_text(json.dumps(message))
    begun = time.monotonic()
    with container(SPACER_TORCH_THREADS=8) as process:
        assert process.wait(15) == 75
    assert time.monotonic() - begun < 15
