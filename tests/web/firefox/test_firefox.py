"""What a person does with the page, in Firefox: look, go to each place, teach it, draw a view, set it up, come back after an outage; with the
keyboard alone, in colours of their own, and where no WebSocket comes through."""

import pytest
from browser import READY
from daemon import PHOTOS, until
from proxy import Proxy
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from test_states import STATES

TOKEN = "0123456789abcdef0123456789abcdef"
PHONE = (450, 844)


def test_the_picture_and_its_label_come_over_one_websocket(page, start):
    daemon = start()
    page.open(daemon.url + "/")
    until("a picture", page.shows_picture)
    page.until_text("#label", lambda text: len(text) > 3)
    page.until_text("#state-button", "All well")
    streams = page.driver.execute_script("return performance.getEntriesByType('resource').map((one) => one.name).filter((name) => /events|mjpeg/.test(name))")
    assert streams == []
    page.look("live")


@pytest.mark.parametrize("size", [(1280, 1000), PHONE], ids=["desktop", "phone"])
def test_each_place_opens_and_is_accessible(page, start, tmp_path, size):
    daemon = start(rest=f'[teach]\ndirectory = "{tmp_path}/taught"\n')
    page.open(daemon.url + "/", size)
    page.until_text("#newest li .name", lambda text: len(text) > 2)
    for place, ready in (("teach", "#first-title"), ("day", "#totals th"), ("settings", "#config-body td"), ("setup", "#cameras-say")):
        page.driver.execute_script("location.hash = arguments[0]", place)
        until(place, lambda: page.driver.execute_script("return document.querySelector(arguments[0])?.checkVisibility() ?? false", ready))
        page.look(f"{place}-{size[0]}")


def test_the_keyboard_reaches_everything_in_order(page, start):
    daemon = start()
    page.open(daemon.url + "/")
    page.until_text("#label", lambda text: len(text) > 3)
    reached = []
    for _ in range(40):
        ActionChains(page.driver).send_keys(Keys.TAB).perform()
        reached.append(page.driver.execute_script("return document.activeElement.id || document.activeElement.className || document.activeElement.tagName"))
    places = [reached.index(name) for name in ("skip", "brand", "state-button", "theme", "pause", "file", "shot")]
    assert places == sorted(places), reached


def test_the_set_up_leads_to_the_first_label(page, start):
    daemon = start(cameras="[camera]\n")
    page.open(daemon.url + "/#setup")
    page.until_text("#cameras-say", "here")
    page.find('input[name="camera"][value="examples"]').send_keys(Keys.SPACE)
    page.find("#try-camera").send_keys(Keys.ENTER)
    page.until_text("#camera-tried", "This is what it saw at")
    page.find("#setup-next").send_keys(Keys.ENTER)
    for number in (1, 2, 3):
        until("the step", lambda: page.find(f"#step-{number}").is_displayed())
        page.find("#setup-skip").send_keys(Keys.ENTER)
    page.until_text("#setup-lines", 'source = "replay"')
    page.find("#write").send_keys(Keys.ENTER)
    page.until_text("#step-4-title", "Done")
    until("a picture", page.shows_picture)
    page.look("setup-done")


def test_a_label_is_taught_by_holding_a_key(page, start, tmp_path):
    daemon = start(fps=5.0, rest=f'[teach]\ndirectory = "{tmp_path}/taught"\n')
    page.open(daemon.url + "/#teach")
    page.until_text("#first-title", "Show it each state")
    page.find("#class-name").send_keys("cup", Keys.ENTER)
    until("its button", lambda: page.driver.find_elements(By.CSS_SELECTOR, '[data-label="cup"] .record'))
    page.find('[data-label="cup"] .record').send_keys("r")
    until("a picture", lambda: list((tmp_path / "taught").glob("**/cup/*.jpg")))
    page.find('[data-label="cup"] .record').send_keys("r")
    page.look("teach-cup")


def test_a_view_is_drawn_with_the_keyboard(page, start):
    daemon = start()
    page.open(daemon.url + "/")
    until("a picture", page.shows_picture)
    page.find("#edit-views").send_keys(Keys.ENTER)
    until("the box", lambda: page.driver.find_elements(By.CSS_SELECTOR, ".region"))
    page.find(".region").send_keys(Keys.SHIFT + Keys.ARROW_LEFT)
    page.until_text("pre.lines", "width = 0.99")
    page.look("editor")


def test_a_picture_is_labelled_and_the_page_comes_back_after_an_outage(page, start):
    daemon = start()
    page.open(daemon.url + "/")
    until("a picture", page.shows_picture)
    page.find("#file").send_keys(str(PHOTOS / "coffee.png"))
    page.until_text("#upload-fast-bars li .name", "espresso")
    daemon.process.terminate()
    daemon.process.wait()
    page.until_text("#banner", "No connection since")
    page.until_text("#status-word", "was")
    page.look("away")
    daemon.config.write_text(daemon.text.replace("127.0.0.1:0", daemon.url.removeprefix("http://")))
    daemon.start()
    until("a picture again", page.shows_picture)


@pytest.mark.parametrize("state", STATES)
def test_a_state_says_what_is_wrong_and_what_helps(page, start, tmp_path, state):
    provoke, words = STATES[state]
    daemon = provoke(start, tmp_path)
    page.open(daemon.url + "/")
    page.until_told(words)
    page.look(f"state-{state}")


@pytest.mark.parametrize("place", READY)
def test_the_keyboard_alone_reaches_everything_and_its_place_is_marked(page, start, tmp_path, place):
    daemon = start(rest=f'[teach]\ndirectory = "{tmp_path}/taught"\n')
    page.open(f"{daemon.url}/#{place}")
    page.until_ready(place)
    assert page.left_by_the_keyboard() == ([], [])


def test_in_colours_of_ones_own_nothing_is_left_to_guess(page, start, tmp_path):
    daemon = start(rest=f'[teach]\ndirectory = "{tmp_path}/taught"\n')
    page.prefers(own_colours=2)
    try:
        page.open(daemon.url + "/")
        assert page.driver.execute_script("return matchMedia('(forced-colors: active)').matches")
        until("a picture", page.shows_picture)
        page.until_text("#state-button", "All well")
        borders = "return arguments[0].map((one) => parseFloat(getComputedStyle(document.querySelector(one)).borderTopWidth))"
        assert min(page.driver.execute_script(borders, [".card", "#state-button", "#pause", ".bars .track"])) >= 1
        fill, track = page.driver.execute_script("return ['.bars .fill', '.bars .track'].map((one) => getComputedStyle(document.querySelector(one)).backgroundColor)")
        assert fill != track, "the bar cannot be seen"
        page.look("forced-live")
        for place, ready in (("settings", "#config-body td"), ("day", "#totals th"), ("teach", "#first-title")):
            page.driver.execute_script("location.hash = arguments[0]", place)
            until(place, lambda: page.driver.execute_script("return document.querySelector(arguments[0])?.checkVisibility() ?? false", ready))
            if place == "settings":
                assert page.driver.execute_script(borders, ["#enabled"]) == [2], "the switch has a border"
            page.look(f"forced-{place}")
    finally:
        page.forgets("own_colours")


def test_in_the_dark_it_is_as_readable(page, start):
    daemon = start()
    page.prefers(dark=1)
    try:
        page.open(daemon.url + "/")
        until("a picture", page.shows_picture)
        assert page.driver.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 22)"
        page.look("live-dark")
    finally:
        page.prefers(dark=0)


def test_where_no_websocket_comes_through_events_and_pictures_come_beside(page, start):
    cameras = "".join(f'[cameras.{name}]\nsource = "replay"\npath = "{path}"\nfps = 2.0\nfrozen_after = "0s"\n[views.{name}]\ncamera = "{name}"\n'
                      for name, path in (("porch", PHOTOS), ("table", PHOTOS / "coffee.png")))
    daemon = start(cameras=cameras)
    proxy = Proxy("/house", int(daemon.url.rsplit(":", 1)[1]), sockets=False)
    try:
        page.open(proxy.url + "/")
        until("a picture", page.shows_picture)
        page.until_text("#state-button", "All well")
        scripts = page.driver.execute_script("return performance.getEntriesByType('resource').map((one) => one.name).filter((name) => /fallback/.test(name))")
        assert scripts, "they come over a WebSocket"
        page.find('[data-view="table"]').send_keys(Keys.ENTER)
        page.until_text("#label", "espresso")
        until("a picture of the other camera", page.shows_picture)
    finally:
        proxy.close()


def test_live_is_used_with_the_keyboard_alone(page, start):
    daemon = start()
    page.open(daemon.url + "/")
    until("a picture", page.shows_picture)
    page.find("#pause").send_keys(Keys.SPACE)
    page.until_text("#overlay-title", "Paused")
    page.find("#pause").send_keys(Keys.ENTER)
    until("a picture again", page.shows_picture)
    page.find("#theme").send_keys(Keys.ENTER)
    assert page.driver.execute_script("return document.documentElement.dataset.theme") == "dark"
    daemon.post("/api/v1/settings", {"enabled": False})
    page.until_text("#state-button", "1 thing needs you")
    page.find("#state-button").send_keys(Keys.ENTER)
    ActionChains(page.driver).send_keys(Keys.ESCAPE).perform()
    assert page.driver.execute_script("return document.activeElement.id") == "state-button"
    page.find("#switch-on").send_keys(Keys.ENTER)
    until("a picture", page.shows_picture)
    assert page.driver.execute_script("return document.activeElement.id") == "pause", "the focus is not lost with its button"
    page.find('#places [data-place="day"]').send_keys(Keys.ENTER)
    until("the day", lambda: page.driver.execute_script("return document.activeElement.id") == "day-title")
    page.until_text("#totals", lambda text: len(text) > 3)
    strip = until("a strip", lambda: page.find("#strip"))
    until("changes", lambda: (strip.send_keys(Keys.HOME), strip.get_attribute("aria-valuetext"))[1])
    first = strip.get_attribute("aria-valuetext")
    strip.send_keys(Keys.ARROW_RIGHT)
    assert strip.get_attribute("aria-valuetext") != first
    page.driver.execute_script("localStorage.clear()")


def test_settings_are_set_with_the_keyboard_alone(page, start):
    daemon = start()
    page.open(daemon.url + "/#settings/models")
    until("the models", lambda: page.driver.find_elements(By.CSS_SELECTOR, "#models [data-active=true]"))
    page.find("#threshold").send_keys(Keys.END)
    until("the threshold", lambda: daemon.json("/api/v1/state")["settings"]["threshold"] == 1.0)
    page.find("#precision").send_keys(Keys.END)
    until("the precision", lambda: daemon.json("/api/v1/state")["settings"]["precision"] == "int8")
    page.until_text("#precision-saved", "Saved")
    page.find("#enabled").send_keys(Keys.SPACE)
    page.until_text("#camera-says", "You switched this camera off at")
    page.find("#config-filter").send_keys("camera.fps")
    page.until_text("#config-body", "camera.fps")
    page.find("#measure").send_keys(Keys.ENTER)
    page.until_text("#compare-status", "Measuring")
    assert page.driver.execute_script("return document.activeElement.id") == "measure", "the focus stays"


def test_a_session_is_begun_ended_and_begun_again_in_place(page, start, tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "token").chmod(0o600)
    daemon = start(http=f'token_file = "{tmp_path}/token"\n')
    page.open(daemon.url + "/")
    page.find("#token").send_keys(TOKEN, Keys.ENTER)
    until("a picture", page.shows_picture)
    page.driver.execute_script("location.hash = 'settings/keys'")
    page.until_text("#config-body", "camera.fps")
    page.driver.delete_all_cookies()
    page.find("#reload").send_keys(Keys.ENTER)
    page.until_text("dialog h2", "Please log in again.")
    page.find("dialog input").send_keys(TOKEN, Keys.ENTER)
    until("the dialog to close", lambda: not page.driver.find_elements(By.CSS_SELECTOR, "dialog"))
    page.find("#reload").send_keys(Keys.ENTER)
    page.until_text("#reload-saved", "Read.")


def test_on_a_phone_held_sideways_the_label_is_in_sight(page, start):
    daemon = start()
    page.open(daemon.url + "/", size=(844, 480))
    until("a picture", page.shows_picture)
    page.until_text("#label", lambda text: len(text) > 3)
    top, bottom, height = page.driver.execute_script("const { top, bottom } = document.getElementById('label').getBoundingClientRect(); return [top, bottom, innerHeight]")
    assert 0 <= top and bottom <= height, (top, bottom, height)
