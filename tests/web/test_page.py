"""The page as people use it, in a real browser, before the real daemon."""

import http.client
import http.server
import json
import os
import re
import shutil
import threading
import types

import pytest
from conftest import OUT, PHONE
from daemon import PHOTOS, ROOT, free_port, until
from proxy import Proxy
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

TOKEN = "0123456789abcdef0123456789abcdef"


def lively(page):
    until("a picture", page.shows_picture)
    page.until_text("#bars li .name", lambda text: len(text) > 3)
    page.until_text("#state-button", "All well")


def test_the_live_picture_its_labels_and_the_newest_changes_are_shown(page, shared):
    page.open(shared.url + "/")
    lively(page)
    assert page.text("#device") == "Camera on the shelf"
    first = page.until_text("#label", lambda text: len(text) > 3)
    page.until_text("#label", lambda text: text != first)
    until("the newest changes", lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#newest li")) >= 2)
    assert len(page.driver.find_elements(By.CSS_SELECTOR, "#bars li")) == 3
    page.screenshot("page-light")
    assert page.violations() == []
    assert page.complaints() == []


def test_labels_that_do_not_exclude_each_other_are_shown_together(page, start, tmp_path):
    cases = ROOT.parent / "shared/cases/models"
    if not cases.exists():
        pytest.skip(f"SKIPPED: {cases} is not here")
    shutil.copy(cases / "cat96.png", tmp_path)
    daemon = start(
        camera=f'source = "replay"\npath = "{tmp_path}"\nfps = 2\n',
        rest=f'[models.several]\npath = "{cases}/h-sigmoid-multilabel.onnx"\nlabels = "{cases}/labels-10.txt"\n'
        'family = "unit"\nfit = "stretch"\n[model]\nactive = "several"\n',
    )
    page.open(daemon.url + "/")
    page.until_text("#label", lambda text: text.startswith("c0 + c5 + c9 + "))
    assert "In this frame" == page.text("#answers-fast-title"), "the best of the frame is one of those that hold"
    page.until_text("#newest li", lambda text: "c0 + c5 + c9" in text)
    assert page.violations() == []


def test_the_dark_page_is_as_readable_and_the_choice_is_kept(page, shared):
    page.open(shared.url + "/", dark=True)
    lively(page)
    ground = "return getComputedStyle(document.body).backgroundColor"
    assert page.driver.execute_script(ground) == "rgb(15, 18, 22)"
    page.screenshot("page-dark")
    assert page.violations() == []
    page.find("#theme").click()
    assert page.driver.execute_script(ground) == "rgb(246, 247, 249)"
    page.driver.refresh()
    assert page.driver.execute_script(ground) == "rgb(246, 247, 249)"
    page.driver.execute_script("localStorage.clear()")


def test_a_phone_shows_everything_without_scrolling_sideways(page, shared):
    page.open(shared.url + "/", size=PHONE, dark=True)
    lively(page)
    page.screenshot("phone-dark")
    assert page.violations() == []


@pytest.mark.parametrize("place", ["#live", "#day"])
def test_nothing_moves_while_labels_change(page, start, place):
    """A hundred changes, as in five minutes of a lively scene; `make bench-page` takes the five minutes."""
    daemon = start(fps=20.0)
    until("changes", lambda: len(daemon.json("/api/v1/timeline")) >= 5)
    page.open(daemon.url + "/" + place)
    page.until_text("#state-button", "All well")
    if place == "#live":
        lively(page)
    else:
        page.until_text("#totals th", lambda text: len(text) > 2)
    page.driver.execute_script("""
        window.shift = 0;
        new PerformanceObserver((list) => list.getEntries().forEach((entry) => { window.shift += entry.value; }))
            .observe({ type: "layout-shift" });
    """)
    counted = lambda: sum(label["times"] for label in daemon.json("/api/v1/day")["labels"])
    before = counted()
    until("a hundred changes", lambda: counted() >= before + 100, 90)
    shift = page.driver.execute_script("return window.shift")
    assert shift < 0.02, f"the layout has shifted by {shift}"


def test_the_accurate_model_has_its_say_beside_the_fast_one(page, start):
    daemon = start(rest='[accurate]\nenabled = true\nmodel = "efficientnet-lite0-int8"\nevery = "1s"\nmax_duty = 0.5\n')
    page.open(daemon.url + "/")
    page.until_text("#answers-accurate-title", "efficientnet-lite0-int8")
    page.until_text("#accurate-bars li .name", lambda text: len(text) > 3)
    page.find("#file").send_keys(str(PHOTOS / "coffee.png"))
    page.until_text("#upload-accurate-bars li .name", "espresso")
    assert "Accurate: efficientnet-lite0-int8" in page.text("#upload-accurate-title")
    page.screenshot("second-opinion")
    assert page.violations() == []
    page.go("#settings/models", "#models-title")
    page.find("#accurate-on").click()
    page.until_text("#accurate-on-saved", "Saved")
    page.go("#live", "#live-title")
    until("it is not asked any more", lambda: not page.find("#accurate").is_displayed())
    assert daemon.json("/api/v1/state")["settings"]["accurate"] is False


def test_until_the_first_label_the_page_says_that_the_model_is_loading(page, start, tmp_path):
    # A camera whose first frames are whole and cannot be labelled, because there is nothing in them.
    go, nothing = tmp_path / "go", tmp_path / "nothing.jpg"
    nothing.write_bytes(bytes.fromhex("ffd8 fffe0004 6162 ffd9"))
    script = f"while ! [ -e {go} ]; do cat {nothing}; sleep 0.1; done; while cat {PHOTOS}/rocket.jpg; do sleep 0.2; done"
    daemon = start(camera=f'source = "command"\ncommand = ["sh", "-c", "{script}"]\nframe_timeout = "30s"\n')
    page.open(daemon.url + "/")
    page.until_text("#overlay-title", "Model loading")
    page.look("model-loading")
    go.touch()
    until("a picture", page.shows_picture)
    page.until_text("#bars li .name", "missile")


def test_the_model_the_threshold_and_the_camera_are_switched_from_the_page(page, start):
    daemon = start()
    page.open(daemon.url + "/#settings/models")
    until("the models", lambda: page.driver.find_elements(By.CSS_SELECTOR, "#models [data-active=true]"))
    assert "efficientnet-lite0-int8" not in page.text("#models"), "a version of a model is no model of its own"
    Select(page.find("#precision")).select_by_value("int8")
    until("the precision", lambda: daemon.json("/api/v1/state")["settings"]["precision"] == "int8")
    until("its other file", lambda: daemon.json("/api/v1/state")["classification"]["model"]["precision"] == "int8")
    page.until_text("#precision-saved", "Saved")
    page.find("#threshold").send_keys(Keys.END)
    until("the threshold", lambda: daemon.json("/api/v1/state")["settings"]["threshold"] == 1.0)
    page.find("#enabled").click()
    page.until_text("#camera-says", "You switched this camera off at")
    page.go("#live", "#live-title")
    page.until_text("#overlay-title", "Camera switched off")
    page.until_text("#state-button", "1 thing needs you")
    page.find("#state-button").click()
    page.find("#things button").click()
    until("a picture", page.shows_picture)
    page.until_text("#status-word", "not sure")
    page.until_text("#state-button", "All well")


def test_a_model_is_chosen_by_its_name(page, start, tmp_path):
    shutil.copy(ROOT / "models/efficientnet-lite0-int8.onnx", tmp_path / "mine.onnx")
    daemon = start(rest=f'[models.mine]\npath = "{tmp_path}/mine.onnx"\nfamily = "efficientnet-lite"\n')
    page.open(daemon.url + "/#settings/models")
    until("the models", lambda: page.driver.find_elements(By.CSS_SELECTOR, "#model-mine"))
    page.find("#model-mine").click()
    until("the other model", lambda: daemon.json("/api/v1/state")["settings"]["model"] == "mine")
    page.until_text('[data-model="mine"]', "in use")
    assert page.driver.execute_script("return document.activeElement.id") == "model-mine", "the focus stays"


def test_the_models_are_measured_and_compared(page, start, tmp_path):
    (tmp_path / "broken.onnx").write_text("no model at all")
    daemon = start(rest=f'[models.broken]\npath = "{tmp_path}/broken.onnx"\nfamily = "imagenet"\n')
    page.open(daemon.url + "/#settings/models")
    page.until_text("#models", "in use")
    page.find("#measure").click()
    page.until_text("#compare-status", "Measuring")
    page.until_text("#compare-body", "efficientnet-lite0-int8", patience=60)
    # One that cannot be measured says why, and the others go on.
    page.until_text("#compare-body", "not an ONNX")
    until("plots", lambda: page.driver.find_elements(By.CSS_SELECTOR, "#plots svg rect"))
    page.look("comparison")


def test_a_camera_that_vanishes_and_comes_back_is_told(page, start, tmp_path):
    photos = tmp_path / "photos"
    shutil.copytree(PHOTOS, photos)
    daemon = start(camera=f'source = "replay"\npath = "{photos}"\nfps = 5.0\nreconnect_min = "100ms"\nreconnect_max = "200ms"\n')
    page.open(daemon.url + "/")
    until("a picture", page.shows_picture)
    photos.rename(tmp_path / "gone")
    page.until_text("#overlay-title", "No camera")
    page.until_text("#state-button", "1 thing needs you")
    page.until_text("#things", "No picture since")
    page.screenshot("no-camera")
    (tmp_path / "gone").rename(photos)
    until("a picture again", page.shows_picture)


def test_a_camera_that_is_not_there_says_why_since_when_and_how_it_goes_on(page, start):
    daemon = start(camera='device = "/dev/no-such-camera"\n')
    page.open(daemon.url + "/", size=PHONE)
    page.until_text("#overlay-title", lambda text: re.fullmatch(r"No camera since \d{1,2}:\d\d( [AP]M)?", text))
    assert page.text("#overlay-text") == (
        "Cannot open camera /dev/no-such-camera: there is no such device; is the camera plugged in? It is tried again.")
    page.until_text("#things", "is the camera plugged in?")
    assert page.text("#status-word") == "no camera"
    assert page.violations() == []
    page.screenshot("missing-camera")


def test_a_camera_that_repeats_its_picture_is_not_called_missing(page, start):
    script = f"while cat {PHOTOS}/rocket.jpg; do sleep 0.2; done"
    daemon = start(camera=f'source = "command"\ncommand = ["sh", "-c", "{script}"]\nfrozen_after = "1s"\n')
    page.open(daemon.url + "/")
    page.until_text("#overlay-title", "The picture has not changed since")
    page.until_text("#overlay-text", "The camera repeats its last picture. It is tried again.")
    page.until_text("#things", "The picture has not changed since")
    page.screenshot("frozen")


def test_a_camera_that_is_switched_off_is_switched_on_where_it_is_missed(page, start):
    daemon = start()
    page.open(daemon.url + "/")
    until("a picture", page.shows_picture)
    assert not page.find("#switch-on").is_displayed()
    daemon.post("/api/v1/settings", {"enabled": False})
    page.until_text("#overlay-text", "You switched this camera off at")
    page.look("switched-off")
    page.find("#switch-on").send_keys(Keys.ENTER)
    until("a picture", page.shows_picture)
    assert page.driver.execute_script("return document.activeElement.id") == "pause"


def test_a_broker_that_refuses_says_why(page, start):
    broker = types.SimpleNamespace(port=free_port())
    daemon = start(broker=broker)
    page.open(daemon.url + "/")
    page.until_text("#things", (
        f"for the broker, mqtt://127.0.0.1:{broker.port}: connection refused; is the broker running, and is this its port?"))
    page.until_text("#state-button", "1 thing needs you")
    page.find("#state-button").click()
    assert page.violations() == []
    page.screenshot("broker-refuses")


def test_a_broker_that_is_away_is_told(page, start, broker):
    daemon = start(broker=broker)
    page.open(daemon.url + "/")
    page.until_text("#state-button", "All well")
    broker.stop()
    page.until_text("#state-button", "1 thing needs you")
    page.until_text("#things", "Messages wait")
    broker.start()
    page.until_text("#state-button", "All well", patience=60)


def test_the_page_comes_back_when_the_daemon_does(page, start):
    daemon = start()
    page.open(daemon.url + "/")
    until("a picture", page.shows_picture)
    daemon.process.terminate()
    daemon.process.wait()
    page.until_text("#banner", "No connection since")
    page.until_text("#state-button", "No connection")
    page.until_text("#status-word", "was")
    page.screenshot("no-connection")
    address = daemon.url.removeprefix("http://")
    daemon.config.write_text(daemon.text.replace("127.0.0.1:0", address))
    daemon.start()
    page.until_connected()
    until("a picture", page.shows_picture)


def test_an_edited_configuration_and_what_it_needs_is_told(page, start):
    daemon = start()
    page.open(daemon.url + "/#settings/keys")
    page.until_text("#config-body", "camera.fps")
    assert "mqtt.keepalive" not in page.text("#config-body"), "only what is set"
    page.find("#config-all").click()
    page.until_text("#config-body", "mqtt.keepalive")
    page.find("#config-filter").send_keys("camera.fps")
    until("one key", lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#config-body tr")) == 1)
    daemon.config.write_text(daemon.text + '[log]\nlevel = "debug"\n')
    page.until_text("#restart-text", "log.level")
    page.find("#config-filter").clear()
    page.find("#config-filter").send_keys("log.")
    rows = lambda: {row.text.split()[0]: "after a restart" in row.text for row in page.driver.find_elements(By.CSS_SELECTOR, "#config-body tr")}
    until("the key and no other", lambda: (found := rows()) and found["log.level"] and sum(found.values()) == 1)
    daemon.config.write_text(daemon.text + '[log]\nlevel = "nonsense"\n')
    page.until_text("#config-error", "not in effect")
    assert page.violations() == []


def test_pictures_that_are_not_to_be_shown_are_not(page, start):
    daemon = start(rest="[privacy]\npreview = false\n")
    page.open(daemon.url + "/")
    page.until_text("#overlay-title", "Pictures are switched off")
    page.until_text("#label", lambda text: len(text) > 3)


def test_a_picture_too_dark_is_told(page, start, tmp_path):
    import struct
    import zlib
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    for level in (0, 1):
        rows = b"".join(b"\0" + bytes([level]) * 320 * 3 for _ in range(240))
        png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 320, 240, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        (tmp_path / f"{level}.png").write_bytes(png)
    daemon = start(camera=f'source = "replay"\npath = "{tmp_path}"\nfps = 5.0\n', rest="[gate]\nmin_luma = 8\n")
    page.open(daemon.url + "/")
    page.until_text("#overlay-title", "Too dark")


def test_a_board_that_is_too_warm_is_told(page, start):
    daemon = start(celsius=60)
    page.open(daemon.url + "/#settings/device")
    page.until_text("#v-temperature", "60")
    page.until_text("#state-button", "All well")
    daemon.becomes(95)
    page.until_text("#things", "too warm, so nothing is labelled")
    page.find("#state-button").click()
    page.screenshot("too-warm")
    assert page.violations() == []


def test_a_token_is_asked_for_once_and_opens_everything(page, start, tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "token").chmod(0o600)
    daemon = start(http=f'token_file = "{tmp_path}/token"\n')
    page.open(daemon.url + "/")
    assert page.driver.current_url.endswith("/login")
    page.look("login", whole=False)
    page.find("#token").send_keys("wrong", Keys.ENTER)
    # Asked in one step: the page is another one in the next moment.
    seen = "return document.querySelector('#wrong')?.checkVisibility() ?? false"
    until("a refusal", lambda: page.driver.execute_script(seen))
    until("the field", lambda: page.driver.execute_script("return document.readyState === 'complete'"))
    page.find("#token").send_keys(TOKEN, Keys.ENTER)
    until("a picture", page.shows_picture)
    assert page.driver.get_cookie("glimpsed_session")["httpOnly"]
    page.find("#logout button").click()
    until("the way out", lambda: page.driver.current_url.endswith("/login"))


def test_the_page_works_below_any_path(page, start, tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "token").chmod(0o600)
    daemon = start(http=f'token_file = "{tmp_path}/token"\n')
    proxy = Proxy("/api/hassio_ingress/a-long_key", int(daemon.url.rsplit(":", 1)[1]))
    try:
        page.open(proxy.url + "/")
        assert page.driver.current_url == proxy.url + "/login"
        page.find("#token").send_keys(TOKEN, Keys.ENTER)
        until("a picture", page.shows_picture)
        # A session is for this path alone: other things have the rest of the host.
        assert page.driver.get_cookie("glimpsed_session")["path"] == proxy.url.removeprefix(f"http://127.0.0.1:{proxy.port}")
        page.until_text("#label", lambda text: len(text) > 3)
        failed = page.driver.execute_script("""
            return performance.getEntriesByType("resource").filter((one) => one.responseStatus >= 400).map((one) => one.name);
        """)
        assert failed == []
        until("the WebSocket", lambda: page.driver.execute_script("""
            return performance.getEntriesByType("resource").every((one) => !one.name.includes("events"));
        """))
        page.find("#logout button").click()
        until("the way out", lambda: page.driver.current_url == proxy.url + "/login")
    finally:
        proxy.close()


def test_the_keyboard_reaches_everything_in_order(page, shared):
    page.open(shared.url + "/")
    page.until_text("#label", lambda text: len(text) > 3)
    reached = []
    for _ in range(40):
        ActionChains(page.driver).send_keys(Keys.TAB).perform()
        reached.append(page.driver.execute_script("return document.activeElement.id || document.activeElement.className || document.activeElement.tagName"))
    wanted = ["skip", "brand", "state-button", "theme", "pause", "file", "shot"]
    places = [reached.index(name) for name in wanted]
    assert places == sorted(places), reached


class Evil(http.server.BaseHTTPRequestHandler):
    """A page of another site that tries what such a page can: to send a form, to ask without reading, to show a picture."""

    def do_GET(self):
        body = f"""<form method="post" action="{self.server.victim}/api/v1/reload" target="hidden"></form><iframe name="hidden"></iframe>
            <img src="{self.server.victim}/api/v1/frame.jpeg" onload="document.title = 'seen'" onerror="document.title = 'not seen'">
            <script>
                document.forms[0].submit();
                fetch("{self.server.victim}/api/v1/reload", {{ method: "POST", mode: "no-cors" }}).finally(() => window.asked = true);
            </script>""".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_another_sites_page_cannot_change_or_see_anything(page, start):
    daemon = start(rest='[log]\nlevel = "debug"\n')
    host, port = daemon.url.removeprefix("http://").split(":")
    # As a browser sends it from a page of another site, which cannot leave these headers out.
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}):
        connection = http.client.HTTPConnection(host, int(port))
        connection.request("POST", "/api/v1/settings", json.dumps({"enabled": False}), {"Content-Type": "application/json"} | headers)
        assert connection.getresponse().status in (403, 421), headers
    # And a real page of another site, in a real browser.
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    server.victim = daemon.url
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page.open(f"http://localhost:{server.server_port}/")
    until("its tries", lambda: page.driver.execute_script("return window.asked && document.title"))
    assert page.driver.title == "not seen"
    # The browser says why: its frame was not to hold what the form led to.
    assert any("frame-ancestors" in complaint for complaint in page.complaints())
    # Whoever may, reads it again; that is the first time.
    connection = http.client.HTTPConnection(host, int(port))
    connection.request("POST", "/api/v1/reload")
    assert connection.getresponse().status == 200
    daemon.line_with("the configuration was read again")
    assert sum("the configuration was read again" in line for line in daemon.log) == 1
    server.shutdown()


PICTURES = {
    "page": ("#live", (1180, 980), False),
    "phone": ("#live", PHONE, True),
    "day": ("#day", (820, 900), False),
}


def test_the_pictures_of_the_readme_can_be_made(page):
    """With UPDATE_SCREENSHOTS, the address of a daemon that has looked at a scene for a while, it makes them; else it looks whether they are there."""
    images, url = ROOT / "docs/images", os.environ.get("UPDATE_SCREENSHOTS")
    if not url:
        guide = (ROOT / "docs/page.md").read_text()
        assert all(f"images/{name}.webp" in guide and (images / f"{name}.webp").exists() for name in PICTURES)
        return
    images.mkdir(parents=True, exist_ok=True)
    for name, (place, size, dark) in PICTURES.items():
        page.open("about:blank")
        page.open(f"{url}/{place}", size=size, dark=dark)
        page.until_text("#state-button", "All well")
        if place == "#live":
            until("a picture", page.shows_picture)
            page.until_text("#newest li .name", lambda text: len(text) > 2)
        else:
            until("pictures of changes", lambda: page.driver.execute_script("return [...document.querySelectorAll('#events img')].some((one) => one.naturalWidth)"))
        page.screenshot(f"readme-{name}", whole=False, form="webp")
        shutil.copy(OUT / f"readme-{name}.webp", images / f"{name}.webp")
