"""The account that asks S3, from the settings and boto3's chain of credentials, and what S3 answers as our errors.

Texts of errors name the object. Of the answer they keep the status and S3's code alone: the rest may repeat access keys
and signatures.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from spacer_like import config
from spacer_like.exceptions import (
    AccessDeniedError,
    ConfigError,
    DataNotFoundError,
    InvalidKeyError,
    SpacerError,
    StorageUnavailableError,
)
from spacer_like.shown_url import shown_url

if TYPE_CHECKING:
    import boto3

# What boto3 reads from the environment: a change of one of these is another account.
_ENVIRONMENT = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_CA_BUNDLE",
)

# Stores that are not Amazon's know neither the newer checksums nor buckets as host names. botocore before 1.36 knows
# these options as little.
_CHECKSUMS = ("request_checksum_calculation", "response_checksum_validation")

LEAST_BYTES = 2**16
"""Of a body, within the seconds of silence that are allowed: what comes more slowly only drips."""


@dataclass(frozen=True)
class Account:
    """Everything that distinguishes one connection to S3 from another; hashable."""

    access_key_id: str | None = field(repr=False)
    secret_access_key: str | None = field(repr=False)
    session_token: str | None = field(repr=False)
    profile_name: str | None
    anonymous: bool
    region: str | None
    endpoint_url: str | None = field(repr=False)
    retries: int
    timeout_seconds: int
    connections: int
    environment: tuple[str | None, ...] = field(repr=False)

    @classmethod
    def current(cls) -> Account:
        """The account of the settings in force.

        Raises:
            ConfigError: the endpoint is no URL.
        """
        values = config.settings()
        return cls(
            access_key_id=values.aws_access_key_id,
            secret_access_key=values.aws_secret_access_key,
            session_token=values.aws_session_token,
            profile_name=values.aws_profile_name,
            anonymous=values.aws_anonymous,
            region=values.aws_region,
            endpoint_url=checked_endpoint(
                values.aws_endpoint_url
                or os.environ.get("AWS_ENDPOINT_URL_S3")
                or os.environ.get("AWS_ENDPOINT_URL")
                or None
            ),
            retries=values.transfer_retries,
            timeout_seconds=values.s3_timeout_seconds,
            connections=values.storage_concurrency,
            environment=tuple(os.environ.get(name) for name in _ENVIRONMENT),
        )

    @property
    def is_complete(self) -> bool:
        """Whether the settings suffice without boto3, whose import takes a quarter of a second."""
        # obstore takes a token from the environment, where it may belong to other keys.
        is_own = self.session_token is not None or "AWS_SESSION_TOKEN" not in os.environ
        return is_own and None not in (self.access_key_id, self.secret_access_key, self.region, self.endpoint_url)

    def session(self) -> boto3.Session:
        """A boto3 session with the settings' credentials, else with those that boto3 finds.

        Raises:
            ConfigError: the profile does not exist, or half of a pair of keys is set.
        """
        import boto3
        from botocore.exceptions import BotoCoreError

        try:
            session = boto3.Session(
                aws_access_key_id=self.access_key_id,
                aws_secret_access_key=self.secret_access_key,
                aws_session_token=self.session_token,
                profile_name=self.profile_name,
            )
        except BotoCoreError as error:
            raise ConfigError(f"The AWS credentials are not set up: {type(error).__name__}: {error}") from None
        session.events.register("before-call.s3.HeadBucket", _not_redirected)
        return session

    def client(self, service: str = "s3", region: str | None = None) -> Any:
        """A boto3 client of a service; the endpoint applies to S3 alone."""
        return self.session().client(service, **self._options(service, region))

    def resource(self, service: str, region: str | None = None) -> Any:
        """A boto3 resource of a service; the endpoint applies to S3 alone."""
        return self.session().resource(service, **self._options(service, region))

    def _options(self, service: str, region: str | None) -> dict[str, Any]:
        return {
            "region_name": region or self.region,
            "endpoint_url": self.endpoint_url if service == "s3" else None,
            "config": self.boto_config(),
        }

    def boto_config(self) -> Any:
        import botocore
        from botocore.config import Config

        return Config(
            signature_version=botocore.UNSIGNED if self.anonymous else None,
            # The other modes stop trying again where a server refuses a third of the requests for minutes.
            retries={"mode": "legacy", "total_max_attempts": self.retries + 1},
            connect_timeout=min(self.timeout_seconds, 10),
            read_timeout=self.timeout_seconds,
            max_pool_connections=self.connections,
            s3={"addressing_style": "path"} if self.endpoint_url else None,
            **{name: "when_required" for name in _CHECKSUMS if name in Config.OPTION_DEFAULTS},
        )


@lru_cache(maxsize=16)
def checked_endpoint(url: str | None) -> str | None:
    """An endpoint that is a URL of http or https: of others the libraries would say what they hold, or crash."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        # Reading the port checks it.
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(f"AWS_ENDPOINT_URL '{shown_url(url)}' is not a URL: give one like https://host:port.")
    return url


def _not_redirected(context: dict[str, Any], **_: Any) -> None:
    """Answer the question for a bucket's region once: boto3 asks it after a redirect, which may be redirected too."""
    context.setdefault("s3_redirect", {})["redirected"] = True


# S3 answers 400 to some credentials that are past their time.
_CREDENTIAL_CODES = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidAccessKeyId"}
_PASSING_STATUSES = {408, 409, 425, 429}
_PASSING_CODES = {"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded"}


class RangeBeyondEndError(InvalidKeyError):
    """A range that begins behind the last byte of an object; the storage answers no bytes instead."""


class UploadLostError(StorageUnavailableError):
    """S3 does not know an upload in parts: it was completed before, perhaps with a lost answer, or aborted.

    The storage looks whether the object is the one that was sent.
    """


def s3_error(bucket: str, key: str, status: int | None, code: str | None = None) -> SpacerError:
    """The error for an answer with this HTTP status, None where there was none, and S3's code for it."""
    name = f"s3://{bucket}/{key}"
    answer = " ".join(str(part) for part in (status, code) if part)
    if code == "NoSuchBucket":
        return DataNotFoundError(f"There is no bucket '{bucket}', where '{name}' was looked for.")
    if code == "NoSuchUpload":
        return UploadLostError(
            f"S3 lost the upload of '{name}' in parts, and '{name}' is not what was sent: send it again."
        )
    if status == 404:
        return DataNotFoundError(f"There is no object '{name}'.")
    if status in (401, 403) or code in _CREDENTIAL_CODES:
        return AccessDeniedError(
            f"S3 denies access to '{name}' ({answer}): check the credentials and their permissions."
        )
    if status is None:
        return StorageUnavailableError(f"S3 did not answer, or broke off, while '{name}' was transferred.")
    if status >= 500 or status in _PASSING_STATUSES or code in _PASSING_CODES:
        return StorageUnavailableError(f"S3 is not able to serve '{name}' for now ({answer}).")
    if 300 <= status < 400:
        return InvalidKeyError(
            f"S3 sends the request for '{name}' elsewhere ({answer}), where it is not followed: check AWS_ENDPOINT_URL "
            "and AWS_REGION."
        )
    if status == 416:
        return RangeBeyondEndError(f"'{name}' is shorter than the range asked for.")
    return InvalidKeyError(f"S3 refuses the request for '{name}' ({answer}).")
