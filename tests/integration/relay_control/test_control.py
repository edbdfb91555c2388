"""Rooms and the relay's control service: admission, agenda, meetings, resume, revocation, bad input, shutdown."""
import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
import time
import unittest

import websockets
from harness import BUILD, CTL, LINES, Authority, Relay, Room, calendar, credentials, event, offer, run, stun_request

from kaigi_client import ConnectionEnded, RelayError, tls_context, url

REFUSED = (ssl.SSLError, OSError, websockets.WebSocketException, ConnectionEnded, asyncio.TimeoutError)


class Control(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.relay = Relay(settings="[media]\nworkers=2\ntunnel-threads=2\n", rooms=("a", "b", "c")).__enter__()
        cls.relay.import_agenda(event("now", "ab"), event("later", "ab", 90), event("over", "ab", -120, 60),
                                event("others", "bc", title="別の会議"))

    @classmethod
    def tearDownClass(cls):
        cls.relay.__exit__(None)

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)

    async def test_room_is_who_its_certificate_says_and_sees_its_own_agenda(self):
        async with self.relay.client("a") as a:
            self.assertEqual(a.room, {"id": "a", "organization": "架空市", "department": "総務課", "name": "会議室a"})
            self.assertIn("UID:kaku/now", a.agenda)
            self.assertNotIn("UID:kaku/others", a.agenda)
            self.assertNotIn("別の会議", a.agenda)

    async def test_join_is_allowed_by_invitation_and_time(self):
        async with self.relay.client("a") as a:
            for meeting, code in [("nothing", "unknown-meeting"), ("others", "not-invited"), ("later", "not-open-yet"),
                                  ("over", "ended")]:
                with self.assertRaises(RelayError) as refused:
                    await a.join(f"kaku/{meeting}", offer(), LINES)
                self.assertEqual(refused.exception.code, code)
            with self.assertRaises(RelayError) as refused:
                await a.join("kaku/now", "v=0\r\nnonsense", LINES)
            self.assertEqual(refused.exception.code, "bad-offer")
            joined = await a.join("kaku/now", offer(), LINES)
            self.assertIn("a=ice-lite", joined["answer"])
            self.assertIn(f" 127.0.0.1 {self.relay.port} typ host", joined["answer"])
            with self.assertRaises(RelayError) as refused:
                await a.join("kaku/now", offer(), LINES)
            self.assertEqual(refused.exception.code, "unexpected")
            await a.leave()
            self.assertEqual(a.left, "requested")

    async def test_parties_see_each_other_and_each_others_mute(self):
        async with self.relay.client("a") as a, self.relay.client("b") as b:
            await a.join("kaku/now", offer(), LINES, camera_muted=True)
            await b.join("kaku/now", offer(), LINES)
            await a.wait(lambda c: len(c.participants) == 2)
            mine = next(p for p in b.participants if p["name"] == "会議室a")
            self.assertTrue(mine["camera"] and not mine["microphone"])
            self.assertEqual(set(mine["sources"]), {"microphone", "camera"})
            await a.mute(True, False)
            await b.wait(lambda c: any(p["name"] == "会議室a" and p["microphone"] and not p["camera"]
                                       for p in c.participants))
            await a.want(("video-0", "none"), ("presentation-0", "auto"))
            await a.want(("video-0", mine["sources"]["camera"], 180))
            await b.leave()
            await a.wait(lambda c: len(c.participants) == 1)
            await a.leave()
            self.assertFalse(a.errors + b.errors)

    async def test_resume_gives_the_seat_back_once_and_never_unmutes(self):
        async with self.relay.client("b") as b:
            await b.join("kaku/now", offer(), LINES)
            a = await self.relay.client("a").connect()
            first = await a.join("kaku/now", offer(), LINES, microphone_muted=True)
            sources = first["participants"][-1]["sources"]
            a.abort()
            await b.wait(lambda c: any(p["state"] == "away" for p in c.participants))
            async with self.relay.client("a") as again:
                second = await again.join("kaku/now", offer(), LINES, resume=first["resume"])
                self.assertEqual(second["party"], first["party"])
                me = next(p for p in second["participants"] if p["party"] == second["party"])
                self.assertEqual(me["sources"], sources)
                self.assertTrue(me["microphone"], "muted before, so muted after")
                self.assertNotEqual(credentials(second["answer"]), credentials(first["answer"]))
                await b.wait(lambda c: all(p["state"] == "connected" for p in c.participants))
                await again.leave()
                for token in (first["resume"], second["resume"]):
                    with self.assertRaises(RelayError) as refused:
                        await again.join("kaku/now", offer(), LINES, resume=token)
                    self.assertEqual(refused.exception.code, "bad-token")
            async with self.relay.client("b") as newer:  # replaces b
                with self.assertRaises(RelayError) as refused:
                    await newer.join("kaku/now", offer(), LINES, resume=second["resume"])
                self.assertEqual(refused.exception.code, "bad-token")
                await b.wait(lambda c: c.closing)
                self.assertEqual(b.closing["reason"], "replaced")
                await newer.join("kaku/now", offer(), LINES)
                await newer.leave()

    async def test_media_alone_comes_back_over_the_same_connection(self):
        async with self.relay.client("a") as a:
            first = await a.join("kaku/now", offer(), LINES, microphone_muted=True)
            with self.assertRaises(RelayError) as refused:
                await a.join("kaku/now", offer(), LINES)
            self.assertEqual(refused.exception.code, "unexpected", "without the token it must leave first")
            second = await a.join("kaku/now", offer(), LINES, resume=first["resume"])
            self.assertEqual(second["party"], first["party"])
            self.assertTrue(second["participants"][0]["microphone"], "muted before, so muted after")
            self.assertNotEqual(credentials(second["answer"]), credentials(first["answer"]))
            self.assertIsNone(a.left)
            await a.leave()

    async def test_tunnel_carries_ice_to_the_worker_and_back(self):
        async with self.relay.client("a") as a, self.relay.tunnel("a") as tunnel:
            joined = await a.join("kaku/now", offer(), LINES)
            ufrag, pwd = credentials(joined["answer"])
            request, identity = stun_request(f"{ufrag}:abcd", pwd)
            await tunnel.send(request)
            reply = await tunnel.receive()
            self.assertEqual(reply[:2], b"\x01\x01", "a success response")
            self.assertEqual(reply[8:20], identity)
            status = self.relay.ask("status")
            self.assertEqual(status["tunnel"]["connections"], 1)
            self.assertGreaterEqual(status["tunnel"]["messages_in"], 1)
            await a.leave()

    async def test_tunnel_takes_nothing_but_datagrams(self):
        for first in (b"hello, not STUN", "text", b"\x00" * 1501):
            async with self.relay.tunnel("a") as tunnel:
                await tunnel._socket.send(first)
                with self.assertRaises(websockets.ConnectionClosed):
                    await tunnel.receive()
        async with websockets.connect(url("127.0.0.1", self.relay.port, "/v1/media"), ssl=self._context("a", "kaigi-media")):
            pass
        with self.assertRaises(REFUSED):
            async with websockets.connect(url("127.0.0.1", self.relay.port, "/else"), ssl=self._context("a", "kaigi-media")):
                pass

    def _context(self, name, alpn, **other):
        room = self.relay.rooms[name]
        return tls_context(other.get("ca", self.relay.ca), other.get("cert", room.cert), other.get("key", room.key), alpn)

    async def test_strangers_are_refused_by_tls(self):
        folder = self.relay.folder
        (folder / "foreign").mkdir()
        run(*Authority(BUILD, folder / "foreign", folder / "wrong").words("init", "--address", "127.0.0.1"))
        with self.assertRaises(ssl.SSLCertVerificationError):
            await self.relay.client("a", ca=folder / "wrong/ca.crt").connect()
        # Another authority's certificate; the relay's own, of the right authority but for servers only; none.
        for cert, key in ((folder / "wrong/relay.crt", folder / "wrong/relay.key"),
                          (self.relay.state / "relay.crt", self.relay.state / "relay.key"), (None, None)):
            stranger = self.relay.client("a", cert=cert, key=key)
            with self.assertRaises((ssl.SSLError, OSError, websockets.WebSocketException)):
                await stranger.connect()
            self.assertEqual(stranger.log, [], "not one word is said to strangers")
        with self.assertRaises((ssl.SSLError, ValueError)):
            context = self._context("a", "http/1.1")
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
            await websockets.connect(url("127.0.0.1", self.relay.port, "/v1/control"), ssl=context)

    async def test_garbage_is_answered_and_survived(self):
        async with self.relay.client("a") as a:
            for text in ("{", "[]", '{"type":"fly"}', '{"type":"want","slots":7}', '{"type":"leave"}', "\x00", "[" * 5000,
                         '{"type":"hello","protocol":1,"software":"again"}'):
                count = len(a.errors)
                await a.send_text(text)
                await a.wait(lambda c, n=count: len(c.errors) > n)
            await a._socket.send(b"\x01binary")
            await a.wait(lambda c: c.errors[-1].text.startswith("binary"))
            await a.join("kaku/now", offer(), LINES)
            await a.leave()
        async with self.relay.client("a") as a:
            await a.send_text("x" * 300000)
            await a.wait(lambda c: c.errors)
            self.assertEqual(a.errors[0].code, "bad-message")
            with self.assertRaises(ConnectionEnded):
                for _ in range(30):
                    await a.send_text("{")
                await a.wait(lambda c: False)
            self.assertEqual(a.closing["reason"], "expelled")

    async def test_a_flood_is_refused(self):
        async with self.relay.client("a") as a:
            # On a busy machine messages come slower, and more of them are needed.
            for _ in range(50):
                with contextlib.suppress(websockets.ConnectionClosed):
                    for _ in range(230):
                        await a.send("want", slots=[])
                with contextlib.suppress(asyncio.TimeoutError):
                    await a.wait(lambda c: any(e.code == "too-many" for e in c.errors), 0.2)
                    return
            self.fail("a flood is not refused")

    async def test_a_room_refused_again_and_again_is_slowed(self):
        with Relay(rooms=("a", "b")) as relay:
            async with relay.client("a") as a, relay.client("b") as b:
                codes = []
                for _ in range(25):
                    with self.assertRaises(RelayError) as refused:
                        await a.join("kaku/nothing", offer(), LINES)
                    codes.append(refused.exception.code)
                self.assertEqual(codes[:10], ["unknown-meeting"] * 10)
                self.assertGreaterEqual(codes.count("busy"), 12, codes)
                with self.assertRaises(RelayError) as refused:
                    await b.join("kaku/nothing", offer(), LINES)
                self.assertEqual(refused.exception.code, "unknown-meeting")

    async def test_other_protocols_and_paths_are_refused(self):
        with self.assertRaises(REFUSED):
            await self.relay.client("a", protocol=2).connect()
        for path, protocols in (("/", ["kaigi.v1"]), ("/v1/control", None), ("/v1/control", ["kaigi.v9"])):
            with self.assertRaises(REFUSED):
                await websockets.connect(url("127.0.0.1", self.relay.port, path), ssl=self._context("a", "http/1.1"),
                                         subprotocols=protocols)
        with socket.create_connection(("127.0.0.1", self.relay.port)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            plain.settimeout(5)
            try:
                self.assertNotIn(b"HTTP", plain.recv(100), "plain text gets an alert or nothing")
            except ConnectionResetError:
                pass

    async def test_imports_reach_rooms_and_enforce_themselves(self):
        async with self.relay.client("c") as c:
            self.relay.import_agenda(event("pushed", "c", title="追加の会議"))
            await c.wait(lambda x: "UID:kaku/pushed" in x.agenda)
            self.relay.import_agenda(event("not for c", "ab", -600, 60))
            self.relay.import_agenda(event("pushed too", "c"))
            await c.wait(lambda x: "UID:kaku/pushed too" in x.agenda)
            revisions = [m["revision"] for _, m in c.log if m["type"] == "agenda"]
            self.assertEqual(len(revisions), 3, "not told about what does not concern it")
            self.assertEqual(len(set(revisions)), 3)
            await c.join("kaku/pushed", offer(), LINES)
            self.relay.import_agenda(event("pushed", "c", extra=["SEQUENCE:1", "STATUS:CANCELLED"]))
            await c.wait(lambda x: x.left)
            self.assertEqual(c.left, "ended")
            done = self.relay.import_agenda(event("pushed", "c"), check=False)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("older than what the relay has", done.stderr)
        done = self.relay.import_agenda(event("good", "c"), "BEGIN:VEVENT\r\nUID:bad\r\nSUMMARY:x\r\nEND:VEVENT\r\n",
                                        event("typo", ["a", "zz"]), check=False)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("2 meetings imported", done.stdout)
        self.assertRegex(done.stderr, r"agenda\.ics:\d+: left out: .*UID bad")
        self.assertIn("room zz is not enrolled", done.stderr)

    async def test_rooms_do_not_wait_for_a_large_import(self):
        with Relay(rooms="ab") as relay:
            path = relay.folder / "large.ics"
            path.write_text(calendar(event("mine", "a"), *(event(f"m{i}", "b", 10 * i, extra=["DESCRIPTION:" + "x" * 300])
                                                           for i in range(300))), newline="")
            async with relay.client("a") as a:
                await a.ping()
                started, waits = time.monotonic(), []
                ctl = await asyncio.create_subprocess_exec(CTL, "agenda", "import", path, "--state", relay.state,
                                                           stdout=subprocess.DEVNULL)
                done = asyncio.create_task(ctl.wait())
                while not done.done():
                    waits.append(await a.ping())
                    await asyncio.sleep(0.005)
                took = time.monotonic() - started
                self.assertEqual(await done, 0)
                # Reading is most of the work, sanitized or not, and is not done where rooms are heard.
                self.assertLess(max(waits), max(took / 3, 0.3), f"{len(waits)} pings while the import took {took:.2f} s")
                print(f"import {took * 1000:.0f} ms, longest ping {max(waits) * 1000:.0f} ms")
                await a.wait(lambda x: "UID:kaku/mine" in x.agenda)

    async def test_status_tells_paths_and_counters(self):
        async with self.relay.client("a") as a:
            await a.join("kaku/now", offer(), LINES)
            status = self.relay.ask("status")
            self.assertEqual([w["worker"] for w in sorted(status["workers"], key=lambda w: w["worker"])], [0, 1])
            party = status["meetings"][0]["parties"][0]
            self.assertEqual((party["room"], party["path"], party["packets_in"]), ("a", "none", 0))
            self.assertGreater(status["rss_kb"], 0)
            self.assertIn("meeting kaku/now", self.relay.ctl("status").stdout)
            await a.leave()

    def test_ctl_says_what_is_wrong(self):
        relay, ctl = self.relay, self.relay.ctl
        odd = Room(relay.folder, "odd")
        for arguments, code, words in [
            (["room", "add", "x", "--id", "A B", "--organization", "kaku", "--department", "x", "--csr",
              relay.rooms["a"].csr, "--cert-out", odd.cert], 1, "id must have"),
            (["room", "add", "x", "--id", "a", "--organization", "kaku", "--department", "x", "--csr",
              relay.rooms["a"].csr, "--cert-out", odd.cert], 1, "give replace"),
            (["room", "add", "x", "--id", "odd", "--organization", "kaku", "--department", "x", "--csr", relay.ca,
              "--cert-out", odd.cert], 1, "no certificate request"),
            (["room", "add", "x"], 2, "--id"),
            (["room", "add", "x", "--id", "new", "--organization", "nowhere"], 1, "no organization"),
            (["room", "revoke", "nobody"], 1, "no room"),
            (["room", "dance"], 2, "unknown command"),
            (["agenda", "import", "/nonexistent"], 1, "No such file"),
            (["status", "--oops"], 2, "--help"),
            (["ca", "init", "--address", "127.0.0.1"], 1, "--root"),
            (["ca", "server", "--address", "a b"], 1, "neither a host name nor an address"),
        ]:
            done = ctl(*arguments, check=False)
            self.assertEqual(done.returncode, code, (arguments, done.stderr))
            self.assertIn(words, done.stderr)
        done = run(CTL, "status", "--state", relay.folder, check=False)
        self.assertIn("no relay is running", done.stderr)
        done = run(*relay.authority.words("init", "--address", "127.0.0.1"), check=False)
        self.assertIn("exists already", done.stderr)
        (relay.folder / "other").mkdir()
        other = Authority(BUILD, relay.folder / "other", relay.folder / "new")
        done = run(*other.words("init", "--address", "a b"), check=False)
        self.assertIn("neither a host name nor an address", done.stderr)
        self.assertEqual([f for f in (other.state, other.signer, other.root) if any(f.iterdir())], [], "nothing is left")

    async def test_connections_that_stay_silent_end(self):
        with Relay(settings="[limits]\nhandshake-seconds=1\n") as relay:
            begun = time.monotonic()
            with socket.create_connection(("127.0.0.1", relay.port)) as silent:
                silent.settimeout(5)
                self.assertEqual(silent.recv(1), b"")
            context = tls_context(relay.ca, relay.rooms["a"].cert, relay.rooms["a"].key, "http/1.1")
            async with websockets.connect(url("127.0.0.1", relay.port, "/v1/control"), ssl=context,
                                          subprotocols=["kaigi.v1"]) as mute:
                self.assertIn('"idle"', await asyncio.wait_for(mute.recv(), 5))
            self.assertLess(time.monotonic() - begun, 6)
            for _ in range(100):  # nothing is counted as open any more
                if relay.ask("status")["connections"] == 0:
                    break
                await asyncio.sleep(0.05)
            self.assertEqual(relay.ask("status")["connections"], 0)

    async def test_silent_strangers_crowd_nobody_out(self):
        strangers = [socket.create_connection(("127.0.0.1", self.relay.port)) for _ in range(300)]
        async with self.relay.client("c") as c:
            self.assertTrue(c.room)
        for stranger in strangers:
            stranger.close()

    def test_a_client_hello_in_pieces_finds_its_way(self):
        for alpn, path in (("kaigi-media", "/v1/media"), ("http/1.1", "/v1/control")):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = self._context("c", alpn).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
            with socket.create_connection(("127.0.0.1", self.relay.port)) as line:
                line.settimeout(5)
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

                def until_done(step):
                    while True:
                        try:
                            done = step()
                        except ssl.SSLWantReadError:
                            done = None
                        hello = outgoing.read()
                        for start in range(0, len(hello), 90):
                            line.sendall(hello[start:start + 90])
                            time.sleep(0.01)
                        if done is not None:
                            return done
                        incoming.write(line.recv(4096))

                until_done(lambda: tls.do_handshake() or True)
                self.assertEqual(tls.selected_alpn_protocol(), alpn)
                protocol = "Sec-WebSocket-Protocol: kaigi.v1\r\n" if alpn == "http/1.1" else ""
                until_done(lambda: tls.write(
                    (f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{protocol}"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n").encode()))
                self.assertIn(b" 101 ", until_done(lambda: tls.read(200)))

    async def test_silence_is_pinged_and_then_given_up(self):
        with Relay(settings="[limits]\nidle-seconds=5\n") as relay:
            relay.import_agenda(event("now", "ab"))
            dead = await relay.client("b").connect()
            async with relay.client("a") as alive:
                await alive.join("kaku/now", offer(), LINES)
                await dead.join("kaku/now", offer(), LINES)
                await alive.wait(lambda c: len(c.participants) == 2)
                dead._socket.transport.pause_reading()  # answers no ping
                await alive.wait(lambda c: any(p["state"] == "away" for p in c.participants), 8)
                await alive.mute(True, True)
                await alive.wait(lambda c: any(p["microphone"] for p in c.participants))
                dead.abort()

    async def test_no_more_connections_than_allowed(self):
        with Relay(settings="[limits]\nconnections=2\n", rooms=("a", "b", "c")) as relay:
            async with relay.client("a"), relay.client("b"):
                with self.assertRaises(REFUSED):
                    await relay.client("c").connect()
                self.assertIn("[relay.full]", relay.log())
            for _ in range(100):
                if relay.ask("status")["connections"] == 0:
                    break
                await asyncio.sleep(0.05)
            async with relay.client("c"):
                pass

    async def test_one_address_does_not_take_all_connections(self):
        with Relay(settings="[limits]\nconnections-per-address=2\n", rooms=("a", "b", "c")) as relay:
            async with relay.client("a"), relay.client("b"):
                with self.assertRaises(REFUSED):
                    await relay.client("c").connect()
                self.assertIn("127.0.0.1, which has as many open as one address may", relay.log())
                context = tls_context(relay.ca, None, None, "http/1.1")
                with socket.create_connection(("127.0.0.1", relay.port), 5, source_address=("127.0.0.2", 0)) as plain:
                    context.wrap_socket(plain, server_hostname="127.0.0.1").close()
            for alpn in ("http/1.1", "kaigi-media") * 2:  # their places are given back, also without TLS
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", relay.port), 5) as plain:
                    plain.sendall(b"x" * 50)
                    plain.recv(100)
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", relay.port), 5) as plain:
                    tls_context(relay.ca, None, None, alpn).wrap_socket(plain, server_hostname="127.0.0.1").close()
                await asyncio.sleep(0.1)
            for _ in range(100):
                if relay.ask("status")["connections"] == 0:
                    break
                await asyncio.sleep(0.05)
            async with relay.client("a"), relay.client("c"):
                pass

    async def test_revocation_acts_at_once_and_for_good(self):
        with Relay() as relay:
            relay.import_agenda(event("now", "ab"))
            async with relay.client("a") as a, relay.client("b") as b:
                await a.join("kaku/now", offer(), LINES)
                await b.join("kaku/now", offer(), LINES)
                relay.ctl("room", "revoke", "a")
                await a.wait(lambda c: c.closing)
                self.assertEqual((a.left, a.closing["reason"]), ("revoked", "revoked"))
                await b.wait(lambda c: len(c.participants) == 1)
            for _ in range(2):
                again = relay.client("a")
                with self.assertRaises((ConnectionEnded, websockets.ConnectionClosed)):
                    await again.connect()
                await again.close()
                self.assertEqual(again.closing["reason"], "revoked")
                relay.stop()
                relay.start()
            relay.rooms["a"].csr.unlink()
            old = {"cert": relay.rooms["a"].cert.rename(relay.folder / "old.crt"),
                   "key": relay.rooms["a"].key.rename(relay.folder / "old.key")}
            relay.enrol(relay.rooms["a"])
            async with relay.client("a"):
                pass
            with self.assertRaises((ConnectionEnded, websockets.ConnectionClosed)):
                await relay.client("a", **old).connect()

    async def test_stop_tells_the_rooms_and_a_restart_knows_their_seats(self):
        with Relay() as relay:
            relay.import_agenda(event("now", "ab"))
            a = await relay.client("a").connect()
            joined = await a.join("kaku/now", offer(), LINES, camera_muted=True)
            begun = time.monotonic()
            self.assertEqual(await asyncio.to_thread(relay.stop), 0)
            self.assertLess(time.monotonic() - begun, 3)
            with self.assertRaises(ConnectionEnded):
                await a.wait(lambda c: False)
            self.assertEqual(a.closing["reason"], "shutting-down")
            self.assertLess(a.closing["retry_ms"], 1001)
            relay.start()
            async with relay.client("a") as back:
                again = await back.join("kaku/now", offer(), LINES, resume=joined["resume"])
                self.assertEqual(again["party"], joined["party"])
                self.assertTrue(again["participants"][0]["camera"])
                kept = b"".join(p.read_bytes() for p in relay.state.glob("kaigi.db*"))
                self.assertNotIn(again["resume"].encode(), kept + relay.log().encode())
                await asyncio.to_thread(relay.wait_for_seat, "a", again["resume"])
            relay.kill()
            relay.start()
            async with relay.client("a") as back:
                third = await back.join("kaku/now", offer(), LINES, resume=again["resume"])
                self.assertEqual(third["party"], joined["party"])
                await back.leave()
            relay.stop()
            admin = f"local:{os.getuid()}"
            self.assertEqual(relay.events(), [
                ("organization.added", "kaku", admin), ("room.added", "a", admin), ("room.added", "b", admin),
                ("agenda.imported", "kaku", admin), ("meeting.started", "kaku/now", ""),
                ("room.joined", "kaku/now", "a"), ("room.joined", "kaku/now", "a"), ("room.joined", "kaku/now", "a"),
                ("room.left", "kaku/now", "a"), ("meeting.ended", "kaku/now", "")])
            relay.start()

    async def test_agenda_names_the_other_rooms(self):
        with Relay() as relay:
            relay.import_agenda(event("now", "abc"))
            async with relay.client("a") as a:
                self.assertIn("mailto:a@", a.agenda)
                text = a.agenda.replace("\r\n ", "")
                self.assertIn('CN="会議室b";X-KAIGI-ORGANIZATION="架空市";X-KAIGI-DEPARTMENT="総務課":urn:x-kaigi:', text)
                self.assertEqual(text.count("urn:x-kaigi:other-room"), 1, "c is not enrolled: its name is unknown")
                relay.rooms["c"] = Room(relay.folder, "c")
                await asyncio.to_thread(relay.enrol, relay.rooms["c"])
                await a.wait(lambda x: 'CN="会議室c"' in x.agenda.replace("\r\n ", ""))
                await asyncio.to_thread(relay.ctl, "room", "revoke", "b")
                await a.wait(lambda x: "会議室b" not in x.agenda.replace("\r\n ", ""))
                for _, message in a.log:
                    self.assertNotRegex(message.get("calendar", ""), "mailto:[bc]@")

    async def test_seats_expire(self):
        with Relay(settings="[meeting]\nseat-seconds=1\n") as relay:
            relay.import_agenda(event("now", "ab"))
            async with relay.client("b") as b:
                await b.join("kaku/now", offer(), LINES)
                a = await relay.client("a").connect()
                token = (await a.join("kaku/now", offer(), LINES))["resume"]
                await b.wait(lambda c: len(c.participants) == 2)
                a.abort()
                await b.wait(lambda c: len(c.participants) == 1)
                async with relay.client("a") as late:
                    with self.assertRaises(RelayError) as refused:
                        await late.join("kaku/now", offer(), LINES, resume=token)
                    self.assertEqual(refused.exception.code, "bad-token")

    async def test_reload_takes_a_new_certificate_without_a_cut(self):
        with Relay() as relay:
            async with relay.client("a") as a:
                relay.ctl("ca", "server", "--address", "127.0.0.1")
                relay.process.send_signal(1)
                chain = (relay.state / "relay.crt").read_text()
                fresh = ssl.PEM_cert_to_DER_cert(chain[:chain.index("-----END")] + "-----END CERTIFICATE-----\n")
                for _ in range(100):
                    shown = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", relay.port))
                    if ssl.PEM_cert_to_DER_cert(shown) == fresh:
                        break
                    await asyncio.sleep(0.05)
                self.assertEqual(ssl.PEM_cert_to_DER_cert(shown), fresh)
                (relay.state / "relay.key").write_text("broken")
                relay.process.send_signal(1)
                await asyncio.sleep(0)
                async with relay.client("b"):
                    await a.send("want", slots=[])
                    await a.wait(lambda c: c.errors)

    async def test_ipv6(self):
        if not socket.has_ipv6 or subprocess.run(["ip", "-6", "addr", "show", "dev", "lo"], capture_output=True,
                                                 text=True).stdout.find("::1") < 0:
            self.skipTest("no IPv6 on loopback")
        with Relay(listen="::1") as relay:
            relay.import_agenda(event("now", "ab"))
            async with relay.client("a") as a:
                joined = await a.join("kaku/now", offer(), LINES)
                self.assertIn(f" ::1 {relay.port} typ host", joined["answer"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
