"""The errors that refuse an object or fail a run."""

from __future__ import annotations

HINTS = {
    "bad_header": "Compare the file's first line with the contract's columns, then put the"
    " corrected file again.",
    "bad_encoding": "Write the file as UTF-8 and put the file again.",
    "bad_quoting": "Fix the quotes at the named record and put the file again.",
    "bad_compression": "The compressed file is damaged, or the ending of its name is wrong;"
    " put the file again.",
    "record_too_long": "Split the record, or look for a quote without an end, and put the file"
    " again.",
    "empty_object": "The file has no header line; put the complete file again.",
    "too_many_rejects": "Look at the first rejects; fix the file, or raise firn.maxRejects or"
    " firn.maxRejectRatio in the contract and deploy.",
    "no_good_row": "Look at the first rejects: the file has another form than the contract. Put the"
    " correct file again, or fix the contract and deploy.",
    "new_column": "Add the column to the contract, or set firn.newColumns to report, and deploy; or"
    " put the file again without the column.",
    "unsupported_format": "Put the file under a name with .csv or .ndjson as in the contract, with"
    " .gz for a compressed file. Then dismiss this object.",
}
"""The hint of each refusal code, equal to the hints of internal/fault."""


class Refused(Exception):  # noqa: N818 - it is an outcome, not an error of the engine
    """The object as a whole breaks its contract. internal/fault has the same codes and hints."""

    def __init__(self, code: str, cause: str, hint: str = "") -> None:
        super().__init__(cause)
        self.code = code
        self.cause = cause
        self.hint = hint or HINTS[code]


class SourceChangedError(Exception):
    """The key no longer has the version in the manifest."""


class EngineError(Exception):
    """An error that fails the run. The message names the object."""
