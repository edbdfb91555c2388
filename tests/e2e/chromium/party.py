"""Parties of one meeting in one browser, and the frame of a test with them."""
import asyncio
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from browser import Browser  # noqa: E402
from kaigi_client import ControlClient  # noqa: E402
from relay import MEETING, Relay  # noqa: E402

# 320×180 at 15 fps, so that three parties in one browser leave room on a small machine.
PICTURE = {"width": 320, "height": 180, "fps": 15}
COLOURS = {"viewer": "rgb(0,160,0)", "red": "rgb(200,0,0)", "blue": "rgb(0,0,200)"}


class Party:
    def __init__(self, name, browser, relay, *, through=None):
        """through: a LossyLine its media shall take."""
        self.name, self.browser, self.through = name, browser, through
        self.control = ControlClient(relay.address, relay.port, software="chromium-test", **relay.credentials(name))

    async def join(self):
        await self.control.connect()
        offer = await self.browser.call("makeParty", self.name, {"colour": COLOURS[self.name], **PICTURE})
        self.offer = offer["offer"]
        joined = await self.control.join(MEETING, offer["offer"], offer["lines"])
        self.answer = joined["answer"]
        if self.through:
            self.answer = self.through.instead_of(self.answer)
        await self.browser.call("takeAnswer", self.name, self.answer)

    async def look(self):
        return await self.browser.call("look", self.name)

    async def until(self, condition, what, seconds=15):
        """Looks until condition(look) holds."""
        seen = None
        for _ in range(int(seconds / 0.25)):
            seen = await self.look()
            if condition(seen):
                return seen
            await asyncio.sleep(0.25)
        slots = {role: (s["csrc"], s["packetsReceived"]) for role, s in seen["slots"].items()}
        raise AssertionError(f"{self.name}: not in {seconds} s: {what} ({seen['state']}, {slots})")

    def source(self, kind):
        return next(p for p in self.control.participants if p["party"] == self.control.party)["sources"][kind]


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
