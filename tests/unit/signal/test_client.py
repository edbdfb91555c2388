#!/usr/bin/env python3
"""kaigi_client.py against a scripted relay on loopback: what it sends, and what it makes of what it hears."""
import asyncio
import json
import pathlib
import ssl
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import kaigi_client  # noqa: E402
import websockets  # noqa: E402

OFFER = "v=0\r\n" + "".join(f"m=audio 9 X 0\r\na=mid:{i}\r\n" for i in range(16))
WELCOME = {"type": "welcome", "room": {"id": "a", "organization": "架空市", "department": "", "name": "一"},
           "time_ms": 1, "software": "s"}
AGENDA = {"type": "agenda", "revision": 1, "calendar": "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"}
PEOPLE = [{"party": "5", "organization": "o", "department": "d", "name": "n", "microphone": False, "camera": False,
           "state": "connected", "sources": {"microphone": "1", "camera": "2"}}]


def make_certificate(folder):
    pem, key = f"{folder}/cert.pem", f"{folder}/key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", pem],
                   check=True, capture_output=True)
    return pem, key


async def relay(socket):
    """Plays the relay's side once."""
    async def say(message):
        await socket.send(json.dumps(message))

    async def hear(kind):
        message = json.loads(await socket.recv())
        assert message["type"] == kind, message
        return message

    assert socket.subprotocol == "kaigi.v1"
    hello = await hear("hello")
    assert hello["protocol"] == 1
    await say(WELCOME)
    await say(AGENDA)
    first = await hear("join")
    await say({"type": "error", "request": first["request"], "code": "not-open-yet", "message": "early"})
    second = await hear("join")
    assert second["request"] != first["request"] and second["resume"] == "tok" and len(second["lines"]) == 16
    assert second["lines"][15] == {"mid": "15", "role": "presentation-0"}
    assert second["muted"] == {"microphone": True, "camera": False}
    await say({"type": "joined", "request": second["request"], "meeting": "m", "party": "5", "answer": "v=0\r\n",
               "resume": "next", "participants": PEOPLE, "later": 1})
    await say({"type": "slots", "slots": [{"slot": "video-0", "source": "2"}, {"slot": "audio-0", "source": "none"}]})
    want = await hear("want")
    assert want["slots"] == [{"slot": "video-0", "source": "auto", "height": 720}, {"slot": "video-1", "source": "2"}]
    assert (await hear("mute")) == {"type": "mute", "microphone": False, "camera": True}
    await hear("leave")
    await say({"type": "left", "reason": "requested"})
    await say({"type": "closing", "reason": "shutting-down", "retry_ms": 500})


async def main():
    with tempfile.TemporaryDirectory() as folder:
        pem, key = make_certificate(folder)
        server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_side.load_cert_chain(pem, key)
        server_side.load_verify_locations(pem)
        server_side.verify_mode = ssl.CERT_REQUIRED
        failures = []

        async def guarded(socket):
            try:
                await relay(socket)
            except AssertionError as e:
                failures.append(e)

        server = await websockets.serve(guarded, "127.0.0.1", 0, ssl=server_side, subprotocols=["kaigi.v1"])
        port = server.sockets[0].getsockname()[1]
        client = kaigi_client.ControlClient("127.0.0.1", port, ca=pem, cert=pem, key=key)
        await client.connect()
        assert client.room["organization"] == "架空市"
        try:
            await client.join("m", OFFER)
            raise SystemExit("a refused join returned")
        except kaigi_client.RelayError as e:
            assert e.code == "not-open-yet"
        joined = await client.join("m", OFFER, microphone_muted=True, resume="tok")
        assert joined["answer"] == "v=0\r\n" and client.resume == "next" and client.others() == []
        await client.wait(lambda c: c.slots.get("video-0") == "2")
        assert client.slots["audio-0"] is None
        participant, kind = client.owner(2)
        assert participant["party"] == "5" and kind == "camera"
        await client.want(("video-0", "auto", 720), ("video-1", 2))
        await client.mute(False, True)
        await client.leave()
        try:
            await client.wait(lambda c: False, 5)
            raise SystemExit("the end of the connection went unnoticed")
        except kaigi_client.ConnectionEnded as e:
            assert e.closing["reason"] == "shutting-down"
        await client.close()
        server.close()
        await server.wait_closed()
        assert not failures, failures
    print("kaigi_client.py says and hears what it should")


asyncio.run(main())
