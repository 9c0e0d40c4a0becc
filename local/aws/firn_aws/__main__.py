"""Start the AWS stand-in: `python -m firn_aws`. README.md lists the variables."""

import argparse
import os
import socket
import sys
import threading
import time

from .patching import WrongReleaseError, require_release
from .ports import PortBusyError, require_free
from .settings import SettingError, Settings, prepare


def main() -> int:
    """Check the settings, apply the patches, serve until SIGTERM and return the exit code."""
    argparse.ArgumentParser(prog="firn_aws", description=__doc__).parse_args()
    try:
        require_release()
        settings = prepare(os.environ)
        require_free(settings.bind_host, settings.port, f"GATEWAY_PORT={settings.port + 1}")
    except (SettingError, WrongReleaseError, PortBusyError) as error:
        print(f"firn_aws: {error}", file=sys.stderr)
        return 1
    _serve(settings)
    return 0


def _serve(settings: Settings) -> None:
    # ministack reads the environment at its import, so the import follows the checks.
    from ministack import app

    from . import background, patches

    patches.apply(settings)
    background.on_start(lambda: _print_when_ready(settings))
    app.app = background.with_start_tasks(app.app)
    sys.argv = ["ministack"]
    app.main()


def _print_when_ready(settings: Settings) -> None:
    """Print the ready line as soon as the port answers."""
    address = (settings.bind_host, settings.port)

    def wait_and_print() -> None:
        while True:
            try:
                socket.create_connection(address, timeout=1).close()
                break
            except OSError:
                time.sleep(0.01)
        print(f"firn_aws: ready on http://{address[0]}:{address[1]}", flush=True)

    threading.Thread(target=wait_and_print, name="ready-line", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
