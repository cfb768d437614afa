"""The app's image, started as the Supervisor does it: on its network, with its folders, its token and its names.

The stand-in answers `/services/mqtt` as https://developers.home-assistant.io/docs/api/supervisor/endpoints has it, and is the proxy that
browsers come through, from 172.30.32.2.
"""

import http.server
import json
import pathlib
import shutil
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path += [str(ROOT / "tests/image"), str(ROOT / "tests/web")]
from parts import Broker, inspected, podman, run, until  # noqa: E402
from proxy import Proxy  # noqa: E402

NETWORK, GATEWAY, SUPERVISOR = "172.30.32.0/23", "172.30.32.1", "172.30.32.2"
TOKEN = "0123456789abcdef" * 4
PREFIX = "/api/hassio_ingress/v3ry-long_key"
AROUND = f'<!doctype html><title>Home Assistant</title><link rel="icon" href="data:,"><iframe src="{PREFIX}/" width="1200" height="900"></iframe>'


class Supervisor:
    """Answers an app that shows its token."""

    def __init__(self, broker: Broker | None):
        service = broker and {"addon": "core_mosquitto", "host": broker.address, "port": str(broker.port), "ssl": False, "username": "glimpsed",
                              "password": "hunter2 hunter2", "protocol": "3.1.1"}
        asked = self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                may = self.headers["Authorization"] == f"Bearer {TOKEN}"
                if self.path == "/services/mqtt" and may and service:
                    status, body = 200, {"result": "ok", "data": service}
                elif may:
                    status, body = 400, {"result": "error", "message": "Service mqtt not enabled"}
                else:
                    status, body = 401, {"result": "error", "message": "Unauthorized"}
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((SUPERVISOR, 80), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="session")
def network():
    run("podman", "network", "create", "--subnet", NETWORK, "--gateway", GATEWAY, "glimpsed-hassio")
    # The interface is there once a container was in the network.
    podman("run", "--rm", "--network", "glimpsed-hassio", "--entrypoint", "/usr/bin/glimpsed", "localhost/glimpsed-addon", "--version")
    interface = json.loads(podman("network", "inspect", "glimpsed-hassio"))[0]["network_interface"]
    run("ip", "address", "add", f"{SUPERVISOR}/23", "dev", interface)
    yield
    run("podman", "network", "rm", "--force", "glimpsed-hassio")


@pytest.fixture
def app(network, tmp_path):
    """Starts the app as the Supervisor does, with these options, and what it has found before in /config."""
    ends = []

    class App:
        def __init__(self, options: dict, config: str | None = None, with_broker=True):
            # Not below tmp_path: the broker is another user, who has to get there.
            place = pathlib.Path(tempfile.mkdtemp(prefix="broker-"))
            self.broker = Broker(place, SUPERVISOR)
            ends.append(self.broker.stop)
            self.supervisor = Supervisor(self.broker if with_broker else None)
            ends.append(self.supervisor.stop)
            self.data, self.config = tmp_path / "data", tmp_path / "config"
            for folder in (self.data, self.config):
                folder.mkdir()
            (self.data / "options.json").write_text(json.dumps(options))
            (self.data / "options.json").chmod(0o600)
            if config:
                (self.config / "glimpsed.toml").write_text(config)
            podman("run", "--detach", "--name", "addon_glimpsed", "--hostname", "local-glimpsed", "--network", "glimpsed-hassio",
                   "--add-host", f"supervisor:{SUPERVISOR}", "--volume", f"{self.data}:/data", "--volume", f"{self.config}:/config",
                   "--tmpfs", "/tmp", "--security-opt", "no-new-privileges", "--env", f"SUPERVISOR_TOKEN={TOKEN}",
                   "--env", f"HASSIO_TOKEN={TOKEN}", "--env", "TZ=Europe/Berlin", "localhost/glimpsed-addon")
            ends.append(lambda: run("podman", "rm", "--force", "--time", "1", "addon_glimpsed", check=False))
            self.address = inspected("addon_glimpsed")["NetworkSettings"]["Networks"]["glimpsed-hassio"]["IPAddress"]

        def through_ingress(self) -> Proxy:
            proxy = Proxy(PREFIX, 8099, to_host=self.address, own=SUPERVISOR, around=AROUND)
            ends.append(proxy.close)
            return proxy

        def log(self) -> str:
            done = run("podman", "logs", "addon_glimpsed")
            return done.stdout + done.stderr

    yield App
    print(run("podman", "logs", "addon_glimpsed", check=False).stderr)
    for end in reversed(ends):
        end()


def lower(headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def asked(url: str, **headers) -> tuple[int, dict, bytes]:
    """Status, headers and body of the answer; a status of 0 where nobody answers (yet)."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return answer.status, lower(answer.headers), answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, lower(refused.headers), refused.read()
    except OSError:
        return 0, {}, b""


PHOTOS = '[camera]\nsource = "replay"\npath = "/usr/share/glimpsed/models/photos"\n[device]\nid = "shelf"\n'


def test_it_takes_the_broker_of_home_assistant_and_its_options(app):
    running = app({"name": "Camera on the shelf", "publish_image": True, "log_level": "debug"}, PHOTOS)
    assert running.broker.message("glimpsed/shelf/status") == "online"
    assert running.supervisor.asked == ["/services/mqtt"]
    found = json.loads(running.broker.message("homeassistant/device/shelf/config"))
    assert found["device"]["name"] == "Camera on the shelf"
    info = json.loads(running.broker.message("glimpsed/shelf/info"))
    assert info["config"]["privacy.publish_image"]["value"] is True
    # The password is for the daemon alone, and nobody is shown it; the Supervisor's token is not even there.
    assert (running.data / "mqtt-password").stat().st_mode & 0o777 == 0o600
    pid = inspected("addon_glimpsed")["State"]["Pid"]
    environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    assert TOKEN.encode() not in environment and b"hunter2" not in environment
    assert TOKEN not in running.log() and "hunter2" not in running.log() + json.dumps(info)
    until("health", lambda: run("podman", "exec", "addon_glimpsed", "/usr/bin/glimpsed", "health", check=False).returncode == 0)
    assert (running.data / "state").is_dir()
    # An edit of the file is in effect when it is saved; a stop is clean.
    (running.config / "new").write_text(PHOTOS.replace("[device]", "fps = 3.0\n[device]"))
    (running.config / "new").rename(running.config / "glimpsed.toml")
    running.broker.message("glimpsed/shelf/info", lambda text: json.loads(text)["config"]["camera.fps"]["value"] == 3.0)
    began = time.monotonic()
    podman("stop", "addon_glimpsed")
    assert time.monotonic() - began < 8 and inspected("addon_glimpsed")["State"]["ExitCode"] == 0
    assert running.broker.message("glimpsed/shelf/status") == "offline"


def test_without_a_broker_and_a_file_it_runs_all_the_same_and_says_why(app):
    running = app({"publish_image": False}, with_broker=False)
    until("the reason", lambda: "without a broker, because Home Assistant offers none: Service mqtt not enabled" in running.log())
    until("the defaults", lambda: "Every key is here" in (running.config / "glimpsed.toml").read_text())
    proxy = running.through_ingress()
    until("the page", lambda: asked(f"{proxy.url}/livez")[0] == 200)


def test_a_broker_of_the_configuration_comes_before_the_supervisors_and_an_option_before_both(app):
    running = app({}, PHOTOS + '[mqtt]\nurl = "mqtt://192.0.2.20"\n')
    until("a start", lambda: "mqtt" in running.log())
    assert running.supervisor.asked == []
    podman("stop", "--time", "5", "addon_glimpsed")
    options = {"mqtt_url": running.broker.url, "mqtt_username": "glimpsed", "mqtt_password": "hunter2 hunter2"}
    (running.data / "options.json").write_text(json.dumps(options))
    podman("start", "addon_glimpsed")
    assert running.broker.message("glimpsed/shelf/status") == "online"
    assert running.supervisor.asked == []


def test_only_home_assistant_is_answered_until_there_is_a_token(app):
    running = app({}, PHOTOS)
    proxy = running.through_ingress()
    until("the page", lambda: asked(f"{proxy.url}/livez")[0] == 200)
    status, headers, _ = asked(f"{proxy.url}/", Host="home.example.org")
    assert (status, headers["x-frame-options"]) == (200, "SAMEORIGIN")
    assert asked(f"{proxy.url}/docs/")[0] == 200
    # The manual's pages have a policy of their own, which lets them be framed as well.
    assert "frame-ancestors 'self'" in asked(f"{proxy.url}/docs/index.html")[1]["content-security-policy"]
    # From another address of the same network, whatever it says of itself.
    direct = f"http://{running.address}:8099"
    forged = {"X-Ingress-Path": PREFIX, "X-Forwarded-For": SUPERVISOR, "X-Remote-User-Id": "1"}
    status, headers, body = asked(f"{direct}/api/v1/state", **forged)
    assert (status, headers["x-frame-options"]) == (403, "DENY")
    assert b"only the proxy of `ingress` is answered here" in body
    assert asked(f"{direct}/")[0] == 403
    assert asked(f"{direct}/livez")[0] == 200, "the Supervisor's watchdog"
    token = running.config / "http-token"
    token.touch(mode=0o600)
    token.write_text("0123456789abcdef0123456789abcdef\n")
    (running.config / "new").write_text(PHOTOS + '[http]\ntoken_file = "http-token"\n')
    (running.config / "new").rename(running.config / "glimpsed.toml")
    until("the token", lambda: asked(f"{direct}/api/v1/state")[0] == 401)
    assert asked(f"{direct}/api/v1/state", Authorization="Bearer 0123456789abcdef0123456789abcdef")[0] == 200
    until("the page again", lambda: asked(f"{proxy.url}/api/v1/state")[0] == 200)


def test_the_page_opens_inside_of_home_assistant_in_a_browser(app):
    running = app({}, PHOTOS)
    proxy = running.through_ingress()
    until("labels", lambda: asked(f"{proxy.url}/readyz")[0] == 200)
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--disable-background-networking"):
        options.add_argument(argument)
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        driver.set_window_size(1280, 1000)
        driver.get(proxy.url.removesuffix(PREFIX) + "/")
        driver.switch_to.frame(0)
        until("a label", lambda: len(driver.execute_script("return document.querySelector('#label')?.textContent.trim() ?? ''")) > 3)
        failed = driver.execute_script("""
            return performance.getEntriesByType("resource").filter((one) => one.responseStatus >= 400).map((one) => one.name);
        """)
        assert failed == []
        assert driver.execute_script("return location.pathname") == f"{PREFIX}/", "no login came between"
        # A change goes through, too.
        driver.set_script_timeout(30)
        status = driver.execute_async_script("""
            const done = arguments[0];
            fetch("api/v1/reload", { method: "POST" }).then((answer) => done(answer.status));
        """)
        assert status == 200
        severe = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
        assert severe == []
    finally:
        driver.quit()
