"""Read many objects of a bucket, all at once by our storage, or one after the other by boto3.

usage: python -m benchmarks.read_objects spacer_like|boto3|pyspacer BUCKET OBJECTS; the settings SPACER_AWS_* say where
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from spacer_like.config import settings


def by_spacer_like(bucket: str, keys: list[str]) -> Iterator[bytes]:
    from spacer_like.data_classes import DataLocation
    from spacer_like.storage import read_many

    return (data for _, data in read_many([DataLocation("s3", key, bucket) for key in keys]))


def by_boto3(bucket: str, keys: list[str]) -> Iterator[bytes]:
    """The least that boto3 can do."""
    client = _resource().meta.client
    return (client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys)


def by_pyspacer(bucket: str, keys: list[str]) -> Iterator[bytes]:
    """The calls of boto3 that PySpacer's storage makes: each object's head, then its body through s3transfer."""
    from boto3.s3.transfer import TransferConfig

    resource, options = _resource(), TransferConfig(use_threads=False)
    for key in keys:
        stream = BytesIO()
        resource.Object(bucket, key).download_fileobj(stream, Config=options)
        yield stream.getvalue()


def _resource() -> Any:
    import boto3

    return boto3.resource(
        "s3",
        aws_access_key_id=settings().aws_access_key_id,
        aws_secret_access_key=settings().aws_secret_access_key,
        region_name=settings().aws_region,
        endpoint_url=settings().aws_endpoint_url,
    )


READERS = {"spacer_like": by_spacer_like, "boto3": by_boto3, "pyspacer": by_pyspacer}


def main(side: str, bucket: str, count: int) -> None:
    keys = [f"{number}.npz" for number in range(count)]
    started = time.perf_counter()
    sizes = [len(data) for data in READERS[side](bucket, keys)]
    seconds = time.perf_counter() - started
    if len(sizes) != count:
        raise SystemExit(f"{len(sizes)} of {count} objects arrived.")
    print(json.dumps({"task_seconds": seconds, "megabytes": sum(sizes) / 1e6}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
