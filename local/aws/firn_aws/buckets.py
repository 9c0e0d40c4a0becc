"""S3: what Hadoop's S3A connector must not see over plain http."""

from collections.abc import Mapping
from typing import Any

from ministack.services import s3

from .patching import Function, wrap

_KEY_HEADERS = "x-amz-server-side-encryption"


def apply() -> None:
    """Install the mends of this module."""
    wrap(s3, "handle_request", _hide_kms_from_hadoop)


def _hide_kms_from_hadoop(stock: Function) -> Function:
    """Leave the encryption headers out of a HEAD answer to Hadoop.

    Stock 1.5.33 tells the key as AWS does, but over http. S3A renames by HEAD and CopyObject, gives
    the key along, and its SDK then refuses to send it without TLS and retries: a job hangs for
    minutes. On AWS the same rename goes over https, and the copy is encrypted by the bucket's
    default: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """

    async def handle(
        method: str, path: str, headers: Mapping[str, str], *rest: object, **options: object
    ) -> Any:  # noqa: ANN401 - the stock type
        answer = await stock(method, path, headers, *rest, **options)
        if method == "HEAD" and "hadoop" in str(headers.get("user-agent", "")).lower():
            shown = answer[1]
            for name in [name for name in shown if name.lower().startswith(_KEY_HEADERS)]:
                del shown[name]
        return answer

    return handle
