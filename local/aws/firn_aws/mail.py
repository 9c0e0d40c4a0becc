"""The inbox: an SMTP server that stores each mail as one file.

`python -m firn_aws.mail --port 2525 --directory build/local/mail`
"""

import argparse
import asyncio
import itertools
import os
import signal
import sys
import time
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from .ports import PortBusyError, require_free

HOST = "127.0.0.1"
SIZE_LIMIT = 10 * 1024 * 1024


class Inbox:
    """Writes each mail as `<nanoseconds>-<number>.eml`, so names sort by arrival."""

    def __init__(self, directory: Path) -> None:
        """Use an existing directory."""
        self._directory = directory
        self._numbers = itertools.count(1)

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Store the mail, then accept it. A reader of the directory never sees a partial file."""
        try:
            self._write(envelope.content or b"")
        except OSError as error:
            return f"451 can't write to the inbox: {error.strerror}"
        return "250 stored"

    def _write(self, content: bytes) -> None:
        name = f"{time.time_ns():020d}-{next(self._numbers):06d}.eml"
        unfinished = self._directory / f".{name}.part"
        unfinished.write_bytes(content)
        os.replace(unfinished, self._directory / name)


async def serve(port: int, directory: Path) -> None:
    """Serve until SIGTERM or SIGINT. The ready line is printed when the port accepts mails."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    inbox = Inbox(directory)

    def session() -> SMTP:
        return SMTP(inbox, hostname="localhost", data_size_limit=SIZE_LIMIT, enable_SMTPUTF8=True)

    server = await loop.create_server(session, HOST, port)
    bound = server.sockets[0].getsockname()[1]
    print(f"mail: ready on {HOST}:{bound}, writing to {directory}", flush=True)
    await ended.wait()
    server.close()


def main(arguments: list[str] | None = None) -> int:
    """Run the inbox and return its exit code."""
    parser = argparse.ArgumentParser(prog="firn_aws.mail", description="Store each mail as a file.")
    parser.add_argument(
        "--port", type=int, required=True, help="port on 127.0.0.1; 0 for any free port"
    )
    parser.add_argument("--directory", type=Path, required=True, help="folder for the mails")
    options = parser.parse_args(arguments)
    try:
        require_free(HOST, options.port, f"--port {options.port + 1}")
        options.directory.mkdir(parents=True, exist_ok=True)
    except PortBusyError as error:
        print(f"mail: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"mail: can't create --directory {options.directory}: {error.strerror}", file=sys.stderr
        )
        return 1
    asyncio.run(serve(options.port, options.directory))
    return 0


if __name__ == "__main__":
    sys.exit(main())
