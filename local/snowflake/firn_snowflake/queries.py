"""The query endpoint: no HTTP 500, one answer for each request id, the session's time zone."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections import OrderedDict
from typing import Any

import fakesnow.server as server
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from firn_snowflake import errors, sessions

MAX_ANSWERS = 128
"""The number of stored answers for repeated requests."""

_logger = logging.getLogger("uvicorn.error")
_answers: OrderedDict[tuple[str, str], asyncio.Task[Response]] = OrderedDict()


async def query(request: Request) -> Response:
    """Run a statement once for each request id.

    A driver repeats a request with the same requestId after a lost connection. Stock fakesnow runs
    the statement again, so an INSERT adds its rows twice. The Go driver expects the first answer
    from Snowflake (its CHANGELOG, 2.0.2).
    """
    token = request.headers.get("Authorization", "")
    name = (token, request.query_params.get("requestId") or str(uuid.uuid4()))
    if (task := _answers.get(name)) is None:
        await request.body()
        task = asyncio.create_task(_run(request))
        _answers[name] = task
        while len(_answers) > MAX_ANSWERS and next(iter(_answers.values())).done():
            _answers.popitem(last=False)
    return await asyncio.shield(task)


async def _run(request: Request) -> Response:
    """Run a statement; every failure becomes an error of the statement.

    Stock fakesnow answers HTTP 500 to unexpected errors, and drivers repeat the request for
    minutes. An unknown session is HTTP 401 there, a network fault for the Go driver. Snowflake
    answers 390111: the session no longer exists.
    """
    try:
        answer = await server.query_request(request)
        body = json.loads(answer.body)
    except Exception as error:
        _logger.exception("statement failed in the server")
        return _error_answer(errors.UNSUPPORTED, "0A000", f"{type(error).__name__}: {error}")
    if answer.status_code == 401:
        text = "Session no longer exists.  New login required to access the service."
        return _error_answer(errors.SESSION_GONE, "08001", text)
    if answer.status_code >= 500:
        return _error_answer(errors.UNSUPPORTED, "0A000", str(body.get("message")))
    return JSONResponse(_add_missing_fields(body, request))


def _add_missing_fields(body: dict[str, Any], request: Request) -> dict[str, Any]:
    data = body.get("data") or {}
    if not body.get("success"):
        data.setdefault("queryId", str(uuid.uuid4()))
    connection = server.sessions.get(request.headers.get("Authorization", "")[17:-1])
    if connection and "parameters" in data:
        zone = sessions.get_or_create(connection).parameters.get("TIMEZONE")
        data["parameters"] = [{"name": "TIMEZONE", "value": zone}]
    return body


def _error_answer(number: int, state: str, text: str) -> JSONResponse:
    code = f"{number:06d}"
    data = {"errorCode": code, "sqlState": state, "queryId": str(uuid.uuid4())}
    return JSONResponse({"data": data, "code": code, "message": text, "success": False})
