"""A control client written from media/relay/PROTOCOL.md alone, for tests: it stands in for a third party's program.

    async with ControlClient("127.0.0.1", 8443, ca="ca.pem", cert="room.pem", key="room.key") as client:
        joined = await client.join(meeting_uid, offer_sdp, lines_of(offer_sdp))
        await client.wait(lambda c: len(c.participants) == 2)

Needs python3-websockets only. One event loop, one task reads; nothing here touches media.
"""
import asyncio
import json
import re
import ssl
import time

import websockets

MAX_MESSAGE_BYTES = 256 * 1024
SILENCE_S = 40
# The order in which offers of these tests have their m-lines; a client may have any other.
ROLES = (["microphone", "camera", "presentation"] + [f"audio-{i}" for i in range(3)]
         + [f"video-{i}" for i in range(9)] + ["presentation-0"])


class RelayError(Exception):
    """The relay's `error`: code is for programs, text for people."""

    def __init__(self, code, text, request=None):
        super().__init__(f"{code}: {text}")
        self.code, self.text, self.request = code, text, request


class ConnectionEnded(Exception):
    """The connection is gone; closing is the relay's last word (a dict) or None."""

    def __init__(self, closing, detail):
        super().__init__(f"connection ended: {closing or detail}")
        self.closing = closing


def mids_of(sdp):
    """The mid of every m-line, in order."""
    return re.findall(r"^a=mid:(\S+)\r?$", sdp, re.MULTILINE)


def lines_of(sdp, roles=ROLES):
    """join's `lines` for an offer whose m-lines come in the order of roles; None leaves a line without one."""
    return [{"mid": mid, "role": role} for mid, role in zip(mids_of(sdp), roles) if role]


def tls_context(ca, cert, key, alpn):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cafile=ca)
    if cert:
        context.load_cert_chain(cert, key)
    context.set_alpn_protocols([alpn])
    return context


def url(host, port, path):
    return f"wss://{f'[{host}]' if ':' in host else host}:{port}{path}"


class ControlClient:
    """One control connection. State is what the relay said last; every message is kept in `log` as (time, message)."""

    def __init__(self, host, port, *, ca, cert, key, server_name=None, software="kaigi-client.py", protocol=1):
        self.host, self.port = host, port
        self.context = tls_context(ca, cert, key, "http/1.1")
        self.server_name, self.software, self.protocol = server_name or host, software, protocol
        self.room = self.agenda = self.party = self.meeting = self.resume = self.closing = self.left = None
        self.participants = []
        self.slots = {}
        self.errors = []
        self.log = []
        self._socket = self._reader = None
        self._ended = None
        self._requests = {}
        self._next_request = 1
        self._changed = asyncio.Condition()

    async def __aenter__(self):
        return await self.connect()

    async def __aexit__(self, *_):
        await self.close()

    async def connect(self, timeout=10):
        """Up to welcome and agenda. Raises OSError, ssl.SSLError, websockets' errors, or ConnectionEnded."""
        self._socket = await asyncio.wait_for(websockets.connect(
            url(self.host, self.port, "/v1/control"), ssl=self.context, server_hostname=self.server_name,
            subprotocols=["kaigi.v1"], max_size=MAX_MESSAGE_BYTES, compression=None,
            ping_interval=SILENCE_S / 2, ping_timeout=SILENCE_S / 2, close_timeout=2), timeout)
        if self._socket.subprotocol != "kaigi.v1":
            raise ConnectionEnded(None, "the relay did not choose kaigi.v1")
        self._reader = asyncio.create_task(self._read())
        await self.send("hello", protocol=self.protocol, software=self.software)
        await self.wait(lambda c: c.room and c.agenda, timeout)
        return self

    async def ping(self):
        """Seconds until the relay answered a WebSocket ping."""
        sent = time.monotonic()
        await (await self._socket.ping())
        return time.monotonic() - sent

    async def close(self):
        if self._socket:
            await self._socket.close()
        if self._reader:
            await asyncio.gather(self._reader, return_exceptions=True)

    def abort(self):
        """Breaks the connection without a word, as a dead line would."""
        self._socket.transport.abort()

    async def send(self, kind, **fields):
        await self.send_text(json.dumps({"type": kind, **fields}, ensure_ascii=False))

    async def send_text(self, text):
        """Any text, well-formed or not: for bad-input tests."""
        await self._socket.send(text)

    async def join(self, meeting, offer, lines=None, *, microphone_muted=False, camera_muted=False, resume=None,
                   timeout=10):
        """The `joined` message; raises RelayError when refused."""
        request, self._next_request = self._next_request, self._next_request + 1
        answer = asyncio.get_running_loop().create_future()
        self._requests[request] = answer
        self.left = None
        fields = {"resume": resume} if resume else {}
        await self.send("join", request=request, meeting=meeting, offer=offer, lines=lines or lines_of(offer),
                        muted={"microphone": microphone_muted, "camera": camera_muted}, **fields)
        try:
            return await asyncio.wait_for(answer, timeout)
        finally:
            self._requests.pop(request, None)

    async def want(self, *slots):
        """want(("video-0", "auto", 720), ("video-1", "none"), ("video-2", source_id))"""
        await self.send("want", slots=[{"slot": slot, "source": str(source), **({"height": rest[0]} if rest else {})}
                                       for slot, source, *rest in slots])

    async def mute(self, microphone, camera):
        await self.send("mute", microphone=microphone, camera=camera)

    async def leave(self, timeout=5):
        await self.send("leave")
        await self.wait(lambda c: c.left, timeout)

    async def wait(self, condition, timeout=10):
        """Until condition(self) is true; its value. TimeoutError, or ConnectionEnded when it can no longer be."""
        end = time.monotonic() + timeout
        async with self._changed:
            while not (value := condition(self)):
                if self._ended:
                    raise self._ended
                await asyncio.wait_for(self._changed.wait(), max(0, end - time.monotonic()))
            return value

    def owner(self, source):
        """The participant and the kind ("camera"...) a source id belongs to, or (None, None)."""
        for participant in self.participants:
            for kind, identity in participant["sources"].items():
                if identity == str(source):
                    return participant, kind
        return None, None

    def others(self):
        return [p for p in self.participants if p["party"] != self.party]

    async def _read(self):
        detail = "closed"
        try:
            async for text in self._socket:
                message = json.loads(text)
                self.log.append((time.monotonic(), message))
                self._take(message)
                async with self._changed:
                    self._changed.notify_all()
        except (OSError, websockets.WebSocketException) as e:
            detail = repr(e)
        self._ended = ConnectionEnded(self.closing, detail)
        for answer in self._requests.values():
            if not answer.done():
                answer.set_exception(self._ended)
        async with self._changed:
            self._changed.notify_all()

    def _take(self, message):
        kind = message["type"]
        if kind == "welcome":
            self.room = message["room"]
        elif kind == "agenda":
            self.agenda = message["calendar"]
        elif kind == "joined":
            self.party, self.meeting, self.resume = message["party"], message["meeting"], message["resume"]
            self.participants, self.slots = message["participants"], {}
            self._answer(message["request"], message)
        elif kind == "participants":
            self.participants = message["participants"]
        elif kind == "slots":
            self.slots.update({s["slot"]: None if s["source"] == "none" else s["source"] for s in message["slots"]})
        elif kind == "left":
            self.left, self.party, self.meeting, self.participants, self.slots = message["reason"], None, None, [], {}
        elif kind == "error":
            error = RelayError(message["code"], message["message"], message.get("request"))
            self.errors.append(error)
            self._answer(message.get("request"), error)
        elif kind == "closing":
            self.closing = message

    def _answer(self, request, value):
        waiting = self._requests.get(request)
        if waiting and not waiting.done():
            waiting.set_exception(value) if isinstance(value, Exception) else waiting.set_result(value)


class MediaTunnel:
    """Datagrams over TLS: `await tunnel.send(bytes)`, `await tunnel.receive()`."""

    def __init__(self, host, port, *, ca, cert, key, server_name=None):
        self.host, self.port, self.server_name = host, port, server_name or host
        self.context = tls_context(ca, cert, key, "kaigi-media")
        self._socket = None

    async def __aenter__(self):
        self._socket = await asyncio.wait_for(websockets.connect(
            url(self.host, self.port, "/v1/media"), ssl=self.context, server_hostname=self.server_name,
            max_size=1500, compression=None, ping_interval=None, close_timeout=2), 10)
        return self

    async def __aexit__(self, *_):
        await self._socket.close()

    async def send(self, datagram):
        await self._socket.send(bytes(datagram))

    async def receive(self, timeout=5):
        return await asyncio.wait_for(self._socket.recv(), timeout)
