"""What children leave of themselves in the folder: when they started, how they ended, and what their host said."""

import json
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import pytest

from spacer_like.engines.batch import Batch
from spacer_like.engines.child_records import (
    Child,
    Start,
    parse_start,
    read_child_records,
    write_child_record,
    write_start,
)
from spacer_like.engines.host import DISABLED_VARIABLE, ENDPOINT_VARIABLE, TASK_VARIABLE, Host
from spacer_like.engines.scheduled import ScheduledSubmission, Sharding
from spacer_like.exceptions import MessageError
from spacer_like.location import DataLocation
from spacer_like.storage import read_bytes, write_bytes
from spacer_like.testing.engine import SubmissionContract, wait_until
from spacer_like.testing.local_batch import LocalBatch

from .test_batch import requests_in, unruly_is_allowed  # noqa: F401

TOKEN = "a token"
ACTION = {"action": "terminate", "time": "2026-11-28T10:00:00Z"}
NOTICE = "The spot host is reclaimed: terminate at 2026-11-28T10:00:00Z."


class Metadata(BaseHTTPRequestHandler):
    """EC2's instance metadata, version 2, and ECS's of a task."""

    is_reclaimed = True
    asked = ()
    task: ClassVar = {"LaunchType": "EC2"}
    container: ClassVar = {"Limits": {"CPU": 1536, "Memory": 512}}

    def do_PUT(self):
        self.asked.append(self.path)
        lives = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        is_token = self.path == "/latest/api/token" and lives.isdecimal()
        self.answer(200, TOKEN) if is_token else self.answer(400)

    def do_GET(self):
        self.asked.append(self.path)
        if self.path.startswith("/v4"):
            return self.answer(200, json.dumps(self.task if self.path.endswith("/task") else self.container))
        if self.headers.get("X-aws-ec2-metadata-token") != TOKEN:
            return self.answer(401)
        is_there = self.path == "/latest/meta-data/spot/instance-action" and self.is_reclaimed
        return self.answer(200, json.dumps(ACTION)) if is_there else self.answer(404)

    def answer(self, code, text=""):
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@contextmanager
def served(**values):
    kind = type("Served", (Metadata,), {"asked": [], **values})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", kind
        finally:
            server.shutdown()


@pytest.fixture
def on_batch(monkeypatch):
    monkeypatch.setenv("AWS_BATCH_JOB_ID", "a job")
    for name in (DISABLED_VARIABLE, TASK_VARIABLE, "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)


class TestHost:
    def test_the_notice_is_heard_once_on_batch(self, on_batch, monkeypatch):
        heard = []
        with served() as (url, _):
            monkeypatch.setenv(ENDPOINT_VARIABLE, url)
            with Host(heard.append) as host:
                wait_until(lambda: heard)
        assert heard == [host.notice] == [NOTICE]

    def test_a_host_that_is_not_reclaimed_says_nothing_and_is_asked_again(self, on_batch, monkeypatch):
        monkeypatch.setattr("spacer_like.engines.host._SECONDS_BETWEEN_LOOKS", 0.01)
        heard = []
        with served(is_reclaimed=False) as (url, kind):
            monkeypatch.setenv(ENDPOINT_VARIABLE, url)
            with Host(heard.append) as host:
                wait_until(lambda: len(kind.asked) >= 6)
                assert (heard, host.notice) == ([], "")
                kind.is_reclaimed = True
                wait_until(lambda: heard)

    @pytest.mark.parametrize("absent", ["AWS_BATCH_JOB_ID", "not " + DISABLED_VARIABLE])
    def test_nothing_is_asked_elsewhere_or_where_it_is_disabled(self, on_batch, monkeypatch, absent):
        monkeypatch.delenv(absent) if absent == "AWS_BATCH_JOB_ID" else monkeypatch.setenv(DISABLED_VARIABLE, "true")
        with served() as (url, kind):
            monkeypatch.setenv(ENDPOINT_VARIABLE, url)
            with Host(print) as host:
                host._ended.wait(0.1)
            assert (kind.asked, host.notice) == ([], "")

    @pytest.mark.parametrize(
        ("task", "container", "vcpus"),
        [
            ({"LaunchType": "EC2"}, {"Limits": {"CPU": 1536, "Memory": 512}}, 1.5),
            ({"LaunchType": "FARGATE", "Limits": {"CPU": 0.25, "Memory": 512}}, {"Limits": {"CPU": 2}}, 0.25),
        ],
    )
    def test_processors_are_those_of_the_container(self, on_batch, monkeypatch, task, container, vcpus):
        with served(task=task, container=container) as (url, _):
            monkeypatch.setenv(ENDPOINT_VARIABLE, url)
            monkeypatch.setenv(TASK_VARIABLE, f"{url}/v4/1")
            with Host(lambda _: None) as host:
                wait_until(lambda: host.notice)
                assert host.vcpus == vcpus

    @pytest.mark.parametrize("answer", ["", "[]", '{"Limits": 7}', '{"Limits": {"CPU": "many"}}', "[" * 100_000])
    def test_metadata_that_say_nothing_are_no_obstacle(self, on_batch, monkeypatch, answer):
        monkeypatch.setattr(Metadata, "answer", answering(answer))
        with served() as (url, kind):
            monkeypatch.setenv(ENDPOINT_VARIABLE, url)
            monkeypatch.setenv(TASK_VARIABLE, f"{url}/v4/1")
            with Host(lambda _: None) as host:
                wait_until(lambda: "/latest/api/token" in kind.asked)
                assert host.vcpus >= 0.1

    def test_slurm_says_how_many_processors_there_are(self, monkeypatch):
        monkeypatch.setenv("SLURM_CPUS_ON_NODE", "3")
        assert Host(print).vcpus == 3


def answering(text):
    def answer(self, code, _=""):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    return answer


def test_a_child_says_what_it_used_and_that_its_host_was_reclaimed(tmp_path):
    before = datetime.now(timezone.utc)
    with served() as (url, _):
        environment = {ENDPOINT_VARIABLE: url, TASK_VARIABLE: f"{url}/v4/1", DISABLED_VARIABLE: "false"}
        with LocalBatch(environment=environment) as client:
            scheduler = Batch("queue", "definition", client=client)
            scheduler.seconds_between_queries = 0.05
            submission = ScheduledSubmission(DataLocation.local(tmp_path / "sub"), scheduler, Sharding(1))
            submission.submit(requests_in(tmp_path, "wait"))
            started = tmp_path / "sub/started/1-0.json"
            wait_until(lambda: started.exists() and parse_start(started.read_bytes(), "start").notice)
            (tmp_path / "go").touch()
            SubmissionContract.wait(submission)
    (record,) = read_child_records(submission.folder)
    assert before < datetime.fromisoformat(record["started"]) < datetime.now(timezone.utc)
    assert (record["notice"], record["vcpus"], record["requests"]) == (NOTICE, 1.5, {"done": 1})
    # A Python with numpy and Pillow, in bytes.
    assert 2**24 < record["peak_memory"] < 2**32
    assert parse_start(started.read_bytes(), "start") == Start(1, 0, record["job"], 1, record["started"], NOTICE)


class TestRecords:
    @pytest.fixture
    def folder(self, tmp_path):
        return DataLocation.local(tmp_path)

    def test_records_come_in_the_order_of_runs_and_shards(self, folder):
        for run, child in [(2, Child(0)), (1, Child(10)), (1, Child(9, is_copy=True)), (1, Child(9))]:
            write_child_record(folder, run, child, {"exit_code": 0, "seconds": 1.5})
        records = [(one["run"], one["shard"], one["copy"]) for one in read_child_records(folder)]
        assert records == [(1, 9, False), (1, 9, True), (1, 10, False), (2, 0, False)]

    def test_those_of_the_first_version_are_read(self, folder):
        old = {"run": 1, "shard": 0, "job": "a:0", "attempt": 2, "requests": {"done": 50}, "exit_code": 0}
        write_bytes(folder.below("children/1-0.json"), json.dumps(old | {"seconds": 12.5, "interrupted": ""}).encode())
        (record,) = read_child_records(folder)
        assert old.items() <= record.items()
        assert [record[name] for name in ("started", "peak_memory", "vcpus", "notice")] == ["", None, None, ""]

    @pytest.mark.parametrize(
        "damaged",
        [{"seconds": "long"}, {"exit_code": None}, {"vcpus": True}, {"notice": 3}, {"requests": {"done": "x"}}],
    )
    def test_a_value_of_another_kind_is_refused(self, folder, damaged):
        write_child_record(folder, 1, Child(0), {"exit_code": 0} | damaged)
        with pytest.raises(MessageError, match=r"children/1-0\.json is no record of a shard"):
            read_child_records(folder)

    def test_a_start_is_read_as_it_was_written(self, folder):
        start = Start(3, 7, "job:7", 1, "2026-11-28T10:00:00.000+00:00")
        write_start(folder, Child(7), start)
        assert parse_start(read_bytes(folder.below("started/3-7.json")), "start") == start
