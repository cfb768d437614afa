"""The same page in Firefox, which has another engine. Daemons are started as for the other browser."""

import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from browser import Browser
from daemon import ROOT
from selenium import webdriver
from selenium.webdriver.firefox.service import Service

OUT = ROOT / "target/web/firefox"


class Page(Browser):
    def open(self, url: str, size=(1280, 1000)):
        self.driver.set_window_size(*size)
        self.driver.get(url)

    def look(self, name: str):
        """Photographs a state, and looks for what somebody cannot use."""
        self.fits(name)
        OUT.mkdir(parents=True, exist_ok=True)
        self.driver.get_full_page_screenshot_as_file(str(OUT / f"{name}.png"))
        assert self.violations() == [], name


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
