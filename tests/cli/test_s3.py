"""The same commands where everything lives in a bucket."""

import boto3
import pytest
from moto.server import ThreadedMotoServer

from spacer_like import config

from .conftest import COLOURS

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "aws_region": "us-east-1"}


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(reef, endpoint):
    """A bucket that holds the reef's photographs and labels."""
    session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1")
    client = session.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="corals")
    for path in (*(reef / "photos").iterdir(), reef / "labels.csv"):
        client.upload_file(str(path), "corals", path.relative_to(reef).as_posix())
    with config.override(aws_endpoint_url=endpoint, **KEYS):
        yield client
    client.close()


def test_extract_train_classify_and_run_in_a_bucket(bucket, reef, command):
    extracted = command(
        "extract",
        "--points",
        "s3://corals/labels.csv",
        "--out",
        "s3://corals/features",
        "--extractor",
        COLOURS,
        "--json",
    )
    assert extracted.code == 0, extracted.err
    trained = command(
        "train", "s3://corals/labels.csv", "--features", "s3://corals/features", "--model", "s3://corals/reef.pkl",
        "--classifier", "LR", "--reference", 0.3, "--plot", "s3://corals/evaluation.png", "--json",
    )  # fmt: skip
    assert trained.code == 0, trained.err
    assert trained.json["accuracy"] > 0.9
    classified = command(
        "classify", "s3://corals/photos/0.jpg", "--model", "s3://corals/reef.pkl", "--grid", 4, "--extractor", COLOURS,
        "--out", "s3://corals/classes.csv", "--annotate", "s3://corals/drawn.png",
    )  # fmt: skip
    assert classified.code == 0, classified.err
    keys = {entry["Key"] for entry in bucket.list_objects_v2(Bucket="corals")["Contents"]}
    assert {"features/photos/0.jpg.features", "evaluation.png", "classes.csv", "drawn.png"} <= keys


def test_a_bucket_that_does_not_exist(bucket, command):
    said = command("run", "s3://nowhere/job.json")
    assert said.code == 64
    assert "nowhere" in said.err


def test_the_doctor_writes_into_a_bucket_and_cleans_up(bucket, command):
    said = command("doctor", "--bucket", "corals", "--json")
    finding = next(finding for finding in said.json["findings"] if finding["name"] == "s3://corals")
    assert finding["state"] == "ok"
    keys = [entry["Key"] for entry in bucket.list_objects_v2(Bucket="corals")["Contents"]]
    assert not [key for key in keys if "doctor" in key]
