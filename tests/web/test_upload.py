"""Pictures that people give the page to label."""

from daemon import PHOTOS, ROOT, until
from selenium.webdriver.common.by import By


def test_a_picture_that_is_chosen_gets_its_top_three(page, shared):
    page.open(shared.url + "/")
    page.until_connected()
    page.find("#file").send_keys(str(PHOTOS / "coffee.png"))
    page.until_text("#upload-fast-bars li .name", "espresso")
    rows = page.driver.find_elements(By.CSS_SELECTOR, "#upload-fast-bars li")
    assert len(rows) == 3 and rows[0].find_element(By.CSS_SELECTOR, ".value").text.endswith("%")
    assert "efficientnet-lite0" in page.text("#upload-fast-title")
    page.find("#file").send_keys(str(PHOTOS / "rocket.jpg"))
    page.until_text("#upload-fast-bars li .name", "missile")
    page.find("#file").send_keys(str(ROOT / "README.md"))
    page.until_text("#upload-status", "not a picture")
    assert not page.find("#preview").is_displayed(), "a broken picture"
    page.find("#file").send_keys(str(PHOTOS / "coffee.png"))
    page.until_text("#upload-status", "answered from memory")


def test_what_the_browser_shows_and_the_server_does_not_read_is_sent_as_a_jpeg(page, shared, tmp_path):
    page.open(shared.url + "/")
    page.until_connected()
    sent = """
        window.sent = [];
        const send = XMLHttpRequest.prototype.send;
        XMLHttpRequest.prototype.send = function (body) { window.sent.push([body.type, body.size]); return send.call(this, body); };
    """
    page.driver.execute_script(sent)
    for number, name in enumerate(("coffee.avif", "coffee.gif", "coffee.bmp")):
        page.find("#file").send_keys(str(ROOT / "tests/fixtures/browser" / name))
        page.until_text("#upload-status", lambda text: text.startswith(f"{name}: espresso"))
        page.until_text("#upload-fast-bars li .name", "espresso")
        assert len(page.driver.execute_script("return window.sent")) == number + 1
        kind, size = page.driver.execute_script("return window.sent.at(-1)")
        assert kind == "image/jpeg" and 0 < size < 200_000, (name, kind, size)
    # A WebP is small here: whatever its size was.
    page.find("#file").send_keys(str(ROOT / "tests/fixtures/images/cat.webp"))
    page.until_text("#upload-fast-bars li .name", "cat")
    (tmp_path / "telephone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(1000))
    page.find("#file").send_keys(str(tmp_path / "telephone.heic"))
    page.until_text("#upload-status", "it is a HEIC that neither this browser nor glimpsed can read; save it as JPEG or PNG")
    assert page.violations() == []


def test_a_picture_can_be_dropped_and_pasted(page, shared):
    page.open(shared.url + "/")
    page.until_connected()
    page.hand_over("#drop", "drop", PHOTOS / "coffee.png")
    page.until_text("#upload-fast-bars li .name", "espresso")
    page.hand_over("body", "paste", PHOTOS / "chelsea.png")
    page.until_text("#upload-fast-bars li .name", "cat")
    assert "chelsea.png" in page.text("#upload-status")
    # Beside the box it is taken, too, and the page stays.
    page.hand_over("#newest-title", "drop", PHOTOS / "coffee.png")
    page.until_text("#upload-fast-bars li .name", "espresso")
    assert page.driver.current_url == shared.url + "/"


def test_many_pictures_are_labelled_one_after_the_other_and_can_be_stopped(page, start, tmp_path):
    daemon = start()
    page.open(daemon.url + "/")
    page.until_connected()
    for number in range(5):
        # Each of them another one to the cache of answers.
        (tmp_path / f"{number}.jpg").write_bytes((PHOTOS / "rocket.jpg").read_bytes() + bytes([number]))
    (tmp_path / "notes.jpg").write_text("no picture")
    names = sorted(tmp_path.glob("?.jpg")) + [tmp_path / "notes.jpg"]
    page.find("#file").send_keys("\n".join(map(str, names)))
    until("all of them", lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#upload-list li")) == 6)
    lines = [line.text.replace("\n", " ") for line in page.driver.find_elements(By.CSS_SELECTOR, "#upload-list li")]
    assert all("missile" in line for line in lines[:5]) and "not a picture" in lines[5], lines
    assert "6 of 6" in page.text("#upload-status")
    assert page.violations() == []
    page.screenshot("many-pictures")
    # A slow line, so that there is something to stop.
    page.driver.execute_cdp_cmd("Network.enable", {})
    slow = {"offline": False, "latency": 0, "downloadThroughput": 1e6, "uploadThroughput": 50_000}
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", slow)
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_bytes((PHOTOS / "rocket.jpg").read_bytes() + bytes([number, 1]))
    page.find("#file").send_keys("\n".join(map(str, names[:5])))
    page.until_text("#upload-status", "Sending,")
    page.find("#upload-stop").click()
    page.until_text("#upload-status", "Stopped")
    assert page.driver.execute_script("return document.activeElement.id") == "file", "the focus is not lost"
