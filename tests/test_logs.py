"""Logs as JSON, one object a line, and metrics in CloudWatch's embedded format."""

import json
import logging
import os
import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator
from PIL import Image

from spacer_like import config
from spacer_like.exceptions import ConfigError
from spacer_like.location import DataLocation
from spacer_like.logs import JSON, TEXT, Lines, log_event
from spacer_like.messages import ExtractFeaturesMsg, JobMsg, digest_of

# As the specification of the embedded metric format describes a document, with CloudWatch's limits.
NAMES = {"type": "array", "minItems": 1, "maxItems": 30, "items": {"type": "string", "minLength": 1}}
METRIC = {
    "type": "object",
    "required": ["Name"],
    "additionalProperties": False,
    "properties": {
        "Name": {"type": "string", "minLength": 1},
        "Unit": {"enum": ["Seconds", "Bytes", "Count"]},
        "StorageResolution": {"enum": [1, 60]},
    },
}
DIRECTIVE = {
    "type": "object",
    "required": ["Namespace", "Dimensions", "Metrics"],
    "additionalProperties": False,
    "properties": {
        "Namespace": {"type": "string", "minLength": 1, "maxLength": 255},
        "Dimensions": {"type": "array", "minItems": 1, "items": NAMES},
        "Metrics": {"type": "array", "minItems": 1, "maxItems": 100, "items": METRIC},
    },
}
METADATA = {
    "type": "object",
    "required": ["Timestamp", "CloudWatchMetrics"],
    "properties": {
        "Timestamp": {"type": "integer", "minimum": 10**12, "maximum": 10**13},
        "CloudWatchMetrics": {"type": "array", "items": DIRECTIVE},
    },
}
EMF = Draft202012Validator({"type": "object", "required": ["_aws"], "properties": {"_aws": METADATA}})


def check_metrics(document):
    """A document of the embedded metric format: its targets are members, metrics numbers and dimensions texts."""
    EMF.validate(document)
    assert len(json.dumps(document)) < 256 * 1024
    for directive in document["_aws"]["CloudWatchMetrics"]:
        assert all(isinstance(document[name], str) for names in directive["Dimensions"] for name in names)
        for metric in directive["Metrics"]:
            assert isinstance(document[metric["Name"]], int | float)


@pytest.fixture
def logged(monkeypatch):
    """Logs an event, or an ordinary line, in a form; the line."""

    def log(lines, message="It is done.", members=None, **options):
        kept = []
        handler = logging.Handler()
        handler.setFormatter(lines)
        handler.emit = lambda record: kept.append(handler.format(record))
        logger = logging.getLogger("spacer_like.test_logs")
        monkeypatch.setattr(logger, "handlers", [handler])
        monkeypatch.setattr(logger, "propagate", False)
        logger.setLevel(logging.DEBUG)
        logger.info("%s", message) if members is None else log_event(logger, message, members, **options)
        (line,) = kept
        assert "\n" not in line
        return line

    return log


@pytest.fixture
def on_batch(monkeypatch):
    for name, value in {"JOB_ID": "a:7", "JOB_ATTEMPT": "2", "JOB_ARRAY_INDEX": "7"}.items():
        monkeypatch.setenv(f"AWS_BATCH_{name}", value)


class TestLines:
    def test_as_json_a_line_is_an_object_with_the_job_and_the_members(self, logged, on_batch):
        line = json.loads(logged(Lines("", JSON), "It\nis done.", {"digest": "ab", "seconds": 1.5}))
        assert line["message"] == "It\nis done."
        assert (line["level"], line["logger"]) == ("INFO", "spacer_like.test_logs")
        assert (line["job"], line["attempt"], line["index"]) == ("a:7", 2, 7)
        assert (line["digest"], line["seconds"]) == ("ab", 1.5)
        assert "_aws" not in line

    def test_as_text_it_is_the_sentence(self, logged):
        assert logged(Lines("%(levelname)s: %(message)s", TEXT), members={"digest": "ab"}) == "INFO: It is done."

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("nan")], object()])
    def test_what_is_no_json_is_no_obstacle(self, logged, value):
        assert "value" in json.loads(logged(Lines("", JSON), members={"value": value}), parse_constant=pytest.fail)

    @pytest.mark.parametrize("form", [TEXT, JSON])
    def test_no_line_shows_a_secret(self, logged, form):
        lines = Lines("%(message)s", form, secrets=["", 's3"cr3t'])
        line = logged(lines, 'The key s3"cr3t is refused.', {"key": 's3"cr3t'})
        assert "cr3t" not in line
        assert "The key (hidden) is refused." in line

    def test_an_exception_is_in_its_line(self):
        try:
            raise ValueError("two\nlines")
        except ValueError:
            record = logging.LogRecord("a", logging.ERROR, "", 0, "It failed.", (), sys.exc_info())
        assert "ValueError: two\nlines" in json.loads(Lines("", JSON).format(record))["traceback"]


class TestMetrics:
    @pytest.mark.parametrize("form", [TEXT, JSON])
    def test_an_event_is_a_document_of_the_embedded_metric_format(self, logged, form, on_batch):
        members = {"task": "extract_features", "seconds": 1.5, "bytes": 7, "memory": None, "was": True}
        units = {"seconds": "Seconds", "bytes": "Bytes", "memory": "Bytes", "was": "Count", "none": "Count"}
        lines = Lines("%(message)s", form, "Corals/Jobs")
        document = json.loads(logged(lines, members=members, metrics=units, dimensions=["task"]))
        check_metrics(document)
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        assert (directive["Namespace"], directive["Dimensions"]) == ("Corals/Jobs", [["task"]])
        assert [metric["Name"] for metric in directive["Metrics"]] == ["seconds", "bytes"]
        assert (document["job"], document["seconds"]) == ("a:7", 1.5)

    def test_other_lines_are_none(self, logged):
        assert logged(Lines("%(message)s", TEXT, "Corals")) == "It is done."

    @pytest.mark.parametrize("namespace", ["AWS/EC2", ":a", "a b", "ä", "x" * 256])
    def test_a_namespace_that_cloudwatch_refuses_is_refused_here(self, monkeypatch, namespace):
        monkeypatch.setenv("SPACER_METRICS_NAMESPACE", namespace)
        config.reload()
        with pytest.raises(ConfigError, match="METRICS_NAMESPACE must be letters, digits"):
            config.settings()


def test_a_containers_job_logs_each_request(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png")
    requests = [
        ExtractFeaturesMsg(
            job_token=str(index),
            extractor="spacer_like.extractors.DummyExtractor",
            rowcols=[(5, 5)],
            image_loc=DataLocation.local(tmp_path / name),
            feature_loc=DataLocation.local(tmp_path / f"{index}.npz"),
        )
        for index, name in enumerate(["image.png", "none.png"])
    ]
    JobMsg("extract_features", requests).store(DataLocation.local(tmp_path / "job.json"))
    environment = os.environ | {"JOB_MSG_LOC": f"file://{tmp_path}/job.json", "SPACER_LOG_FORMAT": "json"}
    environment |= {"SPACER_METRICS_NAMESPACE": "Corals", "AWS_BATCH_JOB_ID": "a", "AWS_BATCH_JOB_ATTEMPT": "1"}
    environment |= {"SPACER_AWS_ACCESS_KEY_ID": "key-id", "SPACER_AWS_SECRET_ACCESS_KEY": "s3cr3t"}
    run = subprocess.run(
        [sys.executable, "-m", "spacer_like", "env-job"], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 64
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    assert "s3cr3t" not in run.stderr
    done, failed = (line for line in lines if line.get("event") == "request")
    for line in (done, failed):
        check_metrics(line)
        assert (line["task"], line["job"], line["attempt"]) == ("extract_features", "a", 1)
    assert (done["status"], done["digest"]) == ("done", digest_of(requests[0]))
    assert done["bytes_read"] >= (tmp_path / "image.png").stat().st_size
    assert done["bytes_written"] == (tmp_path / "0.npz").stat().st_size
    assert (failed["status"], failed["error_class"]) == ("failed", "spacer_like.exceptions.DataNotFoundError")
