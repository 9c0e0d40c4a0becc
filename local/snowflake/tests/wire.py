"""A client of the wire protocol without a driver."""

from __future__ import annotations

import json
import urllib.request
import uuid
from typing import Any


class Http:
    """A client of the wire protocol over HTTP."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self.token = ""

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send JSON with the session's token."""
        request = urllib.request.Request(
            self._base + path,
            json.dumps(body).encode(),
            {"Authorization": f'Snowflake Token="{self.token}"'},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return dict(json.load(answer))

    def login(self, database: str = "HTTP", **data: Any) -> dict[str, Any]:
        """Log in and store the token."""
        path = f"/session/v1/login-request?databaseName={database}&schemaName=RAW"
        answer = self.post(path, {"data": {"SESSION_PARAMETERS": {}, **data}})
        self.token = (answer.get("data") or {}).get("token", "")
        return answer

    def query(self, sql: str, request_id: str = "") -> dict[str, Any]:
        """Send one statement."""
        name = request_id or str(uuid.uuid4())
        return self.post(f"/queries/v1/query-request?requestId={name}", {"sqlText": sql})
