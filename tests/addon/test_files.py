"""The files of the app against what Home Assistant's Supervisor reads of them."""

import json
import pathlib
import re
import shutil
import struct
import subprocess

import jsonschema_rs
import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "packaging/homeassistant"
SCHEMA = json.loads((pathlib.Path(__file__).parent / "app-config.schema.json").read_text())
# The same commit's SCHEMA_APP_TRANSLATIONS.
TRANSLATION = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "configuration": {
            "type": "object",
            "additionalProperties": {
                "type": "object", "required": ["name"], "additionalProperties": False,
                "properties": {"name": {"type": "string"}, "description": {"type": ["string", "null"]}, "fields": {"type": "object"}},
            },
        },
        "network": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def config() -> dict:
    return yaml.safe_load((FOLDER / "config.yaml").read_text())


def mistakes(schema: dict, value) -> list[str]:
    return [error.message for error in jsonschema_rs.validator_for(schema).iter_errors(value)]


def test_the_configuration_is_one_that_the_supervisor_accepts():
    assert mistakes(SCHEMA, config()) == []
    for name, wrong in (("slug", "a b"), ("arch", ["arm64"]), ("map", [{"type": "config_rw"}]), ("ingres", True), ("timeout", 5),
                        ("schema", {"level": "lst(a|b)"}), ("services", ["mqtt:use"]), ("watchdog", "http://localhost:8099/livez")):
        assert mistakes(SCHEMA, config() | {name: wrong}), name


def test_each_option_has_words_in_each_language_and_the_program_knows_it():
    known = set(config()["schema"])
    # What has a value from the beginning is asked for, so it must not be optional.
    for name, element in config()["schema"].items():
        assert (name in config().get("options", {})) != element.endswith("?"), name
    source = (ROOT / "src/cli/addon.rs").read_text()
    fields = re.search(r"struct Chosen \{\n(.*?)\n\}", source, re.DOTALL).group(1)
    assert set(re.findall(r"^    (\w+):", fields, re.MULTILINE)) == known
    for language in ("en", "de"):
        words = yaml.safe_load((FOLDER / f"translations/{language}.yaml").read_text())
        assert mistakes(TRANSLATION, words) == [], language
        assert set(words["configuration"]) == known, language
        assert set(words["network"]) == set(config()["ports"]), language


@pytest.mark.parametrize("name, value, is_taken", [
    ("camera", "/dev/v4l/by-id/usb-046d_C270_HD_WEBCAM-video-index0", True), ("camera", "", True), ("camera", "video0", False),
    ("camera_url", "rtsp://192.0.2.10:554/stream2", True), ("camera_url", "192.0.2.10", False), ("camera_url", "file:///etc/passwd", False),
    ("mqtt_url", "mqtts://192.0.2.20", True), ("mqtt_url", "http://192.0.2.20", False),
])
def test_an_option_is_refused_on_the_page_where_the_daemon_could_not_use_it(name, value, is_taken):
    pattern = re.fullmatch(r"match\((.*)\)\?", config()["schema"][name]).group(1)
    assert bool(re.match(pattern, value)) == is_taken


def test_the_version_is_that_of_the_program_and_the_changelog_has_it():
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE).group(1)
    assert config()["version"] == version
    assert f"\n## {version}\n" in (FOLDER / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("name, size", [("icon.png", (128, 128)), ("logo.png", (250, 100))])
def test_the_pictures_have_the_recommended_size(name, size):
    data = (FOLDER / name).read_bytes()
    assert data.startswith(b"\x89PNG\r\n") and struct.unpack(">II", data[16:24]) == size


def test_the_profile_of_apparmor_can_be_parsed_and_has_the_slug():
    text = (FOLDER / "apparmor.txt").read_text()
    # The Supervisor replaces the name of the only profile.
    assert re.findall(r"^profile ([^ ]+).*$", text, re.MULTILINE) == [config()["slug"]]
    parser = shutil.which("apparmor_parser", path="/usr/sbin:/sbin:/usr/bin")
    assert parser, "apparmor_parser is not installed (apparmor)"
    ran = subprocess.run([parser, "--skip-kernel-load", "--skip-cache", FOLDER / "apparmor.txt"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
