"""Carrying bundles to real hosts and running them there."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from cephos import ranges

if TYPE_CHECKING:
    from rig import Host

HANDOFFS = "/var/lib/cephos/handoff"

SAID: list[str] = []
"""All that bundles have said, for the test that looks for keys in it."""


def apply(host: Host, *arguments: str, status: int = 0) -> str:
    """Run the host's bundle and return what it said; the exit status must be `status`."""
    done = host.run("/root/cephos/apply", *arguments, check=False, timeout=300)
    SAID.extend([done.stdout, done.stderr])
    assert done.returncode == status, f"{host.name}: {done.stdout}{done.stderr}"
    assert done.stderr == ""
    return done.stdout


def started(host: Host, unit: str) -> str:
    """Return since when a unit runs."""
    return host.run("systemctl", "show", unit, "-p", "ActiveEnterTimestampMonotonic").stdout


def statuses(said: str) -> dict[str, str]:
    """Return the status of each thing that `apply` named, by what it is called before the colon."""
    lines = [line.split(None, 2) for line in said.splitlines() if not line.startswith(" ")]
    return {f"{step} {what.partition(': ')[0]}": status for status, step, what in lines}


def carry_out(runbook: str, hosts: dict[str, Host]) -> None:
    """Do what the runbook says, command by command, as the person does who follows it.

    Every total that a host prints adds up to what the table of its wave says.
    """
    admin = ""
    for wave in re.split(r"(?m)^## ", runbook):
        if not wave.startswith("Wave "):
            continue
        where: list[str] = []
        lines = {
            name: int(count)
            for names, count in re.findall(r"(?m)^  \| (`.+) \| `verify: (\d+) ok`", wave)
            for name in named(names)
        }
        for line in wave.splitlines():
            if line.startswith("- [ ] On "):
                where = named(line)
                admin = admin or where[0]
            elif line.startswith("  # "):
                command = line.removeprefix("  # ")
                if "HOST" in command:
                    for name in hosts.keys() - {admin}:
                        hosts[admin].run("bash", "-c", command.replace("HOST", name))
                else:
                    with ThreadPoolExecutor() as pool:
                        said = pool.map(lambda name, it=command: do(hosts[name], it), where)
                    for name, text in zip(where, said, strict=True):
                        assert totals(text)
                        assert set(totals(text)) == {lines[name]}, f"{name}: {text}"


def named(line: str) -> list[str]:
    """Return the hosts of the ranges that stand in a line as code."""
    return [name for each in re.findall("`(.+?)`", line) for name in ranges.expand(each)]


def totals(said: str) -> list[int]:
    """Return how many things each total in what `apply` said counts."""
    return [
        sum(map(int, re.findall(r"\d+", counts)))
        for counts in re.findall(r"(?m)^ok +total +\w+: (.+)$", said)
    ]


def do(host: Host, command: str) -> str:
    """Run a command of the runbook in the bundle; `--check` may say that something would change."""
    done = host.run("bash", "-c", f"cd /root/cephos; {command}", check=False, timeout=300)
    SAID.extend([done.stdout, done.stderr])
    expected = {0, 10} if "--check" in command else {0}
    assert done.returncode in expected, f"{host.name}: {command}\n{done.stdout}{done.stderr}"
    return done.stdout


def carry(source: Host, target: Host) -> None:
    """Carry the target's hand-off from the `ceph-admin` host."""
    path = f"{HANDOFFS}/{target.name}.tar"
    sealed = source.run_bytes("cat", path).stdout
    target.run("install", "-d", "-m", "0700", HANDOFFS)
    target.run_bytes("install", "-m", "0600", "/dev/stdin", path, input=sealed)
