"""fakesnow as it is published, with plain s3fs for its S3: what --stock runs against."""

from __future__ import annotations

import os

import fakesnow.server
import fsspec
import uvicorn

if __name__ == "__main__":
    s3 = fsspec.filesystem("s3", key="test", secret="test", endpoint_url=os.environ["S3_ENDPOINT"])
    fakesnow.server.shared_fs.duck_conn.register_filesystem(s3)

    class Server(uvicorn.Server):
        """uvicorn that prints the line that the tests wait for."""

        async def startup(self, sockets: list | None = None) -> None:
            """Start, and say on which port."""
            await super().startup(sockets)
            port = self.servers[0].sockets[0].getsockname()[1]
            print(f"stock ready on http://127.0.0.1:{port}", flush=True)

    config = uvicorn.Config(fakesnow.server.app, host="127.0.0.1", port=0, log_level="error")
    Server(config).run()
