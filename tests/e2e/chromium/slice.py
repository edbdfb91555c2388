#!/usr/bin/python3
"""Chromium against the real relay: sixteen m-lines in one offer, passive DTLS with AES-128-GCM, and sources swapped
under one slot's SSRC in mid-stream without the browser noticing."""
import asyncio
import re
import sys

from meeting import COLOURS, PICTURE, ColourParty, colour_of, with_browser

MAX_FREEZE_MS = 1000
SECONDS_EACH = 2.5


def check_description(party):
    lines = len(re.findall(r"^m=", party.answer, re.M))
    assert len(re.findall(r"^m=", party.offer, re.M)) == 16, "the page offers sixteen m-lines"
    assert lines == 16, f"the answer has {lines} m-lines"
    assert not re.search(r"^m=\w+ 0 ", party.answer, re.M), "a line was rejected"
    assert "a=setup:passive" in party.answer and "a=ice-lite" in party.answer


def check_transport(look):
    transport = look["transport"]
    assert transport["role"] == "client", transport
    assert transport["dtls"] == "connected", transport
    assert "AEAD_AES_128_GCM" in transport["srtp"], transport
    assert transport["cipher"], transport


def check_frames(frames, expected):
    """One stream to the eye: colours in this order and no other, time rising, no freeze."""
    colours = [colour_of(f) for f in frames]
    order = [c for i, c in enumerate(colours) if i == 0 or colours[i - 1] != c]
    assert order == expected, f"colours shown: {order}, expected {expected}"
    gaps = [b["at"] - a["at"] for a, b in zip(frames, frames[1:])]
    steps = [(b["rtp"] - a["rtp"]) % 2**32 for a, b in zip(frames, frames[1:])]
    assert all(0 < step < 90000 for step in steps), f"RTP time jumps: {[s for s in steps if not 0 < s < 90000]}"
    assert max(gaps) < MAX_FREEZE_MS, f"frozen for {max(gaps):.0f} ms"
    return max(gaps)


async def swap_sources(viewer, red, blue):
    """Red, blue, red, blue under one slot."""
    slot, ssrc, decoded, frames = "video-0", None, 0, []
    order = [red, blue, red, blue]
    for turn in order:
        source = turn.source("camera")
        await viewer.control.want((slot, source, 180))
        seen = await viewer.until(lambda look: look["slots"].get(slot, {}).get("csrc") == int(source)
                                  and look["shown"].get(slot) and colour_of(look["shown"][slot][-1]) == turn.name,
                                  f"{turn.name} in {slot}")
        start = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < start + SECONDS_EACH:
            await asyncio.sleep(0.25)
            seen = await viewer.look()
            stats = seen["slots"][slot]
            ssrc = ssrc or stats["ssrc"]
            assert stats["ssrc"] == ssrc, f"the slot's SSRC changed from {ssrc} to {stats['ssrc']}"
            assert stats["framesDecoded"] >= decoded, "frames were uncounted: another receiver took the slot"
            decoded = stats["framesDecoded"]
        frames = seen["shown"][slot]
    stats = seen["slots"][slot]
    # what the slot carried before the first wish does not count
    first = next(i for i, f in enumerate(frames) if colour_of(f) == "red")
    longest = check_frames(frames[first:], [turn.name for turn in order])
    assert stats["packetsLost"] == 0, f"{stats['packetsLost']} packets lost"
    assert stats["nackCount"] == stats["pliCount"] == 0, "the browser had something to ask for"
    assert decoded > 4 * SECONDS_EACH * PICTURE["fps"] / 2, f"only {decoded} frames decoded"
    assert await viewer.control.wait(lambda c: c.slots.get(slot) == str(source))
    print(f"swapped {len(order) - 1} times under SSRC {ssrc}: {decoded} frames decoded, longest gap {longest:.0f} ms, "
          f"{stats['freezeCount']} freezes by the browser's count, {stats['keyFramesDecoded']} keyframes, "
          f"{stats['packetsLost']} packets lost, {stats['nackCount']} NACKs, {stats['pliCount']} PLIs")


async def hear_others(viewer, others):
    wanted = {int(other.source("microphone")) for other in others}
    look = await viewer.until(
        lambda look: wanted <= {s["csrc"] for role, s in look["slots"].items() if role.startswith("audio-")
                                and s.get("totalAudioEnergy", 0) > 0}, "both voices heard")
    own = {int(viewer.source(kind)) for kind in ("microphone", "camera")}
    heard = {s["csrc"] for s in look["slots"].values()}
    assert not own & heard, "a party was sent its own source"


async def mute_at_the_relay(viewer, red):
    """The browser sends on; the relay passes nothing on, neither picture nor voice."""
    await viewer.control.want(("video-0", red.source("camera"), 180), ("video-1", "none"))
    look = await viewer.until(lambda look: look["slots"]["video-0"]["csrc"] == int(red.source("camera"))
                              and colour_of(look["shown"]["video-0"][-1]) == "red", "red in video-0")
    voice = next(role for role, s in look["slots"].items() if s["csrc"] == int(red.source("microphone")))
    await red.control.mute(True, True)
    await viewer.control.wait(lambda c: c.slots.get("video-0", 1) is None and c.slots.get(voice, 1) is None)
    await asyncio.sleep(0.3)
    before, sent = (await viewer.look())["slots"], (await red.look())["sends"]
    await asyncio.sleep(1)
    after, sends = (await viewer.look())["slots"], (await red.look())["sends"]
    for slot, line in (("video-0", "camera"), (voice, "microphone")):
        assert sends[line]["packetsSent"] > sent[line]["packetsSent"], "the browser stopped by itself: nothing was tested"
        assert after[slot]["packetsReceived"] == before[slot]["packetsReceived"], f"packets of a muted {line} were passed on"
    await red.control.mute(False, False)
    look = await viewer.until(lambda look: look["slots"]["video-0"]["framesDecoded"] > after["video-0"]["framesDecoded"]
                              and look["slots"][voice]["packetsReceived"] > after[voice]["packetsReceived"], "red again")
    assert look["slots"]["video-0"]["ssrc"] == before["video-0"]["ssrc"]


async def run(browser, relay):
    viewer, red, blue = parties = [ColourParty(name, browser, relay) for name in COLOURS]
    try:
        for party in parties:
            await party.join()
            check_description(party)
        for party in parties:
            check_transport(await party.until(lambda look: look["state"] == "connected", "connected"))
        await viewer.control.wait(lambda c: len(c.participants) == 3)
        await swap_sources(viewer, red, blue)
        await hear_others(viewer, [red, blue])
        await mute_at_the_relay(viewer, red)
        for party in parties:
            look = await party.look()
            assert look["states"] == ["connecting", "connected"], f"{party.name}: {look['states']}"
            await party.control.leave()
    finally:
        await asyncio.gather(*(p.control.close() for p in parties), return_exceptions=True)


if __name__ == "__main__":
    sys.exit(with_browser(run))
