"""S3 asks KMS: the policies of key and caller, and the state of the key."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

import resources
from servers import ACCOUNT, REGION, Cloud

DECRYPT, GENERATE = "kms:Decrypt", "kms:GenerateDataKey"
BOTH = (DECRYPT, GENERATE)
PRODUCER = "111111111111"
"""A second account. Its number is the access key of its root user."""


@dataclass
class Vault:
    """A bucket that encrypts with a key of its own; the object `kept` is in the bucket."""

    cloud: Cloud
    bucket: str
    key: str

    @property
    def root(self) -> Any:
        """An S3 client of the root user."""
        return self.cloud.client("s3")

    @property
    def kms(self) -> Any:
        """A KMS client of the root user."""
        return self.cloud.client("kms")

    def client(self, key_actions: Iterable[str], name: str = "") -> Any:
        """Create a user with all rights in S3 and these actions on the key; return its client."""
        statements = [resources.allow("s3:*", "*")]
        if key_actions:
            statements.append(resources.allow(list(key_actions), self.key))
        name = name or self.bucket
        return self.cloud.client("s3", *resources.user(self.cloud, name, *statements))

    def set_key_policy(self, *statements: dict[str, Any]) -> None:
        """Replace the policy of the key."""
        policy = resources.policy(*statements)
        self.kms.put_key_policy(KeyId=self.key, PolicyName="default", Policy=policy)


@pytest.fixture
def vault(cloud: Cloud, name: str) -> Vault:
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    resources.bucket(cloud, name)
    encrypt_by_default(cloud.client("s3"), name, key)
    cloud.client("s3").put_object(Bucket=name, Key="kept", Body=b"x")
    return Vault(cloud, name, key)


def encrypt_by_default(client: Any, bucket: str, key: str) -> None:
    """Let a bucket encrypt each object with the key."""
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    client.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": default}]
        },
    )


def trust(principal: str, *actions: str) -> dict[str, Any]:
    """Return a statement of a key policy."""
    return {
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": list(actions),
        "Resource": "*",
    }


def whole_account(account: str = ACCOUNT) -> dict[str, Any]:
    """Return the statement that lets the policies of an account decide."""
    return trust(f"arn:aws:iam::{account}:root", "kms:*")


def get(client: Any, bucket: str) -> None:
    assert client.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"x"


def get_range(client: Any, bucket: str) -> None:
    found = client.get_object(Bucket=bucket, Key="kept", Range="bytes=0-0")
    assert found["Body"].read() == b"x"


def get_version(client: Any, bucket: str) -> None:
    version = client.head_object(Bucket=bucket, Key="kept")["VersionId"]
    client.get_object(Bucket=bucket, Key="kept", VersionId=version)


def put(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="new", Body=b"x")


def copy(client: Any, bucket: str) -> None:
    client.copy_object(Bucket=bucket, Key="new", CopySource=f"{bucket}/kept")


def upload(client: Any, bucket: str) -> None:
    send_parts(client, client, client, bucket)


def copy_part(client: Any, bucket: str) -> None:
    started = client.create_multipart_upload(Bucket=bucket, Key="new")["UploadId"]
    part = client.upload_part_copy(
        Bucket=bucket, Key="new", UploadId=started, PartNumber=1, CopySource=f"{bucket}/kept"
    )
    complete(client, bucket, started, part["CopyPartResult"]["ETag"])


def send_parts(starting: Any, sending: Any, completing: Any, bucket: str) -> None:
    """Run a multipart upload; each step has a client of its own."""
    started = starting.create_multipart_upload(Bucket=bucket, Key="new")["UploadId"]
    part = sending.upload_part(
        Bucket=bucket, Key="new", UploadId=started, PartNumber=1, Body=b"part"
    )
    complete(completing, bucket, started, part["ETag"])


def complete(client: Any, bucket: str, upload_id: str, tag: str) -> None:
    parts = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
    client.complete_multipart_upload(
        Bucket=bucket, Key="new", UploadId=upload_id, MultipartUpload=parts
    )


Operation = Callable[[Any, str], None]


@pytest.mark.gap
@pytest.mark.parametrize(
    ("operation", "missing"),
    [
        (get, DECRYPT),
        (get_range, DECRYPT),
        (get_version, DECRYPT),
        (put, GENERATE),
        (copy, DECRYPT),
        (copy, GENERATE),
        (upload, DECRYPT),
        (upload, GENERATE),
        (copy_part, DECRYPT),
    ],
)
def test_request_without_right_on_key_is_denied(
    vault: Vault, operation: Operation, missing: str
) -> None:
    rest = [action for action in BOTH if action != missing]
    denied = vault.client(rest)
    with pytest.raises(ClientError) as caught:
        operation(denied, vault.bucket)
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert (error["Error"]["Code"], error["Error"]["Message"]) == (
        "AccessDenied",
        f"User: arn:aws:iam::{ACCOUNT}:user/{vault.bucket} is not authorized to perform: {missing} "
        f"on resource: {vault.key} because no identity-based policy allows the {missing} action",
    )
    assert "new" not in [each["Key"] for each in listed(vault)]


def listed(vault: Vault) -> list[dict[str, Any]]:
    return vault.root.list_objects_v2(Bucket=vault.bucket)["Contents"]


@pytest.mark.parametrize("operation", [get, get_range, get_version, put, copy, upload, copy_part])
def test_request_with_rights_on_key_succeeds(vault: Vault, operation: Operation) -> None:
    operation(vault.client(BOTH), vault.bucket)


@pytest.mark.gap
def test_completion_of_upload_needs_decrypt(vault: Vault) -> None:
    able, unable = vault.client(BOTH), vault.client([GENERATE], f"{vault.bucket}-u")
    with pytest.raises(ClientError, match=r"CompleteMultipartUpload operation: .* kms:Decrypt"):
        send_parts(able, able, unable, vault.bucket)


@pytest.mark.gap
def test_head_needs_decrypt_only_for_checksum(vault: Vault) -> None:
    client = vault.client([])
    assert client.head_object(Bucket=vault.bucket, Key="kept")["SSEKMSKeyId"] == vault.key
    with pytest.raises(ClientError) as caught:
        client.head_object(Bucket=vault.bucket, Key="kept", ChecksumMode="ENABLED")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.gap
def test_object_keeps_key_of_its_upload(vault: Vault) -> None:
    former, client = vault.key, vault.client(BOTH)
    vault.key = vault.kms.create_key()["KeyMetadata"]["Arn"]
    encrypt_by_default(vault.root, vault.bucket, vault.key)
    get(client, vault.bucket)
    with pytest.raises(ClientError, match="AccessDenied"):
        put(client, vault.bucket)
    newer = vault.client(BOTH, f"{vault.bucket}-n")
    put(newer, vault.bucket)
    with pytest.raises(ClientError, match=f"kms:Decrypt on resource: {former}"):
        get(newer, vault.bucket)


@pytest.mark.gap
def test_key_of_request_replaces_key_of_bucket(vault: Vault) -> None:
    client = vault.client(BOTH)
    other = vault.kms.create_key()["KeyMetadata"]["Arn"]
    with pytest.raises(ClientError, match=f"kms:GenerateDataKey on resource: {other}"):
        client.put_object(
            Bucket=vault.bucket,
            Key="new",
            Body=b"x",
            ServerSideEncryption="aws:kms",
            SSEKMSKeyId=other,
        )


@pytest.mark.gap
@pytest.mark.parametrize("named", ["alias", "id"])
def test_answer_names_key_by_arn(vault: Vault, named: str) -> None:
    alias = f"alias/{vault.bucket}"
    vault.kms.create_alias(AliasName=alias, TargetKeyId=vault.key)
    answer = vault.root.put_object(
        Bucket=vault.bucket,
        Key="new",
        Body=b"x",
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId=alias if named == "alias" else vault.key.rpartition("/")[2],
    )
    assert answer["SSEKMSKeyId"] == vault.key


@pytest.mark.gap
@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("not named", "because no resource-based policy allows the kms:Decrypt action"),
        ("denied", "with an explicit deny in a resource-based policy"),
    ],
)
def test_key_policy_decides_too(vault: Vault, case: str, reason: str) -> None:
    client = vault.client(BOTH)
    user = f"arn:aws:iam::{ACCOUNT}:user/{vault.bucket}"
    statements = {
        "not named": [trust(f"arn:aws:iam::{ACCOUNT}:user/other", "kms:*")],
        "denied": [whole_account(), {**trust(user, DECRYPT), "Effect": "Deny"}],
    }
    vault.set_key_policy(*statements[case])
    with pytest.raises(ClientError, match=reason):
        get(client, vault.bucket)


@pytest.mark.gap
def test_explicit_deny_of_caller_is_named(vault: Vault) -> None:
    deny = {**resources.allow(DECRYPT, "*"), "Effect": "Deny"}
    allow = resources.allow("*", "*")
    key = resources.user(vault.cloud, vault.bucket, allow, deny)
    with pytest.raises(ClientError, match="with an explicit deny in an identity-based policy"):
        get(vault.cloud.client("s3", *key), vault.bucket)


def test_key_policy_alone_allows_named_user(vault: Vault) -> None:
    client = vault.client([])
    user = f"arn:aws:iam::{ACCOUNT}:user/{vault.bucket}"
    vault.set_key_policy(whole_account(), trust(user, DECRYPT))
    get(client, vault.bucket)


@pytest.mark.gap
def test_request_comes_through_s3(vault: Vault) -> None:
    statement = resources.allow(DECRYPT, vault.key)
    statement["Condition"] = {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}}
    objects = resources.allow("s3:*", "*")
    key = resources.user(vault.cloud, vault.bucket, objects, statement)
    client = vault.cloud.client("s3", *key)
    get(client, vault.bucket)
    statement["Condition"] = {"StringEquals": {"kms:ViaService": f"sqs.{REGION}.amazonaws.com"}}
    resources.grant(vault.cloud, vault.bucket, objects, statement)
    with pytest.raises(ClientError, match="kms:Decrypt"):
        get(client, vault.bucket)


@pytest.mark.gap
@pytest.mark.parametrize(
    ("state", "code", "text"),
    [
        ("disabled", "KMS.DisabledException", " is disabled."),
        ("pending deletion", "KMS.KMSInvalidStateException", " is pending deletion."),
    ],
)
@pytest.mark.parametrize("operation", [get, put, copy, upload])
def test_key_in_wrong_state_is_refused(
    vault: Vault, operation: Operation, state: str, code: str, text: str
) -> None:
    client = vault.client(BOTH)
    if state == "disabled":
        vault.kms.disable_key(KeyId=vault.key)
    else:
        vault.kms.schedule_key_deletion(KeyId=vault.key, PendingWindowInDays=7)
    for caller in (client, vault.root):
        with pytest.raises(ClientError) as caught:
            operation(caller, vault.bucket)
        error = caught.value.response
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert (error["Error"]["Code"], error["Error"]["Message"]) == (code, vault.key + text)
    if state == "disabled":
        vault.kms.enable_key(KeyId=vault.key)
        operation(client, vault.bucket)


@pytest.mark.gap
@pytest.mark.parametrize("region", [REGION, "eu-west-1"])
def test_missing_key_is_refused(vault: Vault, region: str) -> None:
    key = f"arn:aws:kms:{region}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"
    with pytest.raises(ClientError) as caught:
        vault.root.put_object(
            Bucket=vault.bucket,
            Key="new",
            Body=b"x",
            ServerSideEncryption="aws:kms",
            SSEKMSKeyId=key,
        )
    assert caught.value.response["Error"]["Code"] == "KMS.NotFoundException"


@pytest.mark.gap
@pytest.mark.parametrize(
    ("key_trusts", "user_allows"), [(True, True), (True, False), (False, True)]
)
def test_other_account_needs_both_policies(
    vault: Vault, key_trusts: bool, user_allows: bool
) -> None:
    account = f"arn:aws:iam::{PRODUCER}:root"
    vault.root.put_bucket_policy(
        Bucket=vault.bucket,
        Policy=resources.policy(
            {
                "Effect": "Allow",
                "Principal": {"AWS": account},
                "Action": "s3:PutObject",
                "Resource": f"arn:aws:s3:::{vault.bucket}/*",
            }
        ),
    )
    vault.set_key_policy(whole_account(), *[trust(account, *BOTH)] * key_trusts)
    statements = [resources.allow("s3:*", "*")]
    statements += [resources.allow(list(BOTH), vault.key)] * user_allows
    key = resources.user(vault.cloud, vault.bucket, *statements, root=PRODUCER)
    client = vault.cloud.client("s3", *key)
    if key_trusts and user_allows:
        put(client, vault.bucket)
        vault.set_key_policy(whole_account())
    with pytest.raises(ClientError, match="kms:GenerateDataKey"):
        put(client, vault.bucket)
