"""From the plan to the tree of files.

Everything that a template prints into a script is shell-quoted unless the template says that it is
shell already (`words`, `raw`), and no value with a control character gets through at all: a hostile
string cannot become code. Rendering happens once per profile, with `HOST` for its hosts' names.
"""

from __future__ import annotations

import shlex
import textwrap
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from cephos import __version__, effects, jinja, review, sign
from cephos.plan import host_ranges
from cephos.tree import HOST, Bundles, File, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jinja2 import Environment

    from cephos.load import Document
    from cephos.model import Path
    from cephos.plan import Plan, Profile, Wave

RUNTIME = ("apply", "lib/cephos.sh", "lib/files.sh", "lib/ini-patch", "lib/rollback.sh")
"""Files that every bundle carries unchanged."""

_EXECUTABLE = frozenset({"apply", "lib/ini-patch"})


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
    environment = jinja.environment(**settings)
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
    environment.filters["ranges"] = host_ranges
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


def render(plan: Plan, document: Document, site_sha256: str) -> Tree:
    """Return every file but the two that cover all others.

    The document tells on which line each source stands.
    """
    about = {
        "compiler": f"cephos-compile {__version__}",
        "site": plan.site.name,
        "site_sha256": site_sha256,
    }
    bundles = tuple(_bundles(plan, profile) for profile in plan.profiles)
    shared = {each.groups: its.shared for each, its in zip(plan.profiles, bundles, strict=True)}

    def verified(profile: Profile, wave: Wave) -> int:
        """Return how many lines `--verify` prints of the profile's hosts in a wave."""
        steps = [step.path for step in wave.steps(profile)]
        return effects.lines(shared[profile.groups], steps)

    runbook = (
        _markdown()
        .get_template("RUNBOOK.md.j2")
        .render(plan=plan, site=plan.site, verified=verified, namespace=sign.NAMESPACE)
    )
    files = {
        "RUNBOOK.md": File(runbook.encode(), "site"),
        "review.html": File(review.page(plan, bundles, document).encode(), "site"),
    }
    if plan.delivered:
        asked = _markdown().get_template("CEPH-TEAM.md.j2").render(plan=plan, site=plan.site)
        files["CEPH-TEAM.md"] = File(asked.encode(), "clusters")
    return Tree(about, files, bundles)


def _bundles(plan: Plan, profile: Profile) -> Bundles:
    """Return the bundles of the profile's hosts."""
    env = f"# what this bundle is for; read by apply as text\nsite={plan.site.name}\nhost={HOST}\n"
    sources = {name: dotted(group.path) for name, group in profile.hosts()}
    return Bundles(_shared_files(plan, profile), {"host.env": env}, sources)


def _shared_files(plan: Plan, profile: Profile) -> dict[str, File]:
    """Return the files that are the same for every host of the profile."""
    template = _markdown().get_template("README.md.j2")
    readme = template.render(site=plan.site, waves=plan.waves, profile=profile)
    tree = {"README.md": File(readme.encode(), "hosts")}
    for path, data in runtime().items():
        tree[path] = File(data, "site", path in _EXECUTABLE)
    for step in profile.steps:
        template = _shell().get_template(f"steps/{step.name}.sh.j2")
        script = template.render(step=step, **step.context)
        tree[step.path] = File(_aligned(script).encode(), dotted(step.source), executable=True)
    for tool in profile.tools:
        text = files("cephos.templates").joinpath(tool.path).read_bytes()
        tree[tool.path] = File(text, "site", executable=True)
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
