"""The HTTP interface against its own OpenAPI document: whatever the document allows must not break the daemon."""

import json
import subprocess
import sys

from daemon import until

# Streams never end, a restart ends the daemon, a comparison takes its cores, and the camera is to stay on.
LEFT_OUT = [
    "/api/v1/stream.mjpeg", "/api/v1/cameras/{camera}/stream.mjpeg", "/api/v1/events", "/api/v1/restart", "/api/v1/compare",
    # It would be set up as a device of somebody else, and connect to whatever address comes up.
    "/api/v1/setup", "/api/v1/setup/camera", "/api/v1/setup/broker",
]


def test_no_request_that_the_document_allows_ends_in_an_error_of_ours(start):
    daemon = start(fps=5.0, rest='[accurate]\nenabled = true\nmodel = "efficientnet-lite0-int8"\n')
    until("the first label", lambda: daemon.json("/api/v1/state")["state"])
    arguments = [
        "run", f"{daemon.url}/api/v1/openapi.json", "--phases", "examples,coverage,fuzzing", "--max-examples", "12",
        "--checks", "not_a_server_error,content_type_conformance,response_schema_conformance", "--seed", "7",
        "--request-timeout", "20", "--rate-limit", "60/s", "--no-color",
    ]
    for path in LEFT_OUT:
        arguments += ["--exclude-path", path]
    ran = subprocess.run(
        [f"{sys.prefix}/bin/schemathesis", *arguments], cwd=daemon.directory, capture_output=True, text=True, timeout=170)
    # 503 with Retry-After is how a bounded server answers too much; that is what the document says.
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert daemon.get("/livez") == b"ok\n"
    assert json.loads(daemon.get("/readyz"))["ready"] in (True, False)
