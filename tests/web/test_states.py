"""Every state that the page can be in, provoked at the real daemon, photographed, and looked at with axe-core in several windows."""

import shutil
import struct
import urllib.request
import zlib

import pytest
from browser import WITHOUT_SOCKET
from daemon import PHOTOS, ROOT, free_port, until
from selenium.webdriver.common.keys import Keys


def shell(script: str) -> str:
    return f'source = "command"\ncommand = ["sh", "-c", "{script}"]\n'


def grey(path, level: int):
    """A picture of one colour, whose last bit is never the same."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes([level]) * 320 * 3 for _ in range(240))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 320, 240, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows))
    path.write_bytes(png + chunk(b"IEND", b""))


ROCKET = f"cat {PHOTOS}/rocket.jpg"


def starting(start, tmp_path):
    return start(camera=shell("sleep 60"))


def missing(start, tmp_path):
    return start(camera='device = "/dev/no-such-camera"\n', rest='[mqtt]\nurl = "mqtt://127.0.0.1:1"\n')


def unchosen(start, tmp_path):
    return start(cameras="[camera] # none yet\n", rest='[mqtt]\nurl = "mqtt://127.0.0.1:1"\n')


def silent(start, tmp_path):
    return start(camera=shell(f"{ROCKET}; sleep 60") + 'frame_timeout = "1s"\nfrozen_after = "0s"\nreconnect_min = "1m"\nreconnect_max = "1m"\n')


def damaged(start, tmp_path):
    return start(camera=shell(f"while head -c 20000 {PHOTOS}/rocket.jpg; do sleep 0.02; done"))


def frozen(start, tmp_path):
    return start(camera=shell(f"while {ROCKET}; do sleep 0.2; done") + 'frozen_after = "1s"\n')


def dark(start, tmp_path):
    for level in (0, 1):
        grey(tmp_path / f"{level}.png", level)
    return start(camera=f'source = "replay"\npath = "{tmp_path}"\nfps = 5.0\n', rest="[gate]\nmin_luma = 8\n")


def covered(start, tmp_path):
    for level in (120, 121):
        grey(tmp_path / f"{level}.png", level)
    return start(camera=f'source = "replay"\npath = "{tmp_path}"\nfps = 5.0\n', rest="[gate]\nmin_luma = 8\n")


def private(start, tmp_path):
    return start(rest="[privacy]\npreview = false\n")


def without_model(start, tmp_path):
    shutil.copy(ROOT / "models/efficientnet-lite0-int8.onnx", tmp_path / "mine.onnx")
    daemon = start(rest=f'[models.mine]\npath = "{tmp_path}/mine.onnx"\nfamily = "efficientnet-lite"\n[model]\nactive = "mine"\n')
    daemon.ends_once_it_has_worked()
    (tmp_path / "mine.onnx").unlink()
    daemon.start()
    return daemon


# One photograph, so that a picture of the page shows what its label says.
STILL = f'source = "replay"\npath = "{PHOTOS}/rocket.jpg"\nfps = 5.0\nfrozen_after = "0s"\n'


def mistaken(start, tmp_path):
    daemon = start(camera=STILL)
    daemon.config.write_text(daemon.text + '[log]\nlevel = "nonsense"\n')
    return daemon


def restarting(start, tmp_path):
    daemon = start(camera=STILL)
    daemon.config.write_text(daemon.text + '[log]\nlevel = "debug"\n')
    return daemon


def warm(start, tmp_path):
    return start(camera=STILL, celsius=95)


# What provokes it, and the words at their places.
STATES = {
    "starting": (starting, {"#overlay-title": "Camera starting", "#state-button": "Starting"}),
    "missing": (missing, {"#overlay-title": "No camera since", "#overlay-text": "is the camera plugged in? It is tried again.", "#state-button": "2 things need you"}),
    "unchosen": (unchosen, {"#overlay-title": "No camera yet", "#overlay-text": "is the camera plugged in?", "#onward": "Set one up"}),
    "silent": (silent, {"#overlay-title": "No picture since", "#overlay-text": "The camera sends no pictures.", "#status-word": "was"}),
    "damaged": (damaged, {"#overlay-title": "No picture since", "#overlay-text": "damaged pictures"}),
    "frozen": (frozen, {"#overlay-title": "The picture has not changed since"}),
    "dark": (dark, {"#overlay-title": "Too dark to tell since", "#status-word": "too dark"}),
    "private": (private, {"#overlay-title": "Pictures are switched off here", "#overlay-text": "The labels go on."}),
    "without-model": (without_model, {
        "#overlay-title": "Nothing is labelled since", "#overlay-text": "mine.onnx”: there is no such file. It is tried again.", "#status-word": "no model",
        "#things": "Nothing is labelled since", "#state-button": "1 thing needs you",
    }),
    "covered": (covered, {"#overlay-title": "The picture is of one colour since", "#overlay-text": "Is the lens covered?", "#status-word": "one colour"}),
    "mistaken": (mistaken, {"#things": "The configuration file has a mistake and is not in effect."}),
    "restart": (restarting, {"#things": "Edited, and in effect after a restart: log.level."}),
    "warm": (warm, {"#things": "The board is too warm, so nothing is labelled until it is cooler."}),
}


@pytest.mark.parametrize("state", STATES)
def test_a_state_says_what_is_wrong_and_what_helps(page, start, tmp_path, state):
    provoke, words = STATES[state]
    daemon = provoke(start, tmp_path)
    page.open(daemon.url + "/")
    page.until_told(words)
    page.look(f"state-{state}")
    if "#things" in words or "#state-button" in words:
        page.find("#state-button").click()
        page.look(f"state-{state}-list", "phone", "zoomed")


# A number that only its programmers know, or marks of a text that is no sentence.
RAW = """
    const words = [...document.querySelectorAll("#main, #things, #banner")].map((one) => one.textContent).join(" ");
    return words.match(/os error|`/g) ?? [];
"""


def test_a_model_that_is_missing_is_tried_again_from_where_that_is_said(page, start, tmp_path):
    daemon = without_model(start, tmp_path)
    page.open(daemon.url + "/")
    page.until_text("#overlay-text", "there is no such file")
    page.find("#try-again").send_keys(Keys.ENTER)
    page.until_text("#overlay-text", "Tried just now: there is no model to label with")
    assert page.driver.execute_script("return document.activeElement.id") == "try-again"
    for place, ready in (("#settings/models", "#camera-title"), ("#live", "#live-title")):
        page.go(place, ready)
        assert page.driver.execute_script(RAW) == []
    assert page.find("#onward").get_attribute("href").endswith("#settings/models")
    shutil.copy(ROOT / "models/efficientnet-lite0-int8.onnx", tmp_path / "mine.onnx")
    page.find("#try-again").click()
    until("a picture", page.shows_picture)


def test_all_places_for_pictures_are_taken(page, start):
    daemon = start(camera=STILL, http="max_clients = 1\n")
    stream = urllib.request.urlopen(daemon.url + "/api/v1/stream.mjpeg", timeout=30)
    stream.read(100)
    page.open(daemon.url + "/")
    page.until_text("#crowd", "One is watching already; pictures come every 2 s.")
    until("a picture", page.shows_picture)
    assert page.find("#crowd").is_displayed()
    page.look("state-crowded")
    stream.close()
    until("a place", lambda: not page.find("#crowd").is_displayed())
    until("a picture", page.shows_picture)


def test_all_places_are_taken_where_no_websocket_comes_through(page, start):
    daemon = start(camera=STILL, http="max_clients = 1\n")
    stream = urllib.request.urlopen(daemon.url + "/api/v1/stream.mjpeg", timeout=30)
    stream.read(100)
    script = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WITHOUT_SOCKET})
    try:
        page.open(daemon.url + "/")
        page.until_text("#overlay-title", "Too many are watching")
        page.look("state-crowded-out", "desktop", "phone")
        stream.close()
        until("a picture", page.shows_picture)
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": script["identifier"]})


# Pixels that are nearly white, of the picture or of each tile.
WHITE = """
    return [...document.querySelectorAll(arguments[0])].map((canvas) => {
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        let white = 0;
        for (let at = 0; at < pixels.length; at += 4) white += pixels[at] > 120 && pixels[at + 2] > 120 && pixels[at + 3] > 120;
        return white;
    });
"""


def test_where_no_picture_is_each_view_has_its_outline(page, start):
    """A camera that starts, and one of whose pictures none may be shown."""
    views = "".join(
        f'[views.{name}]\ncamera = "{camera}"\nregion = {{ x = {x}, y = 0.2, width = 0.35, height = 0.5 }}\n'
        for name, camera, x in (("door", "porch", 0.1), ("bin", "porch", 0.55), ("step", "cellar", 0.3)))
    sources = f'source = "replay"\npath = "{PHOTOS}"\nfps = 2.0\n', shell("sleep 60")
    cameras = "".join(f"[cameras.{name}]\n{source}" for name, source in zip(("porch", "cellar"), sources)) + views
    daemon = start(cameras=cameras, rest="[privacy]\npreview = false\n", port=free_port())
    page.open(daemon.url + "/")
    page.until_text("#overlay-title", "Pictures are switched off here")
    outlines = lambda: [page.driver.execute_script(WHITE, f'[data-camera="{name}"] canvas')[0] for name in ("porch", "cellar")]
    outlined = until("outlines", lambda: all(white := outlines()) and white)
    assert outlined[0] > 1.5 * outlined[1], "two views, and one"
    assert page.driver.execute_script(WHITE, "#picture")[0] > 0
    page.look("state-private-tiles")
    daemon.config.write_text(daemon.text.replace("preview = false", "preview = true"))
    until("a picture", page.shows_picture)
    page.look("state-starting-tile", "desktop", "phone")
    assert outlines()[1] == outlined[1], "that of the camera which still starts"
    # What was shown is not shown any more.
    daemon.config.write_text(daemon.text)
    page.until_text("#overlay-title", "Pictures are switched off here")
    clear = """
        const canvas = document.querySelector('[data-camera="porch"] canvas');
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return pixels.filter((value, at) => at % 4 === 3 && value === 0).length / (canvas.width * canvas.height);
    """
    assert page.driver.execute_script(clear) > 0.9 and min(outlines()) > 0, "there is a picture behind the outlines"


def test_until_the_first_picture_is_drawn_the_page_says_that_it_waits(page, start):
    daemon = start()
    # A browser that never comes to the end of a picture.
    slow = "const make = window.createImageBitmap; window.createImageBitmap = (what, ...rest) => what.type === 'image/jpeg' ? new Promise(() => {}) : make(what, ...rest);"
    script = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": slow})
    try:
        page.open(daemon.url + "/")
        page.until_text("#overlay-title", "Waiting for the first picture")
        page.look("state-waiting", "desktop", "phone")
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def test_a_broker_that_comes_and_goes_is_counted(page, start, broker):
    daemon = start(broker=broker)
    page.open(daemon.url + "/")
    page.until_text("#state-button", "All well")
    broker.stop()
    try:
        page.until_text("#things", "Messages wait")
        page.find("#state-button").click()
        page.look("state-broker-away", "desktop", "phone")
    finally:
        broker.start()


def test_nothing_is_taught_yet(page, start, tmp_path):
    daemon = start(rest=f'[teach]\ndirectory = "{tmp_path}/taught"\n')
    page.open(daemon.url + "/#teach")
    page.until_text("#first-title", "Show it each state for a few seconds")
    until("it", lambda: page.find("#first-title").is_displayed())
    page.look("state-nothing-taught")


def test_what_was_seen_is_grey_when_the_daemon_is_away(page, start):
    cameras = "".join(f'[cameras.{name}]\nsource = "replay"\npath = "{PHOTOS}"\nfps = 2.0\n[views.{name}]\ncamera = "{name}"\n' for name in ("porch", "cellar"))
    daemon = start(cameras=cameras)
    page.open(daemon.url + "/")
    until("a picture", page.shows_picture)
    drawn = "return [...document.querySelectorAll('#tiles canvas')].every((one) => new Set(one.getContext('2d').getImageData(0, 0, one.width, one.height).data).size > 20)"
    until("both tiles", lambda: page.driver.execute_script(drawn))
    daemon.process.terminate()
    daemon.process.wait()
    page.until_text("#banner", "What you see is old.")
    page.until_text("#status-word", "was")
    page.look("state-away")
    # A tile says so, too.
    page.until_text(".tile-views", "was")
