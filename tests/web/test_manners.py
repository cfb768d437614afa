"""What holds on the whole page: how large what is pressed is, where the focus stays, what is spoken, which colours labels have, what becomes of
long names, and what a setting says while it is saved."""

import time

import pytest
from browser import READY
from conftest import DESKTOP, PHONE
from daemon import until
from selenium.webdriver.common.keys import Keys

# What is too small for a finger, with its size. A box to tick is pressed at its words, too, and a link within a sentence is read.
SMALL = """
    const seen = [...document.querySelectorAll("a[href], button, input, select, summary, [role=slider]")].filter((one) => one.checkVisibility() && !one.closest(".skip"));
    return seen.map((one) => [one, one.closest("label") ?? document.querySelector(`label[for="${one.id}"]:not(.field)`) ?? one])
        .map(([one, pressed]) => [one.id || one.className || one.textContent, pressed.getBoundingClientRect()])
        .filter(([, { width, height }]) => Math.min(width, height) < 43.5)
        .map(([name, { width, height }]) => `${name}: ${Math.round(width)} x ${Math.round(height)}`);
"""


@pytest.mark.parametrize("place", READY)
def test_what_is_pressed_is_large_enough_for_a_finger(page, start, tmp_path, place):
    daemon = start(rest=f'[teach]\ndirectory = "{tmp_path}/taught"\n')
    page.open(f"{daemon.url}/#{place}", size=PHONE)
    page.until_ready(place)
    assert page.driver.execute_script(SMALL) == []


# Presses the next button as somebody with a keyboard does, each once, and says where the focus is then.
PRESSED = """
    const [done] = arguments;
    window.pressed ??= new Set();
    const all = [...document.querySelectorAll("main button, header button")].filter((one) => one.checkVisibility() && !one.closest("form[action]"));
    // Some are made anew when they are pressed.
    const named = (one) => one.id || one.textContent;
    const button = all.find((one) => !window.pressed.has(named(one)));
    if (!button) return done(null);
    window.pressed.add(named(button));
    button.focus();
    button.click();
    setTimeout(() => done([named(button), document.activeElement.tagName]), 400);
"""


@pytest.mark.parametrize("place", READY)
def test_the_focus_is_not_lost_whatever_is_pressed(page, start, tmp_path, place):
    # What is fetched comes from an empty directory.
    daemon = start(rest=f'[model]\nmirror = "{tmp_path}"\n[teach]\ndirectory = "{tmp_path}/taught"\n')
    page.open(f"{daemon.url}/#{place}")
    page.until_ready(place)
    found = []
    while pressed := page.driver.execute_async_script(PRESSED):
        found.append(pressed)
        assert len(found) < 60, found
    assert len(found) >= 3
    assert [name for name, where in found if where == "BODY"] == []


def test_who_listens_is_told_one_label_in_ten_seconds(page, start):
    daemon = start(fps=0.25)
    page.open(daemon.url + "/")
    page.driver.execute_script("""
        window.told = [];
        new MutationObserver(() => window.told.push([performance.now(), document.getElementById("told").textContent]))
            .observe(document.getElementById("told"), { childList: true, characterData: true, subtree: true });
    """)
    told = lambda: page.driver.execute_script("return window.told")
    until("two labels", lambda: len(told()) >= 2, 60)
    (first, _), (second, label) = told()[:2]
    assert second - first >= 9500 and len(label) > 2, told()
    page.go("#settings/device", "#device-title")
    page.find("#say").send_keys(Keys.END)
    before = len(told())
    time.sleep(12)
    assert len(told()) == before, "silence was asked for"
    page.driver.execute_script("localStorage.clear()")


def test_ten_labels_have_ten_colours_that_can_be_seen_on_both_grounds(page, shared):
    page.open(shared.url + "/")
    colours = page.driver.execute_async_script("""
        const done = arguments[0];
        import(document.querySelector("script[type=module]").src).then(({ dom_js: { colour } }) => {
            const labels = [..."abcdefghij"].map((letter) => `label ${letter}`);
            done([labels.map(colour), labels.map(colour)]);
        });
    """)
    assert colours[0] == colours[1], "a label keeps its colour"
    assert len(set(colours[0])) == 10

    def light(colour: str) -> float:
        parts = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for ground in ("#ffffff", "#181c22"):
        for colour in colours[0]:
            low, high = sorted((light(ground), light(colour)))
            assert (high + 0.05) / (low + 0.05) >= 3, f"{colour} on {ground}"


@pytest.mark.parametrize("size", [PHONE, DESKTOP, (320, 640)])
def test_a_long_name_is_in_one_line_and_whole_where_it_is_pointed_at(page, start, size):
    name = "The camera above the workbench in the cellar of the house"
    daemon = start()
    daemon.config.write_text(daemon.text.replace('name = "Camera on the shelf"', f'name = "{name}"'))
    page.open(daemon.url + "/", size=size)
    page.until_text("#device", name)
    assert page.find("#device").get_attribute("title") == name
    height, line = page.driver.execute_script("const one = document.getElementById('device'); return [one.clientHeight, parseFloat(getComputedStyle(one).lineHeight)]")
    assert height < 1.5 * line, f"it takes {height / line} lines"
    page.fits("a long name")


def test_a_setting_says_that_it_is_saved_and_why_it_is_not(page, start, tmp_path):
    (tmp_path / "broken.onnx").write_text("no model at all")
    daemon = start(rest=f'[models.broken]\npath = "{tmp_path}/broken.onnx"\nfamily = "imagenet"\n')
    page.open(daemon.url + "/#settings/models")
    until("the models", lambda: page.driver.execute_script("return document.querySelector('#model-broken')"))
    # A slow line, so that there is something to wait for.
    page.driver.execute_cdp_cmd("Network.enable", {})
    slow = {"offline": False, "latency": 1500, "downloadThroughput": -1, "uploadThroughput": -1}
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", slow)
    try:
        page.find("#threshold").send_keys(Keys.END)
        page.until_text("#threshold-saved", "Saving")
        page.until_text("#threshold-saved", "Saved")
        page.find("#model-broken").click()
        page.until_text("#models-saved", "Loading the model")
        page.until_text("#models-saved", lambda text: text.startswith("Not saved: ") and "ONNX" in text)
        assert page.driver.execute_script("return document.querySelector('#models input:checked').id") != "model-broken", "it shows what holds"
    finally:
        page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", slow | {"latency": 0})
