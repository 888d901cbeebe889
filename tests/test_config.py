"""Settings: four places, their order, and that no secret is shown."""

import json
import subprocess
import sys

import pytest

from spacer_like import config
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


def test_django_gives_its_spacer_settings():
    printed = subprocess.run([sys.executable, "-c", DJANGO_PROGRAM], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["12", "django", "None"]
