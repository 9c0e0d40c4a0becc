"""A busy port is told in one line, before anything else has started."""

import socket


class PortBusyError(OSError):
    """Somebody else listens there; its text is the line to show."""


def require_free(host: str, port: int, how_to_choose: str) -> None:
    """Check that a server could listen on host:port now.

    Args:
        host: address to listen on.
        port: port to try; 0 (any free one) is always free.
        how_to_choose: how the reader names another port, such as `GATEWAY_PORT=4567`.

    Raises:
        PortBusyError: another process listens there, or the address isn't ours to use.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # A server that ended a moment ago leaves the port in TIME_WAIT, which is free enough.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise PortBusyError(
                f"can't listen on {host}:{port} ({reason}): "
                f"stop what runs there, or choose another with {how_to_choose}"
            ) from error
