"""While the daemon is away, what would ask it for something is held, in every place, and live again afterwards."""

import pytest
from conftest import DESKTOP
from daemon import PHOTOS, free_port, until
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

# What cannot be pressed, and what can, of all that is shown within the page's main part; what a file is chosen with is not drawn itself.
CONTROLS = """
    const shown = [...document.querySelectorAll("#main :is(button, select, input:not([type=search], [type=text], :not([type])))")].filter((one) => one.checkVisibility());
    const name = (one) => one.id || one.textContent || one.className;
    const reason = document.getElementById("banner").textContent;
    return shown.reduce((found, one) => {
        const described = (one.getAttribute("aria-describedby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
        const kind = one.disabled ? "native" : one.getAttribute("aria-disabled") !== "true" ? "live" : reason && described.includes(reason) ? "held" : "mute";
        found[kind].push(name(one));
        return found;
    }, { native: [], live: [], held: [], mute: [] });
"""

# What the browser does alone, by place; the buttons that copy a command are not listed.
ALONE = {"live": {"full"}, "teach": {"full"}, "day": {"csv", "earlier", "new-rows", "Show"}, "settings": {"config-all", "say"}}
PRESSED = {"live": "#pause", "teach": ".record", "day": "#strip", "settings": "#precision"}
READY = {"live": "#newest .name", "teach": ".record", "day": "#totals th", "settings": "#config-body td"}


@pytest.mark.parametrize("place", ALONE)
def test_what_asks_the_device_is_held_with_the_reason_while_it_is_away(page, start, tmp_path, place):
    daemon = start(rest=f'[teach]\ndirectory = "{tmp_path}/taught"\n', port=free_port())
    page.open(f"{daemon.url}/#{place}")
    if place == "teach":
        until("the suggestions", lambda: page.driver.find_elements(By.CSS_SELECTOR, "#suggestions button"))
        page.find("#suggestions button").click()
    until(place, lambda: page.driver.execute_script("return document.querySelector(arguments[0])", READY[place]))
    page.until_text("#state-button", "All well")
    controls = lambda: page.driver.execute_script(CONTROLS)
    before = controls()
    assert not before["held"] and not before["native"], before
    pressed = page.find(PRESSED[place])
    page.driver.execute_script("arguments[0].focus()", pressed)
    daemon.process.terminate()
    daemon.process.wait()
    page.until_text("#banner", "No connection since")
    now = controls()
    assert not now["native"] and set(now["live"]) - {"Copy"} <= ALONE[place], now
    assert set(now["mute"]) <= set(before["mute"]), "what could not be pressed before"
    assert page.driver.execute_script("return document.activeElement === arguments[0]", pressed), "the focus is kept"
    words = page.text(PRESSED[place])
    pressed.send_keys(Keys.ENTER)
    page.driver.execute_script("arguments[0].click?.()", pressed)
    assert page.text(PRESSED[place]) == words
    assert page.violations() == []
    page.screenshot(f"away-{place}")
    page.driver.execute_script("document.querySelector('#main').append(Object.assign(document.createElement('button'), { textContent: 'drawn later' }))")
    until("what is drawn meanwhile", lambda: "drawn later" in controls()["held"])
    daemon.start()
    page.until_text("#state-button", "All well")
    until("all of them", lambda: (found := controls()) and not found["held"] and set(found["live"]) >= set(before["live"]) - {"Show", "new-rows"})
    assert page.driver.execute_script("return document.activeElement === arguments[0]", pressed)


def test_a_file_is_not_chosen_while_the_device_is_away(page, start):
    daemon = start(port=free_port())
    page.open(daemon.url + "/", size=DESKTOP)
    page.until_text("#state-button", "All well")
    daemon.process.terminate()
    daemon.process.wait()
    page.until_text("#banner", "No connection since")
    opened = """
        const done = arguments[0];
        const prevented = [];
        for (const id of ["file", "shot"]) {
            const field = document.getElementById(id);
            field.addEventListener("click", (event) => prevented.push("reached"));
            document.querySelector(`[for=${id}]`).click();
            field.click();
        }
        done(prevented);
    """
    assert page.driver.execute_async_script(opened) == []
    assert page.find("#file").get_attribute("aria-disabled") == "true"
    daemon.start()
    page.until_text("#state-button", "All well")
    page.find("#file").send_keys(str(PHOTOS / "coffee.png"))
    page.until_text("#upload-fast-bars li .name", "espresso")


def test_the_focus_is_not_lost_with_a_button_that_goes_with_the_device(page, start):
    daemon = start(camera='device = "/dev/no-such-camera"\n')
    page.open(daemon.url + "/")
    page.until_text("#overlay-title", "No camera")
    page.driver.execute_script("document.getElementById('try-again').focus()")
    daemon.process.terminate()
    daemon.process.wait()
    page.until_text("#banner", "No connection since")
    assert page.driver.execute_script("return document.activeElement.id") == "state-button"
