"""What S3 answers, as our errors. Their texts name the object; of the answer they keep a status and S3's code alone,
since the rest of it may repeat keys of access and signatures."""

from __future__ import annotations

from spacer_like.exceptions import (
    AccessDeniedError,
    DataNotFoundError,
    InvalidKeyError,
    SpacerError,
    StorageUnavailableError,
)

# S3 answers 400 to some credentials that are past their time.
_CREDENTIAL_CODES = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidAccessKeyId"}
_PASSING_STATUSES = {408, 409, 425, 429}
_PASSING_CODES = {"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded"}


class RangeBeyondEndError(InvalidKeyError):
    """A range that begins behind the last byte of an object; the storage answers no bytes instead."""


class UploadLostError(StorageUnavailableError):
    """S3 knows nothing of an upload in parts: it was ended before, by an answer that never came perhaps, or by another.

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
