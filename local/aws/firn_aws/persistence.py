"""State that survives kill -9, but for the last few seconds."""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, TextIO

from ministack import app
from ministack.core import persistence
from ministack.services import cloudformation

from . import background
from .patching import Function, replace, wrap
from .settings import Settings

State = Callable[[], dict[str, Any] | None]

_ATTEMPTS = 5
_saving = threading.Lock()


def apply(settings: Settings) -> None:
    """Install the mends of this module; without PERSIST_STATE=1 there is nothing to do."""
    if not persistence.PERSIST_STATE:
        return
    logging.getLogger("persistence").setLevel(logging.WARNING)
    replace(persistence, "json", _encoding_at_once())
    replace(cloudformation, "get_state", _stacks_as_they_are)
    wrap(persistence, "save_all", _save_steadily)
    replace(app, "save_all", persistence.save_all)
    background.every(settings.snapshot_seconds, _snapshot, "snapshot")


def _snapshot() -> None:
    """Save every service's state now.

    Stock 1.5.33 saves at SIGTERM only: after a kill -9 stack, tables, queues and messages are gone
    while the objects in S3 are there. AWS loses nothing; here the last MS_SNAPSHOT_S seconds go.
    No lock spans the services, so a snapshot can hold a message that its table doesn't know yet.
    """
    persistence.save_all(app._build_persistence_save_dict())


def _save_steadily(stock: Function) -> Function:
    """Let one save run at a time, and read a state again that changed while it was read.

    Stock 1.5.33 writes each file under one temporary name and reads without locks: it never had to
    save while it serves.
    """

    def save_all(services: Mapping[str, State]) -> None:
        with _saving:
            stock({name: _steady(state) for name, state in services.items()})

    return save_all


def _encoding_at_once() -> ModuleType:
    """A `json` module whose dump encodes in one piece.

    Stock 1.5.33 dumps into a file, for which Python's encoder runs in Python and not in C. It never
    had to save while it serves; here that would take a third of the server's time.
    """

    def dump(value: object, file: TextIO, **options: Any) -> None:  # noqa: ANN401 - as json.dump
        file.write(json.dumps(value, **options))

    module = ModuleType("json")
    module.__dict__.update(json.__dict__)
    module.dump = dump
    return module


def _stacks_as_they_are() -> dict[str, Any]:
    """The stacks without a copy of each template, which stock 1.5.33 makes at each save.

    They are encoded in one piece. One that changes its size meanwhile fails the save of this
    service alone, which is logged; the last file stays until the next snapshot.
    """
    return {key: store() for store, key in cloudformation._PERSISTED_STORES}


def _steady(state: State) -> State:
    def read() -> dict[str, Any] | None:
        for _ in range(_ATTEMPTS - 1):
            try:
                return state()
            except RuntimeError:  # a dictionary changed its size while it was copied
                continue
        return state()

    return read
