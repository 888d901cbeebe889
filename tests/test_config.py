"""Settings: four places, their order, and that no secret is shown."""

import json
import logging
import subprocess
import sys

import pytest

from spacer_like import config, location, messages
from spacer_like.exceptions import ConfigError


@pytest.fixture(autouse=True)
def _fresh(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "SECRETS_PATH", tmp_path / "secrets.json")
    config.reload()
    yield
    config.reload()


def write_secrets(content):
    config.SECRETS_PATH.write_text(content if isinstance(content, str) else json.dumps(content))
    config.reload()


def test_a_setting_that_no_place_gives_has_its_default():
    assert config.settings().max_points_per_image == 1000
    assert config.source("max_points_per_image") == "default"


def test_the_environment_wins_over_the_secrets_file(monkeypatch):
    write_secrets({"MAX_POINTS_PER_IMAGE": 5})
    monkeypatch.setenv("SPACER_MAX_POINTS_PER_IMAGE", "7")
    config.reload()

    assert config.settings().max_points_per_image == 7
    assert config.source("max_points_per_image") == "environment"


def test_an_empty_environment_variable_counts_as_unset(monkeypatch):
    write_secrets({"AWS_REGION": "us-west-1"})
    monkeypatch.setenv("SPACER_AWS_REGION", "")

    assert config.settings().aws_region == "us-west-1"


@pytest.mark.parametrize(("text", "value"), [("True", True), ("False", False)])
def test_a_bool_is_spelt_as_in_python(monkeypatch, text, value):
    monkeypatch.setenv("SPACER_AWS_ANONYMOUS", text)
    assert config.settings().aws_anonymous is value


@pytest.mark.parametrize("text", ["true", "1", "yes"])
def test_another_spelling_of_a_bool_is_refused(monkeypatch, text):
    monkeypatch.setenv("SPACER_AWS_ANONYMOUS", text)
    with pytest.raises(ConfigError, match="AWS_ANONYMOUS may only be True or False"):
        config.settings()


def test_a_number_that_is_none_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("SPACER_MAX_IMAGE_PIXELS", "many")
    with pytest.raises(ConfigError, match="MAX_IMAGE_PIXELS must be an integer"):
        config.settings()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("MAX_IMAGE_PIXELS", "-5", "MAX_IMAGE_PIXELS must be an integer, at least 1"),
        ("MAX_IMAGE_PIXELS", "0", "at least 1"),
        ("MAX_IMAGE_PIXELS", "9" * 5000, "must be an integer"),
        ("MAX_MESSAGE_BYTES", "1e6", "MAX_MESSAGE_BYTES must be an integer"),
        ("TORCH_THREADS", "100000", "TORCH_THREADS must be an integer, at most 1024"),
        ("URL_TIMEOUT_SECONDS", "9" * 30, "URL_TIMEOUT_SECONDS must be an integer, at most 1000000"),
        ("TRANSFER_RETRIES", "-1", "TRANSFER_RETRIES must be an integer, at least 0"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL must be one of CRITICAL, ERROR, WARNING, INFO, DEBUG, and is 'LOUD'"),
        ("DEVICE", "gpu", "DEVICE must be one of auto, cpu, cuda, and is 'gpu'"),
        ("FEATURE_FILE_FORMAT", "float16", "FEATURE_FILE_FORMAT must be one of float32, pyspacer"),
        ("AWS_ENDPOINT_URL", "minio:9000", "AWS_ENDPOINT_URL must begin with https:// or http://"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(monkeypatch, name, value, sentence):
    monkeypatch.setenv(f"SPACER_{name}", value)
    with pytest.raises(ConfigError, match=sentence):
        config.settings()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("MAX_IMAGE_PIXELS", 5.5, "must be an integer"),
        ("MAX_IMAGE_PIXELS", True, "must be an integer"),
        ("MAX_IMAGE_PIXELS", [5], "must be an integer"),
        ("AWS_REGION", ["us-west-1"], "AWS_REGION must be text, and is of type list"),
        ("AWS_SECRET_ACCESS_KEY", {"hush": 1}, "AWS_SECRET_ACCESS_KEY must be text, and is of type dict"),
        ("USE_ONNX", [], "USE_ONNX may only be True or False"),
        ("ALLOWED_CLASS_PREFIXES", [1], "ALLOWED_CLASS_PREFIXES must be text, or a list of texts"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(name, value, sentence):
    write_secrets({name: value})
    with pytest.raises(ConfigError, match=sentence):
        config.settings()


def test_a_log_level_may_be_written_in_small_letters(monkeypatch):
    monkeypatch.setenv("SPACER_LOG_LEVEL", "debug")
    assert config.settings().log_level == "DEBUG"


def test_a_log_that_cannot_be_written_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("SPACER_LOG_DESTINATION", str(tmp_path / "nowhere" / "log"))
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    with pytest.raises(ConfigError, match="LOG_DESTINATION cannot be written to"):
        config.configure_logging()


def test_names_that_are_no_settings_are_found_with_those_that_were_meant(monkeypatch):
    write_secrets({"AWS_REGOIN": "us-west-1", "MAX_IMAGE_PIXELS": 5, "COLOUR": "red"})
    # Not in the order in which they are told.
    monkeypatch.setenv("spacer_DEVICE", "cpu")
    monkeypatch.setenv("SPACER_DEVICE", "cpu")
    monkeypatch.setenv("SPACER_use_onnx", "False")
    monkeypatch.setenv("SPACER_MAX_IMAGE_PIXLES", "5")
    assert [sentence.replace(str(config.SECRETS_PATH), "secrets.json") for sentence in config.unknown_settings()] == [
        "There is no environment variable 'SPACER_MAX_IMAGE_PIXLES': did you mean SPACER_MAX_IMAGE_PIXELS?",
        "There is no environment variable 'SPACER_use_onnx': did you mean SPACER_USE_ONNX?",
        "There is no environment variable 'spacer_DEVICE': did you mean SPACER_DEVICE?",
        "There is no setting in secrets.json 'AWS_REGOIN': did you mean AWS_REGION?",
        "There is no setting in secrets.json 'COLOUR': it has no effect.",
    ]


def test_a_list_is_separated_by_commas(monkeypatch):
    monkeypatch.setenv("SPACER_ALLOWED_CLASS_PREFIXES", "mine, yours.extractors,")
    assert config.settings().allowed_class_prefixes == ("mine", "yours.extractors")


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_damaged_secrets_file_is_named(content):
    write_secrets(content)
    with pytest.raises(ConfigError, match=r"secrets\.json"):
        config.settings()


def test_a_required_setting_that_is_missing_is_told_with_where_was_looked():
    with pytest.raises(ConfigError, match=r"NO_SUCH setting is required\. \(Debug info: Secrets file not found\."):
        config.get_config_value("NO_SUCH")


def test_pyspacers_constants_are_the_settings(monkeypatch):
    monkeypatch.setenv("SPACER_MAX_IMAGE_PIXELS", "123")
    assert config.MAX_IMAGE_PIXELS == 123
    with pytest.raises(AttributeError):
        _ = config.NO_SUCH_CONSTANT


def test_the_tables_that_pyspacer_keeps_here_are_those_in_force():
    assert config.TASKS == ["extract_features", "train_classifier", "classify_features", "classify_image"]
    assert set(config.TASKS) <= set(messages.TASKS)
    assert config.STORAGE_TYPES is location.STORAGE_TYPES


def test_an_override_lasts_as_long_as_its_block():
    with config.override(max_points_per_image=3):
        assert config.settings().max_points_per_image == 3
    assert config.settings().max_points_per_image == 1000


def test_no_secret_is_shown(monkeypatch, capsys):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(f"SPACER_{name}", "hush-hush-hush-hush")

    config.check()

    shown = capsys.readouterr().out + repr(config.settings())
    assert "hush" not in shown
    assert "AWS_SECRET_ACCESS_KEY: (set) (environment)" in shown


DJANGO_PROGRAM = """
from django.conf import settings
settings.configure(SPACER={"MAX_POINTS_PER_IMAGE": 12, "EXTRACTORS_CACHE_DIR": ""})
from spacer_like import config
config.SECRETS_PATH = config.SECRETS_PATH.with_name("no such file")
print(config.settings().max_points_per_image, config.source("max_points_per_image"))
print(config.settings().extractors_cache_dir)
"""


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"MAX_IMAGE_PIXLES": 5},
            "There is no setting in Django's SPACER 'MAX_IMAGE_PIXLES': did you mean MAX_IMAGE_PIXELS?",
        ),
        ({"MAX_IMAGE_PIXELS": "many"}, "MAX_IMAGE_PIXELS must be an integer."),
        ({"MAX_IMAGE_PIXELS": -1}, "MAX_IMAGE_PIXELS must be an integer, at least 1."),
        ({"AWS_ANONYMOUS": "yes"}, "AWS_ANONYMOUS may only be True or False."),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL must be one of"),
        ([], "Django's setting SPACER must be a dictionary."),
    ],
)
def test_django_settings_that_are_none_are_refused(settings, sentence):
    program = DJANGO_PROGRAM.replace('{"MAX_POINTS_PER_IMAGE": 12, "EXTRACTORS_CACHE_DIR": ""}', repr(settings))
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert f"spacer_like.exceptions.ConfigError: {sentence}" in ended.stderr


def test_settings_of_django_that_cannot_be_imported_are_named(monkeypatch):
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "nowhere.settings")
    program = "from spacer_like import config; config.settings()"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.stderr.splitlines()[-1] == (
        "spacer_like.exceptions.ConfigError: Django's settings cannot be imported, which DJANGO_SETTINGS_MODULE names: "
        "No module named 'nowhere'. Add their folder to PYTHONPATH."
    )


def test_a_path_of_django_is_text():
    program = "from pathlib import Path\n" + DJANGO_PROGRAM.replace('""}', 'Path("/var/cache")}')
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.split()[-1] == "/var/cache"


def test_django_gives_its_spacer_settings():
    printed = subprocess.run([sys.executable, "-c", DJANGO_PROGRAM], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["12", "django", "None"]
