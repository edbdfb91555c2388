"""A headless Chromium with the test's page, and calls into it."""
import asyncio
import json
import pathlib
import shutil
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

# Nothing but the page may use the network; a fake camera and microphone; no throttling of a page nobody looks at.
SWITCHES = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
            "--autoplay-policy=no-user-gesture-required", "--disable-background-timer-throttling",
            "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows",
            "--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"]
CALL = """const done = arguments[arguments.length - 1];
(async () => await (%s)(...arguments[0]))().then((value) => done({ value }), (error) => done({ error: String(error.stack || error) }));"""


class Browser:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="kaigi-chromium-profile-")
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for switch in [*SWITCHES, f"--user-data-dir={self.profile}"]:
            options.add_argument(switch)
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.set_script_timeout(30)
        self.driver.get((pathlib.Path(__file__).parent / "page.html").as_uri())

    async def call(self, function, *arguments):
        answer = await asyncio.to_thread(self.driver.execute_async_script, CALL % function, list(arguments))
        if "error" in answer:
            raise RuntimeError(f"{function}({json.dumps(arguments)[:200]}): {answer['error']}")
        return answer["value"]

    def quit(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)
