#!/usr/bin/env python3
"""Follows a link of `glimpsed setup` as a browser on another machine does, chooses the camera that is found there, and waits for its labels.

usage: visitor.py LINK MODEL

Says each step, and ends with an error at the first that does not come out as the page needs it.
"""

import http.client
import json
import sys
import time
import urllib.parse

WITHIN_S = 150.0


class Visitor:
    """A browser that keeps one cookie and follows nothing by itself."""

    def __init__(self, host: str):
        self.host, self.cookie = host, ""

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/json", cookie=None):
        connection = http.client.HTTPConnection(self.host, timeout=60)
        headers = {"Cookie": self.cookie if cookie is None else cookie, "Sec-Fetch-Site": "same-origin"}
        if body:
            headers |= {"Content-Type": kind, "Origin": f"http://{self.host}"}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def json(self, method: str, path: str, choices=None):
        status, _, body = self.ask(method, path, json.dumps(choices).encode() if choices is not None else b"")
        assert status == 200, f"{method} {path}: {status} {body.decode(errors='replace')}"
        return json.loads(body)

    def follow(self, end: str) -> str:
        form = urllib.parse.urlencode({"link": end}).encode()
        status, headers, body = self.ask("POST", "/login", form, "application/x-www-form-urlencoded", cookie="")
        assert status == 303, f"the link: {status} {body.decode(errors='replace')}"
        if headers["Set-Cookie"]:
            self.cookie = headers["Set-Cookie"].split(";")[0]
        return headers["Location"]


def main(link: str, model: str):
    address = urllib.parse.urlsplit(link)
    visitor = Visitor(address.netloc)
    status, headers, body = visitor.ask("GET", "/login", cookie="")
    assert status == 200 and b"<form" in body, f"the log-in: {status}"
    assert visitor.ask("GET", "/api/v1/state", cookie="")[0] == 401, "the page is open without a token"
    assert (led := visitor.follow(address.fragment)) == "./#setup", f"the link leads to {led}"
    assert (led := visitor.follow(address.fragment)) == "login?link", f"the link led to {led} another time"
    begun = visitor.json("GET", "/api/v1/setup")
    print("set-up:", json.dumps(begun))
    found = visitor.json("GET", "/api/v1/cameras/found")
    print("cameras:", json.dumps(found))
    chosen = {"source": "v4l2", "device": next(one["choose"] for one in found if model in one["name"])}
    status, headers, body = visitor.ask("POST", "/api/v1/setup/camera", json.dumps({"camera": chosen}).encode())
    tried = headers["Content-Type"] if status == 200 else body.decode()
    assert tried == "image/jpeg" and body.startswith(b"\xff\xd8"), f"the camera is not shown before it is chosen: {status} {tried}"
    choices = {"camera": chosen, "teach": True}
    shown = visitor.json("POST", "/api/v1/setup", choices)
    assert not shown["saved"] and "/dev/v4l/by-path/" in shown["lines"], shown
    written = visitor.json("POST", "/setup", choices | {"save": True})
    print("written:", json.dumps(written))
    assert written["saved"] or written["waits"], written
    begun = time.monotonic()
    while True:
        try:
            state, config = visitor.json("GET", "/api/v1/state"), visitor.json("GET", "/api/v1/config")
        except (OSError, http.client.HTTPException):
            # The page opens anew for what was chosen.
            state, config = {}, {}
        is_in_effect = chosen["device"] in json.dumps(config)
        if is_in_effect and state["classification"] and state["camera"]["status"] == "online":
            break
        assert time.monotonic() - begun < WITHIN_S, f"no label: {json.dumps(state)}"
        time.sleep(0.5)
    print(f"labelled after {time.monotonic() - begun:.1f} s:", json.dumps(state["classification"]["top"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
