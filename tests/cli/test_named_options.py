"""Every option and setting that a text of the package names is there."""

import ast
import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest
import typer

import spacer_like
from spacer_like.cli.app import app
from spacer_like.config import Settings

ROOT = Path(spacer_like.__file__).parent
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
COMMAND = re.compile(r"spacer-like ((?:[a-z][a-z-]* ?)+)(--[a-z][a-z-]*[a-z])")


def commands(command=None, path=()):
    """Options of each command, by its path, and the file of its function."""
    command = command or typer.main.get_command(app)
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


OPTIONS = {
    path: {name for one in command.params for name in (*one.opts, *one.secondary_opts) if name.startswith("--")}
    | {"--help"}
    for path, command in commands()
}
OF_MODULE: dict[str, set[str]] = {}
for _path, _command in commands():
    if _command.callback is not None:
        OF_MODULE.setdefault(Path(inspect.unwrap(_command.callback).__code__.co_filename).name, set()).update(
            OPTIONS[_path]
        )
EVERYWHERE = OPTIONS[()]
ALL = set().union(*OPTIONS.values())
# pip's, and those of mailman, which is a program of its own.
OF_OTHER_PROGRAMS = {"--index-url", "--extra-index-url", "--filter"}
# What somebody may have typed, in the account of hints.
MISTAKES = {"--extractor-name"}


def texts():
    """Each text in the package's code: file, line, text; those of f-strings in parts."""
    # These modules are about another program's options.
    others = {ROOT / "cli" / "original_tags.py", ROOT / "engines" / "slurm.py"}
    for path in sorted(set(ROOT.rglob("*.py")) - others):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "--" in node.value:
                yield path, node.lineno, node.value


def test_every_option_that_a_text_names_exists_on_a_command():
    unknown = [
        f"{path.relative_to(ROOT)}:{line} {option}"
        for path, line, text in texts()
        for option in OPTION.findall(text)
        if option not in ALL | OF_OTHER_PROGRAMS | MISTAKES
    ]
    assert not unknown, unknown


def test_every_option_that_a_command_s_own_file_names_is_one_of_its_commands():
    unknown = [
        f"{path.name}:{line} {option}"
        for path, line, text in texts()
        if path.name in OF_MODULE and path.parent.name == "cli" and path.name not in ("app.py", "options.py")
        for option in OPTION.findall(text)
        if option not in OF_MODULE[path.name] | EVERYWHERE | OF_OTHER_PROGRAMS
    ]
    assert not unknown, unknown


def test_every_option_that_is_named_with_its_command_is_one_of_that_command():
    unknown = []
    for path, line, text in texts():
        for words, option in COMMAND.findall(text):
            name = tuple(words.split())
            if name in OPTIONS and option not in OPTIONS[name] | EVERYWHERE:
                unknown.append(f"{path.name}:{line} {' '.join(name)} {option}")
    assert not unknown, unknown


def test_every_setting_that_a_text_names_exists():
    # KEY stands for any, and SPACER for a beginning that is there twice; the others are settings of Django's.
    known = {field.name.upper() for field in fields(Settings)} | {
        "KEY",
        "SPACER",
        "JOBS",
        "SPACER_JOBS",
        "QUEUE_CHOICE",
    }
    unknown = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted(ROOT.rglob("*.py"))
        for name in (
            *re.findall(r"SPACER_([A-Z][A-Z_]+)", path.read_text()),
            *re.findall(r"[Ss]etting ([A-Z][A-Z_]{3,})", path.read_text()),
        )
        if name not in known
    ]
    assert not unknown, unknown


@pytest.mark.parametrize("option", ["--timeout", "--max-bytes"])
def test_what_the_advice_about_a_map_server_names_is_an_option_of_fetch_labels(option):
    assert option in OPTIONS["chips", "fetch-labels"]
