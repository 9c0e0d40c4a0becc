"""S3: ranges of versions, and what Hadoop's S3A connector must not see over plain http."""

from collections.abc import Mapping
from typing import Any

from ministack.services import s3

from .patching import Function, wrap

_KEY_HEADERS = "x-amz-server-side-encryption"


def apply() -> None:
    """Install the mends of this module."""
    wrap(s3, "handle_request", _hide_kms_from_hadoop)
    wrap(s3, "_get_object", _cut_ranges_of_versions)


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


def _cut_ranges_of_versions(stock: Function) -> Function:
    """Answer a Range of a version with that range.

    Stock 1.5.33 cuts only the newest version, asked for without its id; of a version it gives the
    whole. https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html knows no such limit.
    """

    def get(
        bucket: str, key: str, headers: Mapping[str, str], query: dict[str, Any] | None = None
    ) -> Any:  # noqa: ANN401 - the stock type
        answer = stock(bucket, key, headers, query)
        asked = headers.get("range", "")
        status, shown, body = answer[:3]
        if not asked or status != 200:
            return answer
        cut = s3._parse_range(asked, len(body))
        if cut is None:
            wrong = s3._xml_body(s3._range_error_xml(bucket, key))
            return 416, {"Content-Type": "application/xml"}, wrong
        start, end = cut
        shown = {k: v for k, v in shown.items() if not k.lower().startswith("x-amz-checksum")}
        shown["Content-Length"] = str(end - start + 1)
        shown["Content-Range"] = f"bytes {start}-{end}/{len(body)}"
        return 206, shown, body[start : end + 1]

    return get
