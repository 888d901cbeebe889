"""Making material once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.measures import Report


def make_once(target: Path, maker: Callable[[Path], object], report: Report) -> None:
    """Let `maker` write beside the target and move it into place, so that what is there is whole."""
    if target.exists():
        return
    report(f"Making {target}")
    partial = target.with_name(f"partial-{target.name}")
    if partial.is_dir():
        shutil.rmtree(partial)
    partial.unlink(missing_ok=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    maker(partial)
    partial.replace(target)
