"""Several views: each says what it sees, and the page is about the one that was chosen."""

import os
import re
import shutil
import time

from browser import WITHOUT_SOCKET
from conftest import OUT, PHONE
from daemon import PHOTOS, ROOT, free_port, until
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

CAMERAS = f"""[cameras.front]
source = "replay"
path = "{PHOTOS}"
fps = 2.0
[cameras.back]
source = "replay"
path = "{PHOTOS}/coffee.png"
fps = 2.0
frozen_after = "0s"
[views.door]
camera = "front"
name = "Front door"
region = {{ x = 0.0, y = 0.0, width = 0.5, height = 1.0 }}
[views.table]
camera = "back"
name = "Table"
"""


def every_tile(page):
    """A tile gets pictures while it is in sight."""
    for tile in page.driver.find_elements(By.CSS_SELECTOR, "#tiles .tile"):
        page.driver.execute_script("arguments[0].scrollIntoView({ block: 'center' })", tile)
        until("its picture", lambda: page.driver.execute_script("return arguments[0].firstChild.dataset.drawn", tile))
    page.driver.execute_script("scrollTo(0, 0)")


def test_the_page_is_about_the_view_that_was_chosen(page, start, tmp_path):
    daemon = start(cameras=CAMERAS, rest=f'[teach]\ndirectory = "{tmp_path}/taught"\n')
    page.open(daemon.url + "/", size=PHONE)
    until("both views", lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#views button")) == 2)
    # Each says what it sees; the first is chosen.
    page.until_text('[data-view="table"]', "espresso")
    assert page.find('[data-view="door"]').get_attribute("aria-pressed") == "true"
    until("a picture", page.shows_picture)
    every_tile(page)
    page.screenshot("views-first")
    page.find('[data-view="table"]').click()
    page.until_text("#label", "espresso")
    until("a picture", page.shows_picture)
    page.look("views-second")
    # What is set is set for this view.
    page.go("#settings/camera", "#camera-title")
    page.find("#enabled").click()
    page.until_text("#enabled-saved", "Saved")
    enabled = {view["name"]: view["settings"]["enabled"] for view in daemon.json("/api/v1/views")}
    assert enabled == {"door": True, "table": False}
    page.find("#enabled").click()
    page.until_text("#enabled-saved", "Saved")
    # And so is what is taught.
    page.go("#teach", "#teach-title")
    page.find("#class-name").send_keys("cup\n")
    page.find('[data-label="cup"] .record').send_keys("r")
    until("a picture", lambda: list((tmp_path / "taught/table/cup").glob("*.jpg")))
    page.find('[data-label="cup"] .record').send_keys("r")
    page.until_text('[data-label="cup"] .count', "1 picture")
    page.driver.execute_script("scrollTo(0, 0)")
    page.find('[data-view="door"]').click()
    until("nothing is taught of the other one", lambda: not page.driver.find_elements(By.CSS_SELECTOR, '[data-label="cup"]'))


def drawn(page):
    """The boxes, by the words of their labels."""
    return page.driver.execute_script("return [...document.querySelectorAll('.region')].map((box) => box.getAttribute('aria-label'))")


def numbers(page, name):
    return page.driver.execute_script("""
        const row = [...document.querySelectorAll(".draft")].find((one) => one.getAttribute("aria-label") === arguments[0]);
        return [...row.querySelectorAll("input")].map((input) => Number(input.value));
    """, name)


def point(page, x, y):
    """A point of the picture, in the window."""
    return page.driver.execute_script("""
        document.getElementById("stage").scrollIntoView({ block: "center" });
        const { left, top, width, height } = document.querySelector(".regions").getBoundingClientRect();
        return [left + arguments[0] * width, top + arguments[1] * height];
    """, x, y)


def press(page, words):
    button = page.driver.find_element(By.XPATH, f"//button[text()='{words}']")
    page.driver.execute_script("arguments[0].scrollIntoView({ block: 'center' })", button)
    button.click()


def drag(page, start, end, touch=False):
    (x, y), (nx, ny) = point(page, *start), point(page, *end)
    steps = [(x + (nx - x) * step / 5, y + (ny - y) * step / 5) for step in range(6)]
    for index, (sx, sy) in enumerate(steps):
        if touch:
            kind = "touchStart" if index == 0 else "touchMove"
            page.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": sx, "y": sy}]})
        else:
            kind = "mousePressed" if index == 0 else "mouseMoved"
            page.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": kind, "x": sx, "y": sy, "button": "left", "buttons": 1, "clickCount": 1})
    if touch:
        page.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    else:
        page.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseReleased", "x": nx, "y": ny, "button": "left", "clickCount": 1})


def test_views_are_drawn_with_mouse_finger_and_keyboard_and_written_into_the_file(page, start):
    daemon = start(cameras=CAMERAS.replace("[views.door]", "# The door.\n[views.door]"))
    page.open(daemon.url + "/")
    until("a picture", page.shows_picture)
    page.find("#edit-views").click()
    until("the box of the view", lambda: drawn(page) == ["Front door: left 0, top 0, width 50, height 100"])
    # Arrow keys move, with Shift they size; the numbers follow.
    box = page.find(".region")
    box.send_keys(Keys.ARROW_RIGHT * 5)
    box.send_keys(Keys.SHIFT, Keys.ARROW_LEFT * 10, Keys.ARROW_UP * 40, Keys.NULL)
    assert numbers(page, "Front door") == [5, 0, 40, 60]
    page.until_text("#editor .lines", "region = { x = 0.05, y = 0.0, width = 0.4, height = 0.6 }")
    page.until_text("#editor .says", "Front door: left 5, top 0, width 40, height 60")
    # The mouse moves the box, and a corner of it.
    drag(page, (0.2, 0.3), (0.3, 0.4))
    left, top, width, height = numbers(page, "Front door")
    assert abs(left - 15) < 1 and abs(top - 10) < 1 and (width, height) == (40, 60)
    drag(page, (left / 100 + 0.4, top / 100 + 0.6), (left / 100 + 0.3, top / 100 + 0.5))
    assert [round(number) for number in numbers(page, "Front door")[2:]] == [30, 50]
    # A finger does, too.
    drag(page, (0.25, 0.3), (0.15, 0.3), touch=True)
    assert abs(numbers(page, "Front door")[0] - (left - 10)) < 1
    # Numbers can be typed.
    field = page.find('.draft [data-side="x"]')
    field.clear()
    field.send_keys("12.5\t")
    until("the number", lambda: numbers(page, "Front door")[0] == 12.5)
    # A new view takes a name and a drag.
    page.find("#new-view").send_keys("bin")
    drag(page, (0.6, 0.5), (0.9, 0.9))
    assert [round(number) for number in numbers(page, "bin")] == [60, 50, 30, 40]
    page.until_text("#editor .lines", "[views.bin]")
    assert page.violations() == []
    page.driver.execute_script("scrollTo(0, 0)")
    page.look("views-editor")
    press(page, "Save views")
    page.until_text("#editor .says", "Saved")
    names = lambda: sorted(view["name"] for view in daemon.json("/api/v1/views"))
    until("the view", lambda: names() == ["bin", "door", "table"])
    text = daemon.config.read_text()
    assert "# The door." in text and 'camera = "front"' in text
    door = next(view for view in daemon.json("/api/v1/views") if view["name"] == "door")
    assert door["region"]["x"] == 0.125
    press(page, "Take it back")
    until("the file as it was", lambda: daemon.config.read_text() == daemon.text)
    until("the view is gone", lambda: names() == ["door", "table"])
    until("its box, too", lambda: len(drawn(page)) == 1)
    page.find(".region").send_keys(Keys.ESCAPE)
    assert page.driver.execute_script("return document.activeElement.id") == "edit-views"
    assert page.driver.find_elements(By.CSS_SELECTOR, ".region") == []


def test_a_view_without_a_name_is_drawn_and_what_is_refused_says_why(page, start):
    daemon = start()
    page.open(daemon.url + "/", size=PHONE)
    until("a picture", page.shows_picture)
    page.find("#edit-views").click()
    until("the box", lambda: len(drawn(page)) == 1)
    page.find(".region").send_keys(Keys.SHIFT, Keys.ARROW_LEFT * 20, Keys.NULL)
    page.until_text("#editor .lines", "[roi]")
    page.screenshot("views-editor-phone")
    # The file is no TOML just now.
    daemon.config.write_text("[camera")
    press(page, "Save views")
    page.until_text("#editor .says", "Not saved")
    daemon.config.write_text(daemon.text)
    press(page, "Save views")
    page.until_text("#editor .says", "Saved")
    until("the region", lambda: daemon.json("/api/v1/views")[0]["region"]["width"] == 0.8)


def test_each_camera_is_a_tile_with_what_its_views_see(page, start):
    daemon = start(cameras=CAMERAS)
    page.open(daemon.url + "/")
    until("both tiles", lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#tiles .tile")) == 2)
    page.until_text('[data-camera="back"]', "Table: espresso")
    painted = """
        const canvas = document.querySelector(`[data-camera="${arguments[0]}"] canvas`);
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return new Set([...pixels].filter((_, at) => at % 3988 === 0)).size > 5;
    """
    for camera in ["front", "back"]:
        until(f"a picture of {camera}", lambda: page.driver.execute_script(painted, camera))
    assert page.find('[data-camera="front"]').get_attribute("aria-pressed") == "true"
    page.look("tiles")
    page.find('[data-camera="back"]').click()
    page.until_text("#label", "espresso")
    assert page.find('[data-view="table"]').get_attribute("aria-pressed") == "true"
    page.open(daemon.url + "/", size=PHONE)
    until("the tiles on a phone", lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#tiles .tile")) == 2)
    until("a picture", page.shows_picture)
    every_tile(page)
    page.screenshot("tiles-phone")


HOUSE = "".join(
    f'[cameras.{name}]\nsource = "replay"\npath = "{PHOTOS}/{photo}"\nfps = 2.0\nfrozen_after = "0s"\n'
    for name, photo in (("porch", "chelsea.png"), ("kitchen", "coffee.png"), ("launchpad", "rocket.jpg"))) + """
[views.porch]
name = "Porch"
camera = "porch"
[views.spoon]
name = "Spoon"
camera = "kitchen"
region = { x = 0.0, y = 0.35, width = 0.45, height = 0.6 }
[views.table]
name = "Table"
camera = "kitchen"
[views.launchpad]
name = "Launch pad"
camera = "launchpad"
"""


def test_the_picture_of_several_cameras_in_the_guide_can_be_made(page, start):
    """With UPDATE_SCREENSHOTS it replaces the one of docs/page.md."""
    daemon = start(cameras=HOUSE)
    page.open(daemon.url + "/#live/table", size=(1180, 1180))
    until("each camera", lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#tiles .tile")) == 3)
    page.until_text("#label", "espresso")
    page.until_text("#tiles", lambda text: "…" not in text and "Launch pad" in text)
    every_tile(page)
    until("a picture", page.shows_picture)
    page.screenshot("guide-cameras", whole=False, form="webp")
    if os.environ.get("UPDATE_SCREENSHOTS"):
        shutil.copy(OUT / "guide-cameras.webp", ROOT / "docs/images/cameras.webp")
    assert "images/cameras.webp" in (ROOT / "docs/page.md").read_text() and (ROOT / "docs/images/cameras.webp").exists()


LOST = """[cameras.yard]
device = "/dev/no-such-camera"
[views.gate]
camera = "yard"
name = "Gate"
"""


def test_a_camera_that_is_lost_is_told_while_the_page_is_about_another(page, start):
    daemon = start(cameras=CAMERAS + LOST)
    page.open(daemon.url + "/")
    page.until_text("#state-button", "1 thing needs you")
    page.until_text("#things", lambda text: re.search(r"yard: No picture since .*there is no such device", text))
    page.until_text('[data-camera="yard"] .tile-fault', lambda text: re.fullmatch(r"no camera since \d{1,2}:\d\d( [AP]M)?", text))
    assert page.find("#stage").get_attribute("data-state") != "off", "the camera that is looked at works"
    page.find("#state-button").click()
    page.driver.execute_script("[...document.querySelectorAll('#things button')].find((one) => one.textContent === 'Try again').click()")
    page.until_text("#things", "Tried just now")
    assert page.violations() == []
    page.look("one-of-three-lost")


def test_a_view_that_does_not_label_beside_one_that_does_says_why(page, start, tmp_path):
    shutil.copy(PHOTOS.parent / "efficientnet-lite0-int8.onnx", tmp_path / "own.onnx")
    siblings = CAMERAS + '[views.bin]\ncamera = "back"\nname = "Bin"\n[views.cup]\ncamera = "back"\nname = "Cup"\nmodel = "own"\n'
    daemon = start(cameras=siblings, rest=f'[models.own]\npath = "{tmp_path}/own.onnx"\nlabels = "imagenet"\nfamily = "efficientnet-lite"\n', port=free_port())
    page.open(daemon.url + "/#live/bin")
    page.until_text("#label", "espresso")
    daemon.post("/api/v1/views/bin/settings", {"enabled": False})
    page.until_text("#overlay-title", "View switched off")
    page.until_text("#status-word", "was")
    page.until_text('[data-view="bin"] .seen', "was espresso")
    page.until_text("#things", "You switched the view Bin off.")
    page.look("view-off")
    page.find("#switch-on").click()
    until("it labels", lambda: page.text("#status-word") == "sees")
    # A file that was good is damaged when the device starts again.
    daemon.process.terminate()
    daemon.process.wait()
    (tmp_path / "own.onnx").write_text("no model")
    daemon.start()
    page.find('[data-view="cup"]').click()
    page.until_text("#overlay-title", "Nothing is labelled here")
    page.until_text("#overlay-text", "It is tried again.")
    assert page.text("#status-word") == "was"
    page.until_text("#things", "Cup: nothing is labelled.")
    page.look("view-without-model")


def test_the_address_says_which_view_the_page_is_about(page, start):
    daemon = start(cameras=CAMERAS)
    page.open(daemon.url + "/#live/table")
    page.until_text("#label", "espresso")
    assert page.find('[data-view="table"]').get_attribute("aria-pressed") == "true"
    page.find('[data-view="door"]').click()
    assert page.driver.current_url.endswith("/#live/door")
    page.driver.refresh()
    until("the same view", lambda: page.find('[data-view="door"]').get_attribute("aria-pressed") == "true")
    # A picture that is tried is labelled as this view would.
    page.driver.execute_script("location.hash = '#live/table'")
    until("the other view", lambda: page.find('[data-view="table"]').get_attribute("aria-pressed") == "true")
    page.find("#file").send_keys(str(PHOTOS / "coffee.png"))
    page.until_text("#upload-fast-bars li .name", "espresso")
    assert "in the part" not in page.text("#upload-status")
    assert page.driver.execute_script("return performance.getEntriesByType('resource').some(({ name }) => name.endsWith('/api/v1/views/table/classify'))")
    # The other one looks at its part of it.
    page.find('[data-view="door"]').click()
    page.find("#file").send_keys(str(PHOTOS / "coffee.png"))
    page.until_text("#upload-status", "in the part that this view looks at")


def test_what_is_looked_at_stays_while_views_come_and_gives_way_when_it_goes(page, start):
    daemon = start(cameras=CAMERAS)
    # In one go, because other views make the row anew.
    pressed = lambda: page.driver.execute_script("return [...document.querySelectorAll('[data-view][aria-pressed=true]')].map((one) => one.dataset.view)")
    page.open(daemon.url + "/")
    page.until_text('[data-view="table"]', "espresso")
    page.find('[data-view="table"]').click()
    page.until_text("#label", "espresso")
    page.find("#arrange").click()
    until("the panel", lambda: page.driver.find_elements(By.CSS_SELECTOR, '[aria-label="Move back earlier"]'))
    # One that is the first by its name.
    with_attic = daemon.text.replace("[views.door]", '[views.attic]\ncamera = "front"\n[views.door]')
    daemon.config.write_text(with_attic)
    until("the new view", lambda: page.driver.find_elements(By.CSS_SELECTOR, '[data-view="attic"]'))
    assert pressed() == ["table"] and page.text("#label") == "espresso"
    # A camera that comes can be arranged, too.
    with_yard = with_attic.replace("[views.attic]", f'[cameras.yard]\nsource = "replay"\npath = "{PHOTOS}/rocket.jpg"\nfps = 2.0\nfrozen_after = "0s"\n[views.yard]\ncamera = "yard"\n[views.attic]')
    daemon.config.write_text(with_yard)
    until("its tile", lambda: page.driver.find_elements(By.CSS_SELECTOR, '[aria-label="Move yard earlier"]'))
    # The camera that is looked at goes, with its view.
    without = re.sub(r"(?ms)^\[(cameras\.back|views\.table)\]\n.*?(?=^\[|\Z)", "", with_yard)
    daemon.config.write_text(without)
    until("another view", lambda: pressed() == ["attic"])
    until("its picture", lambda: page.find("#stage").get_attribute("data-state") == "live")
    until("its label", lambda: page.text("#status-word") not in ("was", "waiting"))
    assert not page.driver.find_elements(By.CSS_SELECTOR, '[aria-label="Move back earlier"]')


def test_cameras_are_arranged_by_keyboard_and_stay_so_in_this_browser(page, start):
    daemon = start(cameras=CAMERAS + f'[cameras.yard]\nsource = "replay"\npath = "{PHOTOS}/rocket.jpg"\nfps = 2.0\nfrozen_after = "0s"\n[views.yard]\ncamera = "yard"\n')
    order = lambda: page.driver.execute_script("return [...document.querySelectorAll('#tiles .tile')].map((one) => one.dataset.camera)")
    focused = lambda: page.driver.execute_script("return document.activeElement.getAttribute('aria-label')")
    page.open(daemon.url + "/")
    until("the tiles", lambda: len(order()) == 3)
    first, second, third = order()
    every_tile(page)
    page.find("#arrange").send_keys(Keys.ENTER)
    later = until("its buttons", lambda: page.driver.find_elements(By.CSS_SELECTOR, f'[aria-label="Move {first} later"]'))[0]
    later.send_keys(Keys.ENTER)
    until("another order", lambda: order() == [second, first, third])
    assert focused() == f"Move {first} later", "the focus goes along"
    page.until_text("#arranging [role=status]", f"{first} is 2 of 3 now.")
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    until("the last", lambda: order() == [second, third, first])
    # It can go no further, and keeps the focus.
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert order() == [second, third, first] and focused() == f"Move {first} later"
    page.look("tiles-arranged")
    # Each picture is that of its camera.
    red = "const { data } = document.querySelector(`[data-camera='back'] canvas`).getContext('2d').getImageData(150, 110, 20, 20); let sum = 0; for (let at = 0; at < data.length; at += 4) sum += data[at] - data[at + 2]; return sum / (data.length / 4)"
    cup = page.driver.execute_script(red)
    for _ in range(10):
        assert abs(page.driver.execute_script(red) - cup) < 25
        time.sleep(0.2)
    page.driver.refresh()
    until("the order that was kept", lambda: order() == [second, third, first])
    page.driver.execute_script("localStorage.clear()")


def test_where_no_websocket_comes_through_each_view_still_has_its_own(page, start):
    daemon = start(cameras=CAMERAS)
    script = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WITHOUT_SOCKET})
    try:
        page.open(daemon.url + "/")
        page.until_text('[data-view="table"]', "espresso")
        until("a picture of the first camera", page.shows_picture)
        every_tile(page)
        # What comes of one view is not shown as the other's.
        page.find('[data-view="table"]').click()
        page.until_text("#label", "espresso")
        until("a picture of the other camera", page.shows_picture)
        mean = """
            const canvas = document.getElementById("picture");
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            const sums = [0, 0, 0];
            for (let at = 0; at < pixels.length; at += 4 * 97) for (const part of [0, 1, 2]) sums[part] += pixels[at + part];
            return sums.map((sum) => Math.round(sum / (pixels.length / 388)));
        """
        # The first camera shows a blue sky in between.
        red = lambda: (colour := page.driver.execute_script(mean))[0] > 1.6 * colour[2]
        until("the cup", red)
        for _ in range(10):
            assert red()
            time.sleep(0.3)
        for _ in range(20):
            assert page.text("#label") == "espresso"
            time.sleep(0.1)
        page.go("#day", "#day-title")
        assert page.until_text("#totals", "espresso") and "cat" not in page.text("#totals")
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": script["identifier"]})
