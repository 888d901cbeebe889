"""How far the scores of two packages are apart.

usage: python -m benchmarks.points.compare_scores OURS PEERS
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(ours: str, peers: str) -> None:
    first, second = (json.loads(Path(path).read_text()) for path in (ours, peers))
    apart = max(
        abs(one - other)
        for mine, theirs in zip(first, second, strict=True)
        for one, other in zip(mine, theirs, strict=True)
    )
    print(json.dumps({"difference": apart}))


if __name__ == "__main__":
    main(*sys.argv[1:3])
