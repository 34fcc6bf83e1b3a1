"""The JSON schema of the OCI runtime spec, as Debian packages it, to hold a config.json against."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

SCHEMA = Path("/usr/share/gocode/src/github.com/opencontainers/runtime-spec/schema")


def validator() -> Draft4Validator:
    def retrieve(uri: str) -> Resource[Any]:
        text = (SCHEMA / uri.rpartition("/")[2]).read_text()
        return Resource.from_contents(json.loads(text), default_specification=DRAFT4)

    registry: Registry[Any] = Registry(retrieve=retrieve)  # type: ignore[call-arg]
    return Draft4Validator({"$ref": "http://here/config-schema.json"}, registry=registry)


def problems(spec: object) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator().iter_errors(spec)]
