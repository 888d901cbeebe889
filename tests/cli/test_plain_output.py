"""Names from outside give a terminal no orders, and passwords of URLs are not shown."""

import logging

import pytest

from spacer_like import config
from spacer_like.cli import app
from spacer_like.cli.terminal import Terminal

from .conftest import COLOURS

ESCAPE = "\x1b]0;owned\x07\x1b[2J"


def test_a_name_with_escape_codes_is_shown_and_not_done(reef, command):
    name = f"photos/{ESCAPE}.jpg"
    (reef / name).write_bytes((reef / "photos/0.jpg").read_bytes())
    (reef / f"photos/{ESCAPE}bad.jpg").write_bytes(b"no image")
    for arguments in (
        ("extract", name, "--grid", 2, "--out", "features", "--extractor", COLOURS),
        ("extract", f"photos/{ESCAPE}bad.jpg", "--grid", 2, "--out", "features", "--extractor", COLOURS),
        ("run", f"{ESCAPE}.json"),
        (ESCAPE,),
    ):
        said = command(*arguments)
        assert (said.out + said.err).strip()
        assert (said.out + said.err).replace("\n", "").isprintable()


def test_all_that_a_terminal_is_given_is_plain(capsys):
    from rich.table import Table

    table = Table("\x1b[2J", box=None, min_width=40)
    table.add_row("\x9b2J")
    Terminal().show(table, f"{ESCAPE}")
    Terminal().note(ESCAPE)
    Terminal().complain(ESCAPE)
    written = capsys.readouterr()
    assert "\\x1b[2J" in written.out
    assert (written.out + written.err).replace("\n", "").isprintable()


def test_the_log_is_plain(capsys):
    with app._logging([]):
        logging.getLogger("spacer_like.test").warning("a name: %s", ESCAPE)
    written = capsys.readouterr().err
    assert "a name: \\x1b]0;owned" in written
    assert written.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "url", ["http://diver:hush@127.0.0.1:9", "http:diver:hush@h", "//diver:hush@h", "HTTP://hush@h"]
)
def test_the_password_of_the_endpoint_is_shown_nowhere(command, capsys, url):
    with config.override(aws_endpoint_url=url, aws_anonymous=True, transfer_retries=0):
        said = command("doctor", "--bucket", "corals", "--json")
        assert "hush" not in said.out + said.err
        config.check()
        assert "hush" not in capsys.readouterr().out + repr(config.settings())
        assert "h" in config.displayed("aws_endpoint_url")


@pytest.mark.parametrize(
    "url", ["http:diver:hush@h/1.jpg", "//diver:hush@h/1.jpg", "HTTPS://diver:hush@127.0.0.1:9/1.jpg"]
)
def test_the_password_of_an_image_is_shown_nowhere(reef, command, url):
    said = command("extract", url, "--grid", 2, "--out", "features", "--extractor", COLOURS)
    assert said.code != 0
    assert "hush" not in said.out + said.err
    said = command("doctor", "--url", url, "--json")
    assert "hush" not in said.out + said.err
