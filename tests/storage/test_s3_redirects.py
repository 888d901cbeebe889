"""An S3 endpoint that sends requests elsewhere: no session token goes there, and no signature."""

import gc
from contextlib import suppress

import pytest

from spacer_like import aws, storage
from spacer_like.config import override
from spacer_like.exceptions import ConfigError, SpacerError
from spacer_like.storage import s3, s3_obstore

# boto3 leaves the socket of an answer that it refuses to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

TOKEN = "a-session-token"
USES = {
    "read": lambda bucket: bucket.read("reef.jpg"),
    "read_range": lambda bucket: bucket.read_range("reef.jpg", 0, 5),
    "write": lambda bucket: bucket.write("reef.jpg", b"1"),
    "delete": lambda bucket: bucket.delete("reef.jpg"),
    "size": lambda bucket: bucket.size("reef.jpg"),
    "version": lambda bucket: bucket.version("reef.jpg"),
    "exists": lambda bucket: bucket.exists("reef.jpg"),
    "list": lambda bucket: list(bucket.list("reef.jpg")),
    "open": lambda bucket: bucket.open("reef.jpg"),
}


@pytest.fixture(params=["obstore", "boto3"], autouse=True)
def transport(request, monkeypatch):
    if request.param == "boto3":
        monkeypatch.setattr(s3_obstore, "is_usable", lambda: False)


@pytest.fixture
def other(start_server, answers):
    """Where requests are sent, by another name of this machine."""
    made = start_server()
    made.answers["/reefs/reef.jpg"] = made.answers["/reefs"] = answers.object(b"fish")
    return made


@pytest.fixture(autouse=True)
def _its_own_sockets_are_collected():
    yield
    s3._boto_buckets.clear()
    gc.collect()


def send_there(server, other, answers, status):
    for path in ("/reefs/reef.jpg", "/reefs"):
        server.answers[path] = answers.redirect(f"http://localhost:{other.port}{path}", status)


def assert_nothing_secret_came(other):
    for _, _, headers in other.requests:
        assert not {"authorization", "x-amz-security-token"} & {name.lower() for name in headers}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_token_is_sent_elsewhere(server, other, answers, status, use):
    send_there(server, other, answers, status)
    with (
        override(
            aws_endpoint_url=server.url,
            aws_access_key_id="id",
            aws_secret_access_key="secret",
            aws_session_token=TOKEN,
            aws_region="us-east-1",
            transfer_retries=0,
        ),
        pytest.raises(SpacerError) as caught,
    ):
        USES[use](storage.storage_factory("s3", "reefs"))
    assert other.requests == []
    assert len(server.requests) < 5
    assert status == 303 or "elsewhere" in str(caught.value)


def test_a_token_of_boto3s_chain_is_not_sent_either(server, other, answers, monkeypatch, tmp_path):
    send_there(server, other, answers, 307)
    config = tmp_path / "config"
    config.write_text(
        f"[profile role]\nendpoint_url = {server.url}\naws_access_key_id = id\naws_secret_access_key = secret\n"
        f"aws_session_token = {TOKEN}\nregion = us-east-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with override(aws_profile_name="role", transfer_retries=0), pytest.raises(SpacerError, match="elsewhere"):
        storage.storage_factory("s3", "reefs").read("reef.jpg")
    assert server.requests
    assert other.requests == []


def test_no_signature_is_sent_elsewhere(server, other, answers):
    send_there(server, other, answers, 307)
    with override(
        aws_endpoint_url=server.url,
        aws_access_key_id="id",
        aws_secret_access_key="secret",
        aws_region="us-east-1",
        transfer_retries=0,
    ):
        bucket = storage.storage_factory("s3", "reefs")
        for use in USES.values():
            with suppress(SpacerError):
                use(bucket)
    assert_nothing_secret_came(other)


@pytest.mark.parametrize("url", ["http:diver:hush@h", "//diver:hush@h", "http://diver:hush@h:port", "diver:hush@h"])
def test_the_password_of_a_malformed_endpoint_is_not_shown(url):
    with override(
        aws_endpoint_url=url,
        aws_access_key_id="id",
        aws_secret_access_key="secret",
        aws_region="us-east-1",
        transfer_retries=0,
    ):
        bucket = storage.storage_factory("s3", "reefs")
        for use in (*USES.values(), lambda _: aws.get_s3_resource()):
            with pytest.raises(ConfigError, match=r"AWS_ENDPOINT_URL '.*h.*' is not a URL") as caught:
                use(bucket)
            assert "hush" not in str(caught.value)
