"""The manual as the daemon serves it: every link leads somewhere, nothing is refused by its policy, and what people look for is found."""

import html.parser
import pathlib
import tomllib
import urllib.error
import urllib.parse

import pytest
from conftest import DESKTOP, PHONE
from daemon import ROOT, until
from selenium.webdriver.common.keys import Keys

QUESTIONS = tomllib.loads((pathlib.Path(__file__).parent / "questions.toml").read_text())
# How many of what is found people look at.
LOOKED_AT = 3
# A search for what was typed into its address, and the pages of what was found, without those that are found twice.
FOUND = """
    const links = [...document.querySelectorAll("#mdbook-searchresults a")].map((link) => new URL(link.href).pathname);
    return [...new Set(links.map((path) => path.split("/").pop().replace(".html", "")))];
"""


class Links(html.parser.HTMLParser):
    """The addresses that a page leads to or needs, and the places in it."""

    def __init__(self, text: str):
        super().__init__()
        self.links, self.places = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if "id" in attributes:
            self.places.add(attributes["id"])
        # Where the page is in the order of pages, and the icons of its theme.
        if tag in ("a", "img", "script", "link"):
            self.links += [attributes[name] for name in ("href", "src") if attributes.get(name)]


@pytest.fixture(scope="module")
def daemon():
    from daemon import Daemon

    daemon = Daemon()
    yield daemon
    daemon.stop()


def test_every_link_of_the_manual_leads_to_a_file_and_a_place(daemon):
    pages, other, wanted = {}, set(), ["index.html", "toc.html"]
    while wanted:
        name = wanted.pop()
        pages[name] = Links(daemon.get(f"/docs/{name}").decode())
        for link in pages[name].links:
            address, _ = urllib.parse.urldefrag(urllib.parse.urljoin(name, link))
            # What leads out of the manual leads to the daemon's page.
            if urllib.parse.urlparse(address).scheme or link == "../":
                continue
            if address.endswith(".html") and address not in pages and address not in wanted:
                wanted.append(address)
            other.add(address)
    assert len(pages) > 20
    for address in sorted(other - set(pages)):
        try:
            daemon.get(f"/docs/{address}")
        except urllib.error.HTTPError as error:
            pytest.fail(f"{address}: {error}")
    for name, page in pages.items():
        for link in page.links:
            address, place = urllib.parse.urldefrag(urllib.parse.urljoin(name, link))
            if place and address in pages:
                assert urllib.parse.unquote(place) in pages[address].places, f"{name}: {link}"


def test_each_reader_finds_the_page_that_answers(page, daemon):
    page.open(f"{daemon.url}/docs/index.html")
    lost = []
    for reader, questions in QUESTIONS.items():
        assert len(questions) == 10, reader
        for words, answer in questions.items():
            page.open("about:blank")
            page.open(f"{daemon.url}/docs/index.html?search={urllib.parse.quote(words)}")
            until("the search has answered", lambda: page.driver.execute_script(
                "return document.getElementById('mdbook-searchresults-header')?.textContent.includes(' for ') ?? false"))
            found = page.driver.execute_script(FOUND)[:LOOKED_AT]
            if answer not in found:
                lost.append(f"{reader}: {words!r} finds {found}, not {answer}")
    assert not lost, "\n".join(lost)


def test_what_the_browser_has_kept_works_as_what_was_new(page, daemon):
    for visit in range(3):
        page.open("about:blank")
        page.open(f"{daemon.url}/docs/index.html?search=camera")
        until(f"what was found at visit {visit}", lambda: page.driver.execute_script(FOUND))
    assert page.complaints() == []


def test_the_manual_can_be_read_on_a_phone_and_is_one_tap_from_the_page(page, daemon):
    page.open(f"{daemon.url}/", size=PHONE)
    page.driver.execute_script("document.querySelector('footer a[href=\"docs/\"]').click()")
    until("the manual", lambda: page.driver.current_url.endswith("/docs/") and "Where to begin" in page.driver.title)
    assert (ROOT / "target/manual/index.html").exists()
    page.screenshot("manual-phone", whole=False)
    page.open(f"{daemon.url}/docs/teach.html")
    page.screenshot("manual-desktop", whole=False)


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (DESKTOP, True), (PHONE, False), (PHONE, True)])
def test_the_manual_can_be_read_by_everybody(page, daemon, size, dark):
    for name in ("index", "teach", "http", "performance", "not-there"):
        page.open("about:blank")
        page.open(f"{daemon.url}/docs/{name}.html", size=size, dark=dark)
        until(f"{name} is there", lambda: page.driver.execute_script("return document.readyState === 'complete'"))
        assert page.violations() == [], name


def test_the_manual_leads_back_to_the_page(page, daemon):
    page.open(f"{daemon.url}/docs/teach.html")
    page.driver.execute_script("document.querySelector('.to-the-page a').click()")
    until("the page", lambda: page.driver.current_url == f"{daemon.url}/")


def test_a_page_that_the_manual_does_not_have_is_told_in_a_page_with_a_way_back(page, daemon):
    page.open(f"{daemon.url}/docs/old/not-there.html")
    assert "the manual has no such page" in page.driver.execute_script("return document.querySelector('main').textContent")
    page.driver.execute_script("document.querySelector('main a').click()")
    until("the manual", lambda: page.driver.current_url == f"{daemon.url}/docs/index.html")


def test_what_can_be_scrolled_and_the_contents_are_reached_by_the_keyboard(page, daemon):
    page.open(f"{daemon.url}/docs/performance.html", size=PHONE)
    until("the wide tables can be reached", lambda: page.driver.execute_script(
        "return [...document.querySelectorAll('.table-wrapper')].every((one) => (one.scrollWidth > one.clientWidth) === (one.tabIndex === 0))"))
    toggle = page.driver.find_element("id", "mdbook-sidebar-toggle")
    before = toggle.get_attribute("aria-expanded")
    toggle.send_keys(Keys.ENTER)
    until("the contents are shown or hidden", lambda: toggle.get_attribute("aria-expanded") != before)
