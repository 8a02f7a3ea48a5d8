"""From the plan to the tree of files: path below OUT -> bytes, mode and origin.

Everything that a template prints into a script is shell-quoted unless the template says that it is
shell already (`words`, `raw`), and no value with a control character gets through at all: a hostile
string cannot become code. Rendering happens once per profile; what differs between its hosts
(`host.env`, the name in README.md, the checksums) is put together from ready bytes.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import textwrap
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cephos import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cephos.model import Path
    from cephos.plan import Plan, Profile

RUNTIME = ("apply", "lib/cephos.sh", "lib/files.sh", "lib/ini-patch", "lib/rollback.sh")
"""Files that every bundle carries unchanged."""

_HOST = "\0host\0"
_EXECUTABLE = frozenset({"apply", "lib/ini-patch"})


@dataclass(frozen=True)
class File:
    """One file of the tree; `source` is the dotted path in the description that it comes from."""

    data: bytes
    source: str
    executable: bool = False

    @property
    def digest(self) -> str:
        """Return its sha256."""
        return _digest(self.data)

    @property
    def mode(self) -> int:
        """Return its permission bits."""
        return 0o755 if self.executable else 0o644


Tree = dict[str, File]


@cache
def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class _Shell(str):
    """Text that is shell already."""

    __slots__ = ()


def _quoted(value: object) -> str:
    """Return an expression's value as one word of shell."""
    if isinstance(value, _Shell):
        return value
    return shlex.quote(_printable(value))


def _printable(value: object) -> str:
    text = str(value)
    if not text.isprintable():
        raise ValueError(f"an unprintable value reached a template: {text!r}")
    return text


def _words(values: Iterable[object]) -> _Shell:
    return _Shell(" ".join(shlex.quote(_printable(value)) for value in values))


def _environment(**settings: Any) -> Environment:
    environment = Environment(  # noqa: S701  # shell and Markdown: HTML escaping would corrupt both
        loader=PackageLoader("cephos.templates", ""),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **settings,
    )
    environment.filters["words"] = _words
    environment.filters["raw"] = _Shell
    environment.filters["wrapped"] = lambda text: [
        _Shell(_printable(line)) for line in textwrap.wrap(text, 100)
    ]
    return environment


@cache
def _shell() -> Environment:
    return _environment(finalize=_quoted)


@cache
def _markdown() -> Environment:
    environment = _environment()
    environment.filters["code"] = lambda text: f"`{text}`"
    environment.filters["mermaid"] = lambda text: text.replace("[", "#91;").replace("]", "#93;")
    return environment


@cache
def runtime() -> Mapping[str, bytes]:
    """Return the files that every bundle carries, by path in the bundle."""
    folder = files("cephos.templates") / "runtime"
    return {path: (folder / path).read_bytes() for path in RUNTIME}


def dotted(path: Path) -> str:
    """Return a path of the description as people write it: `services.glance`."""
    return ".".join(map(str, path))


def render(plan: Plan) -> Tree:
    """Return every file but the two that cover all others."""
    tree: Tree = {}
    runbook = _markdown().get_template("RUNBOOK.md.j2").render(plan=plan, site=plan.site)
    tree["RUNBOOK.md"] = File(runbook.encode(), "site")
    for profile in plan.profiles:
        tree.update(_bundles(plan, profile))
    return tree


def covered(tree: Tree, kept: Mapping[str, Any], site: str, digest: str) -> Tree:
    """Return the tree in path order with `manifest.json` and `SHA256SUMS`, which cover all of it.

    `kept` are manifest entries of files that stay from an earlier run; `digest` is the sha256 of
    the site description.
    """
    tree = dict(sorted(tree.items()))
    entries = {
        path: {"sha256": file.digest, "mode": f"{file.mode:04o}", "source": file.source}
        for path, file in tree.items()
    }
    manifest = {
        "compiler": f"cephos-compile {__version__}",
        "site": site,
        "site_sha256": digest,
        "files": dict(sorted({**entries, **kept}.items())),
    }
    tree["manifest.json"] = File((json.dumps(manifest, indent=1) + "\n").encode(), "site")
    sums = {path: file.digest for path, file in tree.items()}
    sums |= {path: entry["sha256"] for path, entry in kept.items()}
    tree["SHA256SUMS"] = File(_sums(sums), "site")
    return tree


def _sums(digests: Mapping[str, str]) -> bytes:
    """Return the text that `sha256sum --check` reads."""
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(digests.items())).encode()


def _bundles(plan: Plan, profile: Profile) -> Iterator[tuple[str, File]]:
    """Yield every file of every host of the profile."""
    shared = _shared_files(profile)
    listing = sorted([*shared, "README.md", "SHA256SUMS", "host.env"])
    readme = (
        _markdown()
        .get_template("README.md.j2")
        .render(plan=plan, site=plan.site, profile=profile, listing=listing, host=_HOST)
    )
    for name, group in profile.hosts():
        source = dotted(group.path)
        bundle = dict(shared)
        bundle["host.env"] = File(
            "# what this bundle is for; read by apply as text\n"
            f"site={plan.site.name}\nhost={name}\n".encode(),
            source,
        )
        bundle["README.md"] = File(readme.replace(_HOST, name).encode(), source)
        sums = {path: file.digest for path, file in bundle.items()}
        bundle["SHA256SUMS"] = File(_sums(sums), source)
        for path, file in bundle.items():
            yield f"hosts/{name}/{path}", file


def _shared_files(profile: Profile) -> Tree:
    """Return the files that are the same for every host of the profile."""
    tree: Tree = {}
    for path, data in runtime().items():
        tree[path] = File(data, "site", path in _EXECUTABLE)
    for step in profile.steps:
        template = _shell().get_template(f"steps/{step.name}.sh.j2")
        script = template.render(step=step, **step.context)
        tree[step.path] = File(_aligned(script).encode(), dotted(step.source), executable=True)
    for data_file in profile.files:
        tree[data_file.path] = File(data_file.text.encode(), dotted(data_file.source))
    return tree


def _aligned(script: str) -> str:
    """Return the script with the arguments of its verbs in one column, as people set them."""
    lines = script.splitlines()
    verbs = [line.split(" ", 1) for line in lines if line[:1].islower() and " " in line]
    width = max((len(verb) for verb, _ in verbs), default=0)
    return "".join(
        f"{words[0]:<{width}}  {words[1]}\n"
        if (words := line.split(" ", 1)) in verbs
        else f"{line}\n"
        for line in lines
    )
