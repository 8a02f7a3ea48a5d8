"""The forms of diagnostics for programs, as they come out of the program."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cephos.diagnostics import CATALOGUE
from cephos.formats import FORMATS
from compiling import ROOT, SITE, edited, run

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = json.loads((ROOT / "schema/diagnostics.schema.json").read_text())
WRONG = edited(
    ("site: lon1", 'site: "50%,\\nx:y"'),
    ("pool: volumes, client: cinder", "pool: volume, client: cinder"),
)
SPARE = edited(("vms: {}", "vms: {}\n      spare: {}"))


def printed(folder: Path, form: str, *arguments: str, site: str = WRONG, status: int = 1) -> str:
    """Return what the program prints for a site, and nothing else on standard output."""
    ran = run(folder, "site.yaml", "--check", "--format", form, *arguments, site=site)
    assert ran.status == status
    assert "site.yaml:" not in ran.stderr
    assert "--explain" not in ran.stderr
    return ran.stdout


def as_json(folder: Path, *arguments: str, site: str = WRONG, status: int = 1) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(
        printed(folder, "json", *arguments, site=site, status=status)
    )
    jsonschema.Draft7Validator(SCHEMA).validate(value)
    return value


def test_json_says_what_the_text_says(tmp_path: Path) -> None:
    value = as_json(tmp_path)
    text = run(tmp_path, "site.yaml", "--check").stderr
    heads = [
        f"site.yaml:{each['span']['line']}:{each['span']['column']}: {each['severity']}"
        f"[{each['code']}]: {each['message']}"
        for each in value["diagnostics"]
    ]
    assert heads == [line for line in text.splitlines() if line.startswith("site.yaml:")]
    helps = [each["help"] for each in value["diagnostics"] if each["help"]]
    assert helps == re.findall(r"(?m)^ +=? ?= help: (.*)$", text)
    assert (value["errors"], value["warnings"]) == (len(heads), 0)


def test_json_counts_by_the_severity_of_the_run(tmp_path: Path) -> None:
    for strict, status, counts in ((), 0, (0, 1)), (("--strict",), 1, (1, 0)):
        value = as_json(tmp_path, *strict, site=SPARE, status=status)
        assert (value["errors"], value["warnings"]) == counts
        assert value["diagnostics"][0]["title"] == CATALOGUE["W301"]


def test_nothing_wrong_is_said_in_every_form(tmp_path: Path) -> None:
    assert as_json(tmp_path, site=SITE, status=0)["diagnostics"] == []
    assert json.loads(printed(tmp_path, "sarif", site=SITE, status=0))["runs"][0]["results"] == []
    assert printed(tmp_path, "github", site=SITE, status=0) == ""


def test_the_schema_of_the_json_form_is_valid_and_closed(tmp_path: Path) -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    value = as_json(tmp_path)
    for broken in (
        value | {"version": 2},
        value | {"more": 1},
        value | {"diagnostics": [{"code": "E101"}]},
    ):
        assert not jsonschema.Draft7Validator(SCHEMA).is_valid(broken)


def test_what_cannot_be_read_is_told_without_a_place(tmp_path: Path) -> None:
    ran = run(tmp_path, "no such.yaml", "--check", "--format", "json")
    (only,) = json.loads(ran.stdout)["diagnostics"]
    assert (ran.status, only["code"], only["span"]) == (2, "E001", None)
    ran = run(tmp_path, "no such.yaml", "--check", "--format", "sarif")
    (result,) = json.loads(ran.stdout)["runs"][0]["results"]
    place = {"physicalLocation": {"artifactLocation": {"uri": "no%20such.yaml"}}}
    assert result["locations"] == [place]
    ran = run(tmp_path, "no such.yaml", "--check", "--format", "github")
    assert ran.stdout.startswith("::error file=no such.yaml,title=E001%3A ")


def test_sarif_points_at_rule_and_region(tmp_path: Path) -> None:
    log = json.loads(printed(tmp_path, "sarif"))
    (sarif_run,) = log["runs"]
    rules = sarif_run["tool"]["driver"]["rules"]
    for result in sarif_run["results"]:
        rule = rules[result["ruleIndex"]]
        assert rule["id"] == result["ruleId"]
        assert rule["shortDescription"]["text"] == CATALOGUE[rule["id"]]
    pool = next(each for each in sarif_run["results"] if each["ruleId"] == "E204")
    assert pool["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "site.yaml"},
        "region": {"startLine": 17, "startColumn": 19, "endLine": 17, "endColumn": 25},
    }
    assert sarif_run["columnKind"] == "unicodeCodePoints"


def test_sarif_names_files_by_uri(tmp_path: Path) -> None:
    (tmp_path / "a:b #1.yaml").write_text(WRONG)
    for name, uri in (
        ("a:b #1.yaml", "a%3Ab%20%231.yaml"),
        (f"{tmp_path}/a:b #1.yaml", f"file://{tmp_path}/a%3Ab%20%231.yaml"),
    ):
        ran = run(tmp_path, name, "--check", "--format", "sarif")
        assert json.loads(ran.stdout)["runs"][0]["artifacts"][0]["location"] == {"uri": uri}


def test_github_gets_commands_of_one_line_that_no_text_can_forge(tmp_path: Path) -> None:
    lines = printed(tmp_path, "github").splitlines()
    assert lines[0] == (
        "::error file=site.yaml,line=2,endLine=2,col=7,endColumn=18,"
        "title=E105%3A value or name of the wrong form::"
        r"site: '50%25,\nx:y' does not have the right form: a site name is 1 to 32 lower-case"
        " letters, digits and hyphens"
    )
    assert all(line.startswith("::error file=site.yaml,line=") for line in lines)
    (pool,) = (line for line in lines if "E204" in line)
    assert "did you mean 'volumes'?%0Ahelp: it has" in pool


def test_every_form_tells_all_where_the_text_counts(tmp_path: Path) -> None:
    many = edited(("vms: {}", "vms: {}" + "".join(f"\n      p{n}: {{}}" for n in range(40))))
    text = run(tmp_path, "site.yaml", "--check", site=many).stderr
    assert "… and 20 more; --format json tells all\n" in text
    assert len(as_json(tmp_path, site=many, status=0)["diagnostics"]) == 40
    assert len(printed(tmp_path, "github", site=many, status=0).splitlines()) == 40


@pytest.mark.parametrize("form", FORMATS)
def test_a_form_for_programs_and_a_diff_do_not_share_a_stream(form: str, tmp_path: Path) -> None:
    ran = run(tmp_path, "site.yaml", "-o", "out", "--diff", "--format", form, site=SITE)
    assert (ran.status, ran.stdout) == (2, "")
    said = f"cephos-compile: --diff and --format {form} both use standard output: choose one\n"
    assert ran.stderr.startswith(said)
