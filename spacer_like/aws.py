"""Sessions and resources of AWS, by the names that PySpacer's callers know."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from logging import getLogger
from typing import TYPE_CHECKING, Any

from spacer_like import config
from spacer_like.storage.s3_account import Account

if TYPE_CHECKING:
    import boto3

logger = getLogger(__name__)

# A boto3 resource belongs to one thread.
THREAD_LOCAL = threading.local()


def create_aws_session() -> boto3.Session:
    """A session with the credentials of the settings, else with those that boto3 finds."""
    return Account.current().session()


def create_aws_resource(service_name: str, region: str | None = None) -> Any:
    """A boto3 resource of a service; unsigned where the setting AWS_ANONYMOUS says so."""
    return Account.current().resource(service_name, region)


def get_s3_resource() -> Any:
    """The S3 resource of this thread, made on first use, and again for other settings or in a forked process."""
    found = getattr(THREAD_LOCAL, "s3_resource", None)
    made_for = (os.getpid(), Account.current())
    was_made, was_made_for = getattr(THREAD_LOCAL, "made", (None, None))
    # A resource that a caller has put there is the caller's.
    if found is None or (found is was_made and was_made_for != made_for):
        THREAD_LOCAL.s3_resource = found = create_aws_resource("s3")
        THREAD_LOCAL.made = (found, made_for)
        logger.info("Called boto3.Session.resource() in get_s3_resource()")
    return found


def aws_check() -> None:
    """Print the sources of credentials, and the identity that AWS sees. No secret is printed."""
    report: Callable[[str], None] = print
    if config.settings().aws_anonymous:
        report("AWS_ANONYMOUS is set: AWS is asked without credentials.")
        return
    report("Places that name credentials, the strongest first:")
    for name in ("aws_profile_name", "aws_access_key_id", "aws_secret_access_key", "aws_session_token"):
        report(f"  setting {name.upper()}: {'set' if getattr(config.settings(), name) else 'not set'}")
    for variable in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        report(f"  environment variable {variable}: {'set' if os.getenv(variable) else 'not set'}")
    session = create_aws_session()
    credentials = session.get_credentials()
    if credentials is None:
        report("boto3 finds no credentials.")
        return
    report(f"boto3 finds credentials by its method '{credentials.method}'.")
    report(_identity(session))


def _identity(session: boto3.Session) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = session.client("sts", region_name=config.settings().aws_region or session.region_name or "us-east-1")
        return f"AWS identifies them as {answer.get_caller_identity()['Arn']}."
    except ClientError as error:
        return f"AWS refuses them: {error.response.get('Error', {}).get('Code', 'no reason given')}."
    except BotoCoreError as error:
        return f"AWS does not answer: {type(error).__name__}."
