"""The command line: `cephos-compile SITE -o OUT`.

Exit status: 0 done; 1 the site has errors, or `--diff` or `--plan` found a difference; 2 wrong
usage, or something cannot be read or written; 3 `--plan` found a danger; 70 a fault of the compiler
itself.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cephos.diagnostics import Report, Source
    from cephos.tree import Tree
    from cephos.write import Out

OK, SITE_HAS_ERRORS, UNUSABLE, DANGER, FAULT = 0, 1, 2, 3, 70
DIFFERENT = SITE_HAS_ERRORS
PLANS = {"text": "--plan", "Markdown": "--plan=markdown", "JSON": "--plan=json"}


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
        " 2 wrong usage or unreadable input; 3 --plan found a danger; 70 internal fault",
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
        "--color",
        choices=["auto", "always", "never"],
        default="auto",
        help="colour diagnostics (default: on a terminal, unless NO_COLOR is set)",
    )
    parser.add_argument(
        "--init",
        action="store_true",
        help="write a commented starter to SITE (or standard output) and stop",
    )
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON Schema of SITE and stop"
    )
    parser.add_argument("--version", action="version", version=f"cephos-compile {__version__}")
    return parser


def _run(options: argparse.Namespace) -> int:
    if options.schema:
        _print([_data("cephos.schema", "site.schema.json")])
        return OK
    if options.init:
        return _init(options.site)
    problem = _misuse(options)
    if problem:
        _say(problem + "\nTry 'cephos-compile --help'.")
        return UNUSABLE
    return _compile(options)


def _misuse(options: argparse.Namespace) -> str | None:
    if options.site is None:
        return "no SITE given"
    if options.out is None and not options.check:
        return "no OUT given: add -o OUT, or --check to write nothing"
    modes = [f"--{mode}" for mode in ("diff", "check", "plan") if getattr(options, mode)]
    if len(modes) > 1:
        return f"{' and '.join(modes)} both write nothing: choose one"
    if modes and (options.archive or options.sign):
        return f"{modes[0]} writes nothing, but --archive and --sign do: choose one"
    if options.archive and options.host:
        return "--archive does not go with --host: the site's archive holds every host"
    return None


def _data(package: str, name: str) -> str:
    from importlib.resources import files  # noqa: PLC0415  # 40 ms that --help can do without

    return (files(package) / name).read_text(encoding="utf-8")


def _init(site: str | None) -> int:
    starter = _data("cephos.templates", "starter.yaml")
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
    _say(f"wrote {site}: fill in the blanks, then cephos-compile {site} -o out/")
    return OK


def _compile(options: argparse.Namespace) -> int:
    from cephos import diagnostics, lint, load  # noqa: PLC0415  # so that --help loads none of them
    from cephos.sign import SigningError  # noqa: PLC0415
    from cephos.write import OutError  # noqa: PLC0415

    report = diagnostics.Report(strict=options.strict)
    source = diagnostics.Source(options.site, "")
    status = OK
    try:
        source = load.read(options.site)
        status = _pipeline(options, source, report)
    except load.Unreadable as error:
        source = error.source
        report.extend([error.diagnostic])
        status = UNUSABLE
    except (OutError, SigningError, lint.LinterMissingError) as error:
        advice = getattr(error, "advice", None)
        _say(f"error: {error}" + (f"\n  -> {advice}" if advice else ""))
        status = UNUSABLE
    sys.stderr.write(
        diagnostics.render(report, source, color=_wants_color(options.color, sys.stderr))
    )
    return status or (SITE_HAS_ERRORS if report.errors else OK)


def _pipeline(options: argparse.Namespace, source: Source, report: Report) -> int:
    """Run the stages in order; each sees only what the one before made of the site."""
    import hashlib  # noqa: PLC0415
    import json  # noqa: PLC0415

    from cephos import (  # noqa: PLC0415
        lint,
        load,
        model,
        plan,
        record,
        render,
        rules,
        schema_check,
    )

    document = load.load(source, report)
    if document is None:
        return SITE_HAS_ERRORS
    wanted = json.loads(_data("cephos.schema", "site.schema.json"))
    report.extend(schema_check.check(document, wanted))
    # what is wrong in one place keeps nobody from hearing what is wrong in another
    sound = schema_check.sound(document, wanted) if report.errors else document
    if sound is None:
        return SITE_HAS_ERRORS
    site = model.build(sound, report)
    rules.check(site, document, report)
    if report.errors:
        return SITE_HAS_ERRORS
    digest = hashlib.sha256(source.text.encode()).hexdigest()
    planned = plan.plan(site)
    tree = render.render(planned, document, digest)
    if options.host:
        tree = tree.only(_selected(tree.hosts, options.host))
    if not tree.hosts:
        _say(f"error: no host of the site matches {' '.join(options.host)}")
        return UNUSABLE
    lint.lint(tree, document, report)
    if report.errors:
        return SITE_HAS_ERRORS
    return _deliver(options, record.kept(planned, tree), site.signers)


def _selected(hosts: Iterable[str], patterns: list[str]) -> set[str]:
    from cephos import ranges  # noqa: PLC0415

    return {host for host in hosts if any(ranges.matches(pattern, host) for pattern in patterns)}


def _deliver(options: argparse.Namespace, tree: Tree, signers: tuple[str, ...]) -> int:
    """Write the tree, or say how OUT differs from it."""
    from pathlib import Path  # noqa: PLC0415

    from cephos import ship  # noqa: PLC0415
    from cephos.write import Out  # noqa: PLC0415

    hosts = len(tree.hosts)
    if options.check:
        _say(f"{hosts} hosts, {len(tree)} files: right")
        return OK
    out = Out(Path(options.out))
    if options.plan:
        return _plan(options, tree, out)
    partial = bool(options.host)
    if options.diff:
        change = out.compare(tree, partial=partial)
        _print(out.diff(change))
        return DIFFERENT if change else OK
    change = out.write(tree, partial=partial)
    parts = {"new": change.new(), "changed": change.changed, "removed": change.removed}
    counts = ", ".join(f"{len(paths)} {word}" for word, paths in parts.items() if paths)
    files = len(change.tree)
    _say(f"{hosts} hosts, {files} files in {options.out}: {counts or 'nothing to change'}")
    shipped = ship.ship(
        out, change.tree, key=options.sign, signers=signers, archives=options.archive
    )
    if shipped.signed or signers:
        _say(f"{shipped.signed} of {hosts} bundles are signed")
    if shipped.archives:
        _say(f"{shipped.archives} archives in {options.out}/{ship.ARCHIVES}")
    return OK


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
    sys.stderr.write(f"cephos-compile: {text}\n")


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
    sys.exit(main())
