"""The same page in Firefox, which has another engine: what the tests need of it, and a daemon for all of them."""

import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import axe_playwright_python
from daemon import ROOT, Daemon, until
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.firefox.service import Service

OUT = ROOT / "target/web/firefox"
AXE = (pathlib.Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


class Page:
    def __init__(self, driver):
        self.driver = driver

    def open(self, url: str, size=(1280, 1000)):
        self.driver.set_window_size(*size)
        self.driver.get(url)

    def find(self, selector: str):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return self.driver.execute_script("return document.querySelector(arguments[0])?.textContent ?? ''", selector).strip()

    def until_text(self, selector: str, wanted, patience=30.0) -> str:
        fits = wanted if callable(wanted) else lambda text: wanted in text
        return until(f"{selector} with {wanted}", lambda: (text := self.text(selector)) and fits(text) and text, patience)

    def shows_picture(self) -> bool:
        return self.driver.execute_script("""
            const canvas = document.getElementById("picture");
            if (document.getElementById("stage")?.dataset.state !== "live") return false;
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            const seen = new Set();
            for (let at = 0; at < pixels.length; at += 4 * 997) seen.add(pixels[at] << 16 | pixels[at + 1] << 8 | pixels[at + 2]);
            return seen.size > 20;
        """)

    def look(self, name: str):
        wide, inner = self.driver.execute_script("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide <= inner, f"{name}: the page is {wide} pixels wide in a window of {inner}"
        OUT.mkdir(parents=True, exist_ok=True)
        self.driver.get_full_page_screenshot_as_file(str(OUT / f"{name}.png"))
        self.driver.execute_script(AXE + "\nwindow.axe = axe;")
        found = self.driver.execute_async_script("axe.run().then(arguments[0], (error) => arguments[0]({violations: [{id: String(error), impact: 'serious', nodes: []}]}))")
        serious = [one["id"] for one in found["violations"] if one["impact"] in ("serious", "critical")]
        assert serious == [], name


@pytest.fixture(scope="session")
def driver():
    options = webdriver.FirefoxOptions()
    options.add_argument("-headless")
    options.binary_location = shutil.which("firefox-esr") or shutil.which("firefox") or ""
    # What the system wishes; nothing is sent to Mozilla.
    for name, value in {"ui.prefersReducedMotion": 1, "ui.systemUsesDarkTheme": 0, "datareporting.policy.dataSubmissionEnabled": False,
                        "app.update.disabledForTesting": True, "network.captive-portal-service.enabled": False,
                        "network.connectivity-service.enabled": False, "browser.safebrowsing.malware.enabled": False,
                        "services.settings.server": "data:,#remote-settings-dummy/v1"}.items():
        options.set_preference(name, value)
    driver = webdriver.Firefox(options=options, service=Service(shutil.which("geckodriver"), log_output=str(OUT.parent / "geckodriver.log")))
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture
def page(driver):
    yield Page(driver)
    driver.get("about:blank")
    driver.delete_all_cookies()


@pytest.fixture
def start():
    daemons = []

    def begin(**arguments) -> Daemon:
        daemons.append(Daemon(**arguments))
        return daemons[-1]

    yield begin
    for daemon in daemons:
        daemon.stop()
