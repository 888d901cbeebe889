"""S3: credentials, faults, forks, keys that others cannot name, and nothing secret in an error."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from spacer_like import storage
from spacer_like.config import override
from spacer_like.exceptions import (
    AccessDeniedError,
    ConfigError,
    DataNotFoundError,
    InvalidKeyError,
    SpacerError,
    StorageUnavailableError,
    TransientError,
)
from spacer_like.storage import s3, s3_obstore

SECRET = "a-secret-that-nobody-may-read"


@pytest.fixture(params=["obstore", "boto3"])
def transport(request, monkeypatch):
    """The two libraries that do the work; boto3 does where obstore cannot."""
    if request.param == "boto3":
        monkeypatch.setattr(s3_obstore, "is_usable", lambda: False)
    return request.param


@pytest.fixture
def bucket(moto):
    with moto.settings():
        yield storage.storage_factory("s3", moto.make_bucket())


@pytest.fixture
def faulty(server):
    """A bucket of a server that goes wrong, tried twice at most."""
    with override(
        aws_endpoint_url=server.url,
        aws_access_key_id="id-of-a-key",
        aws_secret_access_key=SECRET,
        aws_region="us-east-1",
        transfer_retries=1,
        s3_timeout_seconds=1,
    ):
        yield storage.storage_factory("s3", "reefs")


@pytest.fixture
def no_credentials(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.mark.parametrize("key", ["a//b", "/lead", "trail/", "./dot", "a b/#%?&=+", "日本/é", "'\"<&>", "back\\slash"])
def test_keys_are_kept_to_the_letter(bucket, moto, transport, key):
    bucket.write(key, b"1")
    client = moto.client()
    assert [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket.bucket_name)["Contents"]] == [key]
    client.close()
    assert bucket.read(key) == b"1"
    assert list(bucket.list()) == [key]
    bucket.delete(key)
    assert not bucket.exists(key)


def test_a_key_has_at_most_1024_bytes(bucket):
    bucket.write("x" * 1024, b"1")
    with pytest.raises(InvalidKeyError, match="longer than S3's 1024 bytes"):
        bucket.write("é" * 513, b"1")


def test_large_values_travel_in_parts(bucket, monkeypatch):
    monkeypatch.setattr(s3_obstore, "_ONE_REQUEST_BYTES", 2**20)
    monkeypatch.setattr(s3_obstore, "_PART_BYTES", 5 * 2**20)
    data = os.urandom(12 * 2**20)
    bucket.write("large", data)
    assert bucket.read("large") == data


def test_more_keys_are_listed_than_one_page_holds(rclone):
    with rclone.settings():
        bucket = storage.storage_factory("s3", rclone.make_bucket())
        with ThreadPoolExecutor(8) as writers:
            list(writers.map(lambda number: bucket.write(f"{number}", b""), range(1003)))
        assert len(set(bucket.list())) == 1003


USES = {
    "read": lambda bucket: bucket.read("reef.jpg"),
    "read_range": lambda bucket: bucket.read_range("reef.jpg", 0, 5),
    "write": lambda bucket: bucket.write("reef.jpg", b"1"),
    "delete": lambda bucket: bucket.delete("reef.jpg"),
    "size": lambda bucket: bucket.size("reef.jpg"),
    "list": lambda bucket: list(bucket.list("reef.jpg")),
}


@pytest.mark.parametrize("use", USES)
def test_a_missing_bucket_is_named(moto, transport, use):
    with moto.settings():
        missing = storage.storage_factory("s3", "no-such-bucket")
        assert not missing.exists("reef.jpg")
        with pytest.raises(DataNotFoundError, match="no-such-bucket"):
            USES[use](missing)


@pytest.mark.parametrize("use", USES)
def test_wrong_credentials_are_refused(rclone, transport, use):
    with rclone.settings(aws_secret_access_key="wrong-" + SECRET):
        bucket = storage.storage_factory("s3", rclone.make_bucket())
        with pytest.raises(AccessDeniedError, match=r"denies access to 's3://.*reef\.jpg'.*403") as caught:
            USES[use](bucket)
        with pytest.raises(PermissionError, match="denies access to"):
            bucket.exists("reef.jpg")
    assert_no_secret(caught.value)


@pytest.mark.parametrize(
    ("use", "status", "code"),
    [(use, 503, "SlowDown") for use in USES] + [("read", 500, "InternalError"), ("read", 429, "TooManyRequests")],
)
def test_a_busy_server_is_transient_after_the_retries(faulty, server, answers, transport, use, status, code):
    path = "/reefs" if use == "list" else "/reefs/reef.jpg"
    server.answers[path] = answers.status(status, code)
    with pytest.raises(StorageUnavailableError, match=rf"not able to serve 's3://reefs/reef\.jpg'.*{status}") as caught:
        USES[use](faulty)
    assert isinstance(caught.value, TransientError)
    assert len(server.requests) == 2
    assert_no_secret(caught.value)


def test_a_server_that_recovers_is_not_noticed(faulty, server, answers, transport):
    server.answers["/reefs/reef.jpg"] = answers.first(1, answers.status(503, "SlowDown"), answers.object(b"fish"))
    assert faulty.read("reef.jpg") == b"fish"


@pytest.mark.parametrize("use", ["read", "read_range", "write", "size"])
def test_a_connection_that_is_dropped_is_transient(faulty, server, answers, transport, use):
    server.answers["/reefs/reef.jpg"] = answers.drop
    with pytest.raises(StorageUnavailableError, match=r"did not answer, or broke off, while 's3://reefs/reef\.jpg'"):
        USES[use](faulty)


def test_a_body_that_is_cut_is_transient(faulty, server, answers, transport):
    server.answers["/reefs/reef.jpg"] = answers.cut()
    with pytest.raises(StorageUnavailableError, match=r"did not answer, or broke off, while 's3://reefs/reef\.jpg'"):
        faulty.read("reef.jpg")
    assert 2 <= server.count("GET") <= 4


def test_a_body_that_is_cut_once_is_read_again(faulty, server, answers, transport):
    whole = answers.object(b"y" * 100_000)
    # obstore asks for the rest first, which this server cannot give.
    server.answers["/reefs/reef.jpg"] = answers.first(2 if transport == "obstore" else 1, answers.cut(), whole)
    assert faulty.read("reef.jpg") == b"y" * 100_000


def test_silence_is_transient(faulty, server, transport):
    server.answers["/reefs/reef.jpg"] = lambda handler: time.sleep(30)
    start = time.monotonic()
    with override(transfer_retries=0), pytest.raises(StorageUnavailableError):
        faulty.read("reef.jpg")
    assert time.monotonic() - start < 20


def test_nobody_listening_is_transient(faulty, transport):
    with override(aws_endpoint_url="http://127.0.0.1:9"), pytest.raises(StorageUnavailableError):
        faulty.read("reef.jpg")


def test_credentials_past_their_time_are_refused(faulty, server, answers, transport):
    server.answers["/reefs/reef.jpg"] = answers.status(400, "ExpiredToken")
    with pytest.raises(AccessDeniedError, match="ExpiredToken"):
        faulty.read("reef.jpg")


def test_a_bucket_of_another_region_is_found(faulty, server, answers, transport):
    def answer(handler):
        if "/us-west-2/s3/" in handler.headers["Authorization"]:
            answers.object(b"fish")(handler)
        else:
            body = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>us-west-2</Region></Error>"
            answers.respond(handler, 400, body, x_amz_bucket_region="us-west-2")

    server.answers["/reefs/reef.jpg"] = server.answers["/reefs"] = answer
    assert faulty.read("reef.jpg") == b"fish"
    asked = len(server.requests)
    assert faulty.read("reef.jpg") == b"fish"
    assert len(server.requests) == asked + 1


def assert_no_secret(error: SpacerError) -> None:
    text = "".join(traceback.format_exception(error))
    for secret in (SECRET, "secret of the server", "spacer-test-secret-key", "Signature="):
        assert secret not in text


def test_without_credentials_the_sentence_says_what_to_set(moto, no_credentials, transport):
    with moto.settings(aws_access_key_id=None, aws_secret_access_key=None):
        bucket = storage.storage_factory("s3", "reefs")
        with pytest.raises(ConfigError, match=r"No AWS credentials were found for the bucket 'reefs': set AWS_PROFILE"):
            bucket.read("reef.jpg")


def test_anonymous_requests_are_not_signed(faulty, server, answers, no_credentials, transport):
    server.answers["/reefs/reef.jpg"] = answers.object(b"fish")
    with override(aws_anonymous=True, aws_access_key_id=None, aws_secret_access_key=None):
        assert faulty.read("reef.jpg") == b"fish"
    assert "Authorization" not in server.requests[0][2]


def test_an_unknown_profile_is_named(moto, no_credentials, transport):
    with (
        moto.settings(aws_access_key_id=None, aws_secret_access_key=None, aws_profile_name="divers"),
        pytest.raises(ConfigError, match="divers"),
    ):
        storage.storage_factory("s3", "reefs").read("reef.jpg")


def test_the_environment_may_name_the_endpoint_and_the_credentials(rclone, no_credentials, monkeypatch, transport):
    name = rclone.make_bucket()
    monkeypatch.setenv("AWS_ENDPOINT_URL", rclone.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", rclone.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", rclone.secret_key)
    bucket = storage.storage_factory("s3", name)
    bucket.write("reef.jpg", b"1")
    assert bucket.read("reef.jpg") == b"1"


def test_the_profile_may_name_the_endpoint(rclone, no_credentials, tmp_path, transport):
    (tmp_path / "config").write_text(
        f"[profile divers]\nendpoint_url = {rclone.url}\naws_access_key_id = {rclone.access_key}\n"
        f"aws_secret_access_key = {rclone.secret_key}\nregion = us-east-1\n"
    )
    with override(aws_profile_name="divers"):
        bucket = storage.storage_factory("s3", rclone.make_bucket())
        bucket.write("reef.jpg", b"1")
        assert bucket.read("reef.jpg") == b"1"


def test_credentials_that_end_are_fetched_again(rclone, no_credentials, tmp_path, monkeypatch):
    """A role's credentials, as a program hands them out: each time it is asked, those of the other key pair."""
    script, count = tmp_path / "hand_out.py", tmp_path / "count"
    pairs = [(rclone.access_key, rclone.secret_key), ("spacer-test-other-key", "spacer-test-other-secret")]
    script.write_text(
        "import json, pathlib, datetime\n"
        f"count = pathlib.Path({str(count)!r}); asked = int(count.read_text()) if count.exists() else 0\n"
        "count.write_text(str(asked + 1))\n"
        f"key, secret = {pairs!r}[asked % 2]\n"
        "end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=60)\n"
        "keys = {'AccessKeyId': key, 'SecretAccessKey': secret}\n"
        "print(json.dumps({'Version': 1, **keys, 'Expiration': end.isoformat()}))"
    )
    (tmp_path / "config").write_text(
        f"[profile role]\ncredential_process = {sys.executable} {script}\nregion = us-east-1\n"
    )
    monkeypatch.setattr(s3_obstore, "_CREDENTIALS_LIFE", timedelta(0))
    with rclone.settings(aws_access_key_id=None, aws_secret_access_key=None, aws_profile_name="role"):
        bucket = storage.storage_factory("s3", rclone.make_bucket())
        bucket.write("reef.jpg", b"1")
        assert bucket.read("reef.jpg") == b"1"
        asked = int(count.read_text())
        assert bucket.read("reef.jpg") == b"1"
    assert int(count.read_text()) > asked


def test_connections_are_shared(faulty, server, answers, moto):
    ports = set()

    def answer(handler):
        ports.add(handler.client_address[1])
        answers.object(b"fish")(handler)

    server.answers["/reefs/reef.jpg"] = answer
    for _ in range(10):
        storage.storage_factory("s3", "reefs").read("reef.jpg")
    # A connection that is still on its way back to the pool when the next request comes costs a second one.
    assert len(ports) < 5


def test_a_forked_child_reads_and_writes(bucket, moto):
    bucket.write("parent", b"1")
    child = os.fork()
    if not child:
        code = 1
        try:
            own = storage.storage_factory("s3", bucket.bucket_name)
            assert bucket.read("parent") == own.read("parent") == b"1"
            assert dict(own.read_many(["parent"] * 3)) == {"parent": b"1"}
            own.write("child", b"2")
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert bucket.read("child") == b"2"
    assert bucket.read("parent") == b"1"


def test_a_writer_that_is_killed_leaves_no_torn_object(rclone, tmp_path):
    code = (
        "import sys\n"
        "from spacer_like.storage import storage_factory\n"
        "while True:\n"
        "    for letter in b'abc':\n"
        "        storage_factory('s3', sys.argv[1]).write('value', bytes([letter]) * 4_000_000)\n"
        "        print('written', flush=True)\n"
    )
    environment = os.environ | {
        "SPACER_AWS_ENDPOINT_URL": rclone.url,
        "SPACER_AWS_ACCESS_KEY_ID": rclone.access_key,
        "SPACER_AWS_SECRET_ACCESS_KEY": rclone.secret_key,
    }
    with rclone.settings():
        for pause in (0.0, 0.01, 0.02):
            bucket = storage.storage_factory("s3", rclone.make_bucket())
            command = [sys.executable, "-c", code, bucket.bucket_name]
            with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as writer:
                writer.stdout.readline()
                time.sleep(pause)
                writer.send_signal(signal.SIGKILL)
            data = bucket.read("value")
            assert len(data) == 4_000_000
            assert len(set(data)) == 1
            assert list(bucket.list()) == ["value"]


def test_nothing_of_s3_is_imported_before_it_is_needed():
    code = (
        "import json, sys, spacer_like.storage, spacer_like.aws, spacer_like.storage.cache\n"
        "print(json.dumps([name for name in sys.modules if name in ('boto3', 'botocore', 'obstore', 'numpy')]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == []


def test_the_account_shows_no_secret():
    from spacer_like.storage.s3_account import Account

    with override(aws_secret_access_key=SECRET, aws_access_key_id="id-of-a-key", aws_session_token=SECRET):
        assert not re.search(f"{SECRET}|id-of-a-key", repr(Account.current()))


def test_clients_of_many_buckets_are_bounded_and_each_bucket_still_answers(moto, transport, monkeypatch):
    monkeypatch.setattr(s3, "_MOST_BUCKETS", 2)
    with moto.settings():
        buckets = [storage.storage_factory("s3", moto.make_bucket()) for _ in range(4)]
        for number, bucket in enumerate(buckets):
            bucket.write("key", b"%d" % number)
        assert [bucket.read("key") for bucket in buckets] == [b"0", b"1", b"2", b"3"]
        assert max(len(s3._boto_buckets), len(s3._obstore_buckets)) == 2
