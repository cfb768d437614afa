#!/usr/bin/env python3
"""A real Home Assistant beside the daemon and mosquitto: entities, names, units, both directions of every switch, restarts of each
of the three, deletion, and a log without a word about the device.

usage: check.py GLIMPSED

Needs root and what `setup` makes. Takes about a minute; everything is on the loopback interface.
"""

import base64
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
ROOT = REPOSITORY / "target/homeassistant/root"
PATIENCE = 60

CONFIGURATION = """
homeassistant:
  name: Test
  time_zone: UTC
api:
config:
onboarding:
recorder:
system_log:
logger:
  default: warning
http:
  server_host: 127.0.0.1
  server_port: {port}
input_boolean:
  door_contact:
"""


def automation_of_the_manual():
    """The automation of docs/teach.md, for this device and a switch in the place of a door contact."""
    page = (REPOSITORY / "docs/teach.md").read_text()
    (text,) = re.findall(r"```yaml\n(automation:.*?)```", page, re.S)
    return text.replace("binary_sensor.door_contact", "input_boolean.door_contact").replace("glimpsed/garage/", "glimpsed/shelf/")


# Entity, and what its state must look like while all is well.
ENTITIES = {
    "sensor.shelf_label": lambda state: state not in ("unavailable", "unknown", ""),
    "sensor.shelf_confidence": lambda state: 0 <= float(state) <= 100,
    "sensor.shelf_day": lambda state: int(state) >= 1,
    "sensor.shelf_fps": lambda state: float(state) >= 0,
    "event.shelf_change": lambda state: state != "unavailable",
    "binary_sensor.shelf_camera": lambda state: state == "on",
    "binary_sensor.shelf_problem": lambda state: state == "off",
    "binary_sensor.shelf_connectivity": lambda state: state == "on",
    "sensor.shelf_opinion": lambda state: state not in ("unavailable", "unknown", ""),
    "switch.shelf_enabled": lambda state: state == "on",
    "switch.shelf_accurate": lambda state: state == "on",
    "select.shelf_model": lambda state: state != "unavailable",
    "select.shelf_precision": lambda state: state in ("auto", "fp32", "int8"),
    "number.shelf_threshold": lambda state: 0 <= float(state) <= 1,
    "button.shelf_restart": lambda state: state != "unavailable",
    "select.shelf_teach_label": lambda state: state in ("cat", "coffee", "rocket"),
    "button.shelf_teach_add": lambda state: state != "unavailable",
    "button.shelf_teach": lambda state: state != "unavailable",
    "sensor.shelf_taught": lambda state: int(state) >= 4,
    "sensor.shelf_unsure": lambda state: int(state) >= 0,
}
UNITS = {"sensor.shelf_confidence": "%", "sensor.shelf_fps": "fps"}
NAMES = {
    "sensor.shelf_label": "On the shelf",
    "switch.shelf_enabled": "On the shelf Classification",
    "binary_sensor.shelf_problem": "On the shelf Problem",
}


# The same device with two cameras and two views.
VIEWS = """
[cameras.desk]
source = "replay"
path = "{photos}/chelsea.png"
fps = 2
[cameras.yard]
source = "replay"
path = "{photos}/coffee.png"
fps = 2
[views.cat]
camera = "desk"
name = "The cat"
[views.cup]
camera = "yard"
region = {{ x = 0.0, y = 0.0, width = 1.0, height = 1.0 }}
"""
VIEW_ENTITIES = {
    "sensor.shelf_view_cat_label": lambda state: "cat" in state,
    "sensor.shelf_view_cup_label": lambda state: state == "espresso",
    "sensor.shelf_view_cat_confidence": lambda state: float(state) > 10,
    "sensor.shelf_view_cup_day": lambda state: int(state) >= 1,
    "event.shelf_view_cat_change": lambda state: state != "unavailable",
    "switch.shelf_view_cat_enabled": lambda state: state == "on",
    "binary_sensor.shelf_camera_desk_online": lambda state: state == "on",
    "binary_sensor.shelf_camera_yard_online": lambda state: state == "on",
    "sensor.shelf_fps": lambda state: float(state) >= 0,
}
VIEW_NAMES = {
    "sensor.shelf_view_cat_label": "On the shelf The cat",
    "sensor.shelf_view_cup_confidence": "On the shelf cup confidence",
    "binary_sensor.shelf_camera_yard_online": "On the shelf Camera yard",
}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(what, check, patience=PATIENCE):
    """The first true value of `check`; what it raises counts as false."""
    deadline, last = time.monotonic() + patience, None
    while time.monotonic() < deadline:
        try:
            last = check()
            if last:
                return last
        except (OSError, ValueError, KeyError, urllib.error.URLError) as error:
            last = error
        time.sleep(0.3)
    raise SystemExit(f"FAILED: {what} (last: {last!r})")


def done(what):
    print(f"ok  {what}", flush=True)


class Process:
    """A program that can be stopped and started again."""

    def __init__(self, command, log, ready):
        self.command, self.log, self.ready, self.process = command, log, ready, None

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=open(self.log, "ab"), stderr=subprocess.STDOUT, cwd=REPOSITORY)
        until(f"{self.command[0]} is ready", self.ready)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


class HomeAssistant:
    """Its REST interface, and of its WebSocket one what REST lacks."""

    def __init__(self, port):
        self.port, self.address, self.token = port, f"http://127.0.0.1:{port}", None

    def call(self, method, path, body=None, form=None):
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        if form is not None:
            data = urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def is_up(self):
        try:
            self.call("GET", "/auth/providers")
        except urllib.error.HTTPError:
            # It answers. The route may be there a little later.
            pass
        return True

    def onboard(self):
        user = {"client_id": self.address + "/", "name": "t", "username": "t", "password": "test-only", "language": "en"}
        code = self.call("POST", "/api/onboarding/users", user)["auth_code"]
        form = {"grant_type": "authorization_code", "code": code, "client_id": self.address + "/"}
        self.refresh = self.call("POST", "/auth/token", form=form)
        self.token = self.refresh["access_token"]
        self.call("POST", "/api/onboarding/core_config", {})
        self.call("POST", "/api/onboarding/analytics", {})
        self.call("POST", "/api/onboarding/integration", {"client_id": self.address + "/", "redirect_uri": self.address + "/"})

    def add_broker(self, port):
        step = self.call("POST", "/api/config/config_entries/flow", {"handler": "mqtt"})
        answers = {
            "broker": "127.0.0.1", "port": port, "protocol": "5",
            "other_settings": {"set_client_cert": False, "set_ca_cert": "off", "transport": "tcp"},
        }
        step = self.call("POST", f"/api/config/config_entries/flow/{step['flow_id']}", answers)
        if step["type"] != "create_entry":
            raise SystemExit(f"FAILED: the broker was not accepted: {step}")

    def state(self, entity):
        try:
            return self.call("GET", f"/api/states/{entity}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def service(self, domain, name, entity, **more):
        self.call("POST", f"/api/services/{domain}/{name}", {"entity_id": entity, **more})

    def ask(self, **request):
        """One request over a WebSocket of its own."""
        stream = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        key = base64.b64encode(os.urandom(16)).decode()
        stream.sendall((
            f"GET /api/websocket HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        reader = stream.makefile("rb")
        while reader.readline().strip():
            pass

        def receive():
            first, length = reader.read(2)
            length &= 0x7F
            if length == 126:
                (length,) = struct.unpack(">H", reader.read(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", reader.read(8))
            return json.loads(reader.read(length))

        def send(message):
            data, mask = json.dumps(message).encode(), os.urandom(4)
            head = bytes([0x81, 0x80 | len(data)]) if len(data) < 126 else b"\x81\xfe" + struct.pack(">H", len(data))
            stream.sendall(head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(data)))

        receive()
        send({"type": "auth", "access_token": self.token})
        receive()
        send({"id": 1, **request})
        answer = receive()
        stream.close()
        if not answer.get("success"):
            raise SystemExit(f"FAILED: {request} was answered with {answer}")
        return answer["result"]

    def device(self):
        devices = self.ask(type="config/device_registry/list")
        return next((one for one in devices if ["mqtt", "glimpsed_shelf"] in one["identifiers"]), None)


def main():
    if len(sys.argv) != 2 or os.geteuid() != 0 or not (ROOT / "hass/bin/hass").exists():
        sys.exit(__doc__)
    glimpsed = pathlib.Path(sys.argv[1]).resolve()
    work = pathlib.Path(tempfile.mkdtemp(prefix="glimpsed-homeassistant-"))
    inside = ROOT / "tmp" / work.name
    inside.mkdir(parents=True)
    ports = {name: free_port() for name in ("broker", "home", "page")}
    (inside / "configuration.yaml").write_text(CONFIGURATION.format(port=ports["home"]) + automation_of_the_manual())
    (work / "mosquitto.conf").write_text(
        f"listener {ports['broker']} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {work}/\nuser root\n")
    for label, photo in (("cat", "chelsea.png"), ("coffee", "coffee.png")):
        folder = work / "teach" / "main" / label
        folder.mkdir(parents=True)
        for copy in range(2):
            shutil.copy(REPOSITORY / "models" / "photos" / photo, folder / f"{copy}.png")
    config = work / "glimpsed.toml"
    config.write_text(
        '[device]\nid = "shelf"\nname = "On the shelf"\n[camera]\nsource = "replay"\n'
        f'path = "{REPOSITORY}/models/photos"\nfps = 2\n[model]\ndirectory = "{REPOSITORY}/models"\n'
        '[accurate]\nenabled = true\nmodel = "efficientnet-lite0-int8"\nevery = "5s"\nmax_duty = 1.0\n'
        f'[teach]\ndirectory = "{work}/teach"\n'
        f'[mqtt]\nurl = "mqtt://127.0.0.1:{ports["broker"]}"\n'
        f'[http]\nlisten = "127.0.0.1:{ports["page"]}"\n')
    os.environ["STATE_DIRECTORY"] = str(work)
    home = HomeAssistant(ports["home"])

    def listens(port):
        def check():
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        return check

    def retained(topic):
        command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(ports["broker"]), "-t", topic, "-C", "1", "-W", "2", "-N"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def publish(topic, payload):
        command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(ports["broker"]), "-q", "1", "-t", topic, "-m", payload]
        subprocess.run(command, check=True)

    def tool(*arguments):
        return subprocess.run([glimpsed, "mqtt", *arguments, "-c", config], capture_output=True, text=True, check=False)

    log = work / "home.log"
    broker = Process(["/usr/sbin/mosquitto", "-c", str(work / "mosquitto.conf")], work / "broker.log", listens(ports["broker"]))
    daemon = Process([str(glimpsed), "run", "-c", str(config)], work / "daemon.log", listens(ports["page"]))
    hass = Process(["chroot", str(ROOT), "/hass/bin/hass", "-c", f"/tmp/{work.name}", "--skip-pip"], log, home.is_up)

    def all_well(entities=ENTITIES):
        wrong = []
        for entity, pleases in entities.items():
            state = home.state(entity)
            if state is None or not pleases(state["state"]):
                wrong.append((entity, state and state["state"]))
        if wrong:
            raise ValueError(wrong)
        return True

    try:
        broker.start()
        hass.start()
        home.onboard()
        home.add_broker(ports["broker"])
        # A test before the first start leaves nothing, and nothing is there to be removed.
        for command in ("test", "clean"):
            ran = tool(command)
            assert ran.returncode == 0, ran.stdout + ran.stderr
        assert home.device() is None, "a test makes no device"
        daemon.start()
        until("every entity is there", all_well)
        done(f"{len(ENTITIES)} entities are there")
        for entity, unit in UNITS.items():
            assert home.state(entity)["attributes"]["unit_of_measurement"] == unit, entity
        for entity, name in NAMES.items():
            assert home.state(entity)["attributes"]["friendly_name"] == name, home.state(entity)
        done("names and units")

        base = "glimpsed/shelf"
        for entity, topic, value, service, more in [
            ("switch.shelf_enabled", "enabled", "off", ("switch", "turn_off"), {}),
            ("switch.shelf_enabled", "enabled", "on", ("switch", "turn_on"), {}),
            ("switch.shelf_accurate", "accurate", "off", ("switch", "turn_off"), {}),
            ("switch.shelf_accurate", "accurate", "on", ("switch", "turn_on"), {}),
            ("number.shelf_threshold", "threshold", "0.4", ("number", "set_value"), {"value": 0.4}),
            ("select.shelf_precision", "precision", "fp32", ("select", "select_option"), {"option": "fp32"}),
        ]:
            home.service(*service, entity, **more)
            until(f"{topic} follows {entity}", lambda t=topic, v=value: retained(f"{base}/{t}/state").lower() == v)
            until(f"{entity} shows it", lambda e=entity, v=value: home.state(e)["state"] == v)
        for entity, topic, value in [
            ("switch.shelf_enabled", "enabled", "off"),
            ("switch.shelf_enabled", "enabled", "on"),
            ("switch.shelf_accurate", "accurate", "off"),
            ("switch.shelf_accurate", "accurate", "on"),
            ("number.shelf_threshold", "threshold", "0.25"),
            ("select.shelf_precision", "precision", "auto"),
        ]:
            publish(f"{base}/{topic}/set", value.upper() if value in ("on", "off") else value)
            until(f"{entity} follows {topic}", lambda e=entity, v=value: home.state(e)["state"] == v)
        done("both directions of every setting")

        home.service("select", "select_option", "select.shelf_teach_label", option="coffee")
        until("the label is chosen", lambda: retained(f"{base}/teach/label/state").strip() == "coffee")
        taught = int(home.state("sensor.shelf_taught")["state"])

        def another_is_taught():
            home.service("button", "press", "button.shelf_teach_add")
            return int(home.state("sensor.shelf_taught")["state"]) > taught

        until("a button teaches the next frame", another_is_taught)
        publish(f"{base}/teach/add", json.dumps({"label": "rocket"}))
        until("a new label can be chosen", lambda: "rocket" in home.state("select.shelf_teach_label")["attributes"]["options"])
        assert {"label": "cat", "pictures": 2} in home.state("sensor.shelf_taught")["attributes"]["labels"]
        for state, label in (("turn_on", "open"), ("turn_off", "closed")):
            home.service("input_boolean", state, "input_boolean.door_contact")
            until(f"the door contact has taught {label}", lambda of=label: any(
                one["label"] == of and one["pictures"] >= 1 for one in home.state("sensor.shelf_taught")["attributes"]["labels"]))
        command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(ports["broker"]), "-t", f"{base}/response/teach", "-C", "1", "-W", "30"]
        answer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

        def is_answered():
            # The listener may not listen yet, and learning twice does no harm.
            home.service("automation", "trigger", "automation.glimpsed_learns_from_it_every_night")
            return answer.poll() is not None

        until("the nightly automation is answered", is_answered)
        heard = json.loads(answer.communicate()[0] or "null")
        # One picture of a label is too few, and the answer tells it.
        assert heard and (heard["status"] == "ok" or "picture" in heard["error"]), heard
        done("teaching, by hand and by the automation of the manual")

        text = config.read_text()
        config.write_text(text.replace("fps = 2", "fps = -2"))
        until("the problem is shown", lambda: home.state("binary_sensor.shelf_problem")["state"] == "on")
        reason = home.state("binary_sensor.shelf_problem")["attributes"]["reason"]
        assert "configuration is not in effect" in reason and "fps" in reason, reason
        config.write_text(text)
        until("the problem is gone", lambda: home.state("binary_sensor.shelf_problem")["state"] == "off")
        done("a problem with its reason")

        ran = tool("test")
        assert ran.returncode == 0, ran.stdout
        time.sleep(2)
        # The photographs take turns, and between two of them nothing is likely enough.
        until("all is well beside a test", all_well)
        done("`mqtt test` beside all of it")

        daemon.stop()
        until("the label is unavailable", lambda: home.state("sensor.shelf_label")["state"] == "unavailable")
        assert home.state("binary_sensor.shelf_connectivity")["state"] == "off"
        daemon.start()
        until("all is well after a restart of the daemon", all_well)
        broker.stop()
        time.sleep(2)
        broker.start()
        until("all is well after a restart of the broker", all_well, 120)
        hass.stop()
        hass.start()
        form = {"grant_type": "refresh_token", "refresh_token": home.refresh["refresh_token"], "client_id": home.address + "/"}
        home.token = None
        home.token = until("a token", lambda: home.call("POST", "/auth/token", form=form))["access_token"]
        until("all is well after a restart of Home Assistant", all_well, 120)
        done("restarts of the daemon, the broker and Home Assistant")

        before = len(log.read_text(errors="replace").splitlines())
        device = home.device()
        home.ask(type="config/device_registry/remove_config_entry", device_id=device["id"],
                 config_entry_id=device["config_entries"][0])
        until("the device is deleted", lambda: home.device() is None)
        until("its discovery message is gone", lambda: retained(f"homeassistant/device/shelf/config") == "")
        # Home Assistant sends the empty message once for each entity, and warns of those that it then hears itself.
        time.sleep(2)
        own = range(before, len(log.read_text(errors="replace").splitlines()))
        daemon.stop()
        daemon.start()
        until("it is found again after a restart", all_well, 120)
        done("deletion by Home Assistant, and discovery again")

        only = text.split("[camera]")[1].split("[model]")[0]
        config.write_text(text.replace("[camera]" + only, VIEWS.format(photos=REPOSITORY / "models/photos")))
        daemon.stop()
        daemon.start()
        until("every entity of two cameras and two views is there", lambda: all_well(VIEW_ENTITIES), 120)
        for entity, name in VIEW_NAMES.items():
            assert home.state(entity)["attributes"]["friendly_name"] == name, home.state(entity)
        until("those of the one view are gone", lambda: home.state("sensor.shelf_label") is None and home.state("event.shelf_change") is None)
        home.service("switch", "turn_off", "switch.shelf_view_cat_enabled")
        until("the view is off", lambda: retained(f"{base}/view/cat/enabled/state").lower() == "off")
        assert retained(f"{base}/view/cup/enabled/state").lower() == "on"
        publish(f"{base}/view/cat/enabled/set", "ON")
        until("the view is on again", lambda: all_well(VIEW_ENTITIES))
        config.write_text(text)
        daemon.stop()
        daemon.start()
        until("the one view is back", all_well, 120)
        until("the views are gone", lambda: all(home.state(entity) is None for entity in VIEW_ENTITIES if "_view_" in entity or "_camera_" in entity))
        done("two cameras and two views, and back")

        daemon.stop()
        ran = tool("clean")
        assert ran.returncode == 0, (ran.stdout, ran.stderr)
        until("every entity is gone", lambda: all(home.state(entity) is None for entity in ENTITIES))
        until("the device is gone", lambda: home.device() is None)
        assert retained(f"{base}/#") == "", "something is retained"
        done("`mqtt clean` removes everything")

        lines = log.read_text(errors="replace").splitlines()
        words = ("shelf", "glimpsed", "value_json")
        about_us = [
            line for number, line in enumerate(lines)
            if any(word in line.lower() for word in words) and not (number in own and "No device components to cleanup" in line)
        ]
        assert not about_us, "\n".join(about_us)
        done("its log has no word about the device")
    except BaseException:
        for file in work.glob("*.log"):
            print(f"--- {file.name}", *file.read_text(errors="replace").splitlines()[-40:], sep="\n", file=sys.stderr)
        raise
    finally:
        for process in (daemon, hass, broker):
            process.stop()
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(inside, ignore_errors=True)


main()
