"""What the tests share: a browser, the daemon, and how a page is looked at."""

import base64
import pathlib
import shutil

import pytest
from browser import Browser
from daemon import ROOT, Broker, Daemon, until
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

# Screenshots for people; what continuous integration keeps.
OUT = ROOT / "target/web"

# Which eighths of a picture, from its top down, have fewer than four colours. The browser reads its own screenshots.
BARE = """
    const [data, done] = arguments;
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    createImageBitmap(new Blob([bytes])).then((bitmap) => {
        const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
        const context = canvas.getContext("2d");
        context.drawImage(bitmap, 0, 0);
        const bare = [];
        for (let part = 0; part < 8; part++) {
            const height = Math.floor(bitmap.height / 8);
            const words = new Uint32Array(context.getImageData(0, part * height, bitmap.width, height).data.buffer);
            if (new Set(words).size < 4) bare.push(part);
        }
        done(bare);
    });
"""
HAND_OVER = """
    const [selector, how, name, data] = arguments;
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const carried = new DataTransfer();
    carried.items.add(new File([bytes], name, { type: "image/png" }));
    const told = { bubbles: true, cancelable: true };
    const event = how === "paste"
        ? new ClipboardEvent(how, { ...told, clipboardData: carried })
        : new DragEvent(how, { ...told, dataTransfer: carried });
    document.querySelector(selector).dispatchEvent(event);
"""

# Of a picture that is longer than the window: from the top on, because what sticks to the edge of the window would lie across it.
AT_THE_END = """
    if (arguments[0]) {
        window.before = scrollY;
        scrollTo({ top: 0, behavior: "instant" });
    } else {
        scrollTo({ top: window.before ?? scrollY, behavior: "instant" });
        delete window.before;
    }
    // Room for a scroll bar that is not drawn.
    document.documentElement.style.scrollbarGutter = arguments[1] ? "auto" : "";
    const bar = document.getElementById("places");
    if (!bar) return;
    const down = document.documentElement.scrollHeight - innerHeight - scrollY;
    bar.style.transform = arguments[0] && getComputedStyle(bar).position === "fixed" ? `translateY(${down}px)` : "";
"""

DESKTOP = (1280, 1000)
PHONE = (390, 844)
# A window of 1280 x 1024 at 400 %.
ZOOMED = (320, 256)
# The same at 200 %.
DOUBLED = (640, 512)
WIDE = (1920, 1080)
LOOKS = [
    ("desktop", DESKTOP, False, False), ("dark", DESKTOP, True, False), ("phone", PHONE, True, False), ("forced", DESKTOP, False, True),
    ("zoomed", ZOOMED, False, False), ("doubled", DOUBLED, False, False), ("wide", WIDE, False, False),
]


class Page(Browser):
    """Chromium, in which the page looks as several people have it."""

    def open(self, url: str, size=DESKTOP, dark=False):
        self.becomes(size, dark)
        self.driver.get(url)

    def becomes(self, size=DESKTOP, dark=False, forced=False):
        """Another window, colour scheme and contrast."""
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE,
        })
        wishes = {"prefers-color-scheme": "dark" if dark else "light", "forced-colors": "active" if forced else "none"}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def look(self, name: str, *only: str, whole=True):
        """Photographs a state as several people see it, and looks for what one of them cannot use."""
        for looks, size, dark, forced in LOOKS:
            if only and looks not in only:
                continue
            self.becomes(size, dark, forced)
            self.screenshot(f"{name}-{looks}", whole)
            assert self.violations() == [], f"{name}, {looks}"
        self.becomes()

    def go(self, place: str, title: str):
        """Opens another place of the page that is open."""
        self.driver.execute_script("location.hash = arguments[0]", place)
        until(f"the place {place}", lambda: self.driver.execute_script("return document.querySelector(arguments[0])?.checkVisibility() ?? false", title))

    def screenshot(self, name: str, whole=True, form="png"):
        """Keeps a picture of the page, and refuses one that overflows to the side or has nothing on it."""
        self.fits(name)
        # What stands at the edge of the window would stand in the middle of a longer picture.
        self.driver.execute_script(AT_THE_END, whole, True)
        quality = {} if form == "png" else {"quality": 85}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": whole, "format": form} | quality)
        self.driver.execute_script(AT_THE_END, False, False)
        OUT.mkdir(parents=True, exist_ok=True)
        (OUT / f"{name}.{form}").write_bytes(base64.b64decode(shot["data"]))
        bare = self.driver.execute_async_script(BARE, shot["data"])
        assert len(bare) <= 4, f"{name}: nothing is on these eighths of the page: {bare}"

    def hand_over(self, selector: str, how: str, file: pathlib.Path):
        """Drops or pastes a file, as the browser tells the page of it."""
        self.driver.execute_script(HAND_OVER, selector, how, file.name, base64.b64encode(file.read_bytes()).decode())

    def complaints(self) -> list[str]:
        """What the browser wrote to its console: scripts that failed, what the policy refused. Not that a server was away or has
        refused something, which tests do on purpose."""
        severe = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        return [message for message in severe if "Failed to load resource" not in message and "net::ERR_" not in message]


@pytest.fixture(scope="session")
def driver():
    options = webdriver.ChromeOptions()
    # Without a sandbox it runs in a container as root too; it sees nothing but our own page.
    for argument in ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars",
                     "--force-prefers-reduced-motion", "--no-first-run", "--disable-background-networking"]:
        options.add_argument(argument)
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture
def page(driver):
    driver.get_log("browser")
    page = Page(driver)
    yield page
    assert page.complaints() == []
    driver.get("about:blank")
    driver.delete_all_cookies()


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("broker"))
    yield broker
    broker.stop()


@pytest.fixture
def start():
    """Starts daemons that end with the test."""
    daemons = []

    def begin(**arguments) -> Daemon:
        daemons.append(Daemon(**arguments))
        return daemons[-1]

    yield begin
    for daemon in daemons:
        daemon.stop()


@pytest.fixture(scope="session")
def shared(broker):
    """One daemon for the tests that change nothing of it."""
    daemon = Daemon(broker=broker)
    yield daemon
    daemon.stop()
