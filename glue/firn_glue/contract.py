"""The contract and the objects that a manifest names."""

from __future__ import annotations

from typing import Any, NamedTuple


class ContractColumn(NamedTuple):
    """One column of a contract: internal/contract/portable.go. Bounds are texts."""

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
    """A contract as it travels in a manifest."""

    dataset: str
    version: str
    format: str
    columns: tuple[ContractColumn, ...]
    delimiter: str = ","
    encoding: str = "utf-8"
    null_values: frozenset[str] = frozenset()
    max_reject_ratio: float = 0.05
    max_rejects: int = 10
    max_unique: int = 4_000_000
    """Records with a higher number take no part in unique; 0 for no bound."""

    @classmethod
    def read(cls, said: dict[str, Any]) -> Contract:
        """Take what this engine knows of the JSON form; names that it doesn't know are left."""
        known = {name: said[name] for name in cls._fields if said.get(name) is not None}
        fields = ContractColumn._fields
        known["columns"] = tuple(
            ContractColumn(**{name: c[name] for name in fields if c.get(name) is not None})
            for c in said["columns"]
        )
        known["null_values"] = frozenset(said.get("null_values") or ())
        return cls(**known)


class Assignment(NamedTuple):
    """One object of a manifest, and where it is read from and written to."""

    object: dict[str, Any]
    object_id: str
    generation: int
    attempt: str
    source_bucket: str
    source_key: str
    root: str
    """What bucket names are appended to: "s3://", or a folder's URI."""
    curated_bucket: str
    prefix: str
    """Of the keys in the curated bucket."""
    region: str | None

    @property
    def uri(self) -> str:
        """The object's name for people."""
        return f"s3://{self.object['bucket']}/{self.object['key']}"

    @property
    def is_copy(self) -> bool:
        """Whether the bytes are read from another key than the object's own."""
        said = (self.object["bucket"], self.object["key"])
        return said != (self.source_bucket, self.source_key)

    def folder(self, name: str) -> str:
        """Return the URI of a folder of output files."""
        return f"{self.root}{self.curated_bucket}/{self.prefix}{name}"


def assignments(manifest: dict[str, Any], root: str, region: str | None) -> list[Assignment]:
    """List a manifest's objects."""
    home = manifest["contract"]["dataset"].replace(".", "/", 1)
    return [
        Assignment(
            object=said["object"],
            object_id=said["object_id"],
            generation=said.get("generation", 0),
            attempt=said["attempt"],
            source_bucket=said["source"]["bucket"],
            source_key=said["source"]["key"],
            root=root,
            curated_bucket=manifest["curated_bucket"],
            prefix=f"{home}/{said['object_id']}/{said['attempt']}/",
            region=region,
        )
        for said in manifest["objects"]
    ]
