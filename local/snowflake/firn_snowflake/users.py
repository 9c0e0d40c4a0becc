"""Users and their public keys: CREATE, ALTER, DROP and DESCRIBE USER, and login by key pair."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from firn_snowflake import errors
from firn_snowflake.statements import stored_name

SLOTS = ("RSA_PUBLIC_KEY", "RSA_PUBLIC_KEY_2")
"""The two slots of a user for public keys (/user-guide/key-pair-auth)."""

_MIN_KEY_BITS = 2048
_MAX_TOKEN_SECONDS = 3600
"""The maximum age of a token, for any value of `exp` (/developer-guide/sql-api/authenticating)."""
_SKEW_SECONDS = 60
_KEY_REFUSED = 2099
"""A number of the stand-in: Snowflake's number for an invalid key isn't documented."""

_STATEMENT = re.compile(
    r"(?P<verb>create|alter|drop|describe|desc)\s+(?P<replace>or\s+replace\s+)?user\s+"
    r"(?P<guard>if\s+(?:not\s+)?exists\s+)?(?P<name>\"[^\"]+\"|[\w$]+)(?P<rest>.*)$",
    re.I | re.S,
)
_KEY = re.compile(r"\b(rsa_public_key(?:_2)?)\s*=\s*'([^']*)'", re.I)
_UNSET = re.compile(r"\s*unset\b(.*)", re.I | re.S)


class LoginRefusedError(Exception):
    """A login by key pair that Snowflake would refuse; the message has the reason."""


@dataclass
class User:
    """One user: the public keys in its slots, as base64 of DER."""

    keys: dict[str, str] = field(default_factory=dict)

    def fingerprint(self, slot: str) -> str:
        """Return the fingerprint in the form of DESCRIBE USER; "null" for an empty slot."""
        return fingerprint(self.keys[slot]) if slot in self.keys else "null"

    def key_with_fingerprint(self, target: str) -> str:
        """Return the key with this fingerprint.

        Raises:
            LoginRefusedError: no slot contains such a key.
        """
        for slot in SLOTS:
            if self.fingerprint(slot) == target:
                return self.keys[slot]
        raise LoginRefusedError("no slot of the user has a key with the token's fingerprint")


def fingerprint(key: str) -> str:
    """Return SHA-256 of the key's DER, as `SHA256:` and base64 (/user-guide/key-pair-auth)."""
    digest = hashlib.sha256(base64.b64decode(key)).digest()
    return "SHA256:" + base64.b64encode(digest).decode()


class Users:
    """All users, stored in a file if the databases are stored on disk.

    Stock fakesnow has no users: statements on users are syntax errors, and every key can log in.
    """

    def __init__(self, directory: Path | None) -> None:
        self._file = directory / "users.json" if directory else None
        self._lock = threading.Lock()
        self._users: dict[str, User] = {}
        if self._file and self._file.exists():
            stored = json.loads(self._file.read_text())
            self._users = {name: User(keys) for name, keys in stored.items()}

    def run(self, text: str) -> str | None:
        """Run a statement on a user, and return the SELECT with the answer of DESCRIBE USER.

        None for any other statement. Only public keys are stored; other properties have no effect.

        Raises:
            ProgrammingError: 002002 for an existing user, 002003 for a missing user, 2099 for a key
                other than RSA with at least 2,048 bits.
        """
        if not (match := _STATEMENT.match(text)):
            return None
        verb, name = match["verb"].lower(), stored_name(match["name"])
        with self._lock:
            if verb == "create":
                self._create(name, match)
            elif (user := self._users.get(name)) is None:
                if not match["guard"]:
                    raise _user_not_found(name)
            elif verb in ("describe", "desc"):
                return _describe_sql(name, user)
            elif verb == "drop":
                del self._users[name]
            else:
                _alter(user, match["rest"])
            self._save()
        return None

    def check(self, token: str, account: str) -> None:
        """Verify the token of a login by key pair.

        Stock fakesnow accepts any token. Snowflake (/user-guide/key-pair-auth-troubleshooting)
        checks four rules:
        - `iss` is `<account>.<user>.<fingerprint>`, and `sub` the same without the fingerprint,
        upper case.
        - The key with this fingerprint is in a slot of the user.
        - This key signed the token.
        - The token was issued within the last hour and hasn't expired.

        Raises:
            LoginRefusedError: the token breaks a rule.
        """
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
            issuer, subject = str(claims["iss"]), str(claims["sub"])
            issued, expires = float(claims["iat"]), float(claims["exp"])
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError) as error:
            raise LoginRefusedError(f"the token can't be read: {error}") from error
        name = _token_user(issuer, subject, account)
        with self._lock:
            if name not in self._users:
                raise LoginRefusedError("there is no such user")
            key = self._users[name].key_with_fingerprint(issuer.rpartition(".")[2])
        try:
            jwt.decode(
                token,
                load_der_public_key(base64.b64decode(key)),  # type: ignore[arg-type]
                algorithms=["RS256"],
                options={"verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError as error:
            raise LoginRefusedError(f"the token isn't signed by the user's key: {error}") from error
        now = time.time()
        if now > min(expires, issued + _MAX_TOKEN_SECONDS) or issued > now + _SKEW_SECONDS:
            raise LoginRefusedError("the token isn't valid now")

    def _create(self, name: str, match: re.Match[str]) -> None:
        if name in self._users and match["guard"]:
            return
        if name in self._users and not match["replace"]:
            raise errors.failure(errors.EXISTS, "42710", f"Object '{name}' already exists.")
        self._users[name] = User(_read_keys(match["rest"]))

    def _save(self) -> None:
        if self._file:
            stored = {name: user.keys for name, user in self._users.items()}
            self._file.write_text(json.dumps(stored, indent=2))


def _token_user(issuer: str, subject: str, account: str) -> str:
    """Return the user in a token.

    Raises:
        LoginRefusedError: issuer and subject are from another account, or of different users.
    """
    start = account.partition(".")[0].upper() + "."
    if not subject.startswith(start) or not issuer.startswith(subject + ".SHA256:"):
        raise LoginRefusedError(
            "iss or sub isn't <account>.<user>, upper case, with the fingerprint in iss"
        )
    return subject.removeprefix(start)


def _alter(user: User, rest: str) -> None:
    if unset := _UNSET.match(rest):
        for word in re.findall(r"[\w$]+", unset[1]):
            user.keys.pop(word.upper(), None)
    else:
        user.keys.update(_read_keys(rest))


def _read_keys(text: str) -> dict[str, str]:
    return {name.upper(): _check_key(key) for name, key in _KEY.findall(text)}


def _check_key(text: str) -> str:
    """Return a public key in its stored form. The text has no first and last line of PEM."""
    key = "".join(text.split())
    try:
        public = load_der_public_key(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm) as error:
        raise _invalid_key("the text isn't base64 of a public key") from error
    if not isinstance(public, RSAPublicKey) or public.key_size < _MIN_KEY_BITS:
        raise _invalid_key(f"the key isn't RSA of at least {_MIN_KEY_BITS} bits")
    return key


def _describe_sql(name: str, user: User) -> str:
    rows = {"NAME": name} | {f"{slot}_FP": user.fingerprint(slot) for slot in SLOTS}
    values = ", ".join(f"('{row}', '{value}', 'null', '')" for row, value in rows.items())
    columns = '"property", "value", "default", "description"'
    return f"select * from (values {values}) as properties ({columns})"


def _user_not_found(name: str) -> errors.ProgrammingError:
    text = f"SQL compilation error: User '{name}' does not exist or not authorized."
    return errors.failure(errors.NOT_FOUND, "02000", text)


def _invalid_key(reason: str) -> errors.ProgrammingError:
    return errors.failure(_KEY_REFUSED, "22023", f"New public key rejected: {reason}.")
