"""The inbox: one complete file a mail, sorted by arrival, and a clean exit."""

import contextlib
import re
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from servers import PACKAGE


@contextlib.contextmanager
def running_inbox(directory: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start an inbox and return its process and port; the inbox is killed at the end."""
    command = [
        sys.executable,
        "-m",
        "firn_aws.mail",
        "--port",
        str(port),
        "--directory",
        str(directory),
    ]
    with subprocess.Popen(command, cwd=PACKAGE, stdout=subprocess.PIPE, text=True) as process:
        try:
            ready = process.stdout.readline()
            yield process, int(re.fullmatch(r"mail: ready on 127\.0\.0\.1:(\d+), .*\n", ready)[1])
        finally:
            process.kill()


def test_mails_are_files_sorted_by_arrival(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "inbox"
    with running_inbox(directory) as (process, port):
        with smtplib.SMTP("127.0.0.1", port) as client:
            for number in range(12):
                mail = f"Subject: {number}\r\n\r\n.a line with a dot\r\nnaïve\r\n"
                client.sendmail("a@firn.test", ["b@firn.test"], mail.encode())
        files = sorted(directory.iterdir())
        assert [path.suffix for path in files] == [".eml"] * 12
        subjects = [path.read_text().splitlines()[0] for path in files]
        assert subjects == [f"Subject: {number}" for number in range(12)]
        assert files[0].read_text().splitlines()[2:] == [".a line with a dot", "naïve"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0


def test_mail_is_refused_if_write_fails(tmp_path: Path) -> None:
    with running_inbox(tmp_path / "inbox") as (_, port), smtplib.SMTP("127.0.0.1", port) as client:
        (tmp_path / "inbox").rmdir()
        with contextlib.suppress(smtplib.SMTPDataError):
            client.sendmail("a@firn.test", ["b@firn.test"], b"Subject: lost\r\n\r\n")
            raise AssertionError("the mail was accepted but not stored")


def test_busy_port_is_reported_in_one_line(tmp_path: Path) -> None:
    with running_inbox(tmp_path) as (_, port):
        command = [
            sys.executable,
            "-m",
            "firn_aws.mail",
            "--port",
            str(port),
            "--directory",
            str(tmp_path),
        ]
        second = subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, timeout=10)
    assert second.returncode == 1
    assert second.stderr == (
        f"mail: can't listen on 127.0.0.1:{port} (Address already in use): stop the other "
        f"program, or choose another port with --port {port + 1}\n"
    )
