"""Models that are not here are fetched from the page, from a server on this machine that is as slow as the Internet."""

import http.server
import shutil
import threading
import time

import pytest
from conftest import PHONE
from daemon import ROOT, until
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

INT8 = "efficientnet-lite0-int8"


class Slow(http.server.BaseHTTPRequestHandler):
    """Sends a part of the file, as it is asked for, in small pieces."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        whole = (ROOT / "models" / self.path.lstrip("/")).read_bytes()
        asked = self.headers.get("Range", "bytes=0-")
        start = int(asked.removeprefix("bytes=").split("-")[0])
        self.server.starts.append(start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(whole) - start))
        self.send_header("ETag", '"one"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        self.end_headers()
        try:
            for at in range(start, len(whole), 1 << 16):
                self.wfile.write(whole[at:at + (1 << 16)])
                time.sleep(self.server.pause)
        except OSError:
            pass  # Whoever asked has stopped.

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.starts, server.pause = [], 0.15
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def without_int8(start, tmp_path, server):
    shutil.copy(ROOT / "models/efficientnet-lite0.onnx", tmp_path)
    return start(rest=f'[model]\ndirectory = "{tmp_path}"\nmirror = "http://127.0.0.1:{server.server_port}"\n')


def test_a_model_that_is_missing_is_fetched_from_where_that_is_said(page, start, server, tmp_path):
    for name in ("efficientnet-lite0", INT8):
        shutil.copy(ROOT / f"models/{name}.onnx", tmp_path)
    daemon = start(rest=f'[model]\ndirectory = "{tmp_path}"\nmirror = "http://127.0.0.1:{server.server_port}"\n')
    daemon.ends_once_it_has_worked()
    (tmp_path / "efficientnet-lite0.onnx").unlink()
    (tmp_path / f"{INT8}.onnx").unlink()
    daemon.start()
    page.open(daemon.url + "/", size=PHONE)
    page.until_text("#overlay-title", "Nothing is labelled since")
    button = until("the button", lambda: next((one for one in page.driver.find_elements(By.CSS_SELECTOR, "#remedies button") if one.is_displayed() and "Fetch it, " in one.text), None))
    assert not page.find("#try-again").is_displayed(), "there is one button"
    assert page.violations() == []
    page.screenshot("model-to-fetch")
    server.pause = 0.01
    button.click()
    page.until_text("#overlay", "Fetching: ")
    page.screenshot("model-fetched")
    until("a picture", page.shows_picture)


def test_a_model_is_fetched_stopped_and_fetched_on_in_every_window(page, start, server, tmp_path):
    daemon = without_int8(start, tmp_path, server)
    page.open(daemon.url + "/#settings/models", size=PHONE)
    page.until_text("#models", "Its smaller and faster version (int8) is not here, 5.1 MB.")
    button = f'[data-fetch="{INT8}"]'
    page.find(button).click()
    page.until_text("#models", "Fetching: ")
    page.until_text("#models", "left.")
    assert page.violations() == []
    page.screenshot("models-fetching")
    # Another window sees it, too.
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    page.open(daemon.url + "/#settings/models")
    page.until_text("#models", "Fetching: ")
    page.driver.close()
    page.driver.switch_to.window(first)
    page.until_text(button, "Stop")
    stop, told = page.find(button), page.text("#models")
    page.until_text("#models", lambda text: text != told)
    assert page.find(button) == stop, "progress replaces nothing that may be pressed"
    # The bar of progress has moved it below the places, which stand over the end of a small screen.
    page.driver.execute_script("arguments[0].scrollIntoView({ block: 'center' })", stop)
    stop.click()
    page.until_text("#models", "it goes on from there", patience=40)
    assert page.driver.execute_script("return document.activeElement.dataset.fetch") == INT8, "the focus stays"
    server.pause = 0
    page.until_text(button, "Go on")
    page.find(button).click()
    until("the model", lambda: (tmp_path / "efficientnet-lite0-int8.onnx").is_file())
    until("no more to fetch of it", lambda: not page.driver.find_elements(By.CSS_SELECTOR, button))
    assert len(server.starts) == 2 and server.starts[1] > 0, server.starts
    Select(page.find("#precision")).select_by_value("int8")
    until("its labels", lambda: daemon.json("/api/v1/state")["classification"]["model"]["precision"] == "int8")


def test_a_server_that_has_nothing_is_named(page, start, server, tmp_path):
    daemon = without_int8(start, tmp_path, server)
    server.shutdown()
    server.server_close()
    page.open(daemon.url + "/#settings/models")
    page.until_text("#models", "is not here, 5.1 MB.")
    page.find(f'[data-fetch="{INT8}"]').click()
    page.until_text("#models", "Not fetched: ", patience=60)
    page.until_text("#models", "nobody listens there")
    page.screenshot("models-failed")
