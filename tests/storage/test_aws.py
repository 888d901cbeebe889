"""PySpacer's names for AWS."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from spacer_like import aws
from spacer_like.config import override


def test_a_session_has_the_settings_credentials():
    with override(aws_access_key_id="id", aws_secret_access_key="secret", aws_session_token="token"):
        credentials = aws.create_aws_session().get_credentials()
    assert (credentials.access_key, credentials.secret_key, credentials.token) == ("id", "secret", "token")


def test_a_thread_makes_its_resource_once(moto, caplog):
    caplog.set_level("INFO", "spacer_like.aws")
    with moto.settings():
        bucket = moto.make_bucket()
        resources = [aws.get_s3_resource(), aws.get_s3_resource()]
        others = []
        thread = threading.Thread(target=lambda: others.append(aws.get_s3_resource()))
        thread.start()
        thread.join()
        resources[0].Bucket(bucket).put_object(Key="reef.jpg", Body=b"1")
        assert others[0].Object(bucket, "reef.jpg").get()["Body"].read() == b"1"
    assert resources[0] is resources[1]
    assert others[0] is not resources[0]
    assert caplog.messages.count("Called boto3.Session.resource() in get_s3_resource()") == 2


def test_other_settings_make_another_resource(moto):
    with moto.settings():
        first = aws.get_s3_resource()
    with moto.settings(aws_access_key_id="another"):
        assert aws.get_s3_resource() is not first


def test_the_check_tells_where_credentials_come_from_and_no_secret(moto, monkeypatch, capsys):
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto.url)
    with moto.settings(aws_access_key_id="id-of-a-key", aws_secret_access_key="the-secret"):
        aws.aws_check()
    printed = capsys.readouterr().out
    assert "setting AWS_ACCESS_KEY_ID: set\n" in printed
    assert "setting AWS_PROFILE_NAME: not set\n" in printed
    assert "boto3 finds credentials by its method 'explicit'." in printed
    assert "AWS identifies them as arn:aws:sts" in printed
    assert "id-of-a-key" not in printed
    assert "the-secret" not in printed


def test_the_check_tells_when_aws_does_not_answer(monkeypatch, capsys):
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with override(aws_access_key_id="id", aws_secret_access_key="secret", aws_region="us-east-1"):
        aws.aws_check()
    assert "AWS does not answer: EndpointConnectionError." in capsys.readouterr().out


def test_the_check_tells_that_aws_refuses_the_credentials(monkeypatch, capsys):
    refusal = b"<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>no</Message></Error></ErrorResponse>"

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(403)
            self.send_header("Content-Length", str(len(refusal)))
            self.end_headers()
            self.wfile.write(refusal)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{server.server_port}")
        with override(aws_access_key_id="id", aws_secret_access_key="secret", aws_region="us-east-1"):
            aws.aws_check()
        server.shutdown()
    assert "AWS refuses them: InvalidClientTokenId." in capsys.readouterr().out


def test_the_check_tells_that_no_credentials_are_needed(capsys):
    with override(aws_anonymous=True):
        aws.aws_check()
    assert capsys.readouterr().out == "AWS_ANONYMOUS is set: AWS is asked without credentials.\n"


@pytest.mark.parametrize("name", ["create_aws_session", "create_aws_resource", "get_s3_resource", "aws_check"])
def test_names_that_callers_know(name):
    assert callable(getattr(aws, name))
