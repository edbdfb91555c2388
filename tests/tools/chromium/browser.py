"""A headless Chromium with the test's page, and calls into it."""
import asyncio
import json
import os
import pathlib
import shutil
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

CHROMIUM, DRIVER = os.environ.get("CHROMIUM", "/usr/bin/chromium"), "/usr/bin/chromedriver"
# Nothing but the page may use the network; a fake camera and microphone; no throttling of a page nobody looks at.
SWITCHES = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
            "--autoplay-policy=no-user-gesture-required", "--disable-background-timer-throttling",
            "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows",
            "--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"]
CALL = """const done = arguments[arguments.length - 1];
(async () => await (%s)(...arguments[0]))().then((value) => done({ value }), (error) => done({ error: String(error.stack || error) }));"""


def why_not():
    """Why no browser can run here, or None."""
    for program in (CHROMIUM, DRIVER):
        if not os.access(program, os.X_OK):
            return f"there is no {program} (package {'chromium' if program == CHROMIUM else 'chromium-driver'})"
    return None


class Browser:
    def __init__(self, *switches):
        self.profile = tempfile.mkdtemp(prefix="kaigi-chromium-profile-")
        options = Options()
        options.binary_location = CHROMIUM
        for switch in [*SWITCHES, *switches, f"--user-data-dir={self.profile}"]:
            options.add_argument(switch)
        self.driver = webdriver.Chrome(service=Service(DRIVER), options=options)
        self.driver.set_script_timeout(30)
        self.driver.get((pathlib.Path(__file__).parent / "page.html").as_uri())

    @property
    def driver_pid(self):
        """Every process of the browser descends from it."""
        return self.driver.service.process.pid

    async def call(self, function, *arguments):
        answer = await asyncio.to_thread(self.driver.execute_async_script, CALL % function, list(arguments))
        if "error" in answer:
            raise RuntimeError(f"{function}({json.dumps(arguments)[:200]}): {answer['error']}")
        return answer["value"]

    def quit(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)
