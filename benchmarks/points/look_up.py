"""Ask a classification's return message for the scores of points, one after the other.

usage: python -m benchmarks.points.look_up PACKAGE
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from benchmarks.points.packages import part

FEW, MANY = 100, 10_000
LOOK_UPS = 20
ROUNDS = 10
CLASSES = 20


def seconds_a_look_up(message: Any, points: int) -> float:
    """Seconds for each of LOOK_UPS positions, the first look of all not counted."""
    positions = [(number, 2 * number) for number in range(0, points, points // LOOK_UPS)]
    message[positions[0]]
    started = time.perf_counter()
    for position in positions:
        message[position]
    return (time.perf_counter() - started) / len(positions)


def main(package: str) -> None:
    messages = part(package, "messages")
    seconds = {}
    for points in (FEW, MANY):
        scores = [(number, 2 * number, [1 / CLASSES] * CLASSES) for number in range(points)]
        message = messages.ClassifyReturnMsg(1.0, scores, list(range(CLASSES)), True)
        seconds[points] = min(seconds_a_look_up(message, points) for _ in range(ROUNDS))
    print(
        json.dumps(
            {
                "look_up_seconds_few": seconds[FEW],
                "look_up_seconds_many": seconds[MANY],
                "growth": seconds[MANY] / seconds[FEW],
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
