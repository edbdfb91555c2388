"""Parties of one meeting in one browser, told apart by their colours, and the frame of a test with them."""
import asyncio
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from chromium.browser import Browser  # noqa: E402
from chromium.party import Party  # noqa: E402
from chromium.relay import Relay  # noqa: E402

# 320×180 at 15 fps, so that three parties in one browser leave room on a small machine.
PICTURE = {"width": 320, "height": 180, "fps": 15, "watch": "colours"}
COLOURS = {"viewer": "rgb(0,160,0)", "red": "rgb(200,0,0)", "blue": "rgb(0,0,200)"}


class ColourParty(Party):
    def __init__(self, name, browser, relay, *, through=None):
        super().__init__(name, browser, relay, picture={"colour": COLOURS[name], **PICTURE}, through=through)

    async def join(self):
        await self.prepare()
        await super().join()


def colour_of(frame):
    name = max(("red", "green", "blue"), key=lambda c: frame[c])
    return name if frame[name] > 100 and sum(frame[c] for c in ("red", "green", "blue")) < 350 else "none"


def with_browser(run):
    """run(browser, relay) with a meeting open; the exit status of the test."""
    relay, browser, failed = Relay(os.environ["KAIGI_BUILD"]), None, True
    try:
        relay.start(list(COLOURS))
        browser = Browser()
        asyncio.run(run(browser, relay))
        failed = False
    finally:
        if browser:
            browser.quit()
        status = relay.stop()
        if failed or status != 0:
            print(f"--- the end of the relay's log (exit status {status}):", file=sys.stderr)
            print("\n".join(relay.log.read_text(errors="replace").splitlines()[-40:]) if relay.log.exists() else "none",
                  file=sys.stderr)
        relay.remove()
    return 1 if status != 0 else 0
