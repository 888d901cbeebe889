"""What a table was measured on."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from statistics import median

from benchmarks.measures import Outcome
from benchmarks.processes import OTHERS

BUSY = 0.1

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
_PACKAGES = (
    *("spacer_like", "pyspacer", "torch", "onnxruntime", "scikit-learn", "numpy", "pillow", "boto3", "obstore"),
    *(
        "numba",
        "simplejpeg",
        "pyarrow",
        "pandas",
        "rasterio",
        "rio-tiler",
        "torchgeo",
        "async-geotiff",
        "shapely",
        "faiss-cpu",
    ),
    *("GalSim", "tensorflow-cpu", "tensorflow", "keras"),
)


def described(pythons: Mapping[str, Path], cores: Sequence[int], repeats: int) -> str:
    """One paragraph: when, on which processor, how often, which versions on each side, an interpreter by its name."""
    sides = "; ".join(f"{name} with {versions(python)}" for name, python in pythons.items())
    return (
        f"{date.today().isoformat()}; {processor()}, {len(cores)} cores; Python {platform.python_version()}; "
        f"medians of {repeats}, fresh processes, in turn.\n{sides}."
    )


def quietness(outcomes: Sequence[Outcome]) -> str:
    """One sentence: what part of the cores other programs took, which slows whoever runs on both of them most."""
    # A measure's own server is no stranger, though it is another program.
    alone = [outcome for outcome in outcomes if outcome.measure.surroundings is nullcontext]
    shares = [quantities[OTHERS] for outcome in alone for runs in outcome.runs.values() for quantities in runs]
    if not shares:
        return ""
    typical, largest = median(shares), max(shares)
    advice = "; such a table proves nothing, measure again on a quiet machine" if typical > BUSY else ""
    return f"Other programs took {typical:.0%} of the cores' time in the median run, {largest:.0%} at most{advice}."


def processor() -> str:
    """The processor's name as Linux gives it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for products of bfloat16."""
    flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    return bool(flags & {"avx512_bf16", "amx_bf16"})


def versions(python: Path) -> str:
    """The versions of the packages that matter, in an environment."""
    run = subprocess.run([python, "-c", _VERSIONS, *_PACKAGES], capture_output=True, text=True, check=True)
    return ", ".join(f"{name} {version}" for name, version in json.loads(run.stdout).items())
