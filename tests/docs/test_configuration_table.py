"""The table of settings names every setting, with the default that it has."""

import re
from dataclasses import fields
from pathlib import Path

from spacer_like.config import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()


def documented_defaults() -> dict[str, str]:
    rows = re.findall(r"^\| (`[^|]+`) \| ([^|]+) \|", PAGE, re.MULTILINE)
    return {name: default.strip(" `") for names, default in rows for name in re.findall(r"`(\w+)`", names)}


def test_every_setting_stands_in_the_table_with_its_default():
    defaults = {
        field.name.upper(): "none" if field.default in (None, ()) else str(field.default) for field in fields(Settings)
    }
    assert documented_defaults() == defaults
