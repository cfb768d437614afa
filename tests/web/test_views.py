"""Several views: each says what it sees, and the page is about the one that was chosen."""

from conftest import PHONE
from daemon import PHOTOS, until
from selenium.webdriver.common.by import By

CAMERAS = f"""[cameras.front]
source = "replay"
path = "{PHOTOS}"
fps = 2.0
[cameras.back]
source = "replay"
path = "{PHOTOS}/coffee.png"
fps = 2.0
frozen_after = "0s"
[views.door]
camera = "front"
name = "Front door"
region = {{ x = 0.0, y = 0.0, width = 0.5, height = 1.0 }}
[views.table]
camera = "back"
name = "Table"
"""


def test_the_page_is_about_the_view_that_was_chosen(page, start, tmp_path):
    daemon = start(cameras=CAMERAS, rest=f'[teach]\ndirectory = "{tmp_path}/taught"\n')
    page.open(daemon.url + "/", size=PHONE)
    until("both views", lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#views button")) == 2)
    # Each says what it sees; the first is chosen.
    page.until_text('[data-view="table"]', "espresso")
    assert page.find('[data-view="door"]').get_attribute("aria-pressed") == "true"
    until("a picture", page.shows_picture)
    page.screenshot("views-first")
    page.find('[data-view="table"]').click()
    page.until_text("#label", "espresso")
    until("a picture", page.shows_picture)
    assert page.violations() == []
    page.screenshot("views-second")
    # What is set is set for this view.
    page.go("#settings/camera", "#camera-title")
    page.find("#enabled").click()
    page.until_text("#enabled-saved", "Saved")
    enabled = {view["name"]: view["settings"]["enabled"] for view in daemon.json("/api/v1/views")}
    assert enabled == {"door": True, "table": False}
    page.find("#enabled").click()
    page.until_text("#enabled-saved", "Saved")
    # And so is what is taught.
    page.go("#teach", "#teach-title")
    page.find("#class-name").send_keys("cup\n")
    page.find('[data-label="cup"] .record').send_keys("r")
    until("a picture", lambda: list((tmp_path / "taught/table/cup").glob("*.jpg")))
    page.find('[data-label="cup"] .record').send_keys("r")
    page.until_text('[data-label="cup"] .count', "1 picture")
    page.driver.execute_script("scrollTo(0, 0)")
    page.find('[data-view="door"]').click()
    until("nothing is taught of the other one", lambda: not page.driver.find_elements(By.CSS_SELECTOR, '[data-label="cup"]'))
