"""What people read, in the browser that they read it with: `review.html`, and the runbook's graph.

Chromium is driven as a person would, by keys and clicks; it is kept from every network.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from selenium import webdriver
from selenium.webdriver import Keys
from selenium.webdriver.chrome.service import Service

from cephos import ranges
from compiling import ROOT, SITE, edited, leave_out
from test_review import HOSTILE, hostile, made

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.real, pytest.mark.hostless]

EXAMPLE = ROOT / "out/review.html"
RUNBOOKS = [ROOT / "out/RUNBOOK.md", *sorted(ROOT.glob("tests/cases/*/expected/RUNBOOK.md"))]
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--window-size=1280,900",
)

OUTLINE = """
const style = getComputedStyle(document.activeElement);
return `${style.outlineStyle} ${style.outlineWidth}`;
"""
CONTRASTS = """
const channel = (value) => value <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4;
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const luminance = (colour) => {
  const [red, green, blue] = numbers(colour).map((value) => channel(value / 255));
  return .2126 * red + .7152 * green + .0722 * blue;
};
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (numbers(colour)[3] !== 0) return colour;
  }
};
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
  if (element.closest("svg, script, noscript")) continue;
  const pair = [getComputedStyle(element).color, ground(element)].map(luminance);
  const [one, other] = pair.sort((a, b) => b - a);
  const contrast = (one + .05) / (other + .05);
  if (contrast < 4.5) found.push([walker.currentNode.data, contrast]);
  else found.push(null);
}
return found;
"""
"""For each visible text: null if it has the contrast that WCAG 2 asks for (AA), else what it is."""


class Browser:
    """A browser, and what it asks for and complains about."""

    def __init__(self, folder: Path) -> None:
        """Start it with an empty profile in the folder."""
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for flag in (*FLAGS, f"--user-data-dir={folder}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(
            options=options, service=Service(shutil.which("chromedriver"))
        )

    def open(self, page: Path, place: str = "") -> None:
        """Show a page afresh, at a place in it."""
        self.driver.get("about:blank")
        self.requests()
        self.driver.get(f"{page.as_uri()}{place}")

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page; return what it returns."""
        return self.driver.execute_script(script, *arguments)

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def focused(self) -> str:
        """Return what has the focus, as people call it."""
        said: str = self.run(
            "const at = document.activeElement;"
            "return at.getAttribute('aria-label') || at.id || at.textContent.trim()"
        )
        return said

    def shown(self, selector: str) -> list[str]:
        """Return the texts of all visible elements that a selector finds."""
        found: list[str] = self.run(
            "return [...document.querySelectorAll(arguments[0])]"
            ".filter((each) => each.checkVisibility()).map((each) => each.textContent.trim())",
            selector,
        )
        return found

    def settles(self, selector: str, texts: list[str]) -> bool:
        """Tell whether within a minute the visible elements have these texts."""
        for _ in range(600):
            if self.shown(selector) == texts:
                return True
            time.sleep(0.1)
        return False

    def messages(self) -> list[str]:
        """Return what the console says since it was last asked."""
        return [entry["message"] for entry in self._log("browser")]

    def requests(self) -> list[str]:
        """Return the addresses that the page asked for."""
        entries = [json.loads(entry["message"]) for entry in self._log("performance")]
        return [
            entry["message"]["params"]["request"]["url"]
            for entry in entries
            if entry["message"]["method"] == "Network.requestWillBeSent"
        ]

    def _log(self, kind: str) -> list[dict[str, Any]]:
        """Return what it logged of a kind since it was last asked."""
        entries: list[dict[str, Any]] = self.driver.execute("getLog", {"type": kind})["value"]
        return entries

    def emulate(self, **features: str) -> None:
        """Show pages as for this medium, or with these features (`_` for `-`)."""
        media = features.pop("media", "")
        listed = [{"name": each.replace("_", "-"), "value": features[each]} for each in features]
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"media": media, "features": listed}
        )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        leave_out("there is no browser: apt-get install chromium chromium-driver")
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.driver.quit()


@pytest.fixture
def browser(running: Browser) -> Iterator[Browser]:
    """Check after each test that no page has complained."""
    yield running
    assert running.messages() == []
    running.emulate()


def test_nothing_is_asked_for_but_the_page(browser: Browser) -> None:
    browser.open(EXAMPLE)
    assert [each for each in browser.requests() if each != "data:,"] == [EXAMPLE.as_uri()]


def test_a_host_is_found_and_shown_by_keyboard_alone(browser: Browser) -> None:
    browser.open(EXAMPLE)
    browser.press("/")
    assert browser.focused() == "filter"
    browser.press("comp")
    assert browser.shown("#matches a") == ["compute01", "compute02"]
    assert browser.shown("#found") == ["2 of 4 hosts"]
    browser.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert browser.focused() == "compute02"
    browser.press(Keys.ENTER)
    assert browser.settles(".kind h3", ["nova-compute"])
    assert browser.shown(".chosen code") == ["compute02"]
    assert browser.focused().endswith("-title")
    env = browser.run(
        """return document.querySelector('.kind:not(.elsewhere) [data-path="host.env"] pre')"""
        ".textContent"
    )
    assert "host=compute02" in env
    browser.press(Keys.TAB, Keys.ENTER)  # Open all
    assert len(browser.shown(".kind pre")) == len(browser.shown(".kind summary")) > 5
    browser.driver.back()
    assert browser.settles(".kind h3", ["ceph-admin", "glance, cinder", "nova-compute"])


def test_tab_leads_through_the_page_and_always_shows_where_it_is(browser: Browser) -> None:
    browser.open(EXAMPLE)
    path: list[str] = []
    for _ in range(100):
        browser.press(Keys.TAB)
        if browser.run("return document.activeElement === document.body"):
            break
        path.append(browser.focused())
        # a client in the picture shows it by its frame instead
        if not path[-1].startswith("client."):
            assert browser.run(OUTLINE) == "solid 3px", path[-1]
    assert path[0] == "Skip to the content"
    wanted = ["Overview", "Compare", "client.images may write to glance-images", "filter", "one"]
    assert [each for each in dict.fromkeys(path) if each in wanted] == wanted
    browser.open(EXAMPLE)
    browser.press(Keys.TAB, Keys.ENTER)
    assert browser.focused() == "main"


def test_a_client_stepped_to_stands_out_in_the_picture(browser: Browser) -> None:
    browser.open(EXAMPLE)
    while not browser.focused().startswith("client.volumes"):
        browser.press(Keys.TAB)
    opacities = browser.run(
        "return [...document.querySelectorAll('.client')]"
        ".map((each) => [each.ariaLabel.split(' ')[0], getComputedStyle(each).opacity])"
    )
    assert [name for name, opacity in opacities if opacity == "1"] == ["client.volumes"]


def test_two_hosts_are_compared_file_by_file(browser: Browser) -> None:
    browser.open(EXAMPLE, "#compare/compute01/compute02")
    assert browser.shown("#difference summary code") == ["host.env"]
    assert browser.shown("#difference del, #difference ins") == [
        "- host=compute01",
        "+ host=compute02",
    ]
    browser.open(EXAMPLE)
    browser.run("document.querySelector('#one').focus()")
    browser.press("os1", Keys.TAB, "compute01", Keys.ENTER)
    assert browser.focused() == "difference"
    one, other = (
        {
            str(path.relative_to(bundle)): path.read_text().splitlines()
            for path in [*bundle.glob("steps/*"), *bundle.glob("files/*"), bundle / "host.env"]
        }
        for bundle in (ROOT / "out/hosts/os1", ROOT / "out/hosts/compute01")
    )
    differing = {path for path in one | other if one.get(path) != other.get(path)}
    assert set(browser.shown("#difference summary code")) == differing
    browser.run(
        "for (const each of document.querySelectorAll('#difference details')) each.open = true"
    )
    for sign, mine, theirs in (("del", one, other), ("ins", other, one)):
        told = [line[2:] for line in browser.shown(f"#difference {sign}")]
        for path in differing:
            gone = set(mine.get(path, [])) - set(theirs.get(path, []))
            assert {line.strip() for line in gone} <= {line.strip() for line in told}
    browser.open(EXAMPLE, "#compare/os1/nobody")
    assert browser.shown("#difference") == ["There is no host nobody in this site."]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(browser: Browser, scheme: str) -> None:
    browser.emulate(prefers_color_scheme=scheme)
    browser.open(EXAMPLE, "#compare/os1/compute01")
    browser.run("for (const each of document.querySelectorAll('details')) each.open = true")
    contrasts = browser.run(CONTRASTS)
    assert len(contrasts) > 300
    assert [each for each in contrasts if each] == []
    grounds = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", grounds))) < 60) is (scheme == "dark")


def test_a_narrow_window_needs_no_scrolling_sideways(browser: Browser) -> None:
    size = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.open(EXAMPLE, "#compare/os1/compute01")
    browser.run("for (const each of document.querySelectorAll('details')) each.open = true")
    width = "return document.documentElement."
    assert browser.run(f"{width}scrollWidth") == browser.run(f"{width}clientWidth") <= 360
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_it_prints_whole_on_a_few_pages(browser: Browser) -> None:
    browser.open(EXAMPLE)
    pdf = base64.b64decode(browser.driver.print_page())
    assert 5 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 15
    assert not browser.run("return document.querySelector('.file').open")  # as it was before
    browser.emulate(media="print")
    assert len(browser.shown(".file pre")) == len(browser.shown(".file summary")) > 15
    assert browser.shown("nav, button, #compare, input") == []


def test_without_javascript_all_but_finding_and_comparing_is_there(browser: Browser) -> None:
    off = "Emulation.setScriptExecutionDisabled"
    browser.driver.execute_cdp_cmd(off, {"value": True})
    browser.open(EXAMPLE)
    browser.driver.execute_cdp_cmd(off, {"value": False})
    assert browser.shown(".script") == []
    assert browser.shown("noscript")
    assert len(browser.shown(".kind h3")) == 3
    assert len(browser.shown(".matrix tbody tr")) == 3


def test_hostile_text_stays_text(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "review.html").write_text(made(hostile()))
    browser.open(tmp_path / "review.html", "#compare/a/a")
    browser.press("/", "a", Keys.ENTER)
    assert browser.shown("h1") == [f"Site {HOSTILE}"]
    assert f"services.cinder.backends.{HOSTILE}" in "".join(browser.shown(".from"))
    assert browser.run("return document.querySelectorAll('script').length") == 2
    assert browser.run("return document.querySelectorAll('img, [onerror]').length") == 0


def test_a_host_of_ten_thousand_is_found(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "review.html").write_text(made(edited(("[01-02]", "[00001-10000]"), site=SITE)))
    browser.open(tmp_path / "review.html")
    browser.press("/", "compute0077")
    assert browser.shown("#found") == ["10 of 10,002 hosts"]
    browser.press("7", Keys.ENTER)
    assert browser.settles(".chosen code", ["compute00777"])


@pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda path: path.parts[-3])
def test_the_graph_of_a_runbook_renders(browser: Browser, runbook: Path, tmp_path: Path) -> None:
    (graph,) = re.findall(r"(?ms)^```mermaid\n(.*?)^```$", runbook.read_text())
    package = find_spec("mermaidx")
    assert package
    assert package.origin
    mermaid = Path(package.origin).parent / "assets/mermaid.js"
    page = tmp_path / "graph.html"
    page.write_text(
        "<!DOCTYPE html><meta charset=utf-8><link rel=icon href='data:,'>"
        f"<pre id=graph></pre><script src='{mermaid.as_uri()}'></script>"
    )
    browser.open(page)
    drawn = browser.driver.execute_async_script(
        "const [text, done] = arguments;"
        "mermaid.initialize({startOnLoad: false});"
        "mermaid.render('drawn', text).then(({svg}) => {"
        "  graph.innerHTML = svg;"
        "  const texts = (labels) => [...graph.querySelectorAll(labels)].map((it) => it.innerText);"
        "  done([texts('.nodeLabel'), texts('span.edgeLabel').filter((text) => text)]);"
        "}, (error) => done(String(error)));",
        graph,
    )
    assert isinstance(drawn, list), drawn
    graph = graph.replace("<br/>", "\n").replace("#91;", "[").replace("#93;", "]")
    nodes = re.findall(r'(?s)\["(.+?)"\]', graph)
    assert drawn == [nodes, re.findall(r'\. "(.+)" \.', graph)]
    ticked = re.findall(r"(?m)^- \[ \] `(\S+)`: `verify", runbook.read_text())
    named = [line for node in nodes[:-1] for line in node.split("\n")[1:]]
    assert sorted(host for each in named for host in ranges.expand(each)) == sorted(ticked)
