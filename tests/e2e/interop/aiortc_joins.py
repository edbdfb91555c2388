#!/usr/bin/python3
"""A program nobody here wrote joins: aiortc meets a room's terminal through the relay, and both see and hear the other.
aiortc_joins.py udp|tunnel: how aiortc's media goes."""
import asyncio
import inspect
import pathlib
import struct
import sys
import time

import av
import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "faults"))
from aiortc_party import COLOUR, TONE_HZ, AiortcParty  # noqa: E402
from world import MEETING, World  # noqa: E402

SECONDS = 4


async def until(condition, what, seconds=15):
    """condition() may be a coroutine."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if await value if inspect.isawaitable(value) else value:
            return
        assert time.monotonic() < end, f"not in {seconds} s: {what}"
        await asyncio.sleep(0.1)


async def screen(terminal):
    """What the terminal shows, as pixels."""
    def look():
        with av.open(str(terminal.shot("screen"))) as picture:
            return next(picture.decode(video=0)).to_ndarray(format="rgb24").astype(numpy.int16)
    return await asyncio.to_thread(look)  # aiortc must not wait


async def share_of_colour(terminal):
    return float((numpy.abs(await screen(terminal) - COLOUR).max(axis=2) < 40).mean())


def heard(path, since):
    """What the terminal played after this place in its tap, as samples."""
    data, at, sound = path.read_bytes(), 0, []
    while at + 32 <= len(data):
        magic, kind, _, _, _, _, size = struct.unpack_from("<IIqIIII", data, at)
        assert magic == int.from_bytes(b"KGT1", "little") and kind == 3, "not a tap of sound"
        payload = data[at + 32:at + 32 + size]
        if at >= since and len(payload) == size:
            sound.append(numpy.frombuffer(payload, "<i2"))
        at += 32 + size
    return numpy.concatenate(sound).astype(numpy.float64) if sound else numpy.zeros(0)


def tone_share(samples):
    """The part of the sound's power within 20 Hz of the tone."""
    power = numpy.abs(numpy.fft.rfft(samples * numpy.hanning(len(samples)))) ** 2
    hertz = numpy.fft.rfftfreq(len(samples), 1 / 48000)
    return float(power[numpy.abs(hertz - TONE_HZ) < 20].sum() / max(power.sum(), 1))


def source(party, kind):
    return next(p for p in party.control.others())["sources"].get(kind)


async def sees_and_hears(party):
    await until(lambda: len(party.control.others()) == 1 and source(party, "camera") and source(party, "microphone"),
                "the terminal's sources in `participants`")
    video, audio = party.slots["video-0"], party.slots["audio-0"]
    await until(lambda: video.frames and audio.samples, "picture and sound from the terminal")
    frames, moved, samples, energy, loud = video.frames, video.moved, audio.samples, audio.energy, audio.loud_windows
    await asyncio.sleep(SECONDS)
    frames, moved, samples = video.frames - frames, video.moved - moved, audio.samples - samples
    rms = ((audio.energy - energy) / max(samples, 1)) ** 0.5
    print(f"aiortc: {frames} pictures of {video.size} in {SECONDS} s, {moved} of them unlike the one before; "
          f"{samples / 48000:.1f} s of sound, RMS {rms:.0f}, {audio.loud_windows - loud} loud packets")
    assert frames > SECONDS * 5, "too few pictures"
    assert moved > frames / 2, "the picture stands still"
    assert samples > SECONDS * 48000 * 0.8, "gaps in the sound"
    assert rms > 300 and audio.loud_windows - loud > SECONDS * 5, "silence"


def sources_are_named(party):
    for slot, kind in ((party.slots["video-0"], "camera"), (party.slots["audio-0"], "microphone")):
        assert set(slot.csrcs) == {(int(source(party, kind)),)}, f"{slot.role}: CSRCs {slot.csrcs}, not the {kind}'s"
        assert len(slot.ssrcs) == 1, f"{slot.role}: SSRCs {slot.ssrcs}"
        assert party.control.slots.get(slot.role) == source(party, kind), f"{slot.role}: {party.control.slots}"
    for slot in party.slots.values():
        assert slot.role in ("video-0", "audio-0") or slot.packets == 0, f"packets in {slot.role}, which carries nobody"


async def is_seen_and_heard(terminal):
    tap = terminal.tap / "speaker.tap"

    async def shown():
        return await share_of_colour(terminal) > 0.2

    await until(shown, "aiortc's colour on the terminal's screen")
    since = tap.stat().st_size
    first = await screen(terminal)
    await asyncio.sleep(2.3)  # the bar is elsewhere
    changed = float((numpy.abs(first - await screen(terminal)).max(axis=2) > 80).mean())
    sound = heard(tap, since)
    print(f"terminal: {changed:.1%} of the screen changed; {len(sound) / 48000:.1f} s of sound, {tone_share(sound):.0%} of it "
          "aiortc's tone")
    assert changed > 0.01, "aiortc's picture stands still on the terminal's screen"
    assert len(sound) > 48000 and tone_share(sound) > 0.8, "the terminal does not play aiortc's tone"


async def mute_at_the_terminal(party, terminal):
    for button in ("meeting.microphone", "meeting.camera"):
        await asyncio.to_thread(terminal.touch, button)
    other = lambda: party.control.others()[0]
    await until(lambda: other()["microphone"] and other()["camera"], "the mute in `participants`", 5)
    await asyncio.sleep(0.5)  # what was on its way
    before = party.packets()
    await asyncio.sleep(1.5)
    assert party.packets() == before, f"{party.packets() - before} packets from a muted room"
    for button in ("meeting.microphone", "meeting.camera"):
        await asyncio.to_thread(terminal.touch, button)
    frames = party.slots["video-0"].frames
    await until(lambda: party.packets() > before and party.slots["video-0"].frames > frames + 5, "pictures after the mute")


async def mute_by_message(party, terminal):
    """aiortc goes on sending: the relay passes nothing on."""
    tap, sent = terminal.tap / "speaker.tap", party.tone.count
    await party.control.mute(True, True)

    async def gone():
        return await share_of_colour(terminal) < 0.05

    async def silent():
        since = tap.stat().st_size
        await asyncio.sleep(0.5)
        sound = heard(tap, since)
        return len(sound) == 0 or numpy.abs(sound).max() < 100

    await until(gone, "a muted camera's picture goes from the screen")
    await until(silent, "a muted microphone's sound ends", 5)  # what the terminal had in hand is played
    assert party.tone.count > sent + 25, "aiortc has stopped sending by itself"


async def meet(world, path):
    terminal = world.rooms["room-a"]
    terminal.start("--join", "auto")
    await asyncio.to_thread(terminal.wait_for, "meeting.leave")
    folder = world.rooms["room-b"].folder
    credentials = {"ca": str(folder / "ca.crt"), "cert": str(folder / "room.crt"), "key": str(folder / "room.key")}
    party = AiortcParty(world.address, world.relay.port, credentials, through_tunnel=path == "tunnel")
    try:
        await party.join(MEETING)
        assert len(party.peer.getTransceivers()) == 16 and " 0 UDP/TLS/RTP/SAVPF" not in party.answer, "a line was rejected"
        await sees_and_hears(party)
        sources_are_named(party)
        await is_seen_and_heard(terminal)
        status = world.relay.parties()["room-b"]
        assert status["path"] == path, status
        await mute_at_the_terminal(party, terminal)
        await mute_by_message(party, terminal)
        await party.leave()
        assert party.control.left == "requested"
        if party.line:
            print(f"tunnel: {party.line.out} datagrams out, {party.line.back} back")
    finally:
        await party.close()


def main():
    path = sys.argv[1]
    began = time.monotonic()
    with World() as world:
        asyncio.run(meet(world, path))
    print(f"aiortc over {path}: {time.monotonic() - began:.1f} s")


main()
