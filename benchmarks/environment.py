"""What a table was measured on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from benchmarks.points.material import Pythons

_VERSIONS = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""
_PACKAGES = ("spacer_like", "pyspacer", "torch", "onnxruntime", "scikit-learn", "numpy", "pillow", "boto3", "obstore")


def described(pythons: Pythons, cores: Sequence[int], repeats: int) -> str:
    """One paragraph: when, on which processor, how often, which versions on either side.

    To be asked before the first run, since it also says how busy the machine was.
    """
    return (
        f"{date.today().isoformat()}; {processor()}, {len(cores)} cores; Python {platform.python_version()}; "
        f"medians of {repeats}, fresh processes, in turn; load at the start {os.getloadavg()[0]:.1f}.\n"
        f"spacer_like with {versions(pythons.ours)}; PySpacer with {versions(pythons.peer)}."
    )


def processor() -> str:
    """The processor's name as Linux gives it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def versions(python: Path) -> str:
    """The versions of the packages that matter, in an environment."""
    run = subprocess.run([python, "-c", _VERSIONS, *_PACKAGES], capture_output=True, text=True, check=True)
    return ", ".join(f"{name} {version}" for name, version in json.loads(run.stdout).items())
