"""A report in the forms that programs read; `diagnostics.render` is the one for people.

Lines and columns count from 1, columns in characters, as everywhere here.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cephos import __version__
from cephos.diagnostics import CATALOGUE, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cephos.diagnostics import Diagnostic, Report, Source

_PROGRAM = "cephos-compile"


def as_json(report: Report, source: Source) -> str:
    """Return a JSON object as `schema/diagnostics.schema.json` describes it."""
    found = [
        {
            "code": each.code,
            "title": CATALOGUE[each.code],
            "severity": report.severity(each),
            "message": printable(each.message),
            "help": printable(each.help) if each.help else None,
            "span": asdict(each.span) if each.span else None,
        }
        for each in report
    ]
    return _json(
        {
            "version": 1,
            "compiler": __version__,
            "source": source.name,
            "errors": len(report.errors),
            "warnings": len(report.warnings),
            "diagnostics": found,
        }
    )


def as_sarif(report: Report, source: Source) -> str:
    """Return a SARIF log: OASIS Standard, "SARIF Version 2.1.0", 27 March 2020."""
    codes = sorted({each.code for each in report})
    artifact = {"uri": _uri(source.name)}
    rules = [{"id": code, "shortDescription": {"text": CATALOGUE[code]}} for code in codes]
    results = [
        {
            "ruleId": each.code,
            "ruleIndex": codes.index(each.code),
            "level": report.severity(each),
            "message": {"text": _message(each)},
            "locations": [
                {"physicalLocation": {"artifactLocation": artifact, **_sarif_region(each)}}
            ],
        }
        for each in report
    ]
    driver = {"name": _PROGRAM, "semanticVersion": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "artifacts": [{"location": artifact, "sourceLanguage": "yaml"}],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return _json(
        {
            "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/"
            "sarif-schema-2.1.0.json",
            "version": "2.1.0",
            "runs": [run],
        }
    )


def _sarif_region(diagnostic: Diagnostic) -> dict[str, Any]:
    span = diagnostic.span
    if span is None:
        return {}
    return {
        "region": {
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.end_line,
            "endColumn": span.end_column,
        }
    }


def _uri(name: str) -> str:
    """Return a file name as a URI, relative if the name is (RFC 3986)."""
    path = quote(os.fsencode(name))
    return f"file://{path}" if path.startswith("/") else path


def as_github(report: Report, source: Source) -> str:
    """Return workflow commands, which GitHub's runner shows at the lines of a change."""
    return "".join(f"{_command(each, report, source)}\n" for each in report)


def _command(diagnostic: Diagnostic, report: Report, source: Source) -> str:
    properties: dict[str, object] = {"file": printable(source.name)}
    if span := diagnostic.span:
        properties |= {"line": span.line, "endLine": span.end_line}
        # over several lines the runner takes no columns
        if span.line == span.end_line:
            properties |= {"col": span.column, "endColumn": span.end_column}
    properties["title"] = f"{diagnostic.code}: {CATALOGUE[diagnostic.code]}"
    listed = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{report.severity(diagnostic)} {listed}::{_data(_message(diagnostic))}"


def _data(text: str) -> str:
    """Escape as actions/toolkit does (packages/core/src/command.ts)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _message(diagnostic: Diagnostic) -> str:
    lines = [diagnostic.message, *([f"help: {diagnostic.help}"] if diagnostic.help else [])]
    return "\n".join(map(printable, lines))


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


FORMATS: Mapping[str, Callable[[Report, Source], str]] = {
    "json": as_json,
    "sarif": as_sarif,
    "github": as_github,
}
"""The forms for programs, by the name that `--format` takes."""
