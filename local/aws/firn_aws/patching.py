"""How a mend takes the place of a stock function, and how it refuses to guess."""

from collections.abc import Callable
from importlib import metadata
from types import ModuleType
from typing import Any

from . import MINISTACK_VERSION

Function = Callable[..., Any]


class WrongReleaseError(RuntimeError):
    """The installed ministack isn't the one that the mends were written against."""


def require_release() -> None:
    """Check that the pinned release is installed, since its internals are private.

    Raises:
        WrongReleaseError: another release is installed.
    """
    installed = metadata.version("ministack")
    if installed != MINISTACK_VERSION:
        raise WrongReleaseError(
            f"ministack {installed} is installed, the mends are for {MINISTACK_VERSION}: "
            "install local/aws/requirements.txt"
        )


def wrap(owner: ModuleType | type, name: str, build: Callable[[Function], Function]) -> None:
    """Replace `owner.name` by `build(stock function)`; AttributeError if there is none."""
    setattr(owner, name, build(getattr(owner, name)))


def replace(owner: ModuleType | type, name: str, mended: object) -> None:
    """Replace `owner.name` and drop the stock value; AttributeError if there is none."""
    getattr(owner, name)
    setattr(owner, name, mended)
