"""S3: ranges of versions, encoded keys, archived objects, and headers that S3A can't handle."""

import re
import time
from collections.abc import Mapping
from html import unescape
from typing import Any
from urllib.parse import quote_plus

from ministack.services import s3

from .patching import Function, replace, wrap

_ENCRYPTION_HEADERS = "x-amz-server-side-encryption"
_KEY_ELEMENT = re.compile(r"<(Key|Prefix|Delimiter|KeyMarker|NextKeyMarker)>(.*?)</\1>", re.DOTALL)


def apply() -> None:
    """Install the patches of this module."""
    wrap(s3, "handle_request", _hide_kms_key_from_hadoop)
    wrap(s3, "_get_object", _serve_ranges_of_versions)
    replace(s3, "_url_encode", _encode_key)
    wrap(s3, "_list_object_versions", _encode_keys_of_versions)
    wrap(s3, "_check_sse_c_copy_source", _refuse_archived_source)


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


def _encode_key(key: str) -> str:
    """Encode a key for a list with `encoding-type=url`.

    Stock ministack encodes a space as %20. S3 encodes a space as a plus, and a plus as %2B: boto3
    decodes such lists with `unquote_plus` (botocore, handlers.decode_list_object).
    """
    return quote_plus(key, safe="/")


def _encode_keys_of_versions(stock: Function) -> Function:
    """Obey `encoding-type=url` in a list of versions.

    Stock ministack ignores the parameter. A list with a control character in a key is no XML, so a
    client can read none of its keys. S3 encodes the keys and names the encoding:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
    """

    def list_versions(bucket: str, query: dict[str, Any]) -> Any:  # noqa: ANN401 - the stock type
        answer = stock(bucket, query)
        if answer[0] != 200 or s3._qp(query, "encoding-type") != "url":
            return answer
        status, headers, body = answer
        text = _KEY_ELEMENT.sub(
            lambda found: f"<{found[1]}>{_encode_key(unescape(found[2]))}</{found[1]}>",
            body.decode(),
        )
        named = text.replace("</MaxKeys>", "</MaxKeys><EncodingType>url</EncodingType>", 1)
        return status, headers, named.encode()

    return list_versions


def _refuse_archived_source(stock: Function) -> Function:
    """Refuse a copy of an object in an archive class that isn't restored.

    Stock ministack refuses only GetObject. S3 refuses the copy with ObjectNotInActiveTierError:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html#API_CopyObject_Errors
    A restored copy counts here only for a copy without a version id.
    """

    def check(headers: Mapping[str, str], source: Mapping[str, Any]) -> Any:  # noqa: ANN401
        restore = source.get("restore") or {"available_at": 0, "expires_at": 0}
        is_restored = restore["available_at"] <= time.time() < restore["expires_at"]
        if source.get("storage_class") in s3._ARCHIVE_STORAGE_CLASSES and not is_restored:
            text = (
                "The source object of the COPY operation is not in the active tier "
                "and is only stored in Amazon Glacier."
            )
            return s3._error("ObjectNotInActiveTierError", text, 403)
        return stock(headers, source)

    return check
