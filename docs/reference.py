"""Print docs/reference.md: every key of a site description, from its schema and the data files.

Run `.venv/bin/python docs/reference.py >docs/reference.md` after a change of either.
"""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from cephos import knowledge
from cephos.services import MANAGED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SCHEMA: dict[str, Any] = json.loads((files("cephos.schema") / "site.schema.json").read_text())

HEAD = """\
# Reference of `site.yaml`

Every key that a site description may have. An editor shows the same while you type, given the file
that `cephos-compile --schema` prints. `NAME` is a name that you choose. This page is made from the
schema and the data files by `docs/reference.py`.
"""

OPTIONS = """\
## Options of the services

What `services.….options` may name: everything about Ceph that the service reads, but for what the
compiler sets itself (pools, users, UUIDs, the list of backends). A name alone means the section of
Glance's RBD store, of the Cinder backend, or `[libvirt]`; any other section stands before the name.
The default is the service's own, in the last release that reads the option: what a bundle sets
instead stands in its `files/`.
"""


def main() -> None:
    """Print the page."""
    lines = [HEAD, *sections("The whole", SCHEMA, []), *releases(), OPTIONS]
    for service in ("glance", "cinder", "nova"):
        lines += options(service)
    sys.stdout.write("\n".join(lines))


def resolved(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with what it refers to; its own words win."""
    if "$ref" not in schema:
        return dict(schema)
    name = schema["$ref"].removeprefix("#/definitions/")
    return resolved(SCHEMA["definitions"][name]) | dict(schema)


def sections(title: str, schema: Mapping[str, Any], path: list[str]) -> Iterator[str]:
    """Yield the section of an object and those of the objects in it."""
    yield f"## {title}\n"
    yield f"{schema['description']}\n"
    yield from table(
        ("key", "value", "what it says"),
        (
            (f"`{key}`", value_of(key, each, schema), resolved(each)["description"])
            for key, each in schema["properties"].items()
        ),
    )
    for key, each in schema["properties"].items():
        yield from nested([*path, key], resolved(each))


def nested(path: list[str], schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the sections of the objects that a value is, or is a map of."""
    if "properties" in schema:
        yield from sections(".".join(path), schema, path)
    elif "properties" in (inner := entries(schema)):
        yield from sections(".".join([*path, "NAME"]), inner, [*path, "NAME"])


def entries(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a map maps to; {} if it is none."""
    inner = schema.get("additionalProperties")
    return resolved(inner) if isinstance(inner, dict) else {}


def value_of(key: str, schema: Mapping[str, Any], parent: Mapping[str, Any]) -> str:
    """Return what a key's value may be, in words."""
    words = kind(resolved(schema))
    if key in parent.get("required", ()):
        return f"**required**: {words}"
    default = resolved(schema).get("default")
    return words if default is None else f"{words}; default `{json.dumps(default)}`"


def kind(schema: Mapping[str, Any]) -> str:
    """Return what a value may be, in words."""
    allowed = [schema["const"]] if "const" in schema else schema.get("enum")
    if allowed:
        return " or ".join(f"`{each}`" for each in allowed)
    match schema["type"]:
        case "object":
            words = "map" if "properties" in schema else "map by name"
        case "array":
            words = f"list of {kind(resolved(schema['items']))}"
        case "integer" | "number" as number:
            words = "whole number" if number == "integer" else "number"
            if "exclusiveMinimum" in schema:
                words += f" above {schema['exclusiveMinimum']}"
            words = bounds(words, schema.get("minimum"), schema.get("maximum"))
        case "boolean":
            words = "`true` or `false`"
        case "string":
            form = schema.get("errorMessage", "")
            words = f"text: {form.partition(' is ')[2]}" if form else "text"
        case other:
            raise ValueError(f"no words for a value of type {other}")
    return words


def bounds(words: str, minimum: float | None, maximum: float | None) -> str:
    """Return the words with the least and the greatest value."""
    if minimum is not None:
        words += f" from {minimum}"
    return words if maximum is None else f"{words} to {maximum}"


def releases() -> Iterator[str]:
    """Yield the releases and platforms that this version knows."""
    yield "## Releases and platforms\n"
    names = {
        product: ", ".join(f"`{each.name}` ({each.title})" for each in knowledge.releases(product))
        for product in ("openstack", "ceph")
    }
    platforms = ", ".join(
        f"`{name}` ({each.title})" for name, each in knowledge.platforms().items()
    )
    yield from table(
        ("what", "known"),
        (
            ("`openstack.release`", names["openstack"]),
            ("`clusters.NAME.release`", names["ceph"]),
            ("`openstack.platform`, `hosts.NAME.platform`", platforms),
        ),
    )


def options(service: str) -> Iterator[str]:
    """Yield the options of a service that a site may set."""
    home = knowledge.HOME[service]
    yield f"### {service}\n"
    yield from table(
        ("option", "value", "default", "releases"),
        (
            (
                f"`{option.name if option.section == home else option.full_name}`",
                ", ".join(f"`{each}`" for each in option.choices)
                or bounds(option.type, option.minimum, option.maximum),
                default(option),
                span(option),
            )
            for option in knowledge.options(service).values()
            if span(option) and option.full_name not in MANAGED[service]
        ),
    )


def default(option: knowledge.Option) -> str:
    """Return what an option is in the last release that reads it, where nobody sets it."""
    reading = [each for each in knowledge.releases("openstack") if option.known_in(each)]
    value = option.default_in(reading[-1]) if reading else None
    if value is None or value == "":
        return ""
    shown = value if isinstance(value, list) else [value]
    return ", ".join(f"`{each if isinstance(each, str) else json.dumps(each)}`" for each in shown)


def span(option: knowledge.Option) -> str:
    """Return the releases that read an option, and which of them warn of it; '' if none does."""
    every = knowledge.releases("openstack")
    reading = [each for each in every if option.known_in(each)]
    if not reading:
        return ""
    words = [f"from {reading[0].name}"] if reading[0] is not every[0] else []
    words += [f"to {reading[-1].name}"] if reading[-1] is not every[-1] else []
    warning = next((each for each in reading if option.deprecated_in(each)), None)
    deprecated = f", deprecated from {warning.name}" if warning else ""
    return (" ".join(words) or "all") + deprecated


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield a table."""
    head = tuple(head)
    for row in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


if __name__ == "__main__":
    main()
