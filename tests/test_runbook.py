"""`RUNBOOK.md` beyond what test_golden.py shows of it: it stays still where nothing changes.

real/bundles.py carries it out, and real/test_pages.py draws its graph.
"""

from __future__ import annotations

from difflib import SequenceMatcher

from compiling import SITE, edited
from test_review import made


def changes(old: str, new: str) -> list[tuple[list[str], list[str]]]:
    """Return the stretches of lines that differ, before and after."""
    before, after = (made(site, "RUNBOOK.md").splitlines() for site in (old, new))
    return [
        (before[a:b], after[c:d])
        for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        if tag != "equal"
    ]


def test_a_compute_more_changes_a_range_a_count_and_adds_one_line() -> None:
    found = changes(SITE, edited(("compute[01-02]", "compute[01-03]")))
    assert [pair for pair in found if not pair[0]] == [([], ["- [ ] `compute03`: `verify: 13 ok`"])]
    for before, after in (pair for pair in found if pair[0]):
        assert len(before) == len(after)
        for old, new in zip(before, after, strict=True):
            assert new in {
                old.replace("[01-02]", "[01-03]").replace("01-02", "01-03"),
                old.replace("verify: 15 ok", "verify: 16 ok"),  # a hand-off more
            }


def test_the_same_hosts_written_one_by_one_change_nothing() -> None:
    alone = "  compute01: {roles: [nova-compute]}\n  compute02: {roles: [nova-compute]}\n"
    assert changes(SITE, edited(("  compute[01-02]: {roles: [nova-compute]}\n", alone))) == []
