"""Login, session end and token renewal."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import logging
import uuid
from typing import Any
from urllib.parse import urlparse

import fakesnow.server as server
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse

from firn_snowflake import errors, execution, sessions, transactions
from firn_snowflake.statements import stored_name
from firn_snowflake.users import LoginRefusedError, Users

_logger = logging.getLogger("uvicorn.error")
_DAY_SECONDS = 86400
_AUDIENCE = "snowflakecomputing.com"
_users = Users(None)


def install(users: Users) -> None:
    """Check keys against these users from now on."""
    global _users
    _users = users


async def login(request: Request) -> JSONResponse:
    """Log in with a password, a key pair or a workload identity.

    Stock fakesnow ignores all session parameters except AUTOCOMMIT. Its answer lacks fields that
    version 5 of the Python connector and token renewal need. As in stock fakesnow, a password isn't
    checked. A workload identity is checked for its shape (see `is_attestation`), and a key against
    the user (see `Users`).
    """
    data = (await _body(request)).get("data") or {}
    if refusal := _check_login(data):
        return refusal
    parameters = dict(data.get("SESSION_PARAMETERS") or {})
    answer = json.loads(
        (await server.login_request(_stock_login_request(request, data, parameters))).body
    )
    token = answer["data"]["token"]
    session = sessions.create(server.sessions[token], parameters)
    session.role = stored_name(request.query_params.get("roleName") or "")
    session.connection._autocommit = True
    execution.set_time_zone(session)
    _add_missing_fields(answer["data"], session, request)
    return JSONResponse(answer)


def is_attestation(data: dict[str, Any]) -> bool:
    """Return true if the token has the shape of a driver's attestation for Snowflake.

    The token is base64 of JSON: a GetCallerIdentity request for STS with a signature and
    Snowflake's audience (/user-guide/workload-identity-federation). The signature isn't verified.
    """
    if str(data.get("PROVIDER", "")).upper() != "AWS":
        return False
    try:
        claim = json.loads(base64.b64decode(str(data.get("TOKEN", "")), validate=True))
        headers = {name.lower(): value for name, value in claim["headers"].items()}
        host = urlparse(claim["url"]).hostname or ""
    except (binascii.Error, ValueError, KeyError, AttributeError, TypeError):
        return False
    return (
        host.startswith("sts.")
        and headers.get("x-snowflake-audience") == _AUDIENCE
        and headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 ")
    )


def _check_login(data: dict[str, Any]) -> JSONResponse | None:
    """Return the answer to a refused login; None for an accepted login."""
    match str(data.get("AUTHENTICATOR", "")).upper():
        case "WORKLOAD_IDENTITY" if not is_attestation(data):
            reason = "The workload identity attestation is missing, malformed or not for Snowflake."
            return _refusal_answer(errors.LOGIN_REFUSED, reason)
        case "SNOWFLAKE_JWT":
            try:
                _users.check(str(data.get("TOKEN", "")), str(data.get("ACCOUNT_NAME", "")))
            except LoginRefusedError as error:
                _logger.info("login by key pair refused: %s", error)
                return _refusal_answer(
                    errors.TOKEN_INVALID, f"JWT token is invalid. [{uuid.uuid4()}]"
                )
    return None


def _refusal_answer(number: int, text: str) -> JSONResponse:
    """Return an error of state 08001 with HTTP 200, the answer to a refused login."""
    code = f"{number}"
    data = {"errorCode": code, "sqlState": "08001"}
    return JSONResponse({"data": data, "code": code, "message": text, "success": False})


async def session(request: Request) -> JSONResponse:
    """Answer a heartbeat, or end a session: roll back its transaction and release its locks.

    Stock fakesnow deletes the session, and its transaction stays open. Snowflake rolls the
    transaction back (/sql-reference/transactions).
    """
    connection = server.sessions.get(_token(request))
    answer = await server.session(request)
    if connection and request.query_params.get("delete"):
        await run_in_threadpool(_end_session, sessions.get_or_create(connection))
    return answer


async def abort(request: Request) -> JSONResponse:
    """End the session's running statement with 000604, after a client's cancel or timeout."""
    if connection := server.sessions.get(_token(request)):
        canceled = errors.failure(errors.CANCELED, "57014", "SQL execution canceled")
        sessions.get_or_create(connection).stop(canceled)
    return JSONResponse({"success": True})


async def renew(request: Request) -> JSONResponse:
    """Renew a token: the token never changes. Stock fakesnow has no such route."""
    token = _token(request)
    data = {
        "sessionToken": token,
        "masterToken": token,
        "validityInSecondsST": _DAY_SECONDS,
        "validityInSecondsMT": _DAY_SECONDS,
    }
    return JSONResponse({"success": True, "data": data})


def _end_session(ended: sessions.Session) -> None:
    with ended.statement_lock:
        transactions.rollback(ended)
        ended.connection.close()
        sessions.remove(ended)


def _add_missing_fields(data: dict[str, Any], session: sessions.Session, request: Request) -> None:
    data.update(
        masterToken=data["token"],
        validityInSeconds=_DAY_SECONDS,
        masterValidityInSeconds=_DAY_SECONDS,
        sessionId=session.number,
        displayUserName="LOCAL",
        healthCheckInterval=45,
        newClientForUpgrade=None,
    )
    query = request.query_params
    data["sessionInfo"].update(warehouseName=query.get("warehouse"), roleName=query.get("roleName"))
    data["parameters"].append({"name": "TIMEZONE", "value": session.parameters.get("TIMEZONE")})


def _token(request: Request) -> str:
    return request.headers.get("Authorization", "")[17:-1]


async def _body(request: Request) -> dict[str, Any]:
    body = await request.body()
    if request.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    return dict(json.loads(body))


def _stock_login_request(
    request: Request, data: dict[str, Any], parameters: dict[str, Any]
) -> Request:
    """Return the request for fakesnow's own login, which sets the connection's database."""
    kept = {k: v for k, v in parameters.items() if k in ("FAKESNOW_DB_PATH", "nop_regexes")}
    body = json.dumps({"data": {**data, "SESSION_PARAMETERS": kept}}).encode()
    headers = [(k, v) for k, v in request.scope["headers"] if k != b"content-encoding"]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({**request.scope, "headers": headers}, receive)
