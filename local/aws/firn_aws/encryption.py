"""S3: a request for an object under a KMS key needs the key, as on AWS.

Stock ministack stores the name of the key and never asks KMS. A role without a right on the key
reads and writes there, with a disabled key too.

S3 calls KMS in the name of its caller, through the condition key kms:ViaService:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.core.router import extract_access_key_id
from ministack.services import kms, s3

from .patching import Function, wrap

DECRYPT = "kms:Decrypt"
GENERATE = "kms:GenerateDataKey"

Answer = tuple[int, dict[str, str], bytes]

_KEY_HEADER = "x-amz-server-side-encryption-aws-kms-key-id"

_STATES: Mapping[str, tuple[str, str]] = {
    "Disabled": ("KMS.DisabledException", "is disabled."),
    "PendingDeletion": ("KMS.KMSInvalidStateException", "is pending deletion."),
    "PendingImport": ("KMS.KMSInvalidStateException", "is pending import."),
}
"""The error code and the end of the text for each state in which KMS refuses a key.

S3 passes the code of KMS on, with the prefix `KMS.` and status 400. KMS:
https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
"""


@dataclass(frozen=True)
class _Caller:
    """The identity of a request to S3."""

    access_key: str
    account: str
    region: str


_caller: ContextVar[_Caller | None] = ContextVar("s3_caller", default=None)
"""The caller of the running request; None for the stand-in's own reads and writes."""


def apply() -> None:
    """Install the patches of this module.

    An anonymous request isn't checked. Grants of KMS (CreateGrant) and conditions on the encryption
    context are unknown here, so a role with only such a right is refused.
    """
    wrap(s3, "handle_request", _remember_caller)
    wrap(s3, "_get_object", _check_read)
    wrap(s3, "_head_object", _check_head)
    wrap(s3, "_resolve_sse_write_headers", _check_write)
    wrap(s3, "_check_sse_c_copy_source", _check_copy_source)
    wrap(s3, "_check_sse_c_part", _check_part)


def _remember_caller(stock: Function) -> Function:
    """Remember the caller of a request for the checks during the request."""

    async def handle(
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query: Mapping[str, Any],
        *rest: object,
        **options: object,
    ) -> Any:  # noqa: ANN401 - the stock type
        key = extract_access_key_id(headers, query)
        token = _caller.set(_Caller(key, get_account_id(), get_region()) if key else None)
        try:
            return await stock(method, path, headers, body, query, *rest, **options)
        finally:
            _caller.reset(token)

    return handle


def _check_read(stock: Function) -> Function:
    """Require kms:Decrypt for the content of an object.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """

    def get(*arguments: Any, **options: Any) -> Answer:  # noqa: ANN401 - the stock types
        answer = stock(*arguments, **options)
        if answer[0] not in (200, 206):
            return answer
        return _refusal(answer[1].get(_KEY_HEADER), DECRYPT) or answer

    return get


def _check_head(stock: Function) -> Function:
    """Require kms:Decrypt for a HEAD that asks for the checksum, and nothing for any other HEAD.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    """

    def head(
        bucket: str, key: str, headers: Mapping[str, str] | None = None, *rest: object
    ) -> Answer:
        answer = stock(bucket, key, headers, *rest)
        asks_checksum = (headers or {}).get("x-amz-checksum-mode", "").upper() == "ENABLED"
        if answer[0] != 200 or not asks_checksum:
            return answer
        return _refusal(answer[1].get(_KEY_HEADER), DECRYPT) or answer

    return head


def _check_write(stock: Function) -> Function:
    """Require kms:GenerateDataKey for a new object, and store the ARN of its key.

    PutObject, CopyObject and CreateMultipartUpload use this function for the key of the request or
    of the bucket. Stock ministack stores the name in the request; S3 returns the ARN:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
    """

    def resolve(
        headers: Mapping[str, str], bucket: str
    ) -> tuple[dict[str, str] | None, Answer | None]:
        stored, refusal = stock(headers, bucket)
        key = (stored or {}).get(_KEY_HEADER)
        if refusal is not None or not key:
            return stored, refusal
        if refusal := _refusal(key, GENERATE):
            return None, refusal
        found = _find_key(key)
        return (stored | {_KEY_HEADER: found["Arn"]} if found else stored), None

    return resolve


def _check_copy_source(stock: Function) -> Function:
    """Require kms:Decrypt for the source of a copy, in CopyObject and UploadPartCopy.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    """

    def check(headers: Mapping[str, str], source: Mapping[str, Any]) -> Answer | None:
        return stock(headers, source) or _refusal(_stored_key(source), DECRYPT)

    return check


def _check_part(stock: Function) -> Function:
    """Require kms:Decrypt for each part of a multipart upload, and for its completion.

    S3 decrypts the parts before it completes the upload:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
    """

    def check(headers: Mapping[str, str], upload: Mapping[str, Any]) -> Answer | None:
        return stock(headers, upload) or _refusal(_stored_key(upload), DECRYPT)

    return check


def _stored_key(entry: Mapping[str, Any]) -> str | None:
    return (entry.get("preserved_headers") or {}).get(_KEY_HEADER)


def _refusal(key: str | None, action: str) -> Answer | None:
    """Return S3's answer if the caller may not use the key now; None if the caller may."""
    caller = _caller.get()
    if caller is None or not key:
        return None
    record = _find_key(key)
    if record is None:
        return s3._error("KMS.NotFoundException", f"Key '{key}' does not exist", 400)
    if reason := _denial(caller, record, action):
        return s3._error("AccessDenied", reason, 403)
    if record["KeyState"] in _STATES:
        code, text = _STATES[record["KeyState"]]
        return s3._error(code, f"{record['Arn']} {text}", 400)
    return None


def _find_key(key: str) -> dict[str, Any] | None:
    """Return the record of a key by its ARN, or by its id or alias in the caller's account.

    An alias of another account doesn't resolve:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-encryption.html
    """
    caller = _caller.get()
    if caller is None:
        return None
    account, region = caller.account, caller.region
    if key.startswith("arn:") and key.count(":") >= 5:
        region, account = key.split(":")[3:5]
    if region != caller.region:  # S3 uses only keys of the bucket's region
        return None
    with request_scope(account, region):
        return kms._resolve_key(key)


def _denial(caller: _Caller, record: Mapping[str, Any], action: str) -> str:
    """Return the text of KMS if the policies refuse the action; "" if they allow it.

    The key policy must allow the action or delegate to the caller's policies. For a key of another
    account both must allow the action:
    https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html
    """
    if not app.AUTH:
        return ""
    with request_scope(caller.account, caller.region):
        principal = iam_evaluator.resolve_principal(caller.access_key, caller.account)
    if isinstance(principal, iam_evaluator.AuthError):  # S3 has refused the request already
        return ""
    context = _context(caller, principal, record["Arn"], action)
    identity = iam_evaluator.EvalResult("Allow", principal.arn)  # the root user
    if principal.policies is not None:
        identity = iam_evaluator.evaluate(context, principal.policies, *principal.limits)
    result = iam_evaluator.combine_resource_policy(
        identity,
        context,
        record.get("Policy") or "",
        record["Arn"].split(":")[4],
        required=True,
        limits=principal.limits,
    )
    if result.decision == "Allow":
        return ""
    reason = _reason(action, result, identity.decision == "Allow")
    return (
        f"User: {principal.arn} is not authorized to perform: {action} "
        f"on resource: {record['Arn']} {reason}"
    )


def _reason(action: str, result: iam_evaluator.EvalResult, identity_allows: bool) -> str:
    """Return the end of KMS's text.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """
    if result.decision == "Deny":
        denying = "a resource" if result.resource_policy_arn else "an identity"
        return f"with an explicit deny in {denying}-based policy"
    missing = "resource" if identity_allows else "identity"
    return f"because no {missing}-based policy allows the {action} action"


def _context(
    caller: _Caller, principal: iam_evaluator.PrincipalInfo, key: str, action: str
) -> iam_evaluator.EvalContext:
    return iam_evaluator.EvalContext(
        principal_arn=principal.arn,
        principal_type=principal.type,
        principal_account=principal.account,
        action=action,
        resource_arn=key,
        region=caller.region,
        principal_keys=principal.keys,
        service_context={
            "kms:calleraccount": principal.account,
            "kms:viaservice": f"s3.{caller.region}.amazonaws.com",
        },
    )
