"""Containers of a built image, started as AWS Batch starts them, by docker or podman.

CONTAINER_IMAGE names an image that was built of the target ``runtime`` or ``points-onnx``, and CONTAINER_COMMAND the
program with its options, ``docker`` where it is not set.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

IMAGE = os.getenv("CONTAINER_IMAGE", "")
COMMAND = shlex.split(os.getenv("CONTAINER_COMMAND", "docker"))
MEMORY = 160 * 1024**2
# Of a runtime that may not raise the limits of this machine.
_LIMITS = [f"--ulimit={name}=1024:1024" for name in ("nofile", "nproc")]


def missing() -> str:
    """Why there is no image to be tested; '': there is one."""
    if not IMAGE:
        return "CONTAINER_IMAGE names no image that was built of the Dockerfile"
    try:
        said = subprocess.run([*COMMAND, "image", "inspect", IMAGE], capture_output=True, text=True)
    except OSError as error:
        return f"{COMMAND[0]} cannot be started: {error}"
    return said.stderr.strip() if said.returncode else ""


class Container:
    """A running container: not as root, with no rights, a root file system that is only read, and a `tmpfs` at /tmp.

    It outlives the program that started it, as Batch's does.

    Args:
        environment: its variables, besides those of the image.
        memory: its limit, in bytes.
    """

    def __init__(self, environment: dict[str, str], memory: int = MEMORY) -> None:
        self.name = f"spacer-like-{uuid4().hex[:12]}"
        variables = [f"--env={name}={value}" for name, value in environment.items()]
        bounds = [f"--memory={memory}", f"--memory-swap={memory}", *_LIMITS]
        rights = ["--read-only", "--tmpfs=/tmp", "--user=10001:0", "--cap-drop=all", "--security-opt=no-new-privileges"]
        _asked("run", "--detach", f"--name={self.name}", "--network=host", *bounds, *rights, *variables, IMAGE)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code once it has ended; `subprocess.TimeoutExpired` where that takes longer."""
        return int(_asked("wait", self.name, timeout=timeout))

    def terminate(self) -> None:
        self._signal("TERM")

    def kill(self) -> None:
        self._signal("KILL")

    def inside(self, *command: str) -> str:
        """What a command says that is run within it."""
        return _asked("exec", self.name, *command)

    @property
    def state(self) -> dict[str, Any]:
        """Its state as the program describes it: among it ``OOMKilled``."""
        found: dict[str, Any] = json.loads(_asked("inspect", self.name))[0]["State"]
        return found

    @property
    def ended(self) -> datetime:
        """When it ended, whatever time the program itself took to tell."""
        return datetime.fromisoformat(self.state["FinishedAt"][:19]).replace(tzinfo=timezone.utc)

    def remove(self) -> None:
        """End and forget it."""
        subprocess.run([*COMMAND, "rm", "--force", self.name], capture_output=True)

    def _signal(self, name: str) -> None:
        # Refused where it has ended meanwhile.
        subprocess.run([*COMMAND, "kill", f"--signal={name}", self.name], capture_output=True)


def _asked(*arguments: str, timeout: float | None = None) -> str:
    # Of a lack of memory podman's monitor leaves an empty file where it was started.
    run = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=timeout, cwd=tempfile.gettempdir()
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()
