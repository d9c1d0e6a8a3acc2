#!/usr/bin/env python3
"""Does the page count the same cells as `trainer predict`? Segments all images of a folder with both, on the CPU.

    cargo xtask dist
    python3 bench/page_against_predict.py TRAINER CHROMIUM CHROMEDRIVER FOLDER...          (standard library only)

Prints for each folder the number of counts that differ, and these counts. Both run the same model, but sum in a
different order: where that decides between two scales, different cells are found.
"""
import csv
import functools
import http.server
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

SITE = Path(__file__).resolve().parent.parent / "dist"
DRIVER = 9515


def serve():
    """Serves the page; returns its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/?backend=cpu"


def ask(method, path, body=None):
    """Sends a command of the WebDriver protocol; returns the answer's value."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{DRIVER}{path}", data, {"content-type": "application/json"}, method=method)
    return json.load(urllib.request.urlopen(request, timeout=600))["value"]


def by_page(address, chromium, files):
    """Number of cells by image name, from the page's list."""
    options = {"binary": chromium, "args": ["--headless=new", "--no-sandbox", "--window-size=1300,900"]}
    opened = ask("POST", "/session", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}})
    session = f"/session/{opened['sessionId']}"
    script = lambda text: ask("POST", f"{session}/execute/sync", {"script": text, "args": []})
    ask("POST", f"{session}/url", {"url": address})
    while script("return document.body.dataset.state") != "ready":
        time.sleep(0.5)
    field = ask("POST", f"{session}/element", {"using": "css selector", "value": "#file-input"})
    ask("POST", f"{session}/element/{next(iter(field.values()))}/value", {"text": "\n".join(map(str, files))})
    listed = "return [...document.querySelectorAll('[data-testid=result]')].map(e => [e.dataset.name, e.dataset.state, e.querySelector('.note').textContent])"
    rows = []
    while len(rows) < len(files) or any(state != "done" for _, state, _ in rows):
        time.sleep(1)
        rows = script(listed)
    ask("DELETE", session)
    return {Path(name).stem: int(note.split()[0]) for name, _, note in rows}


def by_predict(trainer, folder, out):
    subprocess.run([trainer, "predict", "--device", "cpu", "--out", out, folder], check=True, capture_output=True)
    return {row["name"]: int(row["cells"]) for row in csv.DictReader(open(out / "summary.csv"))}


def main(trainer, chromium, chromedriver, *folders):
    driver = subprocess.Popen([chromedriver, f"--port={DRIVER}"], stdout=subprocess.DEVNULL)
    try:
        address = serve()
        time.sleep(2)
        for folder in map(Path, folders):
            with tempfile.TemporaryDirectory() as scratch:
                native = by_predict(trainer, folder, Path(scratch))
            page = by_page(address, chromium, sorted(folder.resolve().iterdir()))
            differ = {name: (page[name], native[name]) for name in native if page[name] != native[name]}
            print(f"{folder}: {len(differ)} of {len(native)} counts differ (page, predict): {differ}")
    finally:
        driver.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
