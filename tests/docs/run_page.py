"""Run the code blocks of a Markdown page in order, in the working folder: ``python run_page.py PAGE``.

python  runs; the blocks of a page share their names.
bash    runs, with this Python's commands on the path.
json    must parse.
text output   must be what the block before it printed; "..." stands for anything.
text, console, ini, dockerfile   are shown only.
A block of another or no language is an error, so that nothing goes unrun by mistake.
"""

import contextlib
import doctest
import io
import json
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHOWN_ONLY = {"text", "console", "ini", "dockerfile"}
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    info: str
    code: str
    line: int
    """Of the page, counted from 1, where the code begins."""


class PageError(Exception):
    pass


def blocks(page: str) -> Iterator[Block]:
    for match in FENCE.finditer(page):
        yield Block(match["info"].strip(), match["code"], page[: match.start("code")].count("\n") + 1)


def run(page: Path) -> int:
    """Run all blocks.

    Returns:
        How many ran or were checked.

    Raises:
        PageError: a block failed, or printed something else than the page says.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    printed, count = "", 0
    for block in blocks(page.read_text(encoding="utf-8")):
        place = f"{page.name}, line {block.line}"
        if block.info == "text output":
            if not doctest.OutputChecker().check_output(block.code, printed, doctest.ELLIPSIS):
                raise PageError(f"{place}: the page says\n{block.code}and the block before it printed\n{printed}")
        elif block.info == "python":
            printed = run_python(block, page, names)
        elif block.info == "bash":
            printed = run_bash(block, place)
        elif block.info == "json":
            json.loads(block.code)
        elif block.info in SHOWN_ONLY:
            continue
        else:
            raise PageError(f"{place}: a block of the language '{block.info}' is neither run nor only shown.")
        count += 1
    return count


def run_python(block: Block, page: Path, names: dict[str, Any]) -> str:
    # Empty lines in front, so that a traceback names the line of the page.
    code = compile("\n" * (block.line - 1) + block.code, str(page), "exec")
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(code, names)
    except Exception:
        raise PageError(f"{page.name}, line {block.line}:\n{traceback.format_exc()}") from None
    return out.getvalue()


def run_bash(block: Block, place: str) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    shell = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", block.code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
    )
    if shell.returncode:
        raise PageError(f"{place}: ended with {shell.returncode}\n{shell.stdout}{shell.stderr}")
    return shell.stdout


if __name__ == "__main__":
    try:
        print(run(Path(sys.argv[1])), "blocks ran")
    except PageError as error:
        sys.exit(str(error))
