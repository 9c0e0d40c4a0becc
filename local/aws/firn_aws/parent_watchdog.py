"""Run a command and kill it after the death of the parent: `parent_watchdog.py COMMAND...`.

Standard input is a pipe from the parent. The pipe ends with the parent, even after kill -9, and
this program then kills the whole process group. The exit code is the code of the command, or 128
plus the number of its signal.
"""

import os
import signal
import subprocess
import sys
import threading


def _kill_group_after_parent() -> None:
    sys.stdin.buffer.read()
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> int:
    """Run the command to its end and return its exit code."""
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=_kill_group_after_parent, daemon=True).start()
    code = process.wait()
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    # The watching thread blocks in a read. A normal exit would wait for this thread.
    os._exit(main())
