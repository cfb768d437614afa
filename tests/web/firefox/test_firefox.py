"""What a person does with the page, in Firefox: look, go to each place, teach it, draw a view, set it up, come back after an outage."""

import pytest
from daemon import PHOTOS, until
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

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
