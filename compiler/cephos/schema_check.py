"""Checking a document against its JSON Schema (draft-07), in the words of its reader.

jsonschema finds what is wrong; here each keyword gets a sentence, a place and, where there is one,
the next step. Three keywords of a schema shape the sentences:

`title`         names an object with its article: "a host"
`description`   its first sentence tells what a missing key is for, or what form a value has
`errorMessage`  says what a pattern or combination demands: "a UUID is 32 hexadecimal digits in …"
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from cephos.diagnostics import BLANK, Diagnostic, describe, did_you_mean, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from jsonschema.exceptions import ValidationError

    from cephos.load import Document, Path

    Schema = Mapping[str, Any]

_SHOWN_LIMIT = 12
# A fault that leaves an object too little is a fault of what is around it: a site has ten levels.
_PASSES = 12
NAMED = frozenset({"properties", "patternProperties", "definitions", "dependencies"})
"""The keywords of a schema that hold schemas by name."""
_PLAIN_KEY = re.compile(r"[^\s.'\"]{1,60}")
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")

_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "empty",
}
_TRUTH = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


class _Fault(NamedTuple):
    """What jsonschema found: `keyword` with its `wanted` value, of `schema`, fails for `value`.

    For a key that `propertyNames` refuses, `value` is the key and `path` that of its mapping.
    """

    document: Document
    root: Schema
    path: Path
    is_name: bool
    keyword: str
    wanted: Any
    schema: Schema
    value: Any

    @property
    def subject(self) -> str:
        """The value as the subject of a sentence, after its path."""
        shown = "the value"
        if isinstance(self.value, str):
            shown = quote(self.value)
        elif _is_scalar(self.value):
            shown = self.document.text(self.path) or json.dumps(self.value)
        return _prefix(self.path) + (f"the name {shown}" if self.is_name else shown)

    @property
    def requirement(self) -> str | None:
        """What the schema says of the form that the value must have."""
        message = self.schema.get("errorMessage")
        return message if isinstance(message, str) else None


class _Finding(NamedTuple):
    """A diagnostic in the making, about the key at `path` or its value."""

    code: str
    message: str
    path: Path
    on_key: bool = False
    help: str | None = None
    # A key that this finding says is missing, or was meant by a misspelt one.
    key: str | None = None


def check(document: Document, schema: Schema) -> list[Diagnostic]:
    """Return all that the schema finds wrong with a document, each thing once."""
    from referencing import Registry  # noqa: PLC0415  # 100 ms with jsonschema; see _validator

    validator = _validator()(schema, registry=Registry())
    faults = [_fault(document, schema, error) for error in validator.iter_errors(document.data)]
    wrong_type = {fault.path for fault in faults if fault.keyword == "type" and not fault.is_name}
    findings: dict[tuple[Path, str, str], _Finding] = {}
    for fault in faults:
        # What has the wrong type cannot be right otherwise: one sentence is enough.
        if fault.path in wrong_type and fault.keyword != "type":
            continue
        for found in _SENTENCES.get(fault.keyword, _other)(fault):
            finding = found
            if fault.is_name:
                finding = found._replace(path=(*fault.path, fault.value), on_key=True)
            findings.setdefault((finding.path, fault.keyword, finding.message), finding)
    meant = {
        (finding.path[:-1], finding.key) for finding in findings.values() if finding.code == "E101"
    }
    return [
        _diagnostic(document, finding)
        for finding in findings.values()
        # A key is not missing when it is there, misspelt.
        if not (finding.code == "E102" and (finding.path, finding.key) in meant)
    ]


def sound(document: Document, schema: Schema) -> Document | None:
    """Return the part of a document that keeps to the schema; None if that is not a site at all.

    What breaks the schema gives way to what was probably meant, or to the first of its schema's
    `examples`. Else it is left out, and with it the object that cannot do without it. The places
    of all are in `unsound`.
    """
    from referencing import Registry  # noqa: PLC0415  # see check

    validator = _validator()(schema, registry=Registry())
    data = _copied(document.data)
    unsound = set(document.unsound)
    for _ in range(_PASSES):
        wrong = {
            place: instead
            for error in validator.iter_errors(data)
            for place, instead in _wrong(_fault(document, schema, error))
        }
        if not wrong:
            return replace(document, data=data, unsound=frozenset(unsound), written=document.data)
        if () in wrong:
            break
        unsound.update(wrong)
        # the last item of a list first, so that those before keep their places
        for place in sorted(wrong, reverse=True):
            _put(data, place, wrong[place])
    return None


def _wrong(fault: _Fault) -> Iterator[tuple[Path, Any]]:
    """Yield each place that is at fault, and what can stand in for what is there (or None)."""
    match fault.keyword:
        case _ if fault.is_name:
            yield (*fault.path, fault.value), None
        case "additionalProperties":
            for finding in _unknown_keys(fault):
                yield finding.path, None
                value = fault.value[finding.path[-1]]
                if finding.key and value is not None:
                    yield (*fault.path, finding.key), value
        case "required":
            for key in set(fault.wanted) - set(fault.value) - _meant_keys(fault):
                examples = _said(fault, key, "examples")
                yield ((*fault.path, key), examples[0]) if examples else (fault.path, None)
        case _:
            yield fault.path, _repaired(fault)


def _meant_keys(fault: _Fault) -> set[str | None]:
    """Return the keys that are missing because they are misspelt."""
    closed = fault.schema.get("additionalProperties") is False
    return {finding.key for finding in _unknown_keys(fault)} if closed else set()


def _put(data: Any, place: Path, value: Any) -> None:
    """Set what is at a place, or take it away for None."""
    for step in place[:-1]:
        data = data[step]
    if value is None:
        del data[place[-1]]
    else:
        data[place[-1]] = _copied(value)


def _copied(data: Any) -> Any:
    """Return a copy of the containers, where what an alias repeats is no longer shared."""
    if isinstance(data, dict):
        return {key: _copied(value) for key, value in data.items()}
    return [_copied(value) for value in data] if isinstance(data, list) else data


def _said(fault: _Fault, key: str, annotation: str) -> Any:
    """Return what the schema says of a key of the object at fault, itself or by reference."""
    schema = fault.schema.get("properties", {}).get(key, {})
    target = dereferenced(fault.root, schema)
    return next((each[annotation] for each in (schema, target) if annotation in each), None)


@cache
def _validator() -> Any:
    import jsonschema  # noqa: PLC0415  # 70 ms that `--help` does not need

    return jsonschema.validators.extend(  # type: ignore[no-untyped-call]
        jsonschema.Draft7Validator,
        validators={
            "additionalProperties": _additional_properties,
            "uniqueItems": _unique_items,
            "properties": _properties,
            "pattern": _pattern,
        },
        # Draft 7 lets 64.0 pass for an integer; what follows wants an int.
        type_checker=jsonschema.Draft4Validator.TYPE_CHECKER,
    )


def _additional_properties(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Any]:
    """Do as jsonschema does, but look once at values that are equal: ten thousand hosts, say."""
    import jsonschema  # noqa: PLC0415  # see _validator

    if not isinstance(wanted, dict) or "patternProperties" in schema:
        check = jsonschema.Draft7Validator.VALIDATORS["additionalProperties"]
        yield from check(validator, wanted, value, schema)
    elif isinstance(value, dict):
        right: set[str] = set()
        same: set[int] = set()  # values that are one and the same need not be put into words
        for key, each in value.items():
            if id(each) in same or key in schema.get("properties", ()):
                continue
            form = repr(each)
            if form not in right:
                errors = list(validator.descend(each, wanted, path=key))
                yield from errors
                if errors:
                    continue
            right.add(form)
            same.add(id(each))


def _pattern(_validator: Any, wanted: str, value: Any, _schema: Any) -> Iterator[Any]:
    """Match as ECMA 262 does: `$` is the very end (Python's also stands before a line feed)."""
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415  # see _validator

    if isinstance(value, str) and not re.search(_anchored(wanted), value):
        yield ValidationError("form")


def _anchored(pattern: str) -> str:
    return re.sub(r"\$\Z", r"\\Z", pattern)


def _unique_items(_validator: Any, wanted: Any, value: Any, _schema: Any) -> Iterator[Any]:
    """Report each repeated item, in linear time (jsonschema compares all with all)."""
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415  # see _validator

    if not wanted or not isinstance(value, list):
        return
    seen = set()
    for index, item in enumerate(value):
        canonical = json.dumps(item, sort_keys=True)
        if canonical in seen:
            yield ValidationError("repeated", path=(index,), instance=item)
        seen.add(canonical)


def _properties(validator: Any, wanted: Any, value: Any, _schema: Any) -> Iterator[Any]:
    """Do as jsonschema does, and tell which key a `false` forbids (jsonschema loses it)."""
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415  # see _validator

    if not isinstance(value, dict):
        return
    for key, schema in wanted.items():
        if key not in value:
            continue
        if schema is False:
            yield ValidationError("forbidden", validator="false", path=(key,), instance=value[key])
        else:
            yield from validator.descend(value[key], schema, path=key, schema_path=key)


def _fault(document: Document, root: Schema, error: ValidationError) -> _Fault:
    return _Fault(
        document,
        root,
        tuple(error.absolute_path),
        _is_about_name(list(error.absolute_schema_path)),
        str(error.validator),
        error.validator_value,
        error.schema if isinstance(error.schema, dict) else {},
        error.instance,
    )


def _is_about_name(schema_path: Sequence[str | int]) -> bool:
    """Tell whether a path through a schema passes the keyword `propertyNames`."""
    index = 0
    while index < len(schema_path):
        if schema_path[index] == "propertyNames":
            return True
        index += 2 if schema_path[index] in NAMED else 1
    return False


def _diagnostic(document: Document, finding: _Finding) -> Diagnostic:
    span = document.span(finding.path, key=finding.on_key)
    return Diagnostic(finding.code, finding.message, span, finding.help)


def path_text(path: Path) -> str:
    """Return a place as people write it: `hosts.compute1.roles[1]`; '' for the top level."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            shown = step if _PLAIN_KEY.fullmatch(step) and step.isprintable() else quote(step)
            text += f".{shown}" if text else shown
    return text


def _prefix(path: Path) -> str:
    return f"{path_text(path)}: " if path else ""


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, dict | list | None)


def _number(count: int, singular: str, plural: str) -> str:
    return f"{count:,} {singular if count == 1 else plural}"


def _listed(values: Iterable[Any]) -> str:
    shown = [quote(value) if isinstance(value, str) else json.dumps(value) for value in values]
    more = f" and {len(shown) - _SHOWN_LIMIT} more" if len(shown) > _SHOWN_LIMIT else ""
    return ", ".join(shown[:_SHOWN_LIMIT]) + more


def _first_sentence(text: Any) -> str | None:
    if not isinstance(text, str):
        return None
    return re.split(r"(?<=[.;])\s|\n\n", text, maxsplit=1)[0].rstrip(".; ")


def _meant(suggestion: str | None) -> str:
    return f"; did you mean {quote(suggestion)}?" if suggestion else ""


def _unknown_keys(fault: _Fault) -> Iterator[_Finding]:
    known = fault.schema.get("properties", {})
    patterns = fault.schema.get("patternProperties", {})
    title = fault.schema.get("title") or path_text(fault.path) or "the top level"
    missing = [key for key in known if key not in fault.value]
    for key in fault.value:
        if key in known or any(re.search(pattern, key) for pattern in patterns):
            continue
        suggestion = did_you_mean(key, missing)
        homes = dict.fromkeys(_homes(fault.root, key))
        others = f"other keys: {_listed(missing)}" if missing else None
        elsewhere = f"it is a key of {' or '.join(homes)}" if homes else None
        yield _Finding(
            "E101",
            f"{quote(key)} is not a known key of {title}{_meant(suggestion)}",
            (*fault.path, key),
            on_key=True,
            help=None if suggestion else elsewhere or others,
            key=suggestion,
        )


def _homes(schema: Any, key: str) -> list[str]:
    """Return the titles of all parts of a schema that know a key."""
    found = []
    if isinstance(schema, dict):
        known = schema.get("properties")
        if isinstance(known, dict) and key in known and "title" in schema:
            found.append(str(schema["title"]))
        schema = list(schema.values())
    if isinstance(schema, list):
        found += [title for part in schema for title in _homes(part, key)]
    return found


def _forbidden_key(fault: _Fault) -> Iterator[_Finding]:
    where = path_text(fault.path[:-1]) or "the top level"
    reason = f": {fault.requirement}" if fault.requirement else ""
    message = f"{quote(fault.path[-1])} is not allowed in {where}{reason}"
    yield _Finding("E101", message, fault.path, on_key=True)


def _missing_keys(fault: _Fault) -> Iterator[_Finding]:
    where = path_text(fault.path) or fault.schema.get("title") or "the top level"
    for key in fault.wanted:
        if key not in fault.value:
            purpose = _first_sentence(_said(fault, key, "description"))
            examples = _said(fault, key, "examples")
            such = f", such as {json.dumps(examples[0])}" if examples else ""
            yield _Finding(
                "E102",
                f"{where} lacks the key {quote(key)}",
                fault.path,
                on_key=True,
                help=purpose and f"add {quote(key)}: {purpose}{such}",
                key=key,
            )


def _missing_companions(fault: _Fault) -> Iterator[_Finding]:
    for key, companions in fault.wanted.items():
        if key in fault.value and isinstance(companions, list):
            for companion in companions:
                if companion not in fault.value:
                    message = f"{_prefix(fault.path)}{quote(key)} needs {quote(companion)} as well"
                    yield _Finding("E107", message, (*fault.path, key), on_key=True)


def _type(fault: _Fault) -> Iterator[_Finding]:
    wanted = [fault.wanted] if isinstance(fault.wanted, str) else fault.wanted
    text = None if fault.is_name else fault.document.text(fault.path)
    found, hint = describe(fault.value, text), _type_hint(wanted, fault.value, text)
    message = f"{_prefix(fault.path)}must be {' or '.join(map(_TYPES.__getitem__, wanted))}"
    yield _Finding("E103", f"{message}, not {found}", fault.path, help=hint)


def _type_hint(wanted: Sequence[str], value: Any, text: str | None) -> str | None:
    if isinstance(value, bool | int | float) and "string" in wanted:
        read = f"YAML reads {text} as {json.dumps(value)}; " if text != json.dumps(value) else ""
        return f'{read if text else ""}quote it: "{text or json.dumps(value)}"'
    if isinstance(value, str):
        if "boolean" in wanted and value.lower() in _TRUTH:
            return f"write {_TRUTH[value.lower()]}"
        if {"integer", "number"} & set(wanted) and _NUMBER.fullmatch(value):
            return f"remove the quotes: {value}"
    if "array" in wanted and _is_scalar(value):
        return f"a list of one is written [{text or value}]"
    return None


def _choice(fault: _Fault) -> Iterator[_Finding]:
    allowed = fault.wanted if fault.keyword == "enum" else [fault.wanted]
    text = fault.document.text(fault.path)
    hint = f'quote it: "{text}"' if text in allowed and text != fault.value else None
    what = (
        f"is not one of {_listed(allowed)}" if len(allowed) > 1 else f"must be {_listed(allowed)}"
    )
    message = f"{fault.subject} {what}{_meant(_repaired(fault))}"
    yield _Finding("E104", message, fault.path, help=hint)


def _form(fault: _Fault) -> Iterator[_Finding]:
    form = fault.requirement or _first_sentence(fault.schema.get("description"))
    what = "is a blank to fill in" if fault.value == BLANK else "does not have the right form"
    message = f"{fault.subject} {what}{f': {form}' if form else ''}{_meant(_repaired(fault))}"
    yield _Finding("E105", message, fault.path)


def _repaired(fault: _Fault) -> str | None:
    """Return the text that a scalar was probably meant to be."""
    if fault.keyword == "type" and "string" in fault.wanted and not fault.is_name:
        return fault.document.text(fault.path) or None
    if not isinstance(fault.value, str) or fault.value == BLANK:
        return None
    if fault.keyword == "enum":
        return did_you_mean(fault.value, filter(_is_text, fault.wanted))
    if fault.keyword == "pattern":
        fits = re.compile(_anchored(fault.wanted)).search
        return next(filter(fits, _respelt(fault.value.strip())), None)
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _respelt(text: str) -> Iterator[str]:
    """Yield a text in the spellings that people mistake for one another."""
    yield text
    yield text.lower()
    yield text.removeprefix("client.")
    yield f"[{text}]"  # an IPv6 address
    yield re.sub(r"[\s_]+", "-", text)
    yield re.sub(r"[\s_]+", "-", text.lower())


def _combination(fault: _Fault) -> Iterator[_Finding]:
    requirement = fault.requirement or "this combination is not allowed"
    message = f"{_prefix(fault.path)}{requirement}"
    yield _Finding("E107", message, fault.path, on_key=True)


def _repeated(fault: _Fault) -> Iterator[_Finding]:
    yield _Finding("E106", f"{fault.subject} stands in the list already", fault.path)


def _number_bound(words: str) -> Callable[[_Fault], Iterator[_Finding]]:
    def say(fault: _Fault) -> Iterator[_Finding]:
        message = f"{_prefix(fault.path)}must be {words} {fault.wanted:,}, not {fault.value:,}"
        yield _Finding("E106", message, fault.path)

    return say


def _length_bound(
    words: str, singular: str, plural: str, *, on_key: bool = False
) -> Callable[[_Fault], Iterator[_Finding]]:
    def say(fault: _Fault) -> Iterator[_Finding]:
        wanted = f"{words} {_number(fault.wanted, singular, plural)}"
        name = f"the name {quote(fault.value)} " if fault.is_name else ""
        message = f"{_prefix(fault.path)}{name}must have {wanted}, not {len(fault.value):,}"
        yield _Finding("E106", message, fault.path, on_key=on_key)

    return say


def _other(fault: _Fault) -> Iterator[_Finding]:
    message = f"{fault.subject} does not satisfy the schema's {quote(fault.keyword)}"
    yield _Finding("E107", message, fault.path)


_CHARACTERS = ("character", "characters")
_ENTRIES = ("entry", "entries")
_SENTENCES: Mapping[str, Callable[[_Fault], Iterator[_Finding]]] = {
    "additionalProperties": _unknown_keys,
    "false": _forbidden_key,
    "required": _missing_keys,
    "dependencies": _missing_companions,
    "type": _type,
    "enum": _choice,
    "const": _choice,
    "pattern": _form,
    "anyOf": _form,
    "oneOf": _form,
    "not": _combination,
    "contains": _combination,
    "uniqueItems": _repeated,
    "minimum": _number_bound("at least"),
    "maximum": _number_bound("at most"),
    "exclusiveMinimum": _number_bound("more than"),
    "exclusiveMaximum": _number_bound("less than"),
    "multipleOf": _number_bound("a multiple of"),
    "minLength": _length_bound("at least", *_CHARACTERS),
    "maxLength": _length_bound("at most", *_CHARACTERS),
    "minItems": _length_bound("at least", *_ENTRIES, on_key=True),
    "maxItems": _length_bound("at most", *_ENTRIES, on_key=True),
    "minProperties": _length_bound("at least", *_ENTRIES, on_key=True),
    "maxProperties": _length_bound("at most", *_ENTRIES, on_key=True),
}


def dereferenced(root: Schema, schema: Any) -> Any:
    """Follow the schema's `$ref` within the document."""
    while isinstance(schema, dict) and "$ref" in schema:
        found: Any = root
        for step in schema["$ref"].removeprefix("#").split("/")[1:]:
            found = found[step.replace("~1", "/").replace("~0", "~")]
        schema = found
    return schema
