#!/usr/bin/env python3
"""Does the page count the same cells as `trainer predict`? Segments all images of a folder with both, on the CPU.

    cargo xtask dist
    python3 bench/page_against_predict.py TRAINER CHROMIUM CHROMEDRIVER FOLDER...          (standard library only)

Prints for each folder the number of counts that differ, and these counts. Both run the same model, but sum in a
different order: where that decides between two scales, different cells are found. Images that one of them cannot
segment are named, and the exit status is then 1.
"""
import csv
import functools
import http.server
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

SITE = Path(__file__).resolve().parent.parent / "dist"
IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
# Script that lists the images of the page: name, state, and the note beside the name.
LISTED = """return [...document.querySelectorAll('[data-testid=result]')]
    .map(e => [e.dataset.name, e.dataset.state, e.querySelector('.note').textContent])"""


def serve():
    """Serves the page; returns its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/?backend=cpu"


class Driver:
    """chromedriver on a free port; ends with the `with` block."""

    def __init__(self, program):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen([program, f"--port={self.port}"], stdout=subprocess.DEVNULL)

    def __enter__(self):
        while not self.answers():
            if self.process.poll() is not None:
                sys.exit(f"chromedriver ended at once (exit status {self.process.returncode})")
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        self.process.kill()

    def answers(self):
        try:
            return self.ask("GET", "/status")["ready"]
        except OSError:
            return False

    def ask(self, method, path, body=None):
        """Sends a command of the WebDriver protocol; returns the answer's value."""
        data = None if body is None else json.dumps(body).encode()
        head = {"content-type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, head, method=method)
        return json.load(urllib.request.urlopen(request, timeout=600))["value"]


def by_page(driver, address, chromium, files):
    """Number of cells by image name, of the images that the page could segment."""
    options = {"binary": chromium, "args": ["--headless=new", "--no-sandbox", "--window-size=1300,900"]}
    opened = driver.ask("POST", "/session", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}})
    session = f"/session/{opened['sessionId']}"
    script = lambda text: driver.ask("POST", f"{session}/execute/sync", {"script": text, "args": []})
    driver.ask("POST", f"{session}/url", {"url": address})
    while (state := script("return document.body.dataset.state")) != "ready":
        if state == "error":
            sys.exit("the page cannot start: " + script("return document.body.innerText"))
        time.sleep(0.5)
    field = driver.ask("POST", f"{session}/element", {"using": "css selector", "value": "#file-input"})
    names = "\n".join(map(str, files))
    driver.ask("POST", f"{session}/element/{next(iter(field.values()))}/value", {"text": names})
    rows = []
    while len(rows) < len(files) or any(state not in ("done", "failed") for _, state, _ in rows):
        time.sleep(1)
        rows = script(LISTED)
    driver.ask("DELETE", session)
    return {Path(name).stem: int(note.split()[0]) for name, state, note in rows if state == "done"}


def by_predict(trainer, folder, out):
    """Number of cells by image name, of the images that `trainer predict` could segment."""
    command = [trainer, "predict", "--device", "cpu", "--out", out, folder]
    run = subprocess.run(command, capture_output=True, text=True)
    table = out / "summary.csv"
    if not table.exists():
        sys.exit(f"trainer predict failed:\n{run.stderr}")
    with table.open() as lines:
        return {row["name"]: int(row["cells"]) for row in csv.DictReader(lines)}


def main(trainer, chromium, chromedriver, *folders):
    address = serve()
    failed = False
    with Driver(chromedriver) as driver:
        for folder in map(Path, folders):
            # The page takes files of other kinds for weights, results or truth masks.
            files = sorted(file for file in folder.resolve().iterdir() if file.suffix.lower() in IMAGES)
            with tempfile.TemporaryDirectory() as scratch:
                native = by_predict(trainer, folder, Path(scratch))
            page = by_page(driver, address, chromium, files)
            both = sorted(page.keys() & native.keys())
            differ = {name: (page[name], native[name]) for name in both if page[name] != native[name]}
            print(f"{folder}: {len(differ)} of {len(both)} counts differ (page, predict): {differ}")
            for who, counts in (("the page", page), ("trainer predict", native)):
                missing = [file.name for file in files if file.stem not in counts]
                if missing:
                    failed = True
                    print(f"    {who} could not segment {', '.join(missing)}")
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
