"""A change as people and programs read it: text, Markdown for a change request, JSON.

What OUT recorded earlier may have been tampered with, so nothing in it reaches a terminal or a page
unescaped.
"""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from cephos import jinja
from cephos.diagnostics import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cephos.change import Action, Change, Restart, Turn

VERSION = 1
"""Of the JSON form, `schema/plan.schema.json`."""

_COLORS = {"bold": "\x1b[1m", "red": "\x1b[1;31m", "green": "\x1b[32m", "yellow": "\x1b[33m"}
_RESET = "\x1b[0m"

_Filters = dict[str, "Callable[..., Any]"]


def as_json(change: Change) -> str:
    """Return the change as one JSON object: `schema/plan.schema.json`."""
    about = {"version": VERSION, "changes": bool(change), "dangerous": bool(change.dangers)}
    return json.dumps(about | asdict(change), indent=1, ensure_ascii=False) + "\n"


def as_markdown(change: Change) -> str:
    """Return the change as GitHub and GitLab show it in a change request."""
    filters: _Filters = {"code": _code, "cell": _cell, "counted": _counted}
    return _rendered("plan.md.j2", change, filters)


def as_text(change: Change, *, color: bool = False) -> str:
    """Return the change as a terminal shows it."""
    filters: _Filters = {"wrapped": partial(textwrap.wrap, break_on_hyphens=False), "raw": _Ready}
    for name, style in _COLORS.items():
        filters[name] = _painter(style if color else "")
    return _rendered("plan.txt.j2", change, filters, finalize=_escaped)


def _rendered(template: str, change: Change, filters: _Filters, **settings: Any) -> str:
    # a terminal's colours are one choice of many: what they compile to is not kept
    environment = jinja.environment(keep=False, **settings)
    environment.filters |= {**filters, "steps": _by_step}
    return environment.get_template(template).render(change=change, headline=headline(change))


def headline(change: Change) -> str:
    """Return in a line what the change comes to."""
    restarting = _hosts(turn for turn in change.apply if turn.restarts)
    parts = {
        "{}": _counted(len(change.dangers), "danger"),
        "{} added": _counted(sum(members.count for members in change.added), "host"),
        "{} removed": _counted(sum(members.count for members in change.removed), "host"),
        "apply changes {}": _counted(_hosts(change.apply), "host"),
        "restarts services on {}": str(restarting) if restarting else "",
    }
    said = [form.format(count) for form, count in parts.items() if count]
    return ", ".join(said) or ("nothing to apply" if change else "nothing changes")


def _hosts(turns: Iterable[Turn]) -> int:
    """Return how many hosts have these turns, perhaps two."""
    return sum({turn.hosts: turn.count for turn in turns}.values())


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}" if number else ""


def _by_step(turn: Turn) -> Iterator[tuple[str, list[Action], list[Restart]]]:
    """Yield each step with what it changes and what it restarts."""
    steps = {action.step for action in turn.actions} | {each.step for each in turn.restarts}
    for step in sorted(steps):
        yield (
            step,
            [action for action in turn.actions if action.step == step],
            [restart for restart in turn.restarts if restart.step == step],
        )


class _Ready(str):
    """Text that may go to the terminal as it is."""

    __slots__ = ()


def _escaped(value: object) -> str:
    return value if isinstance(value, _Ready) else printable(str(value))


def _painter(style: str) -> Callable[[object], str]:
    return lambda value: _Ready(f"{style}{_escaped(value)}{_RESET if style else ''}")


def _code(value: object) -> str:
    """Return Markdown that shows a text as it is, whatever it holds."""
    text = printable(str(value))
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    padding = " " if not text or "`" in (text[0], text[-1]) else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def _cell(value: object) -> str:
    """Return `_code` for a cell of a table; a dash for None."""
    return "-" if value is None else _code(value).replace("|", r"\|")
