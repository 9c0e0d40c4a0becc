"""State that survives kill -9, except the changes of the last seconds."""

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
_save_lock = threading.Lock()


def apply(settings: Settings) -> None:
    """Install the patches of this module. Without PERSIST_STATE=1 the function does nothing."""
    if not persistence.PERSIST_STATE:
        return
    logging.getLogger("persistence").setLevel(logging.WARNING)
    replace(persistence, "json", _fast_json())
    replace(cloudformation, "get_state", _stack_state)
    wrap(persistence, "save_all", _serialize_saves)
    replace(app, "save_all", persistence.save_all)
    background.run_every(settings.snapshot_seconds, _snapshot, "snapshot")


def _snapshot() -> None:
    """Save the state of every service now.

    Stock ministack saves only at SIGTERM. A kill -9 loses stack, tables, queues and messages, while
    the objects in S3 remain. AWS loses nothing. Here a kill -9 loses the changes of the last
    MS_SNAPSHOT_S seconds. No lock spans the services, so a snapshot can contain a message whose
    table row is missing.
    """
    persistence.save_all(app._build_persistence_save_dict())


def _serialize_saves(stock: Function) -> Function:
    """Run one save at a time, and repeat the read of a state that changed during the read.

    Stock ministack writes each file under one temporary name and reads without locks. Its save
    never overlaps with requests.
    """

    def save_all(services: Mapping[str, State]) -> None:
        with _save_lock:
            stock({name: _with_retries(state) for name, state in services.items()})

    return save_all


def _fast_json() -> ModuleType:
    """Return a `json` module whose dump encodes in one piece.

    Stock ministack dumps into a file. Python's encoder for files is written in Python, not in C.
    Here this encoder would take a third of the server's time, because saves repeat during normal
    operation.
    """

    def dump(value: object, file: TextIO, **options: Any) -> None:  # noqa: ANN401 - as json.dump
        file.write(json.dumps(value, **options))

    module = ModuleType("json")
    module.__dict__.update(json.__dict__)
    module.dump = dump
    return module


def _stack_state() -> dict[str, Any]:
    """Return the stacks without a copy of each template; stock ministack copies at each save.

    The stacks are encoded in one piece. A stack that changes its size at this moment fails the save
    of this service alone. The failure is logged, and the last file remains until the next snapshot.
    """
    return {key: store() for store, key in cloudformation._PERSISTED_STORES}


def _with_retries(state: State) -> State:
    def read() -> dict[str, Any] | None:
        for _ in range(_ATTEMPTS - 1):
            try:
                return state()
            except RuntimeError:  # a dictionary changed its size during the copy
                continue
        return state()

    return read
