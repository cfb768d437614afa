"""The set-up: a device is brought to its first label from the page alone, with the keyboard, and nothing that was written is lost."""

import re
import shutil

from conftest import PHONE
from daemon import PHOTOS, free_port, until
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

TOKEN = "0123456789abcdef0123456789abcdef"

# A file in which nothing is chosen yet.
UNTOUCHED = "[camera] # none yet\n"


def focused(page):
    return page.driver.execute_script("return document.activeElement.id")


def pick(page, name, value):
    page.find(f'input[name="{name}"][value="{value}"]').send_keys(Keys.SPACE)


def step(page, number):
    until(f"step {number}", lambda: page.find(f"#step-{number}").is_displayed())
    assert focused(page) == f"step-{number}-title", "a screen reader is told the step"


def onward(page, number):
    page.find("#setup-next").send_keys(Keys.ENTER)
    step(page, number)


def test_a_first_start_leads_through_the_set_up_to_the_first_label(page, start):
    daemon = start(cameras=UNTOUCHED)
    page.open(daemon.url + "/")
    page.driver.execute_script("localStorage.clear()")
    page.driver.refresh()
    until("the set-up", lambda: page.driver.current_url.endswith("#setup"))
    page.until_text("#cameras-say", lambda text: "here" in text)
    assert page.driver.title == "Set up – glimpsed"
    page.find("#setup-next").send_keys(Keys.ENTER)
    assert page.text("#setup-choose") == "Choose a camera, or skip this."
    pick(page, "camera", "examples")
    page.find("#try-camera").send_keys(Keys.ENTER)
    page.until_text("#camera-tried", "This is what it saw at")
    assert page.driver.execute_script("return document.getElementById('camera-picture').naturalWidth") == 320
    page.look("setup-camera")
    onward(page, 1)
    pick(page, "watch", "names")
    page.look("setup-watch")
    onward(page, 2)
    page.find("#setup-skip").send_keys(Keys.ENTER)
    step(page, 3)
    page.look("setup-others")
    page.find("#setup-back").send_keys(Keys.ENTER)
    step(page, 2)
    pick(page, "messages", "none")
    onward(page, 3)
    page.find("#setup-skip").send_keys(Keys.ENTER)
    step(page, 4)
    page.until_text("#setup-lines", 'source = "replay"')
    page.look("setup-lines")
    assert "replay" not in daemon.config.read_text()
    page.find("#write").send_keys(Keys.ENTER)
    page.until_text("#step-4-title", "Done")
    until("what it sees", page.shows_picture)
    page.look("setup-done")
    text = daemon.config.read_text()
    assert "[camera] # none yet" in text and 'source = "replay"' in text
    page.find("#setup-end").send_keys(Keys.ENTER)
    page.until_text("#label", lambda label: len(label) > 3)
    # It is offered once.
    page.open("about:blank")
    page.open(daemon.url + "/")
    page.until_text("#label", lambda label: len(label) > 3)
    assert "#setup" not in page.driver.current_url


def test_what_the_set_up_has_written_is_taken_back(page, start):
    daemon = start(cameras=UNTOUCHED, port=free_port())
    before = daemon.config.read_text()
    page.open(daemon.url + "/#setup")
    page.until_text("#cameras-say", "here")
    pick(page, "camera", "examples")
    onward(page, 1)
    pick(page, "watch", "teach")
    for number in (2, 3, 4):
        page.find("#setup-next" if number == 2 else "#setup-skip").send_keys(Keys.ENTER)
        step(page, number)
    page.until_text("#setup-lines", "[teach]")
    page.find("#write").send_keys(Keys.ENTER)
    page.until_text("#step-4-title", "Done")
    page.find("#setup-undo").send_keys(Keys.ENTER)
    page.until_text("#setup-says", "The file is as it was.")
    assert daemon.config.read_text() == before


def test_a_network_camera_and_a_broker_are_tried_and_say_what_is_wrong(page, start, broker):
    daemon = start(cameras=UNTOUCHED)
    page.open(daemon.url + "/#setup", size=PHONE, dark=True)
    page.until_text("#cameras-say", "here")
    pick(page, "camera", "network")
    page.find("#camera-url").send_keys("192.168.1.20")
    page.find("#try-camera").send_keys(Keys.ENTER)
    page.until_text("#camera-tried", "begins with rtsp://")
    page.find("#camera-url").clear()
    page.find("#camera-url").send_keys(f"http://127.0.0.1:{free_port()}/")
    page.find("#camera-user").send_keys("me")
    page.find("#camera-password").send_keys("hunter2")
    page.find("#try-camera").send_keys(Keys.ENTER)
    page.until_text("#camera-tried", "refused")
    page.look("setup-network-camera")
    for number in (1, 2):
        page.find("#setup-skip").send_keys(Keys.ENTER)
        step(page, number)
    pick(page, "messages", "broker")
    page.find("#broker-url").send_keys(f"127.0.0.1:{free_port()}")
    page.find("#try-broker").send_keys(Keys.ENTER)
    page.until_text("#broker-tried", "It does not work yet")
    page.until_text("#broker-steps", "connection refused")
    page.look("setup-broker-refuses")
    page.find("#broker-url").clear()
    page.find("#broker-url").send_keys(f"127.0.0.1:{broker.port}")
    page.find("#try-broker").send_keys(Keys.ENTER)
    page.until_text("#broker-tried", "It works.")
    page.screenshot("setup-broker-works")


def test_a_token_is_shown_once_and_the_page_stays_open(page, start):
    daemon = start(port=free_port())
    page.open(daemon.url + "/#setup")
    page.until_text("#cameras-say", "here")
    for number in (1, 2, 3):
        page.find("#setup-skip").send_keys(Keys.ENTER)
        step(page, number)
    pick(page, "others", "true")
    onward(page, 4)
    page.until_text("#setup-lines", "token_file")
    page.find("#write").send_keys(Keys.ENTER)
    token = page.until_text("#setup-token", lambda text: re.fullmatch(r"[0-9a-f]{32}", text))
    page.look("setup-token")
    daemon.line_with("the web page is at")
    until("what it sees", page.shows_picture)
    assert page.driver.get_cookie("glimpsed_session")["httpOnly"]
    page.driver.refresh()
    until("a session", lambda: daemon.get("/livez") and page.driver.execute_script("return document.getElementById('logout')?.hidden === false"))
    assert token not in page.driver.page_source
    page.driver.delete_all_cookies()
    page.open(daemon.url + "/")
    assert page.driver.current_url.endswith("/login")


def test_a_link_of_the_device_opens_the_set_up_once(page, start, tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "token").chmod(0o600)
    daemon = start(http=f'token_file = "{tmp_path}/token"\n', port=free_port())
    link = re.search(r"http://\S+/login#\S+", daemon.run("setup", "--no-wait"))[0]
    page.open(link)
    until("the set-up", lambda: page.driver.current_url == f"{daemon.url}/#setup")
    page.until_text("#cameras-say", "here")
    page.driver.delete_all_cookies()
    page.open("about:blank")
    page.open(link)
    page.until_text("#link", "This link was followed already")
    until("the words", lambda: page.find("#link").is_displayed())
    page.look("setup-link-used", whole=False)


def test_the_set_up_refuses_somebody_behind_a_proxy_with_words(page, start):
    daemon = start()
    page.driver.execute_cdp_cmd("Network.enable", {})
    page.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {"X-Forwarded-For": "192.168.1.9"}})
    try:
        page.open(daemon.url + "/#setup")
        page.until_text("#setup-refused", "“glimpsed setup” prints a link for others")
        assert not page.find("#setup-walk").is_displayed()
    finally:
        page.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {}})


def test_a_lost_camera_is_tried_again_where_it_is_missed(page, start, tmp_path):
    photos = tmp_path / "photos"
    shutil.copytree(PHOTOS, photos)
    daemon = start(camera=f'source = "replay"\npath = "{photos}"\nfps = 5.0\nreconnect_min = "10m"\nreconnect_max = "10m"\nframe_timeout = "1s"\n')
    page.open(daemon.url + "/")
    until("a picture", page.shows_picture)
    photos.rename(tmp_path / "gone")
    page.until_text("#overlay-title", "No picture since")
    page.find("#try-again").send_keys(Keys.ENTER)
    page.until_text("#overlay-text", "Tried just now: ")
    assert focused(page) == "try-again"
    page.screenshot("tried-again")
    (tmp_path / "gone").rename(photos)
    page.find("#state-button").send_keys(Keys.ENTER)
    page.find("#things").find_element(By.XPATH, ".//button[text()='Try again']").send_keys(Keys.ENTER)
    until("a picture", page.shows_picture)
    page.until_text("#state-button", "All well")
