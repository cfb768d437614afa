"""The four places: their addresses, what is loaded for them, and what they say in each state."""

import datetime
import re

import pytest
from conftest import DESKTOP, PHONE, ZOOMED
from daemon import FAKETIME, PHOTOS, ROOT, until
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

TOKEN = "0123456789abcdef0123456789abcdef"
SMALL = (640, 400)
PLACES = {"live": "", "teach": "Teach", "day": "The day", "settings": "Settings"}


def ready(page, place):
    """Waits until a place shows what it has."""
    wanted = {"live": "#newest .name", "teach": "#off-title", "day": "#totals th", "settings": "#config-body td"}[place]
    until(f"{place} with {wanted}", lambda: page.driver.execute_script("return document.querySelector(arguments[0])?.checkVisibility() ?? false", wanted))


def focused(page):
    return page.driver.execute_script("return document.activeElement.id")


def test_each_place_has_an_address_a_title_and_one_heading(page, shared):
    page.open(shared.url + "/")
    ready(page, "live")
    for place in ("settings", "day", "teach", "live"):
        page.find(f'#places [data-place="{place}"]').click()
        ready(page, place)
        assert page.driver.current_url == f"{shared.url}/#{place}"
        assert focused(page) == f"{place}-title"
        if place != "live":
            assert page.driver.title == f"{PLACES[place]} – glimpsed"
        shown = page.driver.execute_script("return [...document.querySelectorAll('h1')].filter((one) => one.checkVisibility()).map((one) => one.id)")
        assert shown == [f"{place}-title"]
        current = page.driver.find_elements(By.CSS_SELECTOR, "[aria-current=page]")
        assert [link.get_attribute("data-place") for link in current] == [place]
    page.driver.back()
    ready(page, "teach")
    # An address leads to its place, and to a part of it.
    page.open("about:blank")
    page.open(shared.url + "/#settings/keys")
    ready(page, "settings")
    until("the part", lambda: focused(page) == "keys-title")


def test_a_place_is_loaded_when_it_is_opened(page, shared):
    page.open(shared.url + "/")
    ready(page, "live")
    scripts = lambda: {re.sub(r".*/", "", name) for name in page.driver.execute_script(
        "return performance.getEntriesByType('resource').map((one) => one.name).filter((name) => /\\.(js|css)$/.test(name))")}
    first = {"app.js", "style.css", "early.js"}
    assert scripts() == first
    page.go("#day", "#day-title")
    ready(page, "day")
    assert scripts() == first | {"day.js", "day.css"}


@pytest.mark.parametrize("place", PLACES)
def test_every_place_is_readable_and_accessible(page, shared, place):
    page.open(f"{shared.url}/#{place}")
    ready(page, place)
    page.until_text("#state-button", "All well")
    page.look(f"place-{place}")
    for size in (SMALL, (1920, 1080)):
        page.becomes(size)
        assert page.violations() == [], size
        page.screenshot(f"place-{place}-{size[0]}")
    assert page.complaints() == []


@pytest.mark.parametrize("size", [SMALL, (844, 390), PHONE, DESKTOP, (320, 640), (1920, 1080)])
def test_the_label_is_in_sight_at_every_size(page, shared, size):
    page.open(shared.url + "/", size=size)
    page.until_text("#label", lambda text: len(text) > 3)
    until("a picture", page.shows_picture)
    box = page.driver.execute_script("""
        const { top, bottom } = document.getElementById("label").getBoundingClientRect();
        const below = document.getElementById("places").getBoundingClientRect();
        return [top, bottom, below.top > innerHeight / 2 ? below.top : innerHeight];
    """)
    assert 0 <= box[0] and box[1] <= box[2], f"the label stands at {box}"


def test_at_four_hundred_percent_the_label_is_reached_and_nothing_lies_over_it(page, shared):
    page.open(shared.url + "/", size=ZOOMED)
    page.until_text("#label", lambda text: len(text) > 3)
    over = page.driver.execute_script("""
        const label = document.getElementById("label");
        label.scrollIntoView({ block: "center", behavior: "instant" });
        const { left, right, top, bottom } = label.getBoundingClientRect();
        const points = [[left + 2, top + 2], [right - 2, top + 2], [left + 2, bottom - 2], [(left + right) / 2, (top + bottom) / 2]];
        return points.map(([x, y]) => document.elementFromPoint(x, y)?.id ?? "outside").filter((id) => id !== "label");
    """)
    assert over == [], over


LONG = "a bird of the open country with a black head, a white belly and a long tail, which is seen in the evening more often than in the morning, number"


def test_a_long_label_can_be_read_on_a_phone(page, start, tmp_path):
    (tmp_path / "labels.txt").write_text("".join(f"{LONG} {number}\n" for number in range(1000)))
    daemon = start(
        camera=f'source = "replay"\npath = "{PHOTOS}/rocket.jpg"\nfps = 5.0\nfrozen_after = "0s"\n',
        rest=f'[models.long]\npath = "{ROOT}/models/efficientnet-lite0-int8.onnx"\nlabels = "{tmp_path}/labels.txt"\nfamily = "efficientnet-lite"\n[model]\nactive = "long"\n')
    page.open(daemon.url + "/", size=PHONE)
    page.until_text("#label", LONG)
    hidden = "const one = document.querySelector(arguments[0]); return [one.scrollHeight - one.clientHeight, one.scrollWidth - one.clientWidth]"
    assert page.driver.execute_script(hidden, "#label") == [0, 0]
    page.fits("a long label")
    # What is cut in a row is whole after a tap.
    for name in ("#bars li .name", "#newest li .name"):
        cut = lambda: page.driver.execute_script(hidden, name)[1]
        assert cut() > 0, name
        page.driver.execute_script("document.querySelector(arguments[0]).scrollIntoView({ block: 'center', behavior: 'instant' })", name)
        page.find(name).click()
        until(name, lambda: cut() <= 0)
    page.screenshot("long-label")
    assert page.violations() == []


def test_forced_colours_leave_nothing_to_guess(page, shared):
    page.open(shared.url + "/#settings")
    page.becomes(forced=True)
    ready(page, "settings")
    width = page.driver.execute_script("return getComputedStyle(document.getElementById('enabled')).borderTopWidth")
    assert width == "2px", "the switch has a border"
    page.screenshot("forced-colours")


def test_what_needs_somebody_is_in_one_list_with_what_helps(page, start, tmp_path):
    daemon = start(camera='device = "/dev/no-such-camera"\n', rest='[mqtt]\nurl = "mqtt://127.0.0.1:1"\n')
    page.open(daemon.url + "/", size=PHONE)
    page.until_text("#state-button", "2 things need you")
    assert not page.find("#things").is_displayed()
    page.find("#state-button").send_keys(Keys.ENTER)
    assert page.find("#state-button").get_attribute("aria-expanded") == "true"
    assert page.violations() == []
    page.screenshot("two-things", whole=False)
    # In one go, because what is told meanwhile makes the list anew.
    page.driver.execute_script("[...document.querySelectorAll('#things a')].find((link) => link.textContent === 'Set it up').click()")
    page.until_text("#cameras-say", "No USB camera is here.")
    page.go("#settings/camera", "#camera-title")
    page.until_text("#found-says", lambda text: "found" in text or "None" in text)
    assert focused(page) == "camera-title"
    assert "there is no such device" in page.text("#camera-says")
    page.screenshot("set-up")
    page.find("#state-button").click()
    page.find("body").send_keys(Keys.ESCAPE)
    assert focused(page) == "state-button"


def test_a_session_that_has_ended_is_begun_again_in_place(page, start, tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "token").chmod(0o600)
    daemon = start(http=f'token_file = "{tmp_path}/token"\n')
    page.open(daemon.url + "/")
    page.find("#token").send_keys(TOKEN, Keys.ENTER)
    page.until_text("#label", lambda text: len(text) > 3)
    page.go("#settings", "#settings-title")
    page.until_text("#config-body", "camera.fps")
    page.find("#config-filter").send_keys("camera.fps")
    page.driver.delete_all_cookies()
    page.find("#reload").click()
    page.until_text("dialog h2", "Please log in again.")
    page.look("session-over", whole=False)
    page.find("dialog input").send_keys("wrong", Keys.ENTER)
    page.until_text("dialog .notice", "Wrong token.")
    page.find("dialog input").clear()
    page.find("dialog input").send_keys(TOKEN, Keys.ENTER)
    until("the dialog to close", lambda: not page.driver.find_elements(By.CSS_SELECTOR, "dialog"))
    assert page.find("#config-filter").get_attribute("value") == "camera.fps"
    page.find("#reload").click()
    page.until_text("#reload-saved", "Read.")
    page.find("#logout button").click()
    until("the way out", lambda: page.driver.current_url.endswith("/login"))


# How many pixels each hour between the ends stands beside its place on the strip.
HOURS_OFF = """
    const strip = document.getElementById("strip").getBoundingClientRect();
    return [...document.querySelectorAll("#axis li")].slice(1, -1).map((label) => {
        const { left, width } = label.getBoundingClientRect();
        return Math.abs(left + width / 2 - strip.left - (strip.width * Number(label.textContent)) / 24);
    });
"""


def test_the_day_has_counts_times_and_a_strip_for_the_keyboard(page, start):
    daemon = start(fps=5.0)
    page.open(daemon.url + "/#day")
    ready(page, "day")
    until("some labels", lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#totals tr")) >= 3)
    cells = page.driver.execute_script("return [...document.querySelectorAll('#totals tr')].map((row) => [...row.children].map((cell) => cell.textContent))")
    assert all(int(row[1]) >= 1 and re.match(r"\d+ (s|min)", row[2]) and row[3] <= row[4] for row in cells), cells
    for size in (DESKTOP, PHONE):
        page.becomes(size)
        off = page.driver.execute_script(HOURS_OFF)
        assert len(off) == 7 and max(off) < 2, off
    page.becomes()
    strip = page.find("#strip")
    strip.send_keys(Keys.HOME)
    first = strip.get_attribute("aria-valuetext")
    strip.send_keys(Keys.ARROW_RIGHT)
    second = strip.get_attribute("aria-valuetext")
    assert first != second and page.text("#chosen") == second, (first, second)
    # A busy minute is one row.
    until("a busy minute", lambda: newest_rows(page) and "changes between" in page.text("#events"), 60)
    page.find("#events button").click()
    until("its rows", lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#events li")) >= 6)
    told = page.driver.execute_async_script("""
        const done = arguments[0];
        const make = URL.createObjectURL;
        URL.createObjectURL = (blob) => { blob.text().then(done); return make(blob); };
        document.getElementById("csv").click();
    """)
    lines = told.strip().split("\r\n")
    assert lines[0] == "since,label,seconds,confidence" and len(lines) > 3
    assert page.violations() == []


def newest_rows(page):
    """Takes the rows that are offered."""
    return page.driver.execute_script("const button = document.getElementById('new-rows'); if (!button.hidden) button.click(); return true;")


def test_new_rows_do_not_push_those_that_can_be_read(page, start):
    daemon = start(fps=2.0)
    until("a day", lambda: len(daemon.json("/api/v1/timeline")) >= 8)
    page.open(daemon.url + "/#day")
    ready(page, "day")
    rows = lambda: page.driver.execute_script("return [...document.querySelectorAll('#events li')].map((row) => row.firstChild.textContent)")
    # Until they can be read, new ones take their places.
    page.driver.execute_script("document.getElementById('changes-title').scrollIntoView()")
    page.until_text("#new-rows", "new: show")
    before = rows()
    page.until_text("#new-rows", lambda text: re.fullmatch(r"([3-9]|\d\d) new: show", text))
    assert rows() == before, "they stay where they are"
    page.screenshot("day-new-rows", whole=False)
    page.find("#new-rows").send_keys(Keys.ENTER)
    assert rows() != before
    assert focused(page) == "events"


def test_first_and_last_mean_the_same_in_every_row(page, start):
    if not FAKETIME:
        pytest.skip("SKIPPED: libfaketime is not here")
    # Of labels the device counts, of what is none the page does; a minute of the device passes in a second.
    daemon = start(camera=f'source = "replay"\npath = "{PHOTOS}/rocket.jpg"\nfps = 5.0\nfrozen_after = "0s"\n', speed=60.0)
    rows = lambda: {row[0]: row[3:] for row in page.driver.execute_script("return [...document.querySelectorAll('#totals tr')].map((row) => [...row.children].map((cell) => cell.textContent))")}
    page.open(daemon.url + "/#day")
    ready(page, "day")
    until("a label that held for minutes", lambda: (found := rows().get("missile")) and found[0] != found[1])
    daemon.post("/api/v1/settings", {"threshold": 1.0})
    until("and nothing for minutes", lambda: (found := rows().get("not sure")) and found[0] != found[1])


def test_a_day_without_labels_says_so(page, start):
    daemon = start(camera='device = "/dev/no-such-camera"\n')
    page.open(daemon.url + "/#day")
    page.until_text("#day-about", "Nothing happened yet today.")
    page.look("empty-day")


def test_the_day_before_is_looked_back_to(page, start):
    if not FAKETIME:
        pytest.skip("SKIPPED: libfaketime is not here")
    now = datetime.datetime.now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    # For the daemon it is ten seconds before midnight, and the browser has a clock of its own.
    daemon = start(fps=1.0, late=(now - midnight).total_seconds() + 10)
    page.open(daemon.url + "/#day")
    until("a new day", lambda: page.find("#day-before").is_displayed())
    page.until_text("#day-date", "(today)")
    page.find("#day-before").send_keys(Keys.ENTER)
    yesterday = (midnight - datetime.timedelta(days=1)).date().isoformat()
    until("its address", lambda: page.driver.current_url.endswith(f"#day/{yesterday}"))
    page.until_text("#day-date", lambda text: "(today)" not in text)
    until("its sums", lambda: page.driver.find_elements(By.CSS_SELECTOR, "#totals tr"))
    assert not page.find("#day-before").is_displayed()
    assert focused(page) == "day-date", "the button that is gone does not take the focus along"
    last = page.driver.execute_script("return [...document.querySelectorAll('#totals tr')].map((row) => row.children[4].textContent)")
    assert all(re.match(r"(11:59|23:59|12:00|24:00|00:00)", text) for text in last), last
    assert page.violations() == []
    page.screenshot("day-before")
    # What began ten seconds before midnight is whole.
    ends = page.driver.execute_script("return [...document.querySelectorAll('#strip rect')].map((bar) => Number(bar.getAttribute('x')) + Number(bar.getAttribute('width')))")
    assert ends and max(ends) <= 1440, ends
    page.find("#day-after").send_keys(Keys.ENTER)
    page.until_text("#day-date", "(today)")
    page.open("about:blank")
    page.open(f"{daemon.url}/#day/{yesterday}")
    until("its sums again", lambda: page.driver.find_elements(By.CSS_SELECTOR, "#totals tr"))
    page.open("about:blank")
    page.open(f"{daemon.url}/#day/2001-01-01")
    page.until_text("#day-about", "Nothing is kept of this day.")


def test_a_screen_on_a_wall_shows_pictures_labels_and_the_time_and_nothing_to_press(page, start):
    tabbed = "return document.activeElement.tagName"
    for name, cameras in (("one", ""), ("many", "".join(f'[cameras.{name}]\nsource = "replay"\npath = "{PHOTOS}"\nfps = 2.0\n[views.{name}]\ncamera = "{name}"\n' for name in ("porch", "cellar")))):
        daemon = start(cameras=cameras)
        page.open(daemon.url + "/?wall", size=(1920, 1080))
        page.until_text(".wall-clock", lambda text: re.match(r"\d{1,2}:\d\d", text))
        if name == "one":
            until("a picture", page.shows_picture)
            page.until_text("#label", lambda text: len(text) > 3)
        else:
            page.until_text("#tiles", lambda text: "porch" in text and "…" not in text)
            until("pictures", lambda: page.driver.execute_script("return [...document.querySelectorAll('#tiles canvas')].every((one) => one.width >= 400)"))
        assert not page.find("#pause").is_displayed() and not page.find("header").is_displayed()
        for _ in range(6):
            ActionChains(page.driver).send_keys(Keys.TAB).perform()
            assert page.driver.execute_script(tabbed) == "BODY"
        page.look(f"wall-{name}", "desktop", "dark", "forced", "wide", whole=False)
        page.open("about:blank")


@pytest.mark.parametrize("place", [*PLACES, "setup"])
def test_the_keyboard_alone_reaches_everything_and_its_place_is_marked(page, start, tmp_path, place):
    daemon = start(rest=f'[teach]\ndirectory = "{tmp_path}/taught"\n')
    page.open(f"{daemon.url}/#{place}")
    page.until_ready(place)
    assert page.left_by_the_keyboard() == ([], [])


def test_a_daemon_that_is_away_holds_every_control(page, start):
    daemon = start()
    page.open(daemon.url + "/#settings")
    ready(page, "settings")
    daemon.process.terminate()
    daemon.process.wait()
    page.until_text("#away", "nothing can be set until it is back")
    assert page.find("#enabled").get_attribute("aria-disabled") == "true"
    page.find("#enabled").click()
    assert page.find("#enabled").is_selected(), "it shows what held"
    page.find("#threshold").send_keys(Keys.END)
    assert page.find("#threshold").get_attribute("value") != "1"
    page.look("away-settings")
    # A place that was not opened before cannot be loaded now.
    page.go("#day", "#day-title")
    page.until_text("#place-day", "could not be loaded")
    assert page.complaints(), "its reason is in the console"


def test_each_change_of_the_day_has_its_picture_and_the_sums_outlive_the_daemon(page, start, broker):
    daemon = start(fps=0.7, broker=broker)
    page.open(daemon.url + "/#day")
    ready(page, "day")
    shown = "return [...document.querySelectorAll('#events img')].filter((one) => one.naturalWidth > 50).length"
    until("pictures of changes", lambda: newest_rows(page) and page.driver.execute_script(shown) >= 3)
    page.look("day-pictures")
    total = lambda: page.driver.execute_script("return [...document.querySelectorAll('#totals tr')].reduce((sum, row) => sum + Number(row.children[1].textContent), 0)")
    before = total()
    daemon.process.terminate()
    daemon.process.wait()
    daemon.start()
    page.open(daemon.url + "/#day")
    ready(page, "day")
    # The list begins anew, and the sums do not.
    until("what was counted before", lambda: total() > before)
    assert len(page.driver.find_elements(By.CSS_SELECTOR, "#events li")) < before


def test_the_broker_is_tried_step_by_step_in_the_settings(page, start, broker):
    daemon = start(broker=broker)
    page.open(daemon.url + "/#settings/messages")
    page.until_text("#broker-says", "Connected to")
    page.find("#try-connection").send_keys(Keys.ENTER)
    page.until_text("#connection-tried", "It works.")
    steps = page.driver.execute_script("return [...document.querySelectorAll('#connection-steps li')].map((row) => row.dataset.ok)")
    assert len(steps) >= 3 and set(steps) == {"true"}, steps
    assert focused(page) == "try-connection"
    page.look("broker-tried")


def test_the_live_picture_fills_the_screen_and_comes_back(page, shared):
    page.open(shared.url + "/")
    until("a picture", page.shows_picture)
    page.find("#full").click()
    page.until_text("#full", "Leave full screen")
    fills = "const { width, height } = document.getElementById('stage').getBoundingClientRect(); return document.fullscreenElement?.id === 'stage' && Math.abs(width - innerWidth) < 2 && Math.abs(height - innerHeight) < 2"
    until("the whole screen", lambda: page.driver.execute_script(fills))
    page.find("#full").click()
    page.until_text("#full", lambda text: text == "Full screen")
    assert page.driver.execute_script("return document.fullscreenElement") is None


# What a screen reader is told from now on.
LISTEN = """
    window.heard = [];
    new MutationObserver(() => window.heard.push(document.getElementById("told").textContent)).observe(document.getElementById("told"), { childList: true, characterData: true, subtree: true });
"""


@pytest.mark.parametrize(("wish", "labels", "absence"), [("all", True, True), ("important", False, True), ("off", False, False)])
def test_changes_are_said_as_it_was_wished(page, start, wish, labels, absence):
    daemon = start(camera=f'source = "replay"\npath = "{PHOTOS}/rocket.jpg"\nfps = 5.0\nfrozen_after = "0s"\n')
    page.open(daemon.url + "/#settings/device")
    ready(page, "settings")
    Select(page.find("#say")).select_by_value(wish)
    try:
        page.go("#live", "#live-title")
        page.driver.refresh()
        page.driver.execute_script(LISTEN)
        # Said when it has held for three seconds, and one in ten.
        page.until_text("#since", lambda text: re.fullmatch(r"for ([5-9]|\d\d) s", text))
        heard = lambda: page.driver.execute_script("return window.heard")
        assert ("missile" in heard()) == labels, heard()
        daemon.post("/api/v1/settings", {"enabled": False})
        page.until_text("#overlay-title", "Camera switched off")
        if absence:
            until("what is important", lambda: "camera switched off" in heard())
        else:
            page.until_text("#overlay-text", "You switched this camera off at")
            assert heard() == []
    finally:
        page.driver.execute_script("localStorage.clear()")
