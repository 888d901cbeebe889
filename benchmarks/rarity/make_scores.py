"""Make up the score tables of many collections, CSV in the columns that `score_collection` writes.

usage: python -m benchmarks.rarity.make_scores FOLDER COLLECTIONS ROWS
"""

from __future__ import annotations

import csv
import json
import random
import sys
from pathlib import Path

COLUMNS = (
    *("collectionAddress", "tokenId", "pixelScore", "pixelScoreRank", "pixelScoreRankMin"),
    *("rarityScore", "rarityRank", "imageUrl"),
)


def table(address: str, count: int, choose: random.Random) -> list[tuple[object, ...]]:
    """The rows of a collection's table; every hundredth token has no score."""
    scores = {token: choose.uniform(0.3, 10) for token in range(count) if token % 100}
    rank = {token: place for place, token in enumerate(sorted(scores, key=lambda token: -scores[token]), 1)}
    return [
        (
            *(address, token, scores.get(token), float(rank[token]) if token in rank else None, rank.get(token)),
            *(choose.uniform(10, 500), choose.randint(1, count), f"https://images.example/{address}/{token}.png"),
        )
        for token in range(count)
    ]


def main(folder: Path, collections: int, count: int) -> None:
    choose = random.Random(20_000)
    for number in range(collections):
        address = f"0x{choose.getrandbits(160):040x}"
        with (folder / f"{number:03}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(table(address, count, choose))
    print(json.dumps({"rows": collections * count}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
