"""What a bundle manages on its host, read from the steps themselves.

A step is a list of verbs with plain words, so what `apply` will look after is known without asking
any host, and cannot be something else than the step says. Names are those that `apply` prints.
"""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from cephos import ini, libvirt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cephos.tree import File

State = dict[str, str]
"""How a thing is to be: option or property -> value; {} where only its existence is managed."""

HANDOFFS = "hand-offs of cluster "
"""With a cluster's name, all hand-offs of its keys: which there are follows from other hosts."""

_PROOFS = frozenset(
    {
        "client_reads",
        "client_refused",
        "keep_disks",
        "keep_image_stores",
        "keep_volumes",
        "libvirt_at_least",
        "name_unread",
        "not_multi_store",
        "not_overridden",
        "packages",
        "reach_pool",
    }
)
_NO_VERBS = frozenset({".", "unset"})


def effects(bundle: Mapping[str, File]) -> dict[str, Any]:
    """Return what each step manages, by the step's name.

    `bundle` has the files of a bundle by path in it. A step is `{"manages": {thing: State},
    "restarts": [unit]}`; a unit is restarted if a file that one of its steps manages has changed.

    Raises:
        ValueError: a step uses a verb that this module does not know.
    """
    return {
        PurePosixPath(path).stem: _Step(bundle).read(path)
        for path in sorted(bundle)
        if path.startswith("steps/")
    }


def lines(bundle: Mapping[str, File], steps: Iterable[str]) -> int:
    """Return how many lines `apply` prints of these steps before its total: one for most verbs."""
    scripts = (bundle[path].data.decode() for path in steps)
    counts = dict.fromkeys(_NO_VERBS, 0) | {
        "cluster": 0,  # it only says what the others speak of
        "name_unread": 0,  # it says something only if there is something
        "trust_signers": 2,  # and before all steps, who signed the bundle
    }

    def count(verb: str, *words: str) -> int:
        if verb in {"handoffs", "send_handoffs"}:
            lines = bundle[words[0]].data.splitlines()
            return sum(not line.startswith(b"#") for line in lines)
        return counts.get(verb, 1)

    return sum(count(*command) for script in scripts for command in _commands(script))


def is_file(thing: str) -> bool:
    """Tell whether a thing is a file, which services read."""
    return thing.startswith(("/", "keyring /"))


class _Step:
    def __init__(self, bundle: Mapping[str, File]) -> None:
        self._bundle = bundle
        self._cluster = ""
        self._manages: dict[str, State] = {}
        self._restarts: list[str] = []

    def read(self, path: str) -> dict[str, Any]:
        for verb, *words in _commands(self._text(path)):
            self._verb(verb, words)
        return {"manages": self._manages, "restarts": self._restarts}

    def _text(self, path: str) -> str:
        return self._bundle[path].data.decode()

    def _verb(self, verb: str, words: list[str]) -> None:  # noqa: C901, PLR0912  # one case per verb
        match verb, words:
            case "cluster", [name, *_]:
                self._cluster = name
            case "pool" | "pool_step_by_step", [name, *_]:
                # its settings are only those it is created with
                self._manages[f"pool {name} of cluster {self._cluster}"] = {}
            case "trash_schedule", [pool, interval]:
                self._manages[f"trash of pool {pool} of cluster {self._cluster}"] = {
                    "purged every": interval
                }
            case "min_compat_client", [release]:
                thing = f"oldest client of cluster {self._cluster} is of {release}"
                self._manages[thing] = {}
            case "erasure_profile", [name, *_]:
                self._manages[f"erasure code profile {name} of cluster {self._cluster}"] = {}
            case "data_pool", [name, *_]:
                self._manages[f"data pool {name} of cluster {self._cluster}"] = {}
            case "client", [name, *caps]:
                thing = f"client.{name} of cluster {self._cluster}"
                self._manages[thing] = dict(zip(caps[::2], caps[1::2], strict=True))
            case "handoffs" | "send_handoffs", _:
                self._manages[f"{HANDOFFS}{self._cluster}"] = {}
            case "install_keyring", [client, owner, mode, *readers]:
                file = f"/etc/ceph/{self._cluster}.client.{client}.keyring"
                acl = {"readers": " ".join(readers)} if readers else {}
                self._manages[f"keyring {file}"] = {"owner": owner, "mode": mode} | acl
            case "ceph_conf", [patch]:
                self._manages[f"/etc/ceph/{self._cluster}.conf"] = self._settings(patch)
            case "patch_ini", [target, patch, *options]:
                included = (item for item in options if not item.startswith("--"))
                self._manages[target] = self._settings(patch) | dict(map(_included, included))
            case "libvirt_secret", [xml, _]:
                secret = libvirt.parse(self._text(xml))
                uuid, usage = secret.findtext("uuid"), secret.findtext("usage/name")
                self._manages[f"libvirt secret {uuid}"] = {"usage": usage or ""}
            case "tmpfiles", [source, target]:
                lines = self._text(source).splitlines()
                self._manages[target] = {
                    line.split()[1]: line for line in lines if line and not line.startswith("#")
                }
            case "deploy_user", [name]:
                self._manages[f"user {name}"] = {}
            case "authorized_keys", [name, file]:
                keys = self._text(file).splitlines()
                self._manages[f"authorized keys of {name}"] = dict.fromkeys(keys, "may log in")
            case "sudo_rule", [_, file, target]:
                self._manages[target] = {"rule": self._text(file).splitlines()[1]}
            case "trust_signers", [file]:
                lines = self._text(file).splitlines()
                self._manages["/etc/cephos/allowed_signers"] = {
                    key: name for name, _, key in (line.partition(" ") for line in lines)
                }
            case "restart_on_change", [unit]:
                self._restarts.append(unit)
            case _ if verb not in _PROOFS | _NO_VERBS:
                raise ValueError(f"say in effects.py what the verb {verb} manages")

    def _settings(self, patch: str) -> State:
        sections = ini.parse(self._text(patch))
        return {
            f"{section}.{key}": value
            for section, entries in sections.items()
            for key, value in entries.items()
        }


def _commands(script: str) -> Iterator[list[str]]:
    for line in script.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


def _included(item: str) -> tuple[str, str]:
    """Return the setting that `SECTION.KEY=ITEM,…` stands for: a list that begins so."""
    key, _, items = item.partition("=")
    return key, f"{items},…"
