"""What a schema must be like for `schema_check` to say well what is wrong with a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cephos.schema_check import NAMED, dereferenced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cephos.schema_check import Schema

# Where a schema holds schemas, beside NAMED: in a list, or alone.
_LISTS = frozenset({"allOf", "anyOf", "oneOf"})
_SINGLES = frozenset(
    {"items", "additionalItems", "additionalProperties", "propertyNames", "contains"}
    | {"not", "if", "then", "else"}
)
_CONDITIONS = frozenset({"allOf", "not", "if", "then", "else"})
_ANNOTATIONS = frozenset(
    {"$ref", "title", "description", "markdownDescription", "default", "examples"}
)


def unsuitable(schema: Schema) -> list[str]:
    """Return where a schema is valid but would make for bad messages or unnoticed mistakes.

    That is: a choice between objects (`anyOf`, `oneOf`: jsonschema cannot tell which was meant), a
    property without a description, an object that lets misspelt keys pass, a pattern that nothing
    explains, a `format` (never checked here), and keywords beside `$ref` (ignored in draft-07).
    """
    return list(_faults_of(schema, schema, "#", partial=False))


def _faults_of(root: Schema, schema: Any, at: str, *, partial: bool) -> Iterator[str]:
    """Walk a schema; `partial` ones only add to another, such as `then`."""
    if not isinstance(schema, dict):
        return
    yield from _unclear(root, schema, at)
    if not partial:
        yield from _incomplete(root, schema, at)
    for keyword, value in schema.items():
        inner = partial or keyword in _CONDITIONS
        for step, each in _subschemas(keyword, value):
            yield from _faults_of(root, each, f"{at}/{keyword}{step}", partial=inner)


def _unclear(root: Schema, schema: Schema, at: str) -> Iterator[str]:
    for keyword in ("anyOf", "oneOf"):
        if any(_allows_objects(root, branch) for branch in schema.get(keyword, ())):
            yield f"{at}/{keyword}: a choice between objects"
    if "$ref" in schema and (ignored := sorted(set(schema) - _ANNOTATIONS)):
        yield f"{at}: ignored beside $ref: {', '.join(ignored)}"
    if "format" in schema:
        yield f"{at}/format: is not checked; use a pattern"


def _incomplete(root: Schema, schema: Schema, at: str) -> Iterator[str]:
    if "properties" in schema and "additionalProperties" not in schema:
        yield f"{at}: lets unknown keys pass"
    if "pattern" in schema and not {"errorMessage", "description"} & set(schema):
        yield f"{at}/pattern: has no errorMessage or description"
    for name, each in schema.get("properties", {}).items():
        if not _described(root, each):
            yield f"{at}/properties/{name}: has no description"


def _subschemas(keyword: str, value: Any) -> Iterator[tuple[str, Any]]:
    if keyword in NAMED and isinstance(value, dict):
        yield from ((f"/{name}", each) for name, each in value.items())
    elif isinstance(value, list) and keyword in _LISTS | {"items"}:
        yield from ((f"/{index}", each) for index, each in enumerate(value))
    elif keyword in _SINGLES:
        yield "", value


def _described(root: Schema, schema: Any) -> bool:
    own = isinstance(schema, dict) and "description" in schema
    target = dereferenced(root, schema)
    return own or (isinstance(target, dict) and "description" in target)


def _allows_objects(root: Schema, schema: Any) -> bool:
    target = dereferenced(root, schema)
    if not isinstance(target, dict) or not {"type", "enum", "const"} & set(target):
        return target is not False
    return "object" in target.get("type", ())
