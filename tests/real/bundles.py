"""Carrying bundles to real hosts and running them there."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from cephos import ranges

if TYPE_CHECKING:
    from rig import Host

BUNDLE = "/root/cephos"
HANDOFFS = "/var/lib/cephos/handoff"
GLANCE_CLIENT = {
    "OS_AUTH_TYPE": "none",
    "OS_ENDPOINT": "http://127.0.0.1:9292",
    "OS_IMAGE_ENDPOINT_OVERRIDE": "http://127.0.0.1:9292",
}
"""With what `openstack`, and a tool that asks like it, reach Glance on its own host."""
CHANGING_NOTHING = {"--check", "--list", "--verify", "--rollback"}

LATER = ": to be seen after the changes above"
"""What `--check` cannot prove since it changes nothing; the run that follows does."""

SAID: list[str] = []
"""All that bundles have said, for the test that looks for keys in it."""


def apply(host: Host, *arguments: str, status: int = 0, bundle: str = BUNDLE) -> str:
    """Run the host's bundle and return what it said; the exit status must be `status`.

    A run that converges the host is held to the word of `--check`, which is asked first.
    """
    if status or CHANGING_NOTHING.intersection(arguments):
        return run_bundle(host, *arguments, status=status, bundle=bundle)
    before = traces(host)
    announced = run_bundle(host, *arguments, "--check", "--diff", status=None, bundle=bundle)
    assert traces(host) == before
    said = run_bundle(host, *arguments, status=0, bundle=bundle)
    assert unkept(announced, said) == []
    return said


def unkept(announced: str, said: str) -> list[str]:
    """Return what `--check` announced and the run that followed did not do, or the reverse."""
    found = []
    # a thing that is said and left alone is said by both, too
    for told, tells in (("would-change", "changed"), ("skipped", "skipped")):
        wanted = [x for x in actions(told, announced) if LATER not in x]
        if (done := actions(tells, said)) != wanted:
            found.append(f"{tells} {done}, but --check said {wanted}")
    return found


def run_bundle(host: Host, *arguments: str, status: int | None = 0, bundle: str = BUNDLE) -> str:
    """Run it and nothing else; `None` stands for any status."""
    done = host.run(f"{bundle}/apply", *arguments, check=False, timeout=300)
    SAID.extend([done.stdout, done.stderr])
    assert status is None or done.returncode == status, f"{host.name}: {done.stdout}{done.stderr}"
    assert done.stderr == ""
    return done.stdout


def actions(status: str, said: str) -> list[str]:
    """Return the actions that `apply` told with this status: step and what, in order."""
    return re.findall(rf"(?m)^{status} +(.*)", said)


def traces(host: Host) -> str:
    """Return all that a run could have changed but for logs: each file and folder, secrets.

    Content shows in the time of change, which nothing can set back.
    """
    return host.run("sh", "-c", r"""
        find /etc /var/lib/cephos -printf '%p %y %m %U:%G %i %s %T@ %C@\n'
        ls -ld /run/ceph-guests /var/log/ceph-guests | cut -d' ' -f 1-4
        virsh -q secret-list
        true
    """).stdout  # fmt: skip


def started(host: Host, unit: str) -> str:
    """Return since when a unit runs."""
    return host.run("systemctl", "show", unit, "-p", "ActiveEnterTimestampMonotonic").stdout


def statuses(said: str) -> dict[str, str]:
    """Return the status of each thing that `apply` named, by what it is called before the colon."""
    lines = [line.split(None, 2) for line in said.splitlines() if not line.startswith(" ")]
    return {f"{step} {what.partition(': ')[0]}": status for status, step, what in lines}


def carry_out(runbook: str, hosts: dict[str, Host]) -> dict[str, str]:
    """Do what the runbook says, command by command, as the person does who follows it.

    Returns what each host said to the last command of its wave.

    Every total that a host prints adds up to what the table of its wave says.
    """
    last: dict[str, str] = {}
    for wave in re.split(r"(?m)^## ", runbook):
        if not wave.startswith("Wave "):
            continue
        where: list[str] = []
        lines = {
            name: int(count)
            for names, count in re.findall(r"(?m)^  \| (`.+) \| `verify: (\d+) ok`", wave)
            for name in named(names)
        }
        sealed = re.findall(
            r"(?m)^  \| ([^|]+) \| `(\S+)` \| `\S+/HOST(\S*)\.tar` \| `\S+` \|", wave
        )
        for line in wave.splitlines():
            if line.startswith("- [ ] On "):
                where = named(line)
            elif line.startswith("  # "):
                command = line.removeprefix("  # ")
                if "HOST" in command:
                    for names, source, cluster in sealed:
                        for name in named(names):
                            of_one = command.replace(".CLUSTER", cluster).replace("HOST", name)
                            hosts[source].run("bash", "-c", of_one)
                else:
                    with ThreadPoolExecutor() as pool:
                        said = pool.map(lambda name, it=command: do(hosts[name], it), where)
                    for name, text in zip(where, said, strict=True):
                        assert totals(text)
                        assert set(totals(text)) == {lines[name]}, f"{name}: {text}"
                        last[name] = text
    return last


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


def strip_comments(*hosts: Host) -> None:
    """Take the comments out of the services' files: they make runs long, and nothing else.

    In test_bind.py they stay.
    """
    for host in hosts:
        files = "/etc/glance/*.conf /etc/cinder/*.conf /etc/nova/*.conf"
        host.run("sh", "-ec", f"sed -i '/^ *#/d; /^ *$/d' {files}")


def carry(source: Host, target: Host) -> None:
    """Carry the target's hand-off from the `ceph-admin` host."""
    path = f"{HANDOFFS}/{target.name}.tar"
    sealed = source.run_bytes("cat", path).stdout
    target.run("install", "-d", "-m", "0700", HANDOFFS)
    target.run_bytes("install", "-m", "0600", "/dev/stdin", path, input=sealed)
