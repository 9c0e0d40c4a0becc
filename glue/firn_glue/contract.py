"""The contract and the objects of a manifest."""

from __future__ import annotations

from typing import Any, NamedTuple


class ContractColumn(NamedTuple):
    """One column of a contract (internal/contract/portable.go). The bounds are strings."""

    name: str
    header: str
    path: str
    type: str
    precision: int = 0
    scale: int = 0
    required: bool = False
    unique: bool = False
    format: str = ""
    format_pattern: str = ""
    pattern: str = ""
    min_length: int | None = None
    max_length: int | None = None
    minimum: str = ""
    maximum: str = ""
    exclusive_minimum: str = ""
    exclusive_maximum: str = ""
    enum: tuple[str, ...] = ()


class Contract(NamedTuple):
    """A contract in the form of a manifest."""

    dataset: str
    version: str
    format: str
    columns: tuple[ContractColumn, ...]
    delimiter: str = ","
    encoding: str = "utf-8"
    null_values: frozenset[str] = frozenset()
    quoted_null: str = "none"
    """"value" makes a quoted empty field or a quoted null text the text between the quotes."""
    new_columns: str = "report"
    """"refuse" refuses an object with columns that aren't in the contract."""
    max_reject_ratio: float = 0.05
    max_rejects: int = 10
    """0 for a snapshot."""
    max_unique: int = 4_000_000
    """The last record number that the unique rule checks; 0 for no limit."""

    @classmethod
    def read(cls, document: dict[str, Any]) -> Contract:
        """Read a contract's JSON form. Unknown names are ignored."""
        known = {name: document[name] for name in cls._fields if document.get(name) is not None}
        fields = ContractColumn._fields
        known["columns"] = tuple(
            ContractColumn(**{name: c[name] for name in fields if c.get(name) is not None})
            for c in document["columns"]
        )
        known["null_values"] = frozenset(document.get("null_values") or ())
        return cls(**known)


class Assignment(NamedTuple):
    """One object of a manifest, with the places of its bytes and of its output files."""

    object: dict[str, Any]
    object_id: str
    generation: int
    attempt: str
    source_bucket: str
    source_key: str
    root: str
    """The URI before the bucket names: "s3://" or the URI of a folder."""
    curated_bucket: str
    prefix: str
    """The prefix of the output keys in the curated bucket."""
    region: str | None

    @property
    def uri(self) -> str:
        """The object's URI, for logs and errors."""
        return f"s3://{self.object['bucket']}/{self.object['key']}"

    @property
    def is_copy(self) -> bool:
        """Whether the bytes come from a copy under another key."""
        original = (self.object["bucket"], self.object["key"])
        return original != (self.source_bucket, self.source_key)

    def folder(self, name: str) -> str:
        """Return the URI of a folder of output files."""
        return f"{self.root}{self.curated_bucket}/{self.prefix}{name}"


def assignments(manifest: dict[str, Any], root: str, region: str | None) -> list[Assignment]:
    """Return the assignments of a manifest's objects."""
    folder = manifest["contract"]["dataset"].replace(".", "/", 1)
    return [
        Assignment(
            object=entry["object"],
            object_id=entry["object_id"],
            generation=entry.get("generation", 0),
            attempt=entry["attempt"],
            source_bucket=entry["source"]["bucket"],
            source_key=entry["source"]["key"],
            root=root,
            curated_bucket=manifest["curated_bucket"],
            prefix=f"{folder}/{entry['object_id']}/{entry['attempt']}/",
            region=region,
        )
        for entry in manifest["objects"]
    ]
