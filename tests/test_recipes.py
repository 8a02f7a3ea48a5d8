"""The recipes of docs/changes.md, carried out: a change request is planned, posted and gated."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from compiling import PROGRAM, ROOT, SITE, edited, leave_out, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GROWN = edited(("[01-02]", "[01-40]"))
DANGEROUS = edited(("      rbd:", "      ceph:"))
INSTALL = "pip install cephos-compile"
"""What the recipes begin with; here the compiler under test is installed already."""


def recipe(name: str) -> Any:
    page = (ROOT / "docs/changes.md").read_text()
    found = re.search(rf"(?s)<!-- recipe: {re.escape(name)} -->\n```yaml\n(.*?)```", page)
    assert found
    return YAML(typ="safe").load(found[1])


@dataclass
class Forge:
    """Where change requests live: a repository, its clone in a job, and what was posted."""

    job: Path
    tools: Path
    url: str = ""
    posted: list[tuple[str, str, str]] = field(default_factory=list)
    """Path, token and text of each note."""

    def propose(self, site: str) -> None:
        run(self.job, "site.yaml", "-o", "out/", site=site)
        git(self.job, "add", ".")
        git(self.job, "commit", "-q", "-m", "a change")

    def shell(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a step of a job as its runner does."""
        path = f"{self.tools}:{PROGRAM.parent}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script], cwd=self.job, check=False,
            env={"PATH": path, "HOME": str(self.tools), **variables},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=ada", "-c", "user.email=ada@example.net", *arguments],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    origin, tools = tmp_path / "origin", tmp_path / "tools"
    for folder in (origin, tools):
        folder.mkdir()
    git(origin, "init", "-q", "-b", "main")
    run(origin, "site.yaml", "-o", "out/", site=SITE)
    git(origin, "add", ".")
    git(origin, "commit", "-q", "-m", "the site")
    git(tmp_path, "clone", "-q", str(origin), "job")
    git(tmp_path / "job", "switch", "-q", "-c", "change")
    forge = Forge(tmp_path / "job", tools)

    class Notes(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            forge.posted.append((self.path, self.headers["PRIVATE-TOKEN"], body))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Notes) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        forge.url = f"http://127.0.0.1:{server.server_port}"
        yield forge
        server.shutdown()


CASES = pytest.mark.parametrize(
    ("site", "labels", "passes", "said"),
    [
        (GROWN, "", True, "38 hosts added"),
        (DANGEROUS, "urgent", False, "Danger `backend`"),
        (DANGEROUS, "urgent,danger-accepted", True, "Danger `backend`"),
    ],
    ids=["harmless", "dangerous", "accepted"],
)


@CASES
def test_gitlab(forge: Forge, site: str, labels: str, *, passes: bool, said: str) -> None:
    if not shutil.which("curl"):
        leave_out("curl is not installed")
    forge.propose(site)
    script = recipe(".gitlab-ci.yml")["plan"]["script"]
    assert script[0] == INSTALL
    done = forge.shell(
        "\n".join(script[1:]),
        CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main",
        CI_MERGE_REQUEST_LABELS=labels,
        CI_MERGE_REQUEST_IID="7",
        CI_PROJECT_ID="12",
        CI_API_V4_URL=forge.url,
        PLAN_TOKEN="open",  # noqa: S106  # of the server above
    )
    assert (done.returncode == 0) == passes, done.stdout
    [(path, token, body)] = forge.posted
    assert (path, token) == ("/projects/12/merge_requests/7/notes", "open")
    assert said in body


GH = """#!/bin/sh
# stands in for GitHub's client, which speaks to GitHub alone: keeps what it is called with
printf '%s\\n' "$*" >"$HOME/called"
"""


@CASES
def test_github(forge: Forge, site: str, labels: str, *, passes: bool, said: str) -> None:
    forge.propose(site)
    (forge.tools / "gh").write_text(GH)
    (forge.tools / "gh").chmod(0o755)
    output, summary = forge.tools / "output", forge.tools / "summary"
    scripts = [
        step["run"] for step in recipe(".github/workflows/site.yml")["jobs"]["plan"]["steps"]
        if "run" in step
    ]  # fmt: skip
    assert scripts[0] == INSTALL
    variables = {"GITHUB_BASE_REF": "main", "NUMBER": "7"}
    variables |= {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    *steps, gate = scripts[1:]
    for script in steps:
        done = forge.shell(script, **variables)
        assert done.returncode == 0, done.stdout
    assert said in summary.read_text()
    assert (forge.tools / "called").read_text().startswith("pr comment 7 --edit-last")
    status = output.read_text().strip().removeprefix("status=")
    accepted = str("danger-accepted" in labels.split(",")).lower()
    assert (forge.shell(gate, STATUS=status, ACCEPTED=accepted).returncode == 0) == passes


@pytest.mark.parametrize("name", [".gitlab-ci.yml", ".github/workflows/site.yml"])
def test_an_out_that_is_behind_fails_before_the_plan(forge: Forge, name: str) -> None:
    (forge.job / "site.yaml").write_text(GROWN)
    current = "cephos-compile site.yaml -o out/ --strict --diff"
    assert current in str(recipe(name))
    assert forge.shell(current).returncode == 1


def test_the_hook_checks_that_out_is_current(forge: Forge) -> None:
    """Real pre-commit runs it in tests/real/test_pre_commit.py; here is what it runs."""
    [hook] = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text())
    [used] = recipe(".pre-commit-config.yaml")["repos"][0]["hooks"]
    assert used["id"] == hook["id"]
    command = " ".join([hook["entry"], *hook["args"]])
    assert forge.shell(command).returncode == 0
    (forge.job / "site.yaml").write_text(GROWN)
    assert forge.shell(command).returncode == 1
    for path in ("site.yaml", "out/RUNBOOK.md", "out/hosts/os1/apply"):
        assert re.search(hook["files"], path)
    assert not re.search(hook["files"], "notes.md")
