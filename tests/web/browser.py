"""What the tests do with the page in every browser."""

import pathlib

import axe_playwright_python
from daemon import until
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

AXE = (pathlib.Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


# What the page finds in place of a WebSocket where none comes through.
WITHOUT_SOCKET = """
    window.WebSocket = class extends EventTarget {
        static OPEN = 1;
        readyState = 3;
        constructor() {
            super();
            setTimeout(() => this.dispatchEvent(new Event("close")), 10);
        }
        send() {}
        close() {}
    };
"""

# Everything that can be seen and pressed; of radio buttons with one name, arrow keys reach the others.
PRESSABLE = """
    const groups = new Set();
    window.reached = new Set();
    window.unmarked = [];
    window.pressable = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")].filter((one) => {
        if (!one.checkVisibility({ visibilityProperty: true }) || one.disabled || one.closest("[inert]")) return false;
        if (one.type !== "radio") return true;
        const first = !groups.has(one.name);
        groups.add(one.name);
        return first;
    });
    document.addEventListener("focusin", ({ target }) => {
        window.reached.add(target.type === "radio" ? window.pressable.find((one) => one.name === target.name) : target);
        const shown = target.id === "file" || target.id === "shot" ? document.querySelector(`[for="${target.id}"]`) : target;
        const { outlineStyle, outlineWidth } = getComputedStyle(shown);
        if (outlineStyle === "none" || parseFloat(outlineWidth) < 2) window.unmarked.push(target.id || target.className || target.tagName);
    });
    // From the top of the page on, whatever was read or pressed before.
    document.activeElement.blur();
    getSelection().collapse(document.body, 0);
    return window.pressable.length;
"""
LEFT = "return window.pressable.filter((one) => one.isConnected && one.checkVisibility() && !window.reached.has(one)).map((one) => one.id || one.outerHTML.slice(0, 80))"

# What is there when a place shows what it has, where labels can be taught.
READY = {"live": "#newest .name", "teach": "#first-title", "day": "#totals th", "settings": "#config-body td", "setup": "#picks"}


class Browser:
    """A browser on the daemon's page."""

    def __init__(self, driver):
        self.driver = driver

    def find(self, selector: str):
        """The element, as soon as it is there: a place is made of what its module loads."""
        return until(selector, lambda: self.driver.find_elements(By.CSS_SELECTOR, selector))[0]

    def text(self, selector: str) -> str:
        # What is in the page, seen or not.
        return self.driver.execute_script("return document.querySelector(arguments[0])?.textContent ?? ''", selector).strip()

    def until_text(self, selector: str, wanted, patience=30.0) -> str:
        fits = wanted if callable(wanted) else lambda text: wanted in text
        return until(f"{selector} with {wanted}", lambda: (text := self.text(selector)) and fits(text) and text, patience)

    def until_connected(self):
        self.until_text("#state-button", lambda text: text not in ("Connecting", "No connection"))

    def until_ready(self, place: str):
        until(place, lambda: self.driver.execute_script("return document.querySelector(arguments[0])", READY[place]))
        if place == "setup":
            self.until_text("#cameras-say", "here")

    def until_told(self, words: dict[str, str]):
        """Waits for the words of a state by selector, and for the picture where nothing is said over it."""
        for selector, text in words.items():
            self.until_text(selector, text)
        # What is told last, and what the picture of a state is to show with it.
        self.until_text("#about", " on ")
        if "#overlay-title" not in words:
            until("a picture", self.shows_picture)

    def shows_picture(self) -> bool:
        """Whether the canvas has a picture on it and not one colour."""
        return self.driver.execute_script("""
            const canvas = document.getElementById("picture");
            // The page may be another one, or not whole yet.
            if (document.getElementById("stage")?.dataset.state !== "live") return false;
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            const seen = new Set();
            for (let at = 0; at < pixels.length; at += 4 * 997) seen.add(pixels[at] << 16 | pixels[at + 1] << 8 | pixels[at + 2]);
            return seen.size > 20;
        """)

    def fits(self, name: str):
        """Refuses a page that overflows to the side."""
        wide, inner = self.driver.execute_script(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide <= inner, f"{name}: the page is {wide} pixels wide in a window of {inner}"

    def violations(self) -> list[str]:
        """What axe-core finds that is serious."""
        # The page's own policy lets no script in but its own, so the browser is asked to run it.
        self.driver.execute_script(AXE + "\nwindow.axe = axe;")
        found = self.driver.execute_async_script("axe.run().then(arguments[0], (error) => arguments[0]({violations: [{id: String(error), impact: 'serious', nodes: []}]}))")
        return [
            f"{violation['id']}: {[node['target'] for node in violation['nodes']]}"
            for violation in found["violations"] if violation["impact"] in ("serious", "critical")
        ]

    def left_by_the_keyboard(self) -> tuple[list[str], list[str]]:
        """What can be pressed and is not reached with the tabulator, and what is not marked when it is."""
        many = self.driver.execute_script(PRESSABLE)
        for _ in range(many + 12):
            ActionChains(self.driver).send_keys(Keys.TAB).perform()
        return self.driver.execute_script(LEFT), self.driver.execute_script("return window.unmarked")
