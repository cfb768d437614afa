"""The real image in podman, beside a real broker and a real RTSP server, as docs/install-container.md has it."""

import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from parts import Broker, RtspServer, blocks, free_port, gateway, inspected, podman, run, until

TRY, CAMERA, STREAM = "2. Try it", "3. A USB camera and a broker", "4. An RTSP camera"


def asked(url: str, token: str | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


class Image(unittest.TestCase):
    """What is in it."""

    @classmethod
    def setUpClass(cls):
        cls.container = podman("create", "localhost/glimpsed")
        podman("export", cls.container, "--output", os.environ["TMPDIR"] + "/files.tar")
        listed = run("tar", "--list", "--verbose", "--numeric-owner", "--file", os.environ["TMPDIR"] + "/files.tar").stdout
        cls.listed = {line.split()[5]: line.split() for line in listed.splitlines()}

    @classmethod
    def tearDownClass(cls):
        podman("rm", "--volumes", cls.container)

    def test_there_is_no_shell_and_nothing_that_gives_rights(self):
        programs = [name for name, line in self.listed.items() if line[0].startswith("-") and "x" in line[0] and name.startswith("usr/")]
        self.assertEqual(sorted(programs), ["usr/bin/ffmpeg", "usr/bin/glimpsed"])
        self.assertFalse([name for name, line in self.listed.items() if "s" in line[0]], "setuid")

    def test_only_the_state_and_the_configuration_belong_to_the_user(self):
        own = {name.split("/")[0] + "/" + name.split("/")[1] for name, line in self.listed.items() if line[1] == "10001/10001"}
        self.assertEqual(own, {"etc/glimpsed", "var/lib"})
        self.assertEqual(inspected("localhost/glimpsed")["Config"]["User"], "glimpsed")

    def test_the_labels_are_those_of_the_convention(self):
        labels = inspected("localhost/glimpsed")["Labels"]
        about = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}
        for name in ("title", "description", "version", "revision", "created", "licenses", "documentation"):
            self.assertTrue(about.get(name), name)
        self.assertRegex(about["created"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")
        self.assertEqual(about["version"], podman("run", "--rm", "localhost/glimpsed", "--version").split()[1])

    def test_the_list_of_parts_names_each_library_and_each_package(self):
        text = run("tar", "--extract", "--to-stdout", "--file", os.environ["TMPDIR"] + "/files.tar", "usr/share/doc/glimpsed/sbom.cdx.json").stdout
        bom = json.loads(text)
        self.assertEqual(bom["bomFormat"], "CycloneDX")
        found = {part["name"]: part["version"] for part in bom["components"]}
        for name in ("libc6", "ca-certificates", "tzdata", "ffmpeg", "tokio", "rustls"):
            self.assertTrue(found.get(name), name)
        for part in bom["components"]:
            notices = f"usr/share/doc/{part['name']}/copyright"
            self.assertTrue(not part.get("purl", "").startswith("pkg:deb/") or notices in self.listed, notices)

    def test_the_archive_is_small_enough(self):
        archive = pathlib.Path(os.environ["GLIMPSED_IMAGE_ARCHIVE"])
        self.assertLess(archive.stat().st_size, 45_000_000)


class Running(unittest.TestCase):
    def setUp(self):
        self.before = os.getcwd()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="device-"))
        self.directory.chmod(0o755)
        os.chdir(self.directory)
        self.config = self.directory / "config/glimpsed.toml"
        self.config.parent.mkdir()
        self.ends = []

    def tearDown(self):
        # Shown by unittest where a test has failed (--buffer).
        print(run("podman", "logs", "glimpsed", check=False).stderr)
        run("podman", "rm", "--force", "--time", "1", "glimpsed", check=False)
        for end in self.ends:
            end()
        run("podman", "volume", "rm", "--force", "glimpsed-state", check=False)
        run("podman", "secret", "rm", "http-token", check=False)
        run("podman", "secret", "rm", "mqtt-password", check=False)
        os.chdir(self.before)

    def as_the_document_says(self, block: str):
        run("bash", "-euo", "pipefail", "-c", block)

    def broker(self) -> Broker:
        place = self.directory / "broker"
        place.mkdir()
        broker = Broker(place, gateway())
        self.ends.append(broker.stop)
        return broker

    @staticmethod
    def secrets(*names: str) -> list[str]:
        each = [f"{name},uid=10001,mode=0400,target=/run/glimpsed/{name}" for name in names or ("http-token", "mqtt-password")]
        return [word for one in each for word in ("--secret", one)]

    def start(self, text: str, *more: str):
        """As the document's line, with a broker's password, no port, and the configuration `text`."""
        self.config.write_text(text)
        for name, secret in (("http-token", "0123456789abcdef0123456789abcdef"), ("mqtt-password", "hunter2 hunter2")):
            run("podman", "secret", "create", name, "-", input=secret + "\n")
        podman("run", "--detach", "--name", "glimpsed", "--hostname", "shelf", "--read-only", "--cap-drop", "all", "--security-opt",
               "no-new-privileges", "--volume", f"{self.config.parent}:/etc/glimpsed", "--volume", "glimpsed-state:/var/lib/glimpsed",
               *self.secrets(), *more, "localhost/glimpsed")

    def with_a_broker(self, broker: Broker) -> str:
        text = blocks("toml", TRY)[0]
        return f'{text}\n[mqtt]\nurl = "{broker.url}"\nusername = "glimpsed"\npassword_file = "/run/glimpsed/mqtt-password"\n'

    def is_healthy(self) -> bool:
        return run("podman", "exec", "glimpsed", "glimpsed", "health", check=False).returncode == 0

    def replaced(self, text: str):
        """As editors do: another file takes the name."""
        beside = self.config.with_suffix(".swp")
        beside.write_text(text)
        beside.rename(self.config)

    def test_the_commands_of_the_document_as_they_stand(self):
        if run("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080", check=False).returncode == 0:
            self.skipTest("another program listens on port 8080")
        begin, end = blocks("sh", TRY)
        self.config.write_text(blocks("toml", TRY)[0])
        lines = begin.splitlines()
        # The last asks at once; the first label takes its time.
        self.assertEqual(lines[-1], "podman exec glimpsed glimpsed health")
        self.as_the_document_says("\n".join(lines[:-1]))
        until("the health check", self.is_healthy)
        self.as_the_document_says(lines[-1])
        podman("healthcheck", "run", "glimpsed")
        token = (self.directory / "http-token").read_text().strip()
        self.assertEqual(asked("http://127.0.0.1:8080/api/v1/state")[0], 401)
        self.assertEqual(asked("http://127.0.0.1:8080/api/v1/state", token)[0], 200)
        status, manual = asked("http://127.0.0.1:8080/docs/install-container.html", token)
        self.assertEqual((status, b"Install it as a container" in manual), (200, True), "the manual")
        self.as_the_document_says(end)

    def test_it_runs_without_rights_and_writes_nowhere_but_into_its_volume(self):
        self.start(blocks("toml", TRY)[0])
        until("the health check", self.is_healthy)
        pid = inspected("glimpsed")["State"]["Pid"]
        status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
        self.assertEqual(status["Uid"].split()[0], "10001")
        self.assertEqual(status["Groups"].split(), ["44", "10001"], "the group of cameras")
        self.assertEqual((int(status["CapEff"], 16), int(status["CapBnd"], 16), status["NoNewPrivs"]), (0, 0, "1"))
        mounts = pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
        root = next(line for line in mounts if line.split()[4] == "/")
        self.assertTrue(root.split()[5].startswith("ro"), root)

    def test_an_edit_is_in_effect_however_it_is_saved_and_a_broken_one_is_told(self):
        broker = self.broker()
        text = self.with_a_broker(broker)
        self.start(text)
        fps = lambda wanted: lambda info: json.loads(info)["config"]["camera.fps"]["value"] == wanted
        broker.message("glimpsed/shelf/info", fps(10.0))
        edited = text.replace('"replay"', '"replay"\nfps = 3.0')
        self.replaced(edited)
        broker.message("glimpsed/shelf/info", fps(3.0))
        self.config.write_text(edited.replace("fps = 3.0", "fps = 4.0"))
        broker.message("glimpsed/shelf/info", fps(4.0))
        self.replaced(edited.replace("fps", "fsp"))
        broker.message("glimpsed/shelf/info", lambda info: "fsp" in str(json.loads(info)["config_error"]))
        # By hand, too.
        self.replaced(edited)
        podman("kill", "--signal", "HUP", "glimpsed")
        broker.message("glimpsed/shelf/info", fps(3.0))

    def test_a_file_that_is_mounted_alone_is_warned_of(self):
        self.config.write_text(blocks("toml", TRY)[0])
        run("podman", "secret", "create", "http-token", "-", input="0123456789abcdef0123456789abcdef\n")
        podman("run", "--detach", "--name", "glimpsed", *self.secrets("http-token"), "--volume", f"{self.config}:/etc/glimpsed/glimpsed.toml",
               "localhost/glimpsed")
        says = "an editor that replaces it is not noticed: mount its directory"
        until("the warning", lambda: says in "".join(run("podman", "logs", "glimpsed").stderr))

    def test_a_stop_is_clean_and_what_is_kept_survives_the_container(self):
        broker = self.broker()
        self.start(self.with_a_broker(broker))
        self.assertEqual(broker.message("glimpsed/shelf/status"), "online")
        until("the health check", self.is_healthy)
        began = time.monotonic()
        podman("stop", "glimpsed")
        self.assertLess(time.monotonic() - began, 8)
        self.assertEqual(inspected("glimpsed")["State"]["ExitCode"], 0)
        self.assertEqual(broker.message("glimpsed/shelf/status"), "offline")
        podman("rm", "glimpsed")
        # Another container with another name and a broken file: it is the same device, with what worked.
        self.config.write_text("[camra]\n")
        podman("run", "--detach", "--name", "glimpsed", "--hostname", "other", "--volume", f"{self.config.parent}:/etc/glimpsed", "--volume",
               "glimpsed-state:/var/lib/glimpsed", *self.secrets(), "localhost/glimpsed")
        self.assertEqual(broker.message("glimpsed/shelf/status", lambda status: status == "online"), "online")
        until("the health check", self.is_healthy)

    def test_without_a_configuration_that_has_worked_it_ends_and_says_why(self):
        self.start("[camra]\n")
        until("the end", lambda: not inspected("glimpsed")["State"]["Running"])
        self.assertEqual(inspected("glimpsed")["State"]["ExitCode"], 78)
        self.assertIn("camra", podman("logs", "glimpsed", check=True) + run("podman", "logs", "glimpsed").stderr)

    def test_a_restart_over_mqtt_takes_no_other_container(self):
        broker = self.broker()
        self.start(self.with_a_broker(broker))
        broker.message("glimpsed/shelf/status", lambda status: status == "online")
        pid = inspected("glimpsed")["State"]["Pid"]
        heard = subprocess.Popen(["mosquitto_sub", *broker.login(), "-t", "glimpsed/shelf/status", "-R", "-C", "2", "-W", "60"],
                                 stdout=subprocess.PIPE, text=True)
        time.sleep(0.5)
        run("mosquitto_pub", *broker.login(), "-t", "glimpsed/shelf/request/restart", "-n")
        self.assertEqual(heard.communicate(timeout=70)[0].split(), ["offline", "online"])
        self.assertEqual(inspected("glimpsed")["State"]["Pid"], pid)

    def test_the_compose_file_for_rtsp_labels_what_a_real_server_sends(self):
        broker, address = self.broker(), gateway()
        camera = RtspServer(address)
        self.ends.append(camera.stop)
        text = blocks("toml", STREAM)[0]
        self.assertIn('"rtsp://192.0.2.10/stream2"', text)
        self.config.write_text(text.replace("rtsp://192.0.2.10/stream2", camera.url).replace("mqtt://192.0.2.20", broker.url))
        compose = blocks("yaml", STREAM)[0]
        (self.directory / "compose.yaml").write_text(compose.replace(":8080:8080", f":{free_port()}:8080"))
        for name, secret in (("http-token", "0123456789abcdef0123456789abcdef"), ("mqtt-password", "hunter2 hunter2"), ("camera-password", "hunter2")):
            file = self.directory / "secrets" / name
            file.parent.mkdir(exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(secret + "\n")
        # As the document says, where one is root.
        run("chown", "--recursive", "10001", "secrets")
        run("chmod", "--recursive", "u=rwX,go=", "secrets")
        run("podman-compose", "--project-name", "glimpsed-test", "up", "--detach")
        self.ends.append(lambda: run("podman-compose", "--project-name", "glimpsed-test", "down", "--volumes", check=False))
        state = json.loads(broker.message("glimpsed/yard/state", lambda text: json.loads(text)["label"] is not None))
        self.assertEqual(state["label"], "missile", state)

    def test_the_compose_file_for_usb_differs_in_the_camera_alone(self):
        usb, rtsp = (blocks("yaml", heading)[0] for heading in (CAMERA, STREAM))
        without = usb.replace('    devices: ["/dev/video0:/dev/video0"]\n', "").replace("hostname: shelf", "hostname: yard")
        self.assertEqual(without, rtsp)


if __name__ == "__main__":
    unittest.main()
