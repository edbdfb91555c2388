#!/usr/bin/python3
"""Two headless Chromium pages meet through the project's relay, doing what two rooms do, measured from outside.

    peer.py OUT.json CLIP.y4m VOICE-A.wav VOICE-B.wav [--seconds 60] [--kbps 1500] [--size 1280x720@30]

One browser a participant, with the clip as its camera and the voice as its microphone. CPU and memory are those of all
its processes, from /proc; frames and freezes are the browser's own count (getStats); join is from the page's offer to
the first frame of the other on it, devices and control connection being ready as a room's are. Exit status 77, with
the reason, where no browser can run.
"""
import argparse
import asyncio
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
try:
    from chromium.browser import Browser, why_not
    from chromium.party import Party
    from chromium.relay import Relay
except ImportError as missing:  # selenium, websockets
    print(f"no browser can be driven: {missing}")
    sys.exit(77)
from process_tree import cpu_between, descendants, memory_kb

NAMES = ("peer-a", "peer-b")


class Participant:
    def __init__(self, name, relay, picture, clip, voice):
        self.browser = Browser(f"--use-file-for-fake-video-capture={clip}", f"--use-file-for-fake-audio-capture={voice}",
                               f"--window-size={picture['width']},{picture['height'] + 80}")
        self.party = Party(name, self.browser, relay, picture=picture)

    async def seen(self):
        """Until the other's picture has come."""
        await self.party.until(lambda look: look.get("firstFrame"), "the other's picture", 30)

    def begin(self):
        self.cpu_before, self.began = descendants(self.browser.driver_pid), asyncio.get_running_loop().time()

    async def end(self, joined):
        cpu = descendants(self.browser.driver_pid)
        elapsed = asyncio.get_running_loop().time() - self.began
        pss_kb, rss_kb = memory_kb(cpu)
        look = await self.party.look()
        return {"join_ms": round(look["firstFrame"] - look["began"], 1) if joined else None, "path": "udp",
                "srtp_profile": look["transport"]["srtp"], **flows(look, self.look_early),
                "cpu_cores": round(cpu_between(self.cpu_before, cpu) / elapsed, 3), "processes": len(cpu),
                "pss_kb": pss_kb, "rss_kb": rss_kb}


def flows(look, early):
    """Rates between two looks; freezes since the first frame."""
    seconds = (look["at"] - early["at"]) / 1000
    grown = lambda kind, line, key: look[kind][line].get(key, 0) - early[kind][line].get(key, 0)
    sent = sum(grown("sends", line, key) for line in ("camera", "microphone") for key in ("bytesSent", "headerBytesSent"))
    video = look["slots"]["video-0"]
    samples = grown("slots", "audio-0", "totalSamplesReceived")
    return {"video": {"frames": video["framesDecoded"], "fps": round(grown("slots", "video-0", "framesDecoded") / seconds, 2),
                      "width": video["frameWidth"], "height": video["frameHeight"],
                      "freezes": video.get("freezeCount", 0),
                      "freeze_ms": round(video.get("totalFreezesDuration", 0) * 1000)},
            "audio": {"concealed_percent": round(100 * grown("slots", "audio-0", "concealedSamples") / samples, 2)
                      if samples else None},
            "sent_kbps": round(sent * 8 / 1000 / seconds)}


async def meet(relay, participants, seconds):
    a, b = participants
    for one in participants:
        await one.party.prepare()
    await b.party.join()
    await b.party.until(lambda look: look["state"] == "connected", "connected")
    for one in participants:
        one.begin()
    await a.party.join()
    for one in participants:
        await one.seen()
    await asyncio.sleep(3)  # the rate finding its place is no measure of what is sent
    for one in participants:
        one.look_early = await one.party.look()
    await asyncio.sleep(max(1, a.began + seconds - asyncio.get_running_loop().time()))
    report = {name: await one.end(one is a) for name, one in zip(NAMES, participants)}
    for one in participants:
        await one.party.control.leave()
        await one.party.control.close()
    return report


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    for name in ("clip", "voice_a", "voice_b"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kbps", type=int, default=1500)
    parser.add_argument("--size", default="1280x720@30")
    options = parser.parse_args()
    if reason := why_not():
        print(reason)
        return 77
    width, height, fps = map(int, options.size.replace("@", "x").split("x"))
    picture = {"width": width, "height": height, "fps": fps, "kbps": options.kbps, "watch": "meeting"}
    relay, participants = Relay(os.environ["KAIGI_BUILD"]), []
    try:
        relay.start(NAMES)
        for name, voice in zip(NAMES, (options.voice_a, options.voice_b)):
            participants.append(Participant(name, relay, picture, options.clip.resolve(), voice.resolve()))
        version = participants[0].browser.driver.capabilities["browserVersion"]
        report = asyncio.run(meet(relay, participants, options.seconds))
    finally:
        for one in participants:
            one.browser.quit()
        relay.stop()
        relay.remove()
    with open(options.out, "w") as out:
        json.dump({"program": f"Chromium {version}, headless", "seconds": options.seconds, "participants": report}, out, indent=2)
    for name, one in report.items():
        if one["video"]["fps"] < 1:
            print(f"{name} saw no moving picture")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
