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
from firn_snowflake.users import Refused, Users

_logger = logging.getLogger("uvicorn.error")
_A_DAY = 86400
_AUDIENCE = "snowflakecomputing.com"
_users = Users(None)


def mend(users: Users) -> None:
    """Hold keys against these users from now on."""
    global _users
    _users = users


async def login(request: Request) -> JSONResponse:
    """Log in by password, key pair or workload identity.

    Stock fakesnow drops the session parameters but AUTOCOMMIT, and leaves out fields of the answer
    that version 5 of the Python connector and token renewal need. As in stock, a password isn't
    checked; a workload identity must at least be one (see attested), a key the user's (see Users).
    """
    data = (await _body(request)).get("data") or {}
    if refusal := _refusal(data):
        return refusal
    parameters = dict(data.get("SESSION_PARAMETERS") or {})
    answer = json.loads((await server.login_request(_replay(request, data, parameters))).body)
    token = answer["data"]["token"]
    session = sessions.opened(server.sessions[token], parameters)
    session.connection._autocommit = True
    execution.set_time_zone(session)
    _complete(answer["data"], session, request)
    return JSONResponse(answer)


def attested(data: dict[str, Any]) -> bool:
    """Whether the token has the shape of what a driver signs for Snowflake.

    That is base64 of JSON: a GetCallerIdentity request for STS with a signature and Snowflake's
    audience (/user-guide/workload-identity-federation). Nobody verifies the signature here.
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


def _refusal(data: dict[str, Any]) -> JSONResponse | None:
    """The answer to a login that is refused; None lets it in."""
    match str(data.get("AUTHENTICATOR", "")).upper():
        case "WORKLOAD_IDENTITY" if not attested(data):
            why = "The workload identity attestation is missing, malformed or not for Snowflake."
            return _refused(errors.LOGIN_REFUSED, why)
        case "SNOWFLAKE_JWT":
            try:
                _users.check(str(data.get("TOKEN", "")), str(data.get("ACCOUNT_NAME", "")))
            except Refused as error:
                _logger.info("login by key pair refused: %s", error)
                return _refused(errors.TOKEN_INVALID, f"JWT token is invalid. [{uuid.uuid4()}]")
    return None


def _refused(number: int, text: str) -> JSONResponse:
    """The answer to a login that is refused: an error of state 08001, HTTP 200."""
    code = f"{number}"
    data = {"errorCode": code, "sqlState": "08001"}
    return JSONResponse({"data": data, "code": code, "message": text, "success": False})


async def session(request: Request) -> JSONResponse:
    """Heartbeat, or the end of a session, which rolls back and gives the locks back.

    Stock fakesnow forgets the session and leaves its transaction open. Snowflake rolls it back
    (/sql-reference/transactions).
    """
    connection = server.sessions.get(_token(request))
    answer = await server.session(request)
    if connection and request.query_params.get("delete"):
        await run_in_threadpool(_end, sessions.of(connection))
    return answer


async def abort(request: Request) -> JSONResponse:
    """A cancelled context or time limit of the client: end what the session runs (000604)."""
    if connection := server.sessions.get(_token(request)):
        canceled = errors.failure(errors.CANCELED, "57014", "SQL execution canceled")
        sessions.of(connection).stop(canceled)
    return JSONResponse({"success": True})


async def renew(request: Request) -> JSONResponse:
    """Token renewal: the token never changes. Stock fakesnow has no such route."""
    token = _token(request)
    data = {
        "sessionToken": token,
        "masterToken": token,
        "validityInSecondsST": _A_DAY,
        "validityInSecondsMT": _A_DAY,
    }
    return JSONResponse({"success": True, "data": data})


def _end(ended: sessions.Session) -> None:
    with ended.statement_lock:
        transactions.rollback(ended)
        ended.connection.close()
        sessions.forget(ended)


def _complete(data: dict[str, Any], session: sessions.Session, request: Request) -> None:
    data.update(
        masterToken=data["token"],
        validityInSeconds=_A_DAY,
        masterValidityInSeconds=_A_DAY,
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


def _replay(request: Request, data: dict[str, Any], parameters: dict[str, Any]) -> Request:
    """The same request for fakesnow's own login, which gives the connection its database."""
    kept = {k: v for k, v in parameters.items() if k in ("FAKESNOW_DB_PATH", "nop_regexes")}
    body = json.dumps({"data": {**data, "SESSION_PARAMETERS": kept}}).encode()
    headers = [(k, v) for k, v in request.scope["headers"] if k != b"content-encoding"]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({**request.scope, "headers": headers}, receive)
