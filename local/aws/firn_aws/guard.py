"""Runs a command and dies with its parent: `guard.py COMMAND...`, standard input from the parent.

When the parent is gone, even by kill -9, standard input ends, and the whole process group is
killed. The exit code is the command's, or 128 and its signal.
"""

import os
import signal
import subprocess
import sys
import threading


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> int:
    """Run the command to its end and return its exit code."""
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    code = process.wait()
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    # The watching thread blocks in a read: leave without waiting for it.
    os._exit(main())
