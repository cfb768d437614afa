"""The device's clock may show another time than the browser's: what is told of the past has the device's, and an age is none of the difference."""

import datetime
import re

import pytest
from browser import WITHOUT_SOCKET
from conftest import PHONE
from daemon import FAKETIME, PHOTOS

HOUR, DAY = 3600.0, 86400.0
STILL = f'source = "replay"\npath = "{PHOTOS}/rocket.jpg"\nfps = 5.0\nfrozen_after = "0s"\n'


@pytest.fixture(params=[HOUR, -HOUR, DAY, -DAY], ids=["late", "early", "a day late", "a day early"])
def off(request, start):
    """A device whose clock is off, and by how much."""
    if not FAKETIME:
        pytest.skip("SKIPPED: libfaketime is not here")
    return start(camera=STILL, late=request.param), request.param


def ages(page, late):
    page.until_text("#label", "missile")
    assert re.fullmatch(r"for \d{1,2} s", page.text("#since")), page.text("#since")
    page.go("#day", "#day-title")
    page.until_text("#totals th", "missile")
    together = page.driver.execute_script("return document.querySelector('#totals tr').children[2].textContent")
    assert re.fullmatch(r"\d{1,2} s", together), together
    # The bar of a label that holds ends where the device's day is now, and not an hour further.
    x, width = page.driver.execute_script("const bar = document.querySelector('#strip rect:last-of-type'); return ['x', 'width'].map((one) => Number(bar.getAttribute(one)))")
    there = datetime.datetime.now() - datetime.timedelta(seconds=late)
    assert abs(x + width - 60 * there.hour - there.minute) < 3 and width < 3, (x, width, there)
    page.until_text("#day-date", "(today)")
    assert str(there.day) in page.text("#day-date")
    assert page.text("#day-about").startswith("The list is forgotten")


def test_an_age_is_counted_by_the_clock_of_the_device(page, off):
    daemon, late = off
    page.open(daemon.url + "/", size=PHONE)
    ages(page, late)
    # What was today for the device has no date.
    daemon.post("/api/v1/settings", {"enabled": False})
    page.go("#live", "#live-title")
    page.until_text("#overlay-text", lambda text: re.fullmatch(r"You switched this camera off at \d{1,2}:\d\d( [AP]M)?\.", text))
    page.screenshot(f"clock-off-{late:.0f}")


def test_an_age_is_counted_so_where_no_websocket_comes_through(page, off):
    daemon, late = off
    script = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WITHOUT_SOCKET})
    try:
        page.open(daemon.url + "/")
        ages(page, late)
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": script["identifier"]})


@pytest.mark.parametrize("zone, day, hours, noon", [("Europe/Berlin", "2026-10-25", 25, 13), ("Europe/Berlin", "2026-03-29", 23, 11), ("UTC", "2026-10-25", 24, 12)])
def test_the_strip_has_the_hours_of_its_day(page, start, zone, day, hours, noon):
    """Where clocks are changed, a day has 23 or 25 hours; and a device elsewhere counts from a midnight of its own."""
    if not FAKETIME:
        pytest.skip("SKIPPED: libfaketime is not here")
    evening = datetime.datetime.fromisoformat(f"{day}T18:00+00:00")
    late = (datetime.datetime.now(datetime.UTC) - evening).total_seconds()
    daemon = start(camera=STILL, late=late, zone="UTC")
    page.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": zone})
    try:
        page.open(f"{daemon.url}/#day")
        page.until_text("#totals th", "missile")
        page.until_text("#day-about", lambda text: ("counts what was seen from its own midnight" in text) == (zone != "UTC"))
        place = "const [hour] = [...document.querySelectorAll('#axis li')].filter((one) => one.textContent === '12'); return parseFloat(hour.style.left)"
        assert abs(page.driver.execute_script(place) - 100 * noon / hours) < 0.01
        assert page.driver.execute_script("return document.getElementById('strip').viewBox.baseVal.width") == 60 * hours
    finally:
        page.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})


def test_a_clock_that_is_set_while_the_page_is_open_is_followed(page, start):
    daemon = start(camera=STILL)
    page.open(daemon.url + "/")
    page.until_text("#since", lambda text: re.fullmatch(r"for \d{1,2} s", text))
    # For the browser it is two hours later: the page follows when the device tells its time again.
    page.driver.execute_script("const now = Date.now; Date.now = () => now() + 7_200_000;")
    page.until_text("#since", "for 2 h")
    page.until_text("#since", lambda text: re.fullmatch(r"for \d{1,2} s", text))
