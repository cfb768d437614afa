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

# The preferences behind them: colours of the user's own in place of the page's (2), a dark system (1).
WISHES = {"own_colours": "browser.display.document_color_use", "dark": "ui.systemUsesDarkTheme"}


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

    def prefers(self, **wishes: int):
        """What somebody has chosen in the settings of the browser or of the system."""
        with self.driver.context(self.driver.CONTEXT_CHROME):
            for name, value in wishes.items():
                self.driver.execute_script("Services.prefs.setIntPref(arguments[0], arguments[1])", WISHES[name], value)

    def forgets(self, *wishes: str):
        with self.driver.context(self.driver.CONTEXT_CHROME):
            for name in wishes:
                self.driver.execute_script("Services.prefs.clearUserPref(arguments[0])", WISHES[name])


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
    # With access to the settings of the browser itself.
    service = Service(shutil.which("geckodriver"), service_args=["--allow-system-access"], log_output=str(OUT.parent / "geckodriver.log"))
    driver = webdriver.Firefox(options=options, service=service)
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture
def page(driver):
    yield Page(driver)
    driver.get("about:blank")
    driver.delete_all_cookies()
