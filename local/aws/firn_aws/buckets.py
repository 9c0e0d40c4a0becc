"""S3: byte ranges of object versions, and the encryption headers that Hadoop's S3A can't handle."""

from collections.abc import Mapping
from typing import Any

from ministack.services import s3

from .patching import Function, wrap

_ENCRYPTION_HEADERS = "x-amz-server-side-encryption"


def apply() -> None:
    """Install the patches of this module."""
    wrap(s3, "handle_request", _hide_kms_key_from_hadoop)
    wrap(s3, "_get_object", _serve_ranges_of_versions)


def _hide_kms_key_from_hadoop(stock: Function) -> Function:
    """Remove the encryption headers from a HEAD answer to Hadoop.

    Stock ministack names the KMS key over http. S3A renames an object through HEAD and CopyObject,
    and copies the key into the second request. Its SDK refuses to send a key without TLS and
    retries, so a job hangs for minutes. On AWS the same rename uses https, and the bucket's default
    encrypts the copy:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """

    async def handle(
        method: str, path: str, headers: Mapping[str, str], *rest: object, **options: object
    ) -> Any:  # noqa: ANN401 - the stock type
        answer = await stock(method, path, headers, *rest, **options)
        if method == "HEAD" and "hadoop" in str(headers.get("user-agent", "")).lower():
            answer_headers = answer[1]
            for name in [
                name for name in answer_headers if name.lower().startswith(_ENCRYPTION_HEADERS)
            ]:
                del answer_headers[name]
        return answer

    return handle


def _serve_ranges_of_versions(stock: Function) -> Function:
    """Answer a Range request for a version with the requested bytes.

    Stock ministack applies Range only to requests without a version id. A request with an id
    returns the whole object. AWS has no such limit:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """

    def get(
        bucket: str, key: str, headers: Mapping[str, str], query: dict[str, Any] | None = None
    ) -> Any:  # noqa: ANN401 - the stock type
        answer = stock(bucket, key, headers, query)
        range_header = headers.get("range", "")
        status, answer_headers, body = answer[:3]
        if not range_header or status != 200:
            return answer
        byte_range = s3._parse_range(range_header, len(body))
        if byte_range is None:
            error_body = s3._xml_body(s3._range_error_xml(bucket, key))
            return 416, {"Content-Type": "application/xml"}, error_body
        start, end = byte_range
        answer_headers = {
            k: v for k, v in answer_headers.items() if not k.lower().startswith("x-amz-checksum")
        }
        answer_headers["Content-Length"] = str(end - start + 1)
        answer_headers["Content-Range"] = f"bytes {start}-{end}/{len(body)}"
        return 206, answer_headers, body[start : end + 1]

    return get
