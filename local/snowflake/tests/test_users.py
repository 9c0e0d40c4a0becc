"""Users, their public keys, and login by key pair."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from snowflake.connector.errors import DatabaseError, ProgrammingError

from conftest import Run, Server, start
from wire import Http


@dataclass
class KeyPair:
    """The key pair of a user."""

    private: rsa.RSAPrivateKey

    @classmethod
    def make(cls, bits: int = 2048) -> KeyPair:
        """Generate a key pair."""
        return cls(rsa.generate_private_key(public_exponent=65537, key_size=bits))

    @property
    def der(self) -> bytes:
        """The public key as DER."""
        public = self.private.public_key()
        return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def text(self) -> str:
        """The public key in the form of ALTER USER."""
        return base64.b64encode(self.der).decode()

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the public key."""
        digest = Hash(SHA256())
        digest.update(self.der)
        return "SHA256:" + base64.b64encode(digest.finalize()).decode()

    def token(self, user: str, **changes: object) -> str:
        """Return a driver's token for a login; None removes a claim."""
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": f"LOCAL.{user}.{self.fingerprint}",
            "sub": f"LOCAL.{user}",
            "iat": now,
            "exp": now + 60,
        }
        kept = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode(kept, self.private, algorithm="RS256")


OLD, NEW = KeyPair.make(), KeyPair.make()


def log_in(server: Server, token: str) -> str:
    """Log in by key pair, and return the number of the error; "" after a login."""
    http = Http(server.port)
    answer = http.login(AUTHENTICATOR="SNOWFLAKE_JWT", TOKEN=token, ACCOUNT_NAME="local")
    if not answer["success"]:
        assert answer["message"].startswith("JWT token is invalid. [")
        assert answer["data"]["sqlState"] == "08001"
        return str(answer["code"])
    assert http.query("select 1")["success"]
    return ""


@pytest.mark.gap
def test_only_keys_in_slots_can_log_in(server: Server, run: Run) -> None:
    run(f"create user slots type = service rsa_public_key = '{OLD.text}'")
    assert (log_in(server, OLD.token("SLOTS")), log_in(server, NEW.token("SLOTS"))) == ("", INVALID)
    run(f"alter user slots set rsa_public_key_2 = '{NEW.text}' comment = 'two'")
    assert (log_in(server, OLD.token("SLOTS")), log_in(server, NEW.token("SLOTS"))) == ("", "")
    run("alter user slots unset rsa_public_key")
    assert (log_in(server, OLD.token("SLOTS")), log_in(server, NEW.token("SLOTS"))) == (INVALID, "")
    run("drop user slots")
    assert log_in(server, NEW.token("SLOTS")) == INVALID


INVALID = "390144"
HOUR = 3600


@pytest.mark.gap
@pytest.mark.parametrize(
    ("case", "token"),
    [
        ("no token", "x.y.z"),
        ("another account", OLD.token("STRICT", iss=f"OTHER.STRICT.{OLD.fingerprint}")),
        ("lower case", OLD.token("STRICT", sub="local.strict")),
        ("another user in sub", OLD.token("STRICT", sub="LOCAL.UNKNOWN")),
        ("unknown user", OLD.token("UNKNOWN")),
        ("no fingerprint", OLD.token("STRICT", iss="LOCAL.STRICT")),
        ("signed by another key", NEW.token("STRICT", iss=f"LOCAL.STRICT.{OLD.fingerprint}")),
        ("expired", OLD.token("STRICT", exp=int(time.time()) - 1)),
        ("issued over an hour ago", OLD.token("STRICT", iat=int(time.time()) - HOUR - 1)),
        ("issued later", OLD.token("STRICT", iat=int(time.time()) + HOUR)),
        ("no issue time", OLD.token("STRICT", iat=None)),
        ("no expiry", OLD.token("STRICT", exp=None)),
    ],
)
def test_invalid_token_is_refused(server: Server, run: Run, case: str, token: str) -> None:
    run(f"create or replace user strict rsa_public_key = '{OLD.text}'")
    assert log_in(server, token) == INVALID, case


@pytest.mark.gap
def test_describe_user_shows_fingerprints(run: Run) -> None:
    run("create user if not exists shown type = service")
    run(f"create user if not exists shown rsa_public_key = '{OLD.text}'")
    run(f"alter user if exists SHOWN set RSA_PUBLIC_KEY_2='{NEW.text}'")
    for verb in ("desc", "describe"):
        rows = {row[0]: row[1] for row in run(f"{verb} user shown")}
        assert rows == {
            "NAME": "SHOWN",
            "RSA_PUBLIC_KEY_FP": "null",
            "RSA_PUBLIC_KEY_2_FP": NEW.fingerprint,
        }


@pytest.mark.gap
@pytest.mark.parametrize(
    ("statement", "number", "state"),
    [
        ("alter user unknown set rsa_public_key = 'x'", 2003, "02000"),
        ("desc user unknown", 2003, "02000"),
        ("drop user unknown", 2003, "02000"),
        ("create user existing", 2002, "42710"),
        ("alter user existing set rsa_public_key = 'x'", 2099, "22023"),
        (f"alter user existing set rsa_public_key = '{KeyPair.make(1024).text}'", 2099, "22023"),
    ],
)
def test_invalid_user_statement_is_refused(
    run: Run, statement: str, number: int, state: str
) -> None:
    run("create or replace user existing")
    with pytest.raises(ProgrammingError) as caught:
        run(statement)
    assert (caught.value.errno, caught.value.sqlstate) == (number, state)


@pytest.mark.gap
def test_user_statement_ends_transaction(run: Run) -> None:
    run("create or replace table t (n number(38,0))")
    run("begin")
    run("insert into t values (1)")
    run("create or replace user ddl")
    run("rollback")
    assert run("select n from t") == [(1,)]


def test_users_survive_a_restart(tmp_path: Path) -> None:
    for statement in (f"create user kept rsa_public_key = '{OLD.text}'", "desc user kept"):
        server = start({"FS_DB_PATH": str(tmp_path / "snowflake")})
        try:
            with server.connect("KEPT") as session, session.cursor() as cursor:
                cursor.execute(statement)
            assert log_in(server, OLD.token("KEPT")) == ""
        finally:
            server.stop()


def test_connector_logs_in_by_key(server: Server, run: Run) -> None:
    run(f"create user connector rsa_public_key = '{OLD.text}'")
    server.connect_by_key("CONNECTOR", OLD.private).close()
    with pytest.raises(DatabaseError, match="JWT token is invalid"):
        server.connect_by_key("CONNECTOR", NEW.private)
