"""One browser's page as a party of a meeting: carries descriptions between the page and the relay.

    party = Party("peer-a", browser, relay, picture={"width": 1280, "height": 720, "fps": 30})
    await party.prepare(); await party.join()

picture: with "colour" the page paints its camera's picture; without, it is the browser's camera. "kbps" is the most
the picture may take. "watch": "colours" notes every frame of two slots, "meeting" shows the first slot as large as the
picture and one's own small, as a room's screen does, and notes when the first frame came.
"""
import asyncio
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from kaigi_client import ControlClient  # noqa: E402
from .relay import MEETING  # noqa: E402


class Party:
    def __init__(self, name, browser, relay, *, picture, through=None):
        """through: a line its media shall take instead, with instead_of(answer)."""
        self.name, self.browser, self.picture, self.through = name, browser, picture, through
        self.control = ControlClient(relay.address, relay.port, software="chromium-test", **relay.credentials(name))

    async def prepare(self):
        """Devices open and connected to the relay, as a room is that shows its agenda."""
        await self.control.connect()
        await self.browser.call("openParty", self.name, self.picture)

    async def join(self):
        offer = await self.browser.call("offerParty", self.name)
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
