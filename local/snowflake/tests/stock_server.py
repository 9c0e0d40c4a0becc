"""Stock fakesnow with plain s3fs for S3: the server of ``pytest --stock``."""

from __future__ import annotations

import os

import fakesnow.server
import fsspec
import uvicorn

if __name__ == "__main__":
    s3 = fsspec.filesystem("s3", key="test", secret="test", endpoint_url=os.environ["S3_ENDPOINT"])
    fakesnow.server.shared_fs.duck_conn.register_filesystem(s3)

    class Server(uvicorn.Server):
        """uvicorn with the ready line of the tests."""

        async def startup(self, sockets: list | None = None) -> None:
            """Start, and print the port."""
            await super().startup(sockets)
            port = self.servers[0].sockets[0].getsockname()[1]
            print(f"stock ready on http://127.0.0.1:{port}", flush=True)

    config = uvicorn.Config(fakesnow.server.app, host="127.0.0.1", port=0, log_level="error")
    Server(config).run()
