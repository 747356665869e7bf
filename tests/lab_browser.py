"""Opens the page in headless Chromium, which visits addresses and moves every control."""

import json
import re
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), None)
DRIVER = Path(__file__).with_name("lab_driver.js")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--enable-logging=stderr", "--window-size=1200,1000"),
)
MESSAGE = re.compile(r':CONSOLE(?::\d+|\(\d+\))\] "(.*)", source: .*$')


def drive(html: str, addresses: list[str], folder: Path, limit: float = 400) -> dict[str, list]:
    """The driver's reports by their kind, and other lines of the console as "console"."""
    assert CHROMIUM is not None
    visits = f"<script>const VISITS = {json.dumps(addresses)};</script>"
    driver = f"<script>\n{DRIVER.read_text('utf-8')}</script>"
    path = folder / "lab.html"
    path.write_text(html.replace("</body>", f"{visits}{driver}</body>"), "utf-8")
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={folder / 'profile'}", path.as_uri()]
    browser = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8"
    )
    timer = threading.Timer(limit, browser.kill)
    timer.start()
    try:
        return _reports(browser.stderr)
    finally:
        timer.cancel()
        browser.kill()
        browser.communicate()


def _reports(lines: Any) -> dict[str, list]:
    """Reports up to the last one."""
    found: dict[str, list] = {"console": []}
    for line in lines:
        message = MESSAGE.search(line)
        if message is None:
            continue
        text = message.group(1)
        if not text.startswith("LAB"):
            found["console"].append(text)
            continue
        report = json.loads(text[3:])
        found.setdefault(report.pop("kind"), []).append(report)
        if "end" in found:
            return found
    raise AssertionError(f"the page did not come to its end; the console: {found['console']}")
