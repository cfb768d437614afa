"""Teaching in the browser, before the real daemon, with labelled pictures that come as a camera's."""

import base64
import os
import pathlib
import shutil
import time

import pytest
from conftest import DESKTOP, OUT, PHONE
from daemon import PHOTOS, ROOT, until
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

PARKING = ROOT.parent / "shared/teach/parking"

# Sends one picture after the other of the folder that a link names, which a test turns to another one.
CAMERA = 'n=0; while :; do set -- {now}/*.jpg; shift $((n % $#)); cat $1; n=$((n + 1)); sleep 0.1; done'


class Street:
    """A camera that sees what it is pointed at."""

    def __init__(self, directory: pathlib.Path, pictures: pathlib.Path):
        self.now, self.pictures = directory / "now", pictures

    def sees(self, label: str):
        new = self.now.with_name("new")
        new.symlink_to(self.pictures / label)
        new.rename(self.now)

    def camera(self) -> str:
        return f'source = "command"\ncommand = ["sh", "-c", "{CAMERA.format(now=self.now)}"]\n'


@pytest.fixture
def street(tmp_path):
    if not PARKING.is_dir():
        pytest.skip(f"no labelled pictures in {PARKING}")
    return Street(tmp_path, PARKING)


def teaching(tmp_path) -> str:
    return f'[teach]\ndirectory = "{tmp_path}/taught"\n'


def hold(page, label: str, pictures: int):
    """Holds the button of a label, as a finger does, until so many more are kept."""
    enough = count(page, label) + pictures
    button = page.find(f'[data-label="{label}"] .record')
    ActionChains(page.driver).click_and_hold(button).perform()
    until(f"{pictures} of {label}", lambda: count(page, label) >= enough)
    page.screenshot(f"teach-recording-{label}", whole=False)
    ActionChains(page.driver).release(button).perform()
    return page.until_text("#teach-says", lambda text: "taken" in text)


def sees(page):
    """Waits for a picture; the labelled ones are too small to have many colours."""
    until("a picture", lambda: page.driver.execute_script("return document.getElementById('stage').dataset.state") == "live")


def count(page, label: str) -> int:
    return int((page.text(f'[data-label="{label}"] .count') or "0").split()[0])


def test_two_states_are_taught_from_nothing_until_they_are_in_use(page, start, street, tmp_path):
    street.sees("empty")
    daemon = start(camera=street.camera(), rest=teaching(tmp_path))
    page.open(daemon.url + "/#teach")
    page.until_text("#first-title", "Show it each state for a few seconds")
    page.screenshot("teach-empty")
    page.find("#suggestions button:nth-child(2)").click()
    until("both labels", lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#classes .class")) == 2)
    sees(page)
    hold(page, "empty", 6)
    street.sees("occupied")
    time.sleep(0.5)
    hold(page, "occupied", 6)
    until("how good it is", lambda: page.text("#good") not in ("", "Not yet"))
    page.until_text("#teach-bars li .name", "occupied")
    assert page.violations() == []
    page.screenshot("teach-two")
    page.find("#use").click()
    page.until_text("#use-says", "In use: the camera's pictures get these labels.", patience=60)
    page.until_text("#use", "In use")
    assert daemon.json("/api/v1/state")["settings"]["model"] == "main"
    page.go("#live", "#live-title")
    page.until_text("#label", "occupied")
    street.sees("empty")
    page.until_text("#label", "empty")
    # Where it is wrong, the next picture is kept under what somebody says.
    page.find("#is-wrong").click()
    until("the other label", lambda: page.driver.find_elements(By.CSS_SELECTOR, "#wrong-labels button"))
    assert page.violations() == []
    page.screenshot("teach-in-use")
    page.driver.find_element(By.XPATH, "//div[@id='wrong-labels']/button[.='occupied']").click()
    page.until_text("#wrong-says", lambda text: "Kept as occupied" in text or "looks like one of occupied" in text)
    # It is taught further while it is in use, and the new lesson is put to use.
    page.go("#teach", "#teach-title")
    page.until_text("#use", lambda text: text in ("In use", "Use the new lesson"))
    hold(page, "empty", 2)
    page.until_text("#use", "Use the new lesson")
    # Files are folders of pictures, portable to any other tool.
    kept = sorted(path.parent.name for path in (tmp_path / "taught/main").glob("*/*.jpg"))
    assert set(kept) == {"empty", "occupied"}


def test_a_folder_of_labelled_pictures_is_added_moved_and_brought_back(page, start, street, tmp_path):
    street.sees("empty")
    daemon = start(camera=street.camera(), rest=teaching(tmp_path))
    page.open(daemon.url + "/#teach", size=(1280, 800))
    page.until_text("#first-title", "Show it")
    page.find("#suggestions button:nth-child(2)").click()
    for label in ("empty", "occupied"):
        files = sorted((PARKING / label).glob("*.jpg"))[:24]
        box = page.find(f'[data-label="{label}"] input[type=file]')
        box.send_keys("\n".join(map(str, files)))
        page.until_text("#sending-says", lambda text: "kept" in text, patience=60)
        until(f"all {label}", lambda: count(page, label) >= 10)
    page.until_text("#good", "right", patience=30)
    assert "in" in page.text("#good") and "%" not in page.text("#good")
    page.until_text("#confusion", "occupied")
    page.screenshot("teach-good")
    # A file that is no picture is named, and the others go on.
    page.find('[data-label="empty"] input[type=file]').send_keys(str(ROOT / "README.md"))
    page.until_text("#sending-list", "README.md")
    # Three are chosen with the shift key, moved by a key, and brought back.
    before = count(page, "empty"), count(page, "occupied")
    options = page.driver.find_elements(By.CSS_SELECTOR, '[data-label="empty"] [role=option]')
    page.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", options[0])
    options[0].click()
    ActionChains(page.driver).key_down(Keys.SHIFT).click(options[2]).key_up(Keys.SHIFT).perform()
    page.until_text("#chosen-count", "3 of empty chosen")
    page.screenshot("teach-chosen", whole=False)
    assert page.violations() == []
    page.find('[data-label="empty"] .thumbs').send_keys("1")
    until("they are moved", lambda: (count(page, "empty"), count(page, "occupied")) == (before[0] - 3, before[1] + 3))
    page.until_text("#undo", "3 pictures moved to occupied")
    page.driver.execute_script("scrollTo(0, 0)")
    page.find("#undo").click()
    until("they are back", lambda: (count(page, "empty"), count(page, "occupied")) == before)
    page.until_text("#good", "right")
    # The lesson is in the file: the command line knows it.
    assert len(list((tmp_path / "taught/main/empty").glob("*.jpg"))) == before[0]


def test_it_is_taught_by_keys_alone_on_a_phone(page, start, street, tmp_path):
    street.sees("empty")
    daemon = start(camera=street.camera(), rest=teaching(tmp_path))
    page.open(daemon.url + "/#teach", size=PHONE, dark=True)
    page.until_text("#first-title", "Show it")
    page.find("#class-name").send_keys("empty", Keys.ENTER)
    until("its button", lambda: page.driver.execute_script("return document.activeElement.classList.contains('record')"))
    sees(page)
    ActionChains(page.driver).key_down(Keys.SPACE).perform()
    until("some pictures", lambda: "picture" in page.text('[data-label="empty"] .record'))
    ActionChains(page.driver).key_up(Keys.SPACE).perform()
    page.until_text("#teach-says", "taken")
    # R begins and ends it, for those who cannot hold a key.
    ActionChains(page.driver).send_keys("r").perform()
    until("it records", lambda: page.driver.find_elements(By.CSS_SELECTOR, ".record[data-on]"))
    ActionChains(page.driver).send_keys("r").perform()
    until("it has ended", lambda: not page.driver.find_elements(By.CSS_SELECTOR, ".record[data-on]"))
    # A short press takes nothing in silence.
    ActionChains(page.driver).click(page.find('[data-label="empty"] .record')).perform()
    page.until_text("#teach-says", "Hold the button, or press R")
    page.until_text("#good-more", "Two classes are the least")
    assert page.violations() == []
    page.screenshot("teach-phone")


def test_where_teaching_is_off_the_page_says_how_it_is_switched_on(page, start, tmp_path):
    daemon = start()
    page.open(daemon.url + "/#teach")
    page.until_text("#off-title", "Teaching is off")
    until("the words", lambda: page.find("#teach-off").is_displayed())
    assert page.violations() == []
    page.screenshot("teach-off")
    daemon.config.write_text(daemon.text.replace("127.0.0.1:0", daemon.url.removeprefix("http://")) + teaching(tmp_path))
    page.until_text("#first-title", "Show it")
    until("it is on", lambda: page.find("#teach-first").is_displayed())


def test_pictures_that_are_not_to_be_shown_are_not_taught(page, start, tmp_path):
    daemon = start(rest="[privacy]\npreview = false\n" + teaching(tmp_path))
    page.open(daemon.url + "/#teach")
    page.until_text("#overlay-title", "Pictures are switched off here")
    page.until_text("#teach-unseen", "Teaching needs pictures")
    page.find("#teach-unseen a").click()
    page.until_text("#config-body", "privacy.preview")
    page.go("#teach", "#teach-title")
    page.find("#suggestions button").click()
    page.find('[data-label="open"] .record').send_keys("r")
    page.until_text("#teach-says", "pictures are not shown; set “preview = true” in [privacy]")


CROPS = """
    const [data, count, done] = arguments;
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    (async () => {
        const picture = await createImageBitmap(new Blob([bytes]));
        const crops = [];
        for (let number = 0; number < count; number++) {
            const share = 0.55 + 0.4 * ((number * 0.618) % 1);
            const [width, height] = [picture.width * share, picture.height * share];
            const [x, y] = [(picture.width - width) * ((number * 0.37) % 1), (picture.height - height) * ((number * 0.71) % 1)];
            const canvas = new OffscreenCanvas(480, Math.round(480 * picture.height / picture.width));
            canvas.getContext("2d").drawImage(picture, x, y, width, height, 0, 0, canvas.width, canvas.height);
            const reader = new FileReader();
            reader.readAsDataURL(await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 }));
            await new Promise((resolve) => { reader.onload = resolve; });
            crops.push(reader.result.split(",")[1]);
        }
        done(crops);
    })();
"""


def cropped(page, directory: pathlib.Path, labels: dict[str, str], each: int) -> pathlib.Path:
    """Many pictures of each of a few photographs, as a camera that moves would see them."""
    page.driver.get("about:blank")
    for label, photo in labels.items():
        (directory / label).mkdir(parents=True)
        data = base64.b64encode((PHOTOS / photo).read_bytes()).decode()
        for number, crop in enumerate(page.driver.execute_async_script(CROPS, data, each)):
            (directory / label / f"{number:02}.jpg").write_bytes(base64.b64decode(crop))
    return directory


def test_a_cat_and_a_cup_are_taught_and_the_pictures_of_the_guide_can_be_made(page, start, tmp_path):
    """The pictures are the bundled photographs, so it runs everywhere. With UPDATE_SCREENSHOTS=1 it makes those of docs/teach.md."""
    pictures = cropped(page, tmp_path / "pictures", {"cat": "chelsea.png", "cup": "coffee.png"}, 24)
    street = Street(tmp_path, pictures)
    street.sees("cat")
    daemon = start(camera=street.camera(), rest=teaching(tmp_path))
    page.open(daemon.url + "/#teach", size=(1180, 1000))
    page.until_text("#first-title", "Show it")
    for label in ("cat", "cup"):
        page.find("#class-name").send_keys(label, Keys.ENTER)
    for label in ("cat", "cup"):
        street.sees(label)
        time.sleep(0.6)
        sees(page)
        hold(page, label, 12)
    page.until_text("#good", "right")
    page.until_text("#teach-bars li .name", "cup")
    page.driver.execute_script("document.activeElement.blur()")
    update = os.environ.get("UPDATE_SCREENSHOTS")
    for name, size, dark in (("teach", (1180, 1000), False), ("teach-phone", PHONE, True)):
        page.open(daemon.url + "/#teach", size=size, dark=dark)
        page.until_text("#good", "right")
        page.until_text("#teach-bars li .name", "cup")
        sees(page)
        until("the thumbnails", lambda: page.driver.execute_script("return [...document.querySelectorAll('.thumbs img')].slice(0, 8).every((one) => one.complete)"))
        page.screenshot(f"guide-{name}", whole=False, form="webp")
        if update:
            shutil.copy(OUT / f"guide-{name}.webp", ROOT / "docs/images" / f"{name}.webp")
    guide = (ROOT / "docs/teach.md").read_text()
    assert all(f"images/{name}.webp" in guide and (ROOT / "docs/images" / f"{name}.webp").exists() for name in ("teach", "teach-phone"))
