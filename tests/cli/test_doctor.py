"""What the doctor finds, and that it tells no secret."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from spacer_like import config
from spacer_like.cli import installed_packages
from spacer_like.cli.diagnosis import _round_trip, _s3
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import AccessDeniedError
from spacer_like.extractors import EfficientNetLite0Extractor
from spacer_like.extractors.networks import network_cache

SECRETS = {
    "SPACER_AWS_ACCESS_KEY_ID": "AKIDDOCTORSECRET1234",
    "SPACER_AWS_SECRET_ACCESS_KEY": "doctor-secret-5678",
    "SPACER_AWS_SESSION_TOKEN": "doctor-token-9012",
}
EXTRA_PACKAGES = sorted({name for names in installed_packages.EXTRAS.values() for name in names})


@pytest.fixture
def clean(monkeypatch, tmp_path):
    """No credentials of whoever runs the tests, and no machine that could be asked for some."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "SPACER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    config.reload()
    yield
    config.reload()


def by_name(said):
    return {finding["name"]: finding for finding in said.json["findings"]}


def test_a_healthy_house(clean, command):
    said = command("doctor", "--json")
    found = by_name(said)
    assert said.code == 0, [finding for finding in found.values() if finding["state"] == "failed"]
    assert found["torch"]["state"] == "ok"
    assert found["MAX_IMAGE_PIXELS"]["text"] == "100000000 (default)"
    assert (found["filesystem"]["state"], found["memory"]["state"]) == ("ok", "ok")
    assert "no credentials" in found["s3 identity"]["text"]
    assert "a vector of 1280 numbers" in found["extraction"]["text"]
    assert "All is well." in command("doctor").out


def test_no_secret_is_told(clean, command, monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    config.reload()
    said = command("doctor", "--json")
    shown = command("doctor")
    for value in SECRETS.values():
        assert value not in said.out + said.err + shown.out + shown.err
        assert value[-6:] not in said.out
    assert by_name(said)["AWS_SECRET_ACCESS_KEY"]["text"] == "(set) (environment)"


def test_a_machine_without_credentials_is_told_how_to_set_them(clean):
    (finding,) = _s3(None)
    assert finding.state == "missing"
    assert finding.text.startswith("no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")


def test_a_profile_that_there_is_not_is_told(clean):
    with config.override(aws_profile_name="absent"):
        (finding,) = _s3(None)
    assert finding.state == "missing"
    assert "absent" in finding.text


def test_a_bucket_that_refuses_the_credentials_is_told(clean):
    refusal = b"<Error><Code>InvalidAccessKeyId</Code><Message>no such key</Message></Error>"

    class Refusing(BaseHTTPRequestHandler):
        def do_PUT(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(403)
            self.send_header("Content-Length", str(len(refusal)))
            self.end_headers()
            self.wfile.write(refusal)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        keys = {"aws_access_key_id": "AKIDREFUSED12345678", "aws_secret_access_key": "refused-secret"}
        with config.override(aws_endpoint_url=f"http://127.0.0.1:{server.server_port}", aws_region="us-east-1", **keys):
            identity, bucket = _s3("corals")
        server.shutdown()
    assert identity.state == "ok"
    assert (bucket.name, bucket.state) == ("s3://corals", "failed")
    assert "corals" in bucket.text
    assert "refused-secret" not in bucket.text


def _refused(loc):
    raise AccessDeniedError("no")


@pytest.mark.parametrize(("read", "text"), [(lambda loc: b"other", "not what was written"), (_refused, "no")])
def test_a_storage_that_does_not_give_back_what_was_written_is_told_and_left_clean(monkeypatch, tmp_path, read, text):
    monkeypatch.setattr("spacer_like.storage.read_bytes", read)
    finding = _round_trip("files", DataLocation("filesystem", str(tmp_path / "probe")), "here")
    assert finding.state == "failed"
    assert text in finding.text
    assert not list(tmp_path.iterdir())


def test_a_malformed_setting_is_told(clean, command, monkeypatch):
    monkeypatch.setenv("SPACER_USE_ONNX", "yes")
    config.reload()
    said = command("doctor")
    assert said.code == 1
    assert "USE_ONNX may only be True or False." in said.out


def test_a_misspelt_setting_is_told_with_the_name_that_was_meant(clean, command, monkeypatch):
    monkeypatch.setenv("SPACER_MAX_IMAGE_PIXLES", "5")
    said = command("doctor")
    assert said.code == 1
    assert "'SPACER_MAX_IMAGE_PIXLES': did you mean SPACER_MAX_IMAGE_PIXELS?" in said.out
    assert "All is well" not in said.out


HIDING = """
import importlib.metadata as metadata
from importlib.machinery import PathFinder
whole, find = metadata.version, PathFinder.find_spec
def version(name):
    if name in {packages!r}:
        raise metadata.PackageNotFoundError(name)
    return whole(name)
metadata.version = version
absent = {{name.replace("-", "_") for name in {packages!r}}}
PathFinder.find_spec = lambda name, *others: None if name.partition(".")[0] in absent else find(name, *others)
"""


def hide(folder: Path, *packages: str) -> str:
    """A folder for PYTHONPATH with which these packages are not installed. Importing all takes seven seconds."""
    (folder / "sitecustomize.py").write_text(HIDING.format(packages=packages))
    return str(folder)


@pytest.mark.parametrize(
    "command",
    [
        ["spacer_like", "doctor", "--json"],
        ["spacer_like", "env-job"],
        ["spacer_like.mailman", "env_job"],
        ["spacer_like", "run", "job.json"],
        ["spacer_like", "extract", "a.png", "--grid", "2", "--out", "f"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_bad_value_is_one_sentence_in_every_command(tmp_path, command):
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    (tmp_path / "job.json").write_text('{"task_name": "classify_image", "tasks": []}')
    own = {"SPACER_LOG_LEVEL": "LOUD", "JOB_MSG_LOC": "job.json", "RES_MSG_LOC": "answer.json"}
    path = os.pathsep.join((str(Path(__file__).parents[2]), hide(tmp_path, *EXTRA_PACKAGES)))
    environment = os.environ | own | {"PYTHONPATH": path, "AWS_EC2_METADATA_DISABLED": "true"}
    ended = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert ended.returncode in (1, 64)
    assert "LOG_LEVEL must be one of" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_cache_folder_that_cannot_be_made_is_told(clean, command, tmp_path):
    (tmp_path / "file").write_text("")
    with config.override(extractors_cache_dir=str(tmp_path / "file" / "cache")):
        said = command("doctor", "--json")
    assert said.code == 1
    assert by_name(said)["weights' cache"]["state"] == "failed"


def test_a_url_that_may_not_be_asked_is_told(clean, command):
    said = command("doctor", "--url", "http://127.0.0.1:9/secret?token=hunter2", "--json")
    assert said.code == 1
    assert "hunter2" not in said.out


def test_a_missing_extra_is_told_with_the_command_to_install_it(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "spacer_like", "doctor"],
        capture_output=True,
        text=True,
        env=os.environ | {"AWS_EC2_METADATA_DISABLED": "true", "PYTHONPATH": hide(tmp_path, *EXTRA_PACKAGES)},
    )
    assert ended.returncode == 0, ended.stdout
    assert "run pip install 'spacer_like[torch]'" in ended.stdout
    assert "run pip install 'spacer_like[plots]'" in ended.stdout


def test_old_unfinished_files_are_removed_where_that_is_asked_for(clean, command, tmp_path, monkeypatch):
    results = tmp_path / "results" / "deep"
    results.mkdir(parents=True)
    old, young = (results / f".spacer-{number:016x}.unfinished" for number in range(2))
    for path, hours in ((old, 25), (young, 1)):
        path.write_bytes(b"1")
        os.utime(path, (time.time() - hours * 3600,) * 2)
    said = command("doctor", "--json")
    assert old.exists()
    assert "Cleaning" not in {finding["section"] for finding in said.json["findings"]}
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no-temporary-files"))
    (tmp_path / "no-temporary-files").mkdir()
    found = by_name(command("doctor", "--clean", tmp_path / "results", "--json"))
    assert found[str(tmp_path / "results")]["text"] == "1 old unfinished file removed"
    assert not old.exists()
    assert young.exists()


def test_a_folder_to_clean_must_be_one(clean, command, tmp_path):
    nowhere = str(tmp_path / "nowhere")
    assert by_name(command("doctor", "--clean", nowhere, "--json"))[nowhere]["state"] == "failed"
    said = command("doctor", tmp_path)
    assert said.code == 64
    assert "with --clean only" in said.err


FAULTS = {
    "rasterio": "raise ImportError('libexpat.so.1: cannot open shared object file', name='rasterio._base')",
    "matplotlib": "raise OSError('libfreetype.so.6: cannot open shared object file')",
    "osmium": "import os; os.abort()",
    "numba": "import attr_that_is_nowhere",
}


def test_a_package_that_is_installed_and_does_not_import_is_found_out_even_where_it_crashes(tmp_path):
    hide(tmp_path, *(name for name in EXTRA_PACKAGES if name not in (*FAULTS, "shapely")))
    for name, fault in FAULTS.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(fault)
    ended = subprocess.run(
        [sys.executable, "-m", "spacer_like", "doctor", "--json"],
        capture_output=True,
        text=True,
        env=os.environ | {"AWS_EC2_METADATA_DISABLED": "true", "PYTHONPATH": str(tmp_path)},
    )
    found = {finding["name"]: finding for finding in json.loads(ended.stdout)["findings"]}
    assert ended.returncode == 1
    assert {name for name, finding in found.items() if finding["state"] == "failed"} == {"geo", "plots", "rarity"}
    assert "is installed and cannot be imported: libexpat.so.1: cannot open shared object" in found["geo"]["text"]
    assert "is installed and cannot be imported: importing it ends the process with signal 6" in found["geo"]["text"]
    assert "shapely 2" in found["geo"]["text"].split("; has ")[1]
    assert "libfreetype.so.6: cannot open shared object" in found["plots"]["text"]
    assert "No module named 'attr_that_is_nowhere'" in found["rarity"]["text"]


def test_extraction_by_a_converted_network_is_not_called_missing_where_there_is_no_torch(tmp_path):
    hide(tmp_path, *(name for name in EXTRA_PACKAGES if name not in ("onnxruntime", "simplejpeg")))
    models = tmp_path / "models"
    with config.override(onnx_cache_dir=str(models)):
        network_cache.clear()
        EfficientNetLite0Extractor().prepare()
    environment = os.environ | {"AWS_EC2_METADATA_DISABLED": "true", "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)}

    def extraction(**settings):
        ended = subprocess.run(
            [sys.executable, "-m", "spacer_like", "doctor", "--json"],
            capture_output=True,
            text=True,
            env=environment | settings,
        )
        found = {finding["name"]: finding for finding in json.loads(ended.stdout)["findings"]}
        assert (ended.returncode, found["torch"]["state"]) == (0, "missing"), ended.stdout
        return found["extraction"]

    with_models = extraction(SPACER_ONNX_MODELS_DIR=str(models))
    assert with_models["state"] == "ok"
    assert "a vector of 1280 numbers" in with_models["text"]
    without = extraction()
    assert without["state"] == "missing"
    assert "needs the extra torch, or a network converted before" in without["text"]
