"""The replacement of a stock function by a patch, and the check of the installed release."""

from collections.abc import Callable
from importlib import metadata
from types import ModuleType
from typing import Any

from . import MINISTACK_VERSION

Function = Callable[..., Any]


class WrongReleaseError(RuntimeError):
    """The installed ministack isn't the release that the patches expect."""


def require_release() -> None:
    """Check that the pinned release is installed: the patches depend on its private functions.

    Raises:
        WrongReleaseError: another release is installed.
    """
    installed = metadata.version("ministack")
    if installed != MINISTACK_VERSION:
        raise WrongReleaseError(
            f"ministack {installed} is installed, the patches need {MINISTACK_VERSION}: "
            "install local/aws/requirements.txt"
        )


def wrap(owner: ModuleType | type, name: str, build: Callable[[Function], Function]) -> None:
    """Replace `owner.name` by `build(stock function)`; AttributeError for a missing name."""
    setattr(owner, name, build(getattr(owner, name)))


def replace(owner: ModuleType | type, name: str, patch: object) -> None:
    """Replace `owner.name` and drop the stock value; AttributeError for a missing name."""
    getattr(owner, name)
    setattr(owner, name, patch)
