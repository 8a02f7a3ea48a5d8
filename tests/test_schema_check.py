from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft7Validator

from cephos.diagnostics import Report, Source, render
from cephos.load import load
from cephos.schema_check import check, path_text
from suitable import unsuitable

SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "the site description",
    "type": "object",
    "additionalProperties": False,
    "required": ["hosts"],
    "dependencies": {"handoff": ["mode"]},
    "properties": {
        "version": {"description": "The version of the format.", "const": 1},
        "debug": {"description": "Whether to log more.", "type": "boolean"},
        "release": {"description": "An OpenStack release.", "enum": ["2024.2", "2025.1"]},
        "fsid": {
            "description": "The fsid.",
            "type": "string",
            "pattern": "^[0-9a-f-]{36}$",
            "errorMessage": "an fsid is a UUID in lower case",
        },
        "mode": {
            "description": "A file mode, in octal. It is given to keyrings.",
            "type": "string",
            "pattern": "^0[0-7]{3}$",
        },
        "handoff": {"description": "Where keys are.", "type": "string"},
        "timeout": {"description": "Seconds; may be empty.", "type": ["number", "null"]},
        "pools": {
            "description": "The pools.",
            "type": "object",
            "propertyNames": {
                "maxLength": 8,
                "pattern": "^[a-z]+$",
                "errorMessage": "a pool name is lower-case letters",
            },
            "additionalProperties": {"$ref": "#/definitions/pool"},
        },
        "options": {
            "description": "Options by name.",
            "type": "object",
            "propertyNames": {"enum": ["rbd_user", "rbd_pool"]},
            "not": {"required": ["rbd_user", "rbd_pool"]},
            "errorMessage": "rbd_user and rbd_pool exclude each other",
        },
        "hosts": {
            "description": "The machines of the site. Names may be ranges.",
            "type": "object",
            "minProperties": 1,
            "maxProperties": 9,
            "additionalProperties": {"$ref": "#/definitions/host"},
        },
    },
    "definitions": {
        "pool": {
            "title": "a pool",
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "pg_num": {
                    "description": "Placement groups.",
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 65536,
                    "multipleOf": 2,
                },
                "ratio": {
                    "description": "Share of the cluster.",
                    "type": "number",
                    "exclusiveMinimum": 0,
                    "exclusiveMaximum": 1,
                },
                "kind": {"description": "Kind.", "enum": ["replicated", "erasure"]},
                "k": {"description": "Data chunks.", "type": "integer"},
            },
            "allOf": [
                {
                    "if": {"properties": {"kind": {"const": "erasure"}}, "required": ["kind"]},
                    "then": {"required": ["k"]},
                    "else": {
                        "properties": {"k": False},
                        "errorMessage": "only erasure-coded pools have chunks",
                    },
                }
            ],
        },
        "host": {
            "title": "a host",
            "type": "object",
            "required": ["roles", "address"],
            "additionalProperties": False,
            "properties": {
                "roles": {
                    "description": "What runs there.",
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 3,
                    "uniqueItems": True,
                    "items": {"enum": ["nova", "cinder", "glance"]},
                },
                "address": {
                    "description": "Its address. A name will do.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 20,
                },
            },
        },
    },
}
GOOD_HOSTS = "hosts: {os1: {roles: [nova], address: a}}\n"


def checked(text: str, schema: dict[str, Any] = SCHEMA) -> str:
    """Return what is wrong with a text, rendered."""
    source, report = Source("site.yaml", text), Report()
    document = load(source, report)
    assert document is not None
    assert not len(report)
    report.extend(check(document, schema))
    return render(report, source, limit=1000)


def test_the_test_s_schema_is_valid_and_suitable() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert unsuitable(SCHEMA) == []


def test_nothing_wrong_nothing_said() -> None:
    text = (
        "version: 1\ndebug: true\nrelease: '2025.1'\nmode: '0640'\ntimeout:\n"
        "pools: {vms: {pg_num: 64, ratio: 0.5}, ec: {kind: erasure, k: 4}}\n"
        "options: {rbd_user: x}\n"
    )
    assert checked(text + GOOD_HOSTS) == ""


def test_a_full_report() -> None:
    text = (
        "mode: 0640\n"
        "hosts:\n"
        "  os1:\n"
        "    adress: os1.example.com\n"
        "    roles: [glance, cinderr]\n"
        "  os2: {}\n"
    )
    assert checked(text) == (
        "site.yaml:1:7: error[E103]: mode: must be text, not the number 0640\n"
        "1 | mode: 0640\n"
        "  |       ^^^^\n"
        '  = help: YAML reads 0640 as 640; quote it: "0640"\n'
        "site.yaml:4:5: error[E101]: 'adress' is not a known key of a host;"
        " did you mean 'address'?\n"
        "4 |     adress: os1.example.com\n"
        "  |     ^^^^^^\n"
        "site.yaml:5:21: error[E104]: hosts.os1.roles[1]: 'cinderr' is not one of 'nova',"
        " 'cinder', 'glance'; did you mean 'cinder'?\n"
        "5 |     roles: [glance, cinderr]\n"
        "  |                     ^^^^^^^\n"
        "site.yaml:6:3: error[E102]: hosts.os2 lacks the key 'address'\n"
        "6 |   os2: {}\n"
        "  |   ^^^\n"
        "  = help: add 'address': Its address\n"
        "site.yaml:6:3: error[E102]: hosts.os2 lacks the key 'roles'\n"
        "6 |   os2: {}\n"
        "  |   ^^^\n"
        "  = help: add 'roles': What runs there\n"
    )


def test_a_key_in_the_wrong_place_is_told_where_it_belongs() -> None:
    assert "\n  = help: it is a key of a host\n" in checked("address: os1.example.com\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # unknown, missing and forbidden keys
        ("colour: red", "1:1: error[E101]: 'colour' is not a known key of the site description"),
        ("'fs id': x", "1:2: error[E101]: 'fs id' is not a known key of the site description; did"),
        (
            "pools: {vms: {k: 4}}",
            "1:15: error[E101]: 'k' is not allowed in pools.vms: only erasure-coded pools",
        ),
        ("pools: {vms: {kind: erasure}}", "1:9: error[E102]: pools.vms lacks the key 'k'"),
        ("handoff: /x", "1:1: error[E107]: 'handoff' needs 'mode' as well"),
        (
            "options: {rbd_user: a, rbd_pool: b}",
            "1:1: error[E107]: options: rbd_user and rbd_pool exclude each other",
        ),
        # types
        ("debug: yes", "1:8: error[E103]: debug: must be true or false, not the text 'yes'"),
        ("debug: 1", "1:8: error[E103]: debug: must be true or false, not the number 1"),
        ("mode: on", "1:7: error[E105]: mode: 'on' does not have the right form: A file mode, in"),
        ("mode: true", "1:7: error[E103]: mode: must be text, not the truth value true"),
        ("mode:", "1:1: error[E103]: mode: must be text, not empty"),
        ("mode: [a]", "1:7: error[E103]: mode: must be text, not a list"),
        ("mode: {a: 1}", "1:7: error[E103]: mode: must be text, not a mapping"),
        ("pools: [vms]", "1:8: error[E103]: pools: must be a mapping, not a list"),
        ("timeout: x", "1:10: error[E103]: timeout: must be a number or empty, not the text 'x'"),
        (
            "pools: {vms: {pg_num: 64.0}}",
            "1:23: error[E103]: pools.vms.pg_num: must be a whole number, not the number 64.0",
        ),
        (
            'pools: {vms: {pg_num: "64"}}',
            "1:23: error[E103]: pools.vms.pg_num: must be a whole number, not the text '64'",
        ),
        # choices
        ("version: 2", "1:10: error[E104]: version: 2 must be 1"),
        ("version: true", "1:10: error[E104]: version: true must be 1"),
        ("release: 2025.1", "1:10: error[E104]: release: 2025.1 is not one of '2024.2', '2025.1'"),
        (
            "release: '2052.1'",
            "1:10: error[E104]: release: '2052.1' is not one of '2024.2', '2025.1'; did you",
        ),
        (
            "options: {rbd_usr: x}",
            "1:11: error[E104]: options: the name 'rbd_usr' is not one of 'rbd_user', 'rbd_pool'",
        ),
        # forms
        (
            "fsid: ABC",
            "1:7: error[E105]: fsid: 'ABC' does not have the right form: an fsid is a UUID",
        ),
        (
            "pools: {Vms: {}}",
            "1:9: error[E105]: pools: the name 'Vms' does not have the right form: a pool name is",
        ),
        # bounds
        (
            "pools: {vms: {pg_num: 0}}",
            "1:23: error[E106]: pools.vms.pg_num: must be at least 1, not",
        ),
        (
            "pools: {vms: {pg_num: 99998}}",
            "1:23: error[E106]: pools.vms.pg_num: must be at most 65,536, not 99,998",
        ),
        (
            "pools: {vms: {pg_num: 3}}",
            "1:23: error[E106]: pools.vms.pg_num: must be a multiple of 2, not 3",
        ),
        (
            "pools: {vms: {ratio: 0}}",
            "1:22: error[E106]: pools.vms.ratio: must be more than 0, not 0",
        ),
        (
            "pools: {vms: {ratio: 1.5}}",
            "1:22: error[E106]: pools.vms.ratio: must be less than 1, not 1.5",
        ),
        (
            "pools: {verylongname: {}}",
            "1:9: error[E106]: pools: the name 'verylongname' must have at most 8 characters, not",
        ),
    ],
)
def test_sentences(text: str, expected: str) -> None:
    problems = checked(f"{text}\n{GOOD_HOSTS}")
    assert problems.count("error[") == 1
    assert problems.startswith(f"site.yaml:{expected}")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("roles: []", "3: error[E106]: hosts.os1.roles: must have at least 1 entry, not 0"),
        (
            "roles: [nova, nova]",
            "17: error[E106]: hosts.os1.roles[1]: 'nova' stands in the list already",
        ),
        ("roles: nova", "10: error[E103]: hosts.os1.roles: must be a list, not the text 'nova'"),
        ("roles:", "3: error[E103]: hosts.os1.roles: must be a list, not empty"),
        ("roles: [1]", "11: error[E104]: hosts.os1.roles[0]: 1 is not one of 'nova', 'cinder', 'g"),
        ("roles: [[]]", "11: error[E104]: hosts.os1.roles[0]: the value is not one of 'nova', 'ci"),
    ],
)
def test_sentences_about_a_host(host: str, expected: str) -> None:
    problems = checked(f"hosts:\n os1:\n  address: a\n  {host}\n")
    assert problems.count("error[") == 1
    assert problems.startswith(f"site.yaml:4:{expected}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hosts: {}", "hosts: must have at least 1 entry, not 0"),
        ("hosts: {os1: {roles: [nova], address: ''}}", "must have at least 1 character, not 0"),
        (
            f"hosts: {{os1: {{roles: [nova], address: {'x' * 21}}}}}",
            "at most 20 characters, not 21",
        ),
    ],
)
def test_lengths(text: str, expected: str) -> None:
    problems = checked(text)
    assert problems.count("error[") == 1
    assert expected in problems.splitlines()[0]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("mode: 0640", 'YAML reads 0640 as 640; quote it: "0640"'),
        ("mode: 640", 'quote it: "640"'),
        ("mode: 0o640", 'YAML reads 0o640 as 416; quote it: "0o640"'),
        ("mode: 1e3", 'YAML reads 1e3 as 1000.0; quote it: "1e3"'),
        ("mode: True", 'YAML reads True as true; quote it: "True"'),
        ("debug: yes", "write true"),
        ("debug: Off", "write false"),
        ("release: 2025.1", 'quote it: "2025.1"'),
        ("timeout: '5.5'", "remove the quotes: 5.5"),
        ("colour: red", "other keys: 'version', 'debug', 'release', 'fsid', 'mode', 'handoff'"),
        ("pools: {ec: {kind: erasure, k: 1, x: 1}}", "other keys: 'pg_num', 'ratio'"),
        ("debgu: true", None),
        ("fsid: ABC", None),
    ],
)
def test_the_next_step(text: str, hint: str | None) -> None:
    problems = checked(f"{text}\n{GOOD_HOSTS}")
    if hint is None:
        assert "= help" not in problems
    else:
        assert f"  = help: {hint}" in problems


def test_a_list_of_one() -> None:
    assert "= help: a list of one is written [nova]" in checked(
        "hosts: {a: {roles: nova, address: b}}"
    )


def test_a_misspelt_key_is_one_mistake_not_two() -> None:
    problems = checked("hosts: {os1: {adress: a, roles: [nova]}}")
    assert problems.count("error[") == 1
    assert "did you mean 'address'?" in problems
    # The same on another host is another mistake.
    assert (
        checked("hosts: {a: {adress: a, roles: [nova]}, b: {roles: [nova]}}").count("error[") == 2
    )


def test_a_key_that_is_there_is_not_suggested() -> None:
    problems = checked("hosts: {os1: {address: a, adress: a, roles: [nova]}}")
    assert "'adress' is not a known key of a host\n" in problems


def test_a_wrong_discriminator_makes_no_noise() -> None:
    problems = checked(f"pools: {{ec: {{kind: erasur}}}}\n{GOOD_HOSTS}")
    assert problems.count("error[") == 1
    assert "'erasur' is not one of 'replicated', 'erasure'; did you mean 'erasure'?" in problems


def test_one_value_wrong_in_many_ways_is_said_once() -> None:
    schema = {
        "properties": {"a": {"type": "string", "enum": ["1"]}},
        "allOf": [{"required": ["b"]}, {"required": ["b"]}],
    }
    assert checked("a: 1", schema).count("error[") == 2


def test_pattern_properties_are_known_and_other_keys_are_not() -> None:
    schema = {"patternProperties": {"^x-": {}}, "additionalProperties": False}
    assert checked("x-anything: 1", schema) == ""
    assert checked("y: 1", schema).startswith(
        "site.yaml:1:1: error[E101]: 'y' is not a known key of the top level\n"
    )


def test_a_property_named_like_a_keyword() -> None:
    schema = {"properties": {"propertyNames": {"enum": ["a"]}}}
    assert checked("propertyNames: b", schema).startswith(
        "site.yaml:1:16: error[E104]: propertyNames: 'b' must be 'a'\n"
    )


def test_scalar_alternatives_speak_through_their_message() -> None:
    schema = {
        "properties": {
            "size": {
                "anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^[0-9]+G$"}],
                "errorMessage": "a size is a number, or a number and G",
            }
        }
    }
    assert checked("size: big", schema).startswith(
        "site.yaml:1:7: error[E105]: size: 'big' does not have the right form: a size is a number,"
    )


def test_a_keyword_without_a_sentence_still_says_something() -> None:
    assert checked(
        "a: [1, 2]", {"properties": {"a": {"items": [{}], "additionalItems": False}}}
    ) == (
        "site.yaml:1:4: error[E107]: a: the value does not satisfy the schema's 'additionalItems'\n"
        "1 | a: [1, 2]\n"
        "  |    ^^^^^^\n"
    )


def test_one_repeated_item_is_found_among_many() -> None:
    schema = {"properties": {"a": {"uniqueItems": True}}}
    problems = checked(f"a: [{', '.join(f'{{n: {n}}}' for n in range(20_000))}, {{n: 7}}]", schema)
    assert problems.count("error[") == 1
    assert "a[20000]: the value stands in the list already" in problems


def test_true_and_1_are_not_the_same_item() -> None:
    assert checked("a: [1, true, '1', 1.0]", {"properties": {"a": {"uniqueItems": True}}}) == ""


def test_the_same_mistake_on_every_one_of_many_hosts() -> None:
    text = "hosts:\n" + "".join(
        f"  os{n}:\n    adress: a{n}\n    roles: [novaa]\n" for n in range(10_000)
    )
    source, report = Source("site.yaml", text), Report()
    document = load(source, report)
    assert document
    report.extend(check(document, SCHEMA))
    shown = render(report, source)
    assert len(report) == 20_001
    assert shown.endswith("… and 19,981 more; --format json tells all\n")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), ""),
        (("hosts", "compute1", "roles", 1), "hosts.compute1.roles[1]"),
        (("hosts", "compute[01-40]"), "hosts.compute[01-40]"),
        (("hosts", "a.b", "c d"), "hosts.'a.b'.'c d'"),
        (("a", 0, 1), "a[0][1]"),
        (("x" * 90,), f"'{'x' * 59}…'"),
        (("\x1b", ""), r"'\x1b'.''"),
    ],
)
def test_path_text(path: tuple[str | int, ...], expected: str) -> None:
    assert path_text(path) == expected


OBJECT = {"type": "object", "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"anyOf": [OBJECT, {"type": "string"}]}, ["#/anyOf: a choice between objects"]),
        ({"oneOf": [{"required": ["a"]}]}, ["#/oneOf: a choice between objects"]),
        (
            {"items": {"oneOf": [{"$ref": "#/definitions/a~1b"}]}, "definitions": {"a/b": OBJECT}},
            ["#/items/oneOf: a choice between objects"],
        ),
        ({"anyOf": [{"type": "string"}, {"type": ["integer", "null"]}, {"enum": [1]}]}, []),
        (
            {**OBJECT, "properties": {"a": {"type": "string"}}},
            ["#/properties/a: has no description"],
        ),
        (
            {
                **OBJECT,
                "properties": {"a": {"$ref": "#/definitions/a"}, "b": {"$ref": "#/definitions/b"}},
                "definitions": {"a": {"description": "x"}, "b": {}},
            },
            ["#/properties/b: has no description"],
        ),
        ({"properties": {"a": {"description": "x"}}}, ["#: lets unknown keys pass"]),
        ({"allOf": [{"if": {"properties": {"a": {}}}, "then": {"properties": {"a": False}}}]}, []),
        ({"pattern": "^a$"}, ["#/pattern: has no errorMessage or description"]),
        ({"pattern": "^a$", "errorMessage": "an a"}, []),
        ({"format": "uri"}, ["#/format: is not checked; use a pattern"]),
        (
            {"$ref": "#/definitions/a", "description": "x", "minimum": 1, "definitions": {"a": {}}},
            ["#: ignored beside $ref: definitions, minimum"],
        ),
        (True, []),
    ],
)
def test_unsuitable(schema: Any, expected: list[str]) -> None:
    assert unsuitable(schema) == expected


def test_the_text_of_a_site_cannot_pass_for_a_diagnostic() -> None:
    problems = checked(f'"x\\nsite.yaml:1:1: error[E101]: forged": 1\n{GOOD_HOSTS}')
    assert sum(line.startswith("site.yaml:") for line in problems.splitlines()) == 1
