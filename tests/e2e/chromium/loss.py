#!/usr/bin/python3
"""Chromium over a line that loses one datagram in twenty, both ways: what is missing is asked for and sent again on
both sides of the relay, and the picture goes on."""
import asyncio
import sys

from lossy_line import LossyLine
from meeting import PICTURE, ColourParty, with_browser

LOSS, SECONDS, MAX_FREEZE_MS = 0.05, 8, 1000


def check_repair(sent, received):
    assert sent["nackCount"] > 0, "the relay never asked the browser again"
    assert sent["retransmittedPacketsSent"] > 0, "the browser never sent again"
    assert received["nackCount"] > 0, "the browser never asked the relay again"
    assert received.get("retransmittedPacketsReceived", 0) > 0, "the relay never sent again"


async def run(browser, relay):
    lines = [await LossyLine(relay.address, relay.port, seed=i).open() for i in range(2)]
    viewer, red = parties = [ColourParty(name, browser, relay, through=line) for name, line in zip(("viewer", "red"), lines)]
    try:
        for party in parties:
            await party.join()
        for party in parties:
            await party.until(lambda look: look["state"] == "connected", "connected")
        await viewer.until(lambda look: len(look["shown"].get("video-0", [])) > 10, "red's picture")
        before = (await viewer.look())["slots"]["video-0"]["framesDecoded"]
        for line in lines:
            line.loss = LOSS
        await asyncio.sleep(SECONDS)
        for line in lines:
            line.loss = 0
        seen, sent = await viewer.look(), (await red.look())["sends"]["camera"]
        slot = seen["slots"]["video-0"]
        check_repair(sent, slot)
        frames = seen["shown"]["video-0"]
        longest = max(b["at"] - a["at"] for a, b in zip(frames, frames[1:]))
        decoded = slot["framesDecoded"] - before
        print(f"{sum(l.lost for l in lines)} datagrams lost of {sum(l.passed for l in lines)}; {decoded} frames decoded, "
              f"longest gap {longest:.0f} ms; uplink {sent['nackCount']} NACKs, {sent['retransmittedPacketsSent']} sent again; "
              f"downlink {slot['nackCount']} NACKs, {slot['retransmittedPacketsReceived']} received again, "
              f"{slot['packetsLost']} missing at first, {slot['pliCount']} PLIs, {slot['keyFramesDecoded']} keyframes")
        assert decoded > SECONDS * PICTURE["fps"] / 2, f"only {decoded} frames decoded"
        assert longest < MAX_FREEZE_MS, f"frozen for {longest:.0f} ms"
    finally:
        await asyncio.gather(*(p.control.close() for p in parties), return_exceptions=True)
        for line in lines:
            line.close()


if __name__ == "__main__":
    sys.exit(with_browser(run))
