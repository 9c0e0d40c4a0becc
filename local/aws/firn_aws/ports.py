"""The check for a busy port, before any other part of the server starts."""

import socket


class PortBusyError(OSError):
    """Another process uses the port. The text of the error is the line for the user."""


def require_free(host: str, port: int, setting: str) -> None:
    """Check that a server can listen on host:port now.

    Args:
        host: address to listen on.
        port: port to check; 0 (any free port) is always free.
        setting: the setting that selects another port, such as `GATEWAY_PORT=4567`.

    Raises:
        PortBusyError: another process uses the port, or this machine lacks the address.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # A server that ended recently leaves the port in TIME_WAIT. Such a port counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise PortBusyError(
                f"can't listen on {host}:{port} ({reason}): "
                f"stop the other program, or choose another port with {setting}"
            ) from error
