"""The query endpoint: never HTTP 500, an answer once a request id, a time zone of the session's."""

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

ANSWERS_KEPT = 128
"""Answers that a repeated request can still get."""

_logger = logging.getLogger("uvicorn.error")
_answers: OrderedDict[tuple[str, str], asyncio.Task[Response]] = OrderedDict()


async def query(request: Request) -> Response:
    """Run a statement once for each request id.

    A driver that lost the connection sends the request again under the same requestId. Stock
    fakesnow runs it again, so an INSERT is there twice. The Go driver counts on Snowflake to give
    the first answer back (its CHANGELOG, 2.0.2).
    """
    token = request.headers.get("Authorization", "")
    name = (token, request.query_params.get("requestId") or str(uuid.uuid4()))
    if (task := _answers.get(name)) is None:
        await request.body()
        task = asyncio.create_task(_run(request))
        _answers[name] = task
        while len(_answers) > ANSWERS_KEPT and next(iter(_answers.values())).done():
            _answers.popitem(last=False)
    return await asyncio.shield(task)


async def _run(request: Request) -> Response:
    """Run a statement; whatever goes wrong is an error of the statement.

    Stock fakesnow answers HTTP 500 to what it doesn't foresee, which drivers repeat for minutes,
    and HTTP 401 to a session that it doesn't know, which the Go driver takes for a network fault.
    Snowflake: 390111, the session is gone.
    """
    try:
        answer = await server.query_request(request)
        body = json.loads(answer.body)
    except Exception as error:
        _logger.exception("statement failed in the server")
        return _failed(errors.UNSUPPORTED, "0A000", f"{type(error).__name__}: {error}")
    if answer.status_code == 401:
        text = "Session no longer exists.  New login required to access the service."
        return _failed(errors.SESSION_GONE, "08001", text)
    if answer.status_code >= 500:
        return _failed(errors.UNSUPPORTED, "0A000", str(body.get("message")))
    return JSONResponse(_completed(body, request))


def _completed(body: dict[str, Any], request: Request) -> dict[str, Any]:
    data = body.get("data") or {}
    if not body.get("success"):
        data.setdefault("queryId", str(uuid.uuid4()))
    connection = server.sessions.get(request.headers.get("Authorization", "")[17:-1])
    if connection and "parameters" in data:
        zone = sessions.of(connection).parameters.get("TIMEZONE")
        data["parameters"] = [{"name": "TIMEZONE", "value": zone}]
    return body


def _failed(number: int, state: str, text: str) -> JSONResponse:
    code = f"{number:06d}"
    data = {"errorCode": code, "sqlState": state, "queryId": str(uuid.uuid4())}
    return JSONResponse({"data": data, "code": code, "message": text, "success": False})
