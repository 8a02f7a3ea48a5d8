"""The command line: `cephos-compile SITE -o OUT`.

Exit status: 0 done; 1 the site has errors, or `--diff` or `--plan` found a difference; 2 wrong
usage, or something cannot be read or written; 3 `--plan` found a danger; 70 a fault of the compiler
itself.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cephos.diagnostics import Report, Source
    from cephos.tree import Tree
    from cephos.write import Out

OK, SITE_HAS_ERRORS, UNUSABLE, DANGER, FAULT = 0, 1, 2, 3, 70
DIFFERENT = SITE_HAS_ERRORS
PLANS = {"text": "--plan", "Markdown": "--plan=markdown", "JSON": "--plan=json"}

STARTERS = {
    "starter": "fill in its blanks",
    "recipe": "make it yours",
}
"""What `--init` can write, `templates/NAME.yaml`, and what its reader does with it."""


def program() -> NoReturn:
    """Run the compiler and end at once: Python would give back piece by piece all that it built."""
    _stand_in_for_closed_streams()
    status = main()
    sys.stdout.flush()
    os._exit(status)


def _stand_in_for_closed_streams() -> None:
    """Keep what the run opens from taking the place of a standard stream that its caller closed.

    What is written to standard output then fails, as it should; standard error has no reader.
    """
    for descriptor, name, flags in ((1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, flags)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            os.set_inheritable(descriptor, True)  # noqa: FBT003  # it has no other way
            stream = os.fdopen(descriptor, "w", errors="backslashreplace", closefd=False)
            setattr(sys, name, stream)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the compiler; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except KeyboardInterrupt:
        _say("interrupted; run again to complete OUT")
        return UNUSABLE
    except Exception as error:  # noqa: BLE001  # whatever it is, a user gets one line and a status
        return _fault(error)


def _parser() -> argparse.ArgumentParser:
    from cephos import __version__  # noqa: PLC0415

    parser = argparse.ArgumentParser(
        prog="cephos-compile",
        description="Compile a site description into one offline bundle per host that binds Ceph"
        " RBD into OpenStack.",
        epilog="exit status: 0 done; 1 the site has errors, or --diff or --plan found a difference;"
        " 2 wrong usage, or something cannot be read or written; 3 --plan found a danger;"
        " 70 internal fault",
    )
    parser.add_argument("site", metavar="SITE", nargs="?", help="site description; - reads stdin")
    parser.add_argument("-o", dest="out", metavar="OUT", help="folder to write the bundles to")
    parser.add_argument("--check", action="store_true", help="do everything but write")
    parser.add_argument(
        "--diff", action="store_true", help="print how OUT differs from what would be written"
    )
    for form, option in PLANS.items():
        parser.add_argument(
            option,
            dest="plan",
            action="store_const",
            const=form,
            help=f"print what the change from OUT means for the running site, as {form}",
        )
    parser.add_argument(
        "--host",
        metavar="PATTERN",
        action="append",
        default=[],
        help="only bundles of these hosts: a name, range or glob (repeatable)",
    )
    parser.add_argument(
        "--archive",
        action="store_true",
        help="also OUT/archives: one .tar.gz for each host, and one of the site with all of them",
    )
    parser.add_argument(
        "--sign",
        metavar="KEY",
        help="sign each bundle with this private key (or the .pub of one that ssh-agent holds)",
    )
    parser.add_argument("--strict", action="store_true", help="treat warnings as errors")
    parser.add_argument(
        "--format",
        choices=["text", "json", "sarif", "github"],
        default="text",
        help="form of the diagnostics: text on standard error (default), others on standard output",
    )
    parser.add_argument(
        "--color",
        choices=["auto", "always", "never"],
        default="auto",
        help="colour diagnostics (default: on a terminal, unless NO_COLOR is set)",
    )
    parser.add_argument(
        "--init",
        metavar="starter|recipe",
        nargs="?",
        const="starter",
        help="write a commented site description to SITE (or standard output) and stop: one with"
        " blanks to fill in (default), or that of a site bound by hand, after the wiki page",
    )
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON Schema of SITE and stop"
    )
    parser.add_argument(
        "--explain", metavar="CODE", help="print the page of a diagnostic's code and stop"
    )
    parser.add_argument("--version", action="version", version=f"cephos-compile {__version__}")
    return parser


def _run(options: argparse.Namespace) -> int:
    if options.schema:
        _print([_data("cephos.schema", "site.schema.json")])
        return OK
    if options.explain is not None:
        return _explain(options.explain)
    if options.init is not None:
        return _init(options.init, options.site)
    problem = _misuse(options)
    if problem:
        _say(problem + "\nTry 'cephos-compile --help'.")
        return UNUSABLE
    return _compile(options)


def _misuse(options: argparse.Namespace) -> str | None:
    modes = [f"--{mode}" for mode in ("diff", "check", "plan") if getattr(options, mode)]
    first, form = next(iter(modes), ""), options.format
    faults = {
        "no SITE given": options.site is None,
        "no OUT given: add -o OUT, or --check to write nothing": not (options.out or options.check),
        f"{' and '.join(modes)} both write nothing: choose one": len(modes) > 1,
        f"{first} and --format {form} both use standard output: choose one": (
            form != "text" and first in {"--diff", "--plan"}
        ),
        "--sign names no key": options.sign == "",
        f"{first} writes nothing, but --archive and --sign do: choose one": (
            first and (options.archive or options.sign)
        ),
        "--archive does not go with --host: the site's archive holds every host": (
            options.archive and options.host
        ),
    }
    return next((said for said, is_so in faults.items() if is_so), None)


def _data(package: str, name: str) -> str:
    from importlib.resources import files  # noqa: PLC0415  # 40 ms that --help can do without

    return (files(package) / name).read_text(encoding="utf-8")


def _explain(code: str) -> int:
    from cephos.diagnostics import CATALOGUE, quote  # noqa: PLC0415

    wanted = code.upper()
    if wanted not in CATALOGUE:
        _say(f"{quote(code)} is not the code of a diagnostic; codes look like E101 and W301")
        return UNUSABLE
    _print([_data("cephos.codes", f"{wanted}.md")])
    return OK


def _init(kind: str, site: str | None) -> int:
    if kind not in STARTERS:
        if site is not None:
            _say(f"--init takes {' or '.join(STARTERS)}, not {kind}\nTry 'cephos-compile --help'.")
            return UNUSABLE
        kind, site = "starter", kind  # --init FILE
    starter = _data("cephos.templates", f"{kind}.yaml")
    if site in {None, "-"}:
        _print([starter])
        return OK
    try:
        with open(site, "x", encoding="utf-8") as file:  # noqa: PTH123  # the mode is the point
            file.write(starter)
    except FileExistsError:
        _say(f"{site} exists already, and is left as it is")
        return UNUSABLE
    except OSError as error:
        _say(f"cannot write {site}: {error.strerror}")
        return UNUSABLE
    _say(f"wrote {site}: {STARTERS[kind]}, then cephos-compile {site} -o out/")
    return OK


def _compile(options: argparse.Namespace) -> int:
    # here, so that --help loads none of them
    from cephos import diagnostics, load  # noqa: PLC0415

    # whatever is built lives until the end: looking for what does not costs a tenth of the time
    gc.disable()
    report = diagnostics.Report(strict=options.strict)
    source = diagnostics.Source(options.site, "")
    status = OK
    try:
        source = load.read(options.site)
        status = _make(options, source, report)
    except load.Unreadable as error:
        source = error.source
        report.extend([error.diagnostic])
        status = UNUSABLE
    except diagnostics.Obstacle as error:
        _say(f"error: {error}" + (f"\n  -> {error.advice}" if error.advice else ""))
        status = UNUSABLE
    if options.format == "text":
        colored = _wants_color(options.color, sys.stderr)
        _tell(diagnostics.render(report, source, color=colored))
        if report:
            first = next(iter(report))
            _tell(f"For more about a code: cephos-compile --explain {first.code}\n")
    else:
        from cephos import formats  # noqa: PLC0415  # as above

        _print([formats.FORMATS[options.format](report, source)])
    return status or (SITE_HAS_ERRORS if report.errors else OK)


def _make(options: argparse.Namespace, source: Source, report: Report) -> int:
    """Compile, unless an earlier run made OUT of just this."""
    if options.check:
        return _pipeline(options, source, report, None)
    from pathlib import Path  # noqa: PLC0415

    from cephos.write import Out  # noqa: PLC0415

    out = Out(Path(options.out))
    counted = out.standing(_ingredients(source)) if _only_writes(options) else None
    if counted:
        _say_written(options, *counted, "")
        return OK
    if options.plan or options.host:  # few bundles are looked at, or none
        return _pipeline(options, source, report, out)
    with out.looking_ahead():
        return _pipeline(options, source, report, out)


def _only_writes(options: argparse.Namespace) -> bool:
    """Tell whether OUT alone, and all of it, shows what the run has done."""
    more = ("diff", "plan", "host", "archive", "sign")
    return not any(getattr(options, each) for each in more)


def _ingredients(source: Source) -> str:
    """Return what stands for all that a compilation depends on."""
    import hashlib  # noqa: PLC0415

    from cephos import cache  # noqa: PLC0415

    return f"{hashlib.sha256(source.text.encode()).hexdigest()} {cache.compiler()}"


def _pipeline(options: argparse.Namespace, source: Source, report: Report, out: Out | None) -> int:
    """Run the stages in order; each sees only what the one before made of the site."""
    import hashlib  # noqa: PLC0415
    import json  # noqa: PLC0415

    from cephos import load, parallel, schema_check  # noqa: PLC0415
    from cephos.diagnostics import Report, did_you_mean  # noqa: PLC0415

    document = load.load(source, report)
    if document is None:
        return SITE_HAS_ERRORS
    wanted = json.loads(_data("cephos.schema", "site.schema.json"))
    with parallel.aside(lambda sites: schema_check.check(next(sites), wanted), [document]) as found:
        # jsonschema takes as long to load as all that comes after it
        from cephos import lint, model, plan, record, render, rules  # noqa: PLC0415

        report.follow(found())
    # what is wrong in one place keeps nobody from hearing what is wrong in another
    sound = schema_check.sound(document, wanted) if report.errors else document
    if sound is None:
        return SITE_HAS_ERRORS
    meaning = Report(strict=report.strict)
    site = model.build(sound, meaning)
    rules.check(site, sound, meaning)
    report.follow(meaning)
    if report.errors:
        return SITE_HAS_ERRORS
    digest = hashlib.sha256(source.text.encode()).hexdigest()
    planned = plan.plan(site)
    tree = render.render(planned, document, digest)
    if options.host:
        hosts = tree.hosts
        tree = tree.only(_selected(hosts, options.host))
        if not tree.hosts:
            guess = next(filter(None, (did_you_mean(each, hosts) for each in options.host)), None)
            hint = f"; did you mean {guess}?" if guess else ""
            _say(f"error: no host of the site matches {' '.join(options.host)}{hint}")
            return UNUSABLE
    lint.lint(tree, document, report)
    if report.errors:
        return SITE_HAS_ERRORS
    made_of = "" if report or site.signers else _ingredients(source)
    return _deliver(options, record.kept(planned, tree), out, site.signers, made_of)


def _selected(hosts: Iterable[str], patterns: list[str]) -> set[str]:
    from cephos import ranges  # noqa: PLC0415

    return {host for host in hosts if any(ranges.matches(pattern, host) for pattern in patterns)}


def _deliver(
    options: argparse.Namespace, tree: Tree, out: Out | None, signers: tuple[str, ...], made_of: str
) -> int:
    """Write the tree, or say how OUT differs from it.

    `made_of` is empty if another run on the same description would have more to tell than that.
    """
    from pathlib import Path  # noqa: PLC0415

    from cephos import ship  # noqa: PLC0415
    from cephos.tree import ARCHIVES  # noqa: PLC0415

    hosts = len(tree.hosts)
    if out is None:
        _say(f"{hosts} hosts, {len(tree)} files: right")
        return OK
    if options.plan:
        return _plan(options, tree, out)
    partial = bool(options.host)
    if options.diff:
        change = out.compare(tree, partial=partial)
        _print(out.diff(change))
        return DIFFERENT if change else OK
    change = out.write(tree, partial=partial)
    counts = ", ".join(f"{count} {word}" for word, count in change.counts().items() if count)
    _say_written(options, hosts, len(change.tree), counts)
    shipped = ship.ship(
        out.folder, change.tree, key=options.sign, signers=signers, archives=options.archive
    )
    if shipped.signed or signers:
        _say(f"{shipped.signed} of {hosts} bundles are signed")
    if shipped.archives:
        _say(f"{shipped.archives} archives in {Path(options.out) / ARCHIVES}")
    out.remember(change, made_of if _only_writes(options) else "")
    return OK


def _say_written(options: argparse.Namespace, hosts: int, files: int, counts: str) -> None:
    _say(f"{hosts} hosts, {files} files in {options.out}: {counts or 'nothing to change'}")


def _plan(options: argparse.Namespace, tree: Tree, out: Out) -> int:
    """Say what it means to go from OUT to the tree."""
    from cephos import announce, change, manifest  # noqa: PLC0415

    made = out.made()
    if options.host:
        made = made.only(tree.hosts)
    if out.interrupted():
        _say(f"an earlier run on {options.out} was interrupted: this is since the one before it")
    found = change.compare(made, manifest.of(tree))
    match options.plan:
        case "JSON":
            text = announce.as_json(found)
        case "Markdown":
            text = announce.as_markdown(found)
        case _:
            text = announce.as_text(found, color=_wants_color(options.color, sys.stdout))
    _print([text])
    return DANGER if found.dangers else DIFFERENT if found else OK


def _wants_color(choice: str, stream: TextIO) -> bool:
    if choice == "auto":
        return stream.isatty() and not os.environ.get("NO_COLOR")
    return choice == "always"


def _print(lines: Iterable[str]) -> None:
    """Write to standard output, in UTF-8 whatever the locale, all while failing can be told."""
    try:
        sys.stdout.buffer.writelines(line.encode() for line in lines)
        sys.stdout.flush()
    except OSError as error:
        # keep the interpreter from complaining again on its way out
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # else the reader has seen enough
            _say(f"error: cannot write standard output: {error.strerror}")
        raise SystemExit(UNUSABLE) from None


def _say(text: str) -> None:
    _tell(f"cephos-compile: {text}\n")


def _tell(text: str) -> None:
    """Write to standard error; where nobody can read it, the exit status still tells."""
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


def _fault(error: Exception) -> int:
    import tempfile  # noqa: PLC0415
    import traceback  # noqa: PLC0415

    with tempfile.NamedTemporaryFile(
        "w", prefix="cephos-compile-fault-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        traceback.print_exception(error, file=file)
    _say(f"internal fault: {type(error).__name__}: {error}\n  -> please report it with {file.name}")
    return FAULT


if __name__ == "__main__":
    program()
