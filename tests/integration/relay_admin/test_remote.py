"""Administrators over the network, with certificates of their own: which door opens to whom, what one sees of another
organization on every verb there is, and kaigi-ctl's words for each hop that fails."""
import asyncio
import contextlib
import http.server
import ipaddress
import json
import os
import re
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
import unittest

import websockets
from cryptography import x509
from world import CTL, LINES, SOURCE, Device, World, calendar, event, offer, run

from kaigi_client import ControlClient, RelayError
from test_keys import CLIENT, SERVER, Issuer

VERBS = (SOURCE / "media/relay/verb_table.c").read_text()


def verbs():
    """[(name, [(field, kind, required)])] as the relay's own table has them."""
    found = []
    for part in re.split(r'\n    \{\s*"', VERBS.split("verbs[] = {")[1].split("\n};")[0])[1:]:
        name = part.split('"')[0]
        fields = re.findall(r'\{"(\w+)", KG_CHECK_(\w+), (true|false)\}', part)
        found.append((name, [(f, k, r == "true") for f, k, r in fields]))
    return found


class Remote(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = world = World().__enter__()
        try:
            world.administrator("taro")
            world.administrator("jiro")
            world.administrator("speedy")
            world.administrator("kansa", role="auditor")
            world.administrator("hanako", organization="mihon")
            world.administrator("root", role="operator", organization=None)
            world.room("kaku-1")
            world.room("mihon-1", organization="mihon")
            world.tell("community-add", id="theirs", name="水道", organizations=["mihon"])
            world.tell("setting-set", scope="room", id="mihon-1", key="media.udp", value="never")
            world.tell("agenda-import", organization="mihon", calendar=calendar(event("plan", ["mihon-1"], title="秘密の会議")))
        except BaseException as e:
            world.__exit__(type(e))
            raise

    @classmethod
    def tearDownClass(cls):
        cls.world.__exit__(None)

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)

    async def ask(self, admin, command, **fields):
        await admin.send(json.dumps({"command": command, **fields}))
        return json.loads(await asyncio.wait_for(admin.recv(), 40))

    def view(self):
        """What the operator sees of mihon."""
        out = []
        for command in ("org-list", "admin-list", "room-list", "community-list", "setting-list", "meeting-list"):
            fields = {"organization": "mihon"} if command in ("admin-list", "room-list", "meeting-list", "setting-list") else {}
            reply = self.world.tell(command, **fields)
            out.append((command, [r for r in next(v for v in reply.values() if isinstance(v, list))
                                  if "kaku" not in str(r.get("id"))]))
        return json.dumps(out, ensure_ascii=False, sort_keys=True)

    async def test_each_kind_of_certificate_opens_its_own_path_only(self):
        world = self.world
        room = {"cert": world.rooms["kaku-1"].cert, "key": world.rooms["kaku-1"].key}
        taro = world.administrators["taro"]
        for path, protocol, who, status in [
                ("/v1/admin", "kaigi.admin.v1", room, 403), ("/v1/control", "kaigi.v1", taro, 403),
                ("/v1/admin", "kaigi.v1", room, 403), ("/v1/control", "kaigi.admin.v1", taro, 403),
                ("/v1/admin", "kaigi.v1", taro, 400), ("/v1/admin", ["kaigi.v1", "kaigi.admin.v1"], taro, 400),
                ("/v1/control", "kaigi.admin.v1", room, 400), ("/v1/control", ["kaigi.admin.v1", "kaigi.v1"], room, 400),
                ("/v1/admin", None, taro, 400), ("/v1/admin/", "kaigi.admin.v1", taro, 404),
                ("/v1/media", None, taro, 404), ("/v1/admin", "kaigi.admin.v1", {}, 401)]:
            with self.assertRaises(websockets.InvalidStatusCode, msg=(path, protocol)) as refused:
                # From an address of its own: each has so many rows a minute.
                await world.websocket(path, protocol, local_addr=("127.0.0.2", 0), **who)
            self.assertEqual(refused.exception.status_code, status, (path, protocol))
        rows = world.audit("administrator.refused") + world.audit("room.refused")
        self.assertIn(("kaku-1", "/v1/admin"), [(r["actor"], r["object"]) for r in rows])
        self.assertIn(("taro", "/v1/control"), [(r["actor"], r["object"]) for r in rows])
        self.assertTrue(all(r["result"] == "refused" for r in rows))

    async def test_nothing_of_another_organization_is_seen_or_changed_by_any_verb(self):
        world, table = self.world, verbs()
        self.assertGreater(len(table), 30)
        request = (world.folder / "admin-taro.csr").read_text()
        before = self.view()
        ids = {"org": "mihon", "admin": "hanako", "room": "mihon-1", "community": "theirs", "setting": "mihon-1"}
        values = {"organization": "mihon", "room": "mihon-1", "community": "theirs", "meeting": "mihon/plan", "csr": request,
                  "role": "administrator", "scope": "room", "key": "media.udp", "value": "auto", "name": "x",
                  "calendar": calendar(event("plan", ["kaku-1"])), "organizations": ["mihon"], "code": "ABC-DEF-GHJ",
                  "fingerprint": "0" * 64, "path": str(world.folder / "copy.db"), "event": "room.", "replace": True}
        for who in ("taro", "kansa"):
            async with world.admin_socket(who) as admin:
                for verb, fields in table:
                    known = {**values, "id": ids.get(verb.split("-")[0], "mihon-1")}
                    full = {f: known[f] for f, kind, _ in fields if f in known}
                    least = {f: known[f] for f, kind, required in fields if required and f in known}
                    for asked in (full, least):
                        reply = await self.ask(admin, verb, **asked)
                        if reply["ok"] and verb.startswith("audit-") and verb != "audit-verify":
                            rows = reply["rows"] if verb == "audit-list" else [
                                json.loads(x) for x in reply["text"].splitlines() if '"organization"' in x]
                            self.assertEqual({r["organization"] for r in rows} - {"kaku"}, set(), verb)
                        elif reply["ok"]:
                            self.assertNotRegex(json.dumps(reply, ensure_ascii=False), "mihon|hanako|見本町|秘密|水道", verb)
        self.assertEqual(self.view(), before)
        self.assertFalse((world.folder / "copy.db").exists())

    async def test_replies_come_in_order_and_bad_messages_are_answered(self):
        async with self.world.admin_socket("taro") as admin:
            for i in range(30):
                await admin.send(json.dumps({"command": f"no-such-{i}"}))
            for i in range(30):
                self.assertIn(f"no-such-{i}\"", json.loads(await admin.recv())["error"])
            deep = "[" * 100000 + "]" * 100000
            for bad in ("", "{", "[]", "null", '{"command":1}', '{"command":"room-list","command":"room-list"}', deep,
                        '{"command":"room-list","more":1}', '{"command":"room-set","id":"\\u0000"}',
                        json.dumps({"command": "room-set", "id": "kaku-1", "name": "\u202egnp"})):
                await admin.send(bad)
                self.assertFalse(json.loads(await admin.recv())["ok"], bad[:40])
            await admin.send(b"\x00\x01")
            self.assertIn("binary", json.loads(await admin.recv())["error"])
            self.assertTrue((await self.ask(admin, "room-list"))["ok"])
        async with self.world.admin_socket("taro") as admin:
            with self.assertRaises(websockets.ConnectionClosed):
                admin.transport.write(b"\xff" * 20)  # breaks WebSocket's rules
                await asyncio.wait_for(admin.recv(), 10)

    async def test_a_message_has_24_mib_at_most_and_rooms_do_not_wait_for_it(self):
        world, room = self.world, self.world.rooms["kaku-1"]
        async with ControlClient("127.0.0.1", world.port, ca=world.ca, cert=room.cert, key=room.key) as client:
            async with world.admin_socket("taro") as admin:
                await client.ping()
                waits, over = [], asyncio.Event()

                async def watch():
                    while not over.is_set():
                        waits.append(await client.ping())
                        await asyncio.sleep(0.01)

                watcher = asyncio.create_task(watch())
                await admin.send('{"command":"' + "x" * (25 << 20) + '"}')
                self.assertIn("too long", json.loads(await asyncio.wait_for(admin.recv(), 60))["error"])
                await admin.send('{"command":"room-list","more":"' + "x" * (23 << 20) + '"}')
                self.assertFalse(json.loads(await asyncio.wait_for(admin.recv(), 60))["ok"])
                over.set()
                await watcher
                print(f"48 MiB read; longest ping of a room {max(waits) * 1000:.0f} ms of {len(waits)}")
                self.assertLess(max(waits), 3)

    async def test_one_administrator_has_eight_connections(self):
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(8):
                await stack.enter_async_context(self.world.admin_socket("jiro"))
            with self.assertRaises(websockets.InvalidStatusCode) as refused:
                await self.world.admin_socket("jiro")
            self.assertEqual(refused.exception.status_code, 503)
            done = await asyncio.to_thread(self.world.remote_ctl, "jiro", "room", "list", check=False)
            self.assertIn("takes no further", done.stderr)
            async with self.world.admin_socket("taro") as other:
                self.assertTrue((await self.ask(other, "room-list"))["ok"])
        async with self.world.admin_socket("jiro") as again:
            self.assertTrue((await self.ask(again, "room-list"))["ok"])

    async def test_revocation_cuts_an_administrator_off(self):
        world = self.world
        world.administrator("saburo")
        async with world.admin_socket("saburo") as admin, world.admin_socket("hanako") as other:
            self.assertTrue((await self.ask(admin, "room-list"))["ok"])
            begun = time.monotonic()
            done = await asyncio.to_thread(world.remote_ctl, "taro", "admin", "revoke", "saburo")
            with self.assertRaises(websockets.ConnectionClosed) as closed:
                await asyncio.wait_for(admin.recv(), 10)
            took = time.monotonic() - begun
            print(f"revocation took {took * 1000:.0f} ms to act")
            self.assertLess(took, 5, done.stdout)
            self.assertEqual(closed.exception.rcvd.code, 1008)
            self.assertTrue((await self.ask(other, "room-list"))["ok"])
        done = await asyncio.to_thread(world.remote_ctl, "saburo", "status", check=False)
        self.assertEqual((done.returncode, "no administrator" in done.stderr), (1, True))
        self.assertTrue(world.audit("administrator.cut"))

    async def test_two_administrators_at_once(self):
        async with self.world.admin_socket("taro") as one, self.world.admin_socket("jiro") as two:
            async def look():
                return next(r for r in (await self.ask(one, "room-list"))["rooms"] if r["id"] == "kaku-1")

            for i in range(8):  # each writes a field of its own: neither may put the other's old one back
                replies = await asyncio.gather(self.ask(one, "room-set", id="kaku-1", name=f"名前{i}"),
                                               self.ask(two, "room-set", id="kaku-1", department=f"第{i}課"))
                self.assertTrue(all(r["ok"] for r in replies), replies)
                room = await look()
                self.assertEqual((room["name"], room["department"]), (f"名前{i}", f"第{i}課"))
                # Both have seen the same: one of them is first, and the other is told.
                replies = await asyncio.gather(*(self.ask(who, "room-set", id="kaku-1", name=f"{i}の{name}",
                                                          if_revision=room["revision"])
                                                 for who, name in ((one, "一"), (two, "二"))))
                self.assertEqual(sorted(r["ok"] for r in replies), [False, True], replies)
                self.assertEqual((await look())["name"], f"{i}の一" if replies[0]["ok"] else f"{i}の二")
            room = await look()
            stale = room["revision"] ^ 1
            self.assertFalse((await self.ask(two, "room-set", id="kaku-1", name="x", if_revision=stale))["ok"])
            self.assertTrue((await self.ask(two, "room-set", id="kaku-1", name="会議室", if_revision=room["revision"]))["ok"])
            self.assertFalse((await self.ask(one, "room-set", id="kaku-1", name="y", if_revision=room["revision"]))["ok"])

    def test_a_slow_visitor_on_the_socket_holds_up_nobody(self):
        with contextlib.ExitStack() as stack:
            for _ in range(6):
                slow = stack.enter_context(socket.socket(socket.AF_UNIX))
                slow.connect(str(self.world.state / "admin.sock"))
                slow.sendall(b'{"command":')
            begun = time.monotonic()
            self.world.tell("room-list")
            self.world.remote_ctl("taro", "room", "list")
            self.assertLess(time.monotonic() - begun, 8)
        self.assertIn("not a JSON object", self.world.ask_socket("nonsense")["error"])

    # kaigi-ctl: each hop by name.

    def fails(self, words, *arguments, relay=None, who="taro", cert=None, key=None, ca=None):
        world = self.world
        done = run(CTL, "room", "list", "--relay", relay or f"https://127.0.0.1:{world.port}", "--certificate",
                   cert or world.administrators[who]["cert"], "--key", key or world.administrators[who]["key"], "--ca",
                   ca or world.ca, *arguments, check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(words, done.stderr)

    async def test_an_administrator_who_asks_too_fast_is_slowed_and_nobody_else(self):
        async with self.world.admin_socket("speedy") as fast, self.world.admin_socket("hanako") as other:
            begun, replies = time.monotonic(), []
            while sum("busy" in r for r in replies) < 15 and len(replies) < 4000:  # more on a slow machine
                for _ in range(100):
                    await fast.send('{"command":"no-such"}')
                replies += [json.loads(await fast.recv()) for _ in range(100)]
            await other.send('{"command":"room-list"}')
            self.assertTrue(json.loads(await other.recv())["ok"])
            took = time.monotonic() - begun
            busy = [r for r in replies if r.get("busy")]
            done = len(replies) - len(busy)
            self.assertGreaterEqual(len(busy), 15)
            self.assertIn(done, range(600, int(600 + 20 * took + 2)), "a burst, then twenty a second")
            self.assertIn("come too fast", busy[0]["error"])
            self.assertGreater(busy[0]["retry_ms"], 0)
            self.assertGreater(took, len(busy) * 0.01, "it waits meanwhile")
        rows = self.world.audit("administrator.slowed")
        self.assertEqual({(r["actor"], r["organization"]) for r in rows}, {("speedy", "kaku")})
        self.assertLessEqual(len(rows), 20)

    def test_kaigi_ctl_names_the_hop_that_fails(self):
        world, port = self.world, self.world.port
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            free = deaf.getsockname()[1]
        self.fails("has no address", relay="https://nobody.invalid")
        self.fails("does not accept a connection", relay=f"https://127.0.0.1:{free}")
        self.fails("not from the authority", ca=world.administrators["taro"]["cert"])
        room = world.rooms["kaku-1"]
        self.fails("no administrator's certificate", cert=room.cert, key=room.key)
        self.fails("not the key of the certificate", key=room.key)
        self.fails("No such file", ca="/nonexistent")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        world.folder / "own.key", "-out", world.folder / "own.crt", "-subj", "/CN=taro"], check=True,
                       capture_output=True)
        self.fails("does not know the authority", cert=world.folder / "own.crt", key=world.folder / "own.key")
        with self.plain_server() as plain:
            self.fails("does not speak TLS", relay=f"https://127.0.0.1:{plain}")
        with self.plain_server((world.state / "relay.crt", world.state / "relay.key")) as other:
            self.fails("no path for administrators", relay=f"https://127.0.0.1:{other}")

    def test_kaigi_ctl_names_what_is_wrong_with_the_relays_certificate(self):
        issuer = Issuer.of(self.world.authority.signer)
        for words, address, options in [
                ("no path for administrators", "127.0.0.1", {}),  # nothing is
                ('for other names than "127.0.0.1"', "127.0.0.2", {}),
                ('has expired, or this machine\'s clock is ahead', "127.0.0.1", {"begin": -30, "end": -1}),
                ('Run "kaigi-ctl ca server"', "127.0.0.1", {"begin": -30, "end": -1}),
                ("Set the clocks", "127.0.0.1", {"begin": 1}),
                ("purpose", "127.0.0.1", {"purpose": CLIENT})]:
            pair = issuer.issue(self.world.folder, "shown", chain=[issuer.certificate],
                                names=[x509.IPAddress(ipaddress.ip_address(address))], **{"purpose": SERVER, **options})
            with self.subTest(words), self.plain_server(pair) as port:
                self.fails(words, relay=f"https://127.0.0.1:{port}")

    @contextlib.contextmanager
    def plain_server(self, pair=None):
        class Quiet(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_error(404)

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Quiet)
        server.handle_error = lambda *_: None
        if pair:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*pair)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def test_kaigi_ctl_reads_its_file_and_goes_through_a_proxy(self):
        world, folder = self.world, self.world.folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        proxy = subprocess.Popen([sys.executable, SOURCE / "tests/fakes/connect_proxy.py", str(port), "user:secret"],
                                 stdout=subprocess.PIPE, text=True)
        try:
            self.assertIn("serving", proxy.stdout.readline())
            who = world.administrators["taro"]
            config = folder / "ctl.conf"

            def ctl(*arguments, **options):
                return run(CTL, "room", "list", *arguments, **options)

            text = (f"[ctl]\nrelay=https://127.0.0.1:{world.port}\ncertificate={who['cert'].name}\nkey={who['key'].name}\n"
                    "ca=state/ca.crt\n")
            config.write_text(text)
            self.assertIn("kaku-1", ctl("--config", config).stdout)
            config.write_text(text + f"proxy=user:secret@127.0.0.1:{port}\n")
            self.assertIn("kaku-1", ctl("--config", config).stdout)
            config.write_text(text + f"proxy=user:wrong@127.0.0.1:{port}\n")
            done = ctl("--config", config, check=False)
            self.assertIn("the proxy wants a name and password", done.stderr)
            config.write_text(text + "prxy=x\n")
            done = ctl("--config", config, check=False)
            self.assertIn('unknown key "prxy"', done.stderr)
            done = world.remote_ctl("taro", "room", "list", "--proxy", f"user:secret@127.0.0.1:{port}", check=False)
            self.assertIn("does not belong on the command line", done.stderr)
            done = world.remote_ctl("taro", "room", "list", "--state", world.state, check=False)
            self.assertIn("give one", done.stderr)
            # The file in its usual place; --state means this machine all the same.
            place = folder / "home/kaigi"
            place.mkdir(parents=True)
            (place / "ctl.conf").write_text(text.replace("certificate=", f"certificate={folder}/")
                                            .replace("key=", f"key={folder}/").replace("ca=", f"ca={folder}/"))
            environment = {**os.environ, "XDG_CONFIG_HOME": str(folder / "home")}
            self.assertNotIn("mihon-1", ctl(env=environment).stdout)
            self.assertIn("mihon-1", ctl("--state", world.state, env=environment).stdout)
        finally:
            proxy.terminate()
            proxy.wait()
            proxy.stdout.close()

    def test_an_operator_elsewhere_may_everything(self):
        done = self.world.remote_ctl("root", "room", "list")
        self.assertIn("mihon-1", done.stdout)
        device = Device(self.world, "kaku-2", source="127.0.7.1").make_request()
        device.post()
        self.assertIn("KT-0001", self.world.remote_ctl("root", "room", "pending").stdout)


class Community(unittest.IsolatedAsyncioTestCase):
    """What a community lets another organization's meeting do, and what of it is left when a room leaves: nothing."""

    def setUp(self):
        self.world = world = self.enterContext(World())
        world.administrator("taro")
        world.administrator("hanako", organization="mihon")
        world.room("kaku-1")
        world.room("mihon-1", organization="mihon")
        world.tell("community-add", id="bosai", name="防災", organizations=["kaku", "mihon"])
        self.move("join")
        (world.folder / "m.ics").write_text(calendar(event("m", ["mihon-1", "kaku-1"])), newline="")
        world.remote_ctl("hanako", "agenda", "import", world.folder / "m.ics")

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)

    def move(self, way):
        self.world.remote_ctl("taro", "community", way, "bosai", "kaku-1")

    @staticmethod
    def invited(client, named):
        """Is the meeting in its agenda, and the room named in it?"""
        text = client.agenda.replace("\r\n ", "")
        return "UID:mihon/m" in text, f'CN="会議室{named}"' in text

    async def within_2_s(self, way, condition):
        begun = time.monotonic()
        await asyncio.to_thread(self.move, way)
        await condition()
        # kaigi-ctl's own start and TLS are in it.
        self.assertLess(time.monotonic() - begun, 2)

    async def test_whoever_leaves_is_out_of_the_others_meetings_and_back_with_it(self):
        world = self.world
        async with world.client("kaku-1") as kaku, world.client("mihon-1") as mihon:
            self.assertEqual(self.invited(kaku, "mihon-1"), (True, True))
            self.assertEqual(self.invited(mihon, "kaku-1"), (True, True))
            await mihon.join("mihon/m", offer(), LINES)
            token = (await kaku.join("mihon/m", offer(), LINES))["resume"]
            await mihon.wait(lambda c: len(c.participants) == 2)

            async def out():
                await kaku.wait(lambda c: c.left and self.invited(c, "mihon-1") == (False, False))
                await mihon.wait(lambda c: len(c.participants) == 1 and self.invited(c, "kaku-1") == (True, False))
            await self.within_2_s("leave", out)
            self.assertEqual((kaku.left, mihon.left), ("expelled", None))
            for meeting, resume in [("m", None), ("m", token), ("none", None)]:
                with self.assertRaises(RelayError) as refused:
                    await kaku.join(f"mihon/{meeting}", offer(), LINES, resume=resume)
                self.assertEqual(refused.exception.code, "unknown-meeting")
            trail = json.loads((await asyncio.to_thread(world.remote_ctl, "taro", "audit", "list", "--event",
                                                        "room.refused", "--json")).stdout)
            self.assertEqual([r["detail"] for r in trail["rows"]], ["unknown-meeting"] * 3, "what kaku may not know")

            async def back():
                await kaku.wait(lambda c: self.invited(c, "mihon-1") == (True, True))
                await mihon.wait(lambda c: self.invited(c, "kaku-1") == (True, True))
            await self.within_2_s("join", back)
            with self.assertRaises(RelayError) as refused:
                await kaku.join("mihon/m", offer(), LINES, resume=token)
            self.assertEqual(refused.exception.code, "bad-token")
            token = (await kaku.join("mihon/m", offer(), LINES))["resume"]
            await asyncio.to_thread(world.wait_for_seat, "kaku-1", token)
        # The power goes when the store has it that the room leaves, and its seat still.
        world.kill()
        with contextlib.closing(sqlite3.connect(world.state / "kaigi.db")) as db, db:
            self.assertEqual(db.execute("DELETE FROM community_room WHERE room = 'kaku-1'").rowcount, 1)
        world.start()
        async with world.client("kaku-1") as kaku, world.client("mihon-1") as mihon:
            self.assertEqual(self.invited(kaku, "mihon-1"), (False, False))
            self.assertEqual(self.invited(mihon, "kaku-1"), (True, False))
            with self.assertRaises(RelayError) as refused:
                await kaku.join("mihon/m", offer(), LINES, resume=token)
            self.assertEqual(refused.exception.code, "unknown-meeting")
            self.assertEqual(len((await mihon.join("mihon/m", offer(), LINES))["participants"]), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
