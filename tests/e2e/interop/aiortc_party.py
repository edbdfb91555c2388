"""A party made of parts nobody of this project wrote: aiortc (Python) for ICE, DTLS, SRTP, RTP, VP8 and Opus; for the
control messages the client that was written from PROTOCOL.md."""
import asyncio
import collections
import fractions
import pathlib
import re
import sys
import time

import aioice.ice
import aiortc
import av
import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from kaigi_client import ROLES, ControlClient, MediaTunnel, lines_of  # noqa: E402

COLOUR = (220, 110, 0)
TONE_HZ = 1000
WIDTH, HEIGHT, FPS = 320, 180, 15

# It would gather on every interface; this meeting is on loopback.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


class Picture(aiortc.mediastreams.VideoStreamTrack):
    """One colour, and a white bar that crosses it in two seconds."""

    def __init__(self):
        super().__init__()
        self.count, self.frames = 0, []
        for at in range(2 * FPS):
            pixels = numpy.full((HEIGHT, WIDTH, 3), COLOUR, numpy.uint8)
            left = at * WIDTH // (2 * FPS)
            pixels[:, left:left + WIDTH // 10] = 255
            self.frames.append(av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p"))

    async def recv(self):
        if self.count == 0:
            self.start = time.monotonic()
        await asyncio.sleep(max(0, self.start + self.count / FPS - time.monotonic()))
        frame = self.frames[self.count % len(self.frames)]
        frame.pts, frame.time_base = self.count * 90000 // FPS, fractions.Fraction(1, 90000)
        self.count += 1
        return frame


class Tone(aiortc.mediastreams.AudioStreamTrack):
    SAMPLES = 960

    def __init__(self):
        super().__init__()
        self.count = 0
        wave = 8000 * numpy.sin(2 * numpy.pi * TONE_HZ * numpy.arange(self.SAMPLES) / 48000)
        self.samples = wave.astype(numpy.int16).reshape(1, -1)  # whole periods: every frame is the same

    async def recv(self):
        if self.count == 0:
            self.start = time.monotonic()
        await asyncio.sleep(max(0, self.start + self.count * 0.02 - time.monotonic()))
        frame = av.AudioFrame.from_ndarray(self.samples, "s16", "mono")
        frame.sample_rate, frame.pts = 48000, self.count * self.SAMPLES
        frame.time_base = fractions.Fraction(1, 48000)
        self.count += 1
        return frame


class Slot:
    """What came in one receiving line: CSRC lists and SSRCs of its packets, and its decoded frames."""

    def __init__(self, role):
        self.role, self.packets = role, 0
        self.csrcs, self.ssrcs = collections.Counter(), set()
        self.frames, self.moved, self.size, self.last = 0, 0, None, None  # pictures
        self.samples, self.energy, self.loud_windows = 0, 0.0, 0          # sound

    def take_packet(self, packet):
        self.packets += 1
        self.csrcs[tuple(packet.csrc)] += 1
        self.ssrcs.add(packet.ssrc)

    def take_picture(self, frame):
        luma = frame.to_ndarray(format="gray").astype(numpy.int16)
        if self.last is not None and self.last.shape == luma.shape and numpy.abs(luma - self.last).mean() > 0.5:
            self.moved += 1
        self.last, self.size = luma, (frame.width, frame.height)
        self.frames += 1

    def take_sound(self, frame):
        samples = frame.to_ndarray().astype(numpy.float64)
        self.samples += frame.samples
        self.energy += float((samples ** 2).sum()) / samples.size * frame.samples
        self.loud_windows += (samples ** 2).mean() > 300 ** 2


class TunnelLine:
    """A UDP port of this host whose datagrams go through the tunnel, for a program that knows only UDP."""

    def __init__(self, tunnel):
        self.tunnel, self.peer, self.out, self.back = tunnel, None, 0, 0

    async def open(self):
        await self.tunnel.__aenter__()
        self.waiting = asyncio.Queue()
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port = self.transport.get_extra_info("sockname")[1]
        self.tasks = [asyncio.create_task(self._forth()), asyncio.create_task(self._back())]
        return self

    async def close(self):
        # The connection first: asyncio.wait_for, inside receive, may swallow a cancellation (Python 3.11).
        await self.tunnel.__aexit__()
        self.transport.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def instead_of(self, answer):
        return re.sub(r"(?m)^(a=candidate:\S+ 1 udp \d+ \S+) \d+ ", rf"\g<1> {self.port} ", answer, flags=re.I)

    def connection_made(self, transport):
        pass

    def connection_lost(self, error):
        pass

    def error_received(self, error):
        pass

    def datagram_received(self, data, address):
        self.peer = address
        self.waiting.put_nowait(data)

    async def _forth(self):
        while True:
            await self.tunnel.send(await self.waiting.get())
            self.out += 1

    async def _back(self):
        while True:
            data = await self.tunnel.receive(60)
            assert isinstance(data, bytes) and len(data) <= 1200, "one datagram a message, at most 1,200 bytes"
            self.back += 1
            if self.peer:
                self.transport.sendto(data, self.peer)


class AiortcParty:
    def __init__(self, host, port, credentials, *, through_tunnel=False):
        self.control = ControlClient(host, port, software=f"aiortc {aiortc.__version__}", **credentials)
        self.line = TunnelLine(MediaTunnel(host, port, **credentials)) if through_tunnel else None
        self.slots = {role: Slot(role) for role in ROLES if role[-1].isdigit()}
        self.picture, self.tone = Picture(), Tone()
        self.tasks = []

    async def join(self, meeting):
        await self.control.connect()
        self.peer = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
        for role in ROLES:
            self._add_line(role)
        await self.peer.setLocalDescription(await self.peer.createOffer())
        offer = self.peer.localDescription.sdp
        joined = await self.control.join(meeting, offer, lines_of(offer))
        self.answer = joined["answer"]
        if self.line:
            await self.line.open()
            self.answer = self.line.instead_of(self.answer)
        await self.peer.setRemoteDescription(aiortc.RTCSessionDescription(self.answer, "answer"))
        for role, transceiver in zip(ROLES, self.peer.getTransceivers()):
            if role in self.slots:
                self.tasks.append(asyncio.create_task(self._play(self.slots[role], transceiver.receiver.track)))
        await self._until_connected()

    def _add_line(self, role):
        kind = "audio" if role == "microphone" or role.startswith("audio") else "video"
        track = {"microphone": self.tone, "camera": self.picture}.get(role)
        transceiver = self.peer.addTransceiver(track or kind, direction="recvonly" if role in self.slots else "sendonly")
        if role not in self.slots:
            return
        receiver, slot = transceiver.receiver, self.slots[role]
        decode = receiver._handle_rtp_packet  # the only place where aiortc shows a packet's CSRCs

        async def look(packet, arrival_time_ms):
            slot.take_packet(packet)
            await decode(packet, arrival_time_ms)

        receiver._handle_rtp_packet = look

    async def _until_connected(self, seconds=15):
        end = time.monotonic() + seconds
        while self.peer.connectionState != "connected":
            assert self.peer.connectionState not in ("failed", "closed"), self.peer.connectionState
            assert time.monotonic() < end, f"the transport is {self.peer.connectionState} after {seconds} s"
            await asyncio.sleep(0.05)

    @staticmethod
    async def _play(slot, track):
        try:
            while True:
                frame = await track.recv()
                slot.take_picture(frame) if track.kind == "video" else slot.take_sound(frame)
        except aiortc.mediastreams.MediaStreamError:
            pass  # the track ends with the connection

    def packets(self):
        return sum(slot.packets for slot in self.slots.values())

    async def leave(self):
        await self.control.leave()

    async def close(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.peer.close()
        if self.line:
            await self.line.close()
        await self.control.close()
