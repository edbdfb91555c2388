"""Devices are enrolled and rooms renew themselves over EST (RFC 7030), by curl and openssl as a third party would."""
import asyncio
import base64
import json
import os
import pty
import socket
import ssl
import subprocess
import time
import unittest

import websockets
from world import CTL, EST, Device, Refused, World

from kaigi_client import ConnectionEnded, ControlClient, MediaTunnel

REFUSED = (ssl.SSLError, OSError, websockets.WebSocketException, ConnectionEnded, asyncio.TimeoutError)


class Enrolment(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World().__enter__()
        cls.world.administrator("taro")
        cls.world.administrator("hanako", organization="mihon")
        cls.world.administrator("kansa", role="auditor")

    @classmethod
    def tearDownClass(cls):
        cls.world.__exit__(None)

    def device(self, name, **options):
        # Each a machine of its own: one address may not ask too much.
        Enrolment.machines = getattr(Enrolment, "machines", 1) + 1
        return Device(self.world, name, source=f"127.0.1.{Enrolment.machines}").make_request(**options)

    def enrolled(self, name, organization="kaku"):
        device = self.device(name)
        self.assertEqual(device.post().status, 202)
        self.world.tell("room-enrol", room=name, organization=organization, name="会議室", code=device.code(),
                        fingerprint=device.fingerprint())
        answer = device.post()
        self.assertEqual(answer.status, 200)
        return device, device.take(answer)

    def refusals(self, device, count):
        """Rows of enrolments refused to this device; the last may still be on its way to the disk."""
        for _ in range(100):
            rows = [r for r in self.world.audit("enrolment.refused") if r["source"] == device.source]
            if len(rows) >= count:
                break
            time.sleep(0.05)
        return rows

    def client(self, identity):
        return ControlClient("127.0.0.1", self.world.port, ca=self.world.ca, **identity)

    async def test_a_device_is_enrolled_from_its_code(self):
        world, device = self.world, self.device("kaku-1")
        answer = device.curl(f"{EST}/cacerts")
        self.assertEqual((answer.status, answer.headers["content-type"], answer.headers["content-transfer-encoding"]),
                         (200, "application/pkcs7-mime; smime-type=certs-only", "base64"))
        self.assertIn(world.ca.read_text().strip(), "".join(device.certificates(answer)))
        answer = device.curl(f"{EST}/csrattrs")
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "application/csrattrs"))

        answer = device.post()
        self.assertEqual((answer.status, answer.headers["retry-after"]), (202, "10"))
        self.assertIn(device.code().encode(), answer.body)
        shown, = world.tell("room-pending", code=device.code().lower().replace("-", " "))["devices"]
        self.assertEqual((shown["code"], shown["serial"], shown["source"], shown["state"]),
                         (device.code(), "KT-0001", device.source, "waiting"))
        self.assertEqual(shown["fingerprint"].replace(":", "").lower(), device.fingerprint())
        # What was not shown is not approved, nor what nobody shows.
        for code, fingerprint, words in [(device.code(), "00" * 32, "another fingerprint"), (device.code(), "x", "another"),
                                         ("000-000-000", device.fingerprint(), "no device waits"),
                                         ("ABC", device.fingerprint(), "nine letters and digits")]:
            with self.assertRaisesRegex(Refused, words):
                world.tell("room-enrol", room="kaku-1", organization="kaku", name="x", code=code, fingerprint=fingerprint)
        with self.assertRaisesRegex(Refused, "name is needed"):
            world.tell("room-enrol", room="kaku-1", organization="kaku", code=device.code(), fingerprint=device.fingerprint())
        self.assertEqual(device.post().status, 202)

        reply = world.tell("room-enrol", room="kaku-1", organization="kaku", name="大会議室", department="総務課",
                           code=device.code(), fingerprint=device.fingerprint())
        answer = device.post()
        self.assertEqual((answer.status, answer.headers["content-type"]),
                         (200, "application/pkcs7-mime; smime-type=certs-only"))
        identity = device.take(answer)
        text = subprocess.run(["openssl", "x509", "-in", device.cert, "-noout", "-fingerprint", "-sha256", "-subject", "-ext",
                               "subjectAltName,extendedKeyUsage"], capture_output=True, text=True, check=True).stdout
        self.assertIn(reply["fingerprint"], text)
        self.assertIn("kaigi:room:kaku-1", text)
        self.assertIn("TLS Web Client Authentication", text)
        async with self.client(identity) as client:
            self.assertEqual((client.room["id"], client.room["organization"], client.room["name"]),
                             ("kaku-1", "架空市", "大会議室"))
        # The answer may have been lost on its way; it does not wait for approval a second time.
        self.assertEqual(device.post().body, answer.body)
        with self.assertRaisesRegex(Refused, "no device waits"):
            world.tell("room-enrol", room="kaku-1", organization="kaku", code=device.code(), fingerprint=device.fingerprint())
        rows = [(r["event_id"], r["result"], r["object"]) for r in world.audit()]
        self.assertIn(("enrolment.requested", "ok", device.code()), rows)
        self.assertIn(("room.enrolled", "ok", "kaku-1"), rows)
        self.assertIn(("room.enrolled", "refused", "kaku-1"), rows)
        self.assertNotIn("BEGIN CERT", str(world.audit()) + world.log())

    async def test_a_second_device_takes_a_rooms_place_only_when_told_so(self):
        _, old = self.enrolled("kaku-2")
        new = self.device("kaku-2-again")
        new.post()
        asked = {"room": "kaku-2", "code": new.code(), "fingerprint": new.fingerprint()}
        with self.assertRaisesRegex(Refused, "has a device already"):
            self.world.tell("room-enrol", **asked)
        async with self.client(old) as client:
            self.world.tell("room-enrol", **asked, replace=True)  # names stay
            await client.wait(lambda c: c.closing)
        async with self.client(new.take(new.post())) as client:
            self.assertEqual((client.room["id"], client.room["name"]), ("kaku-2", "会議室"))
        with self.assertRaises(REFUSED):
            await self.client(old).connect()

    async def test_who_may_let_devices_in(self):
        world, device = self.world, self.device("kaku-3")
        device.post()
        asked = {"code": device.code(), "fingerprint": device.fingerprint(), "name": "x"}
        _, _ = self.enrolled("mihon-1", organization="mihon")

        async def tell(who, command, **fields):
            async with world.admin_socket(who) as admin:
                await admin.send(json.dumps({"command": command, **fields}))
                return json.loads(await admin.recv())

        self.assertIn("only the operator", (await tell("taro", "room-pending"))["error"])
        self.assertTrue((await tell("taro", "room-pending", code=device.code()))["ok"])
        self.assertIn("auditor", (await tell("kansa", "room-pending", code=device.code()))["error"])
        self.assertFalse((await tell("kansa", "room-enrol", room="kaku-3", **asked))["ok"])
        # Another organization's room, taken or not, is like one that cannot be.
        for room in ("mihon-1", "mihon-9"):
            for more in ({}, {"organization": "mihon"}, {"replace": True}):
                self.assertFalse((await tell("taro", "room-enrol", room=room, **asked, **more))["ok"], (room, more))
        self.assertEqual(device.post().status, 202)
        self.assertTrue((await tell("taro", "room-enrol", room="kaku-3", **asked))["ok"])
        rooms = {r["id"]: r["organization"] for r in world.tell("room-list")["rooms"]}
        self.assertEqual((rooms["kaku-3"], rooms["mihon-1"]), ("kaku", "mihon"))

    async def test_a_rejected_device_is_told_so(self):
        device = self.device("kaku-4")
        device.post()
        self.assertEqual(self.world.tell("room-reject", code=device.code())["rejected"], 1)
        self.assertEqual(device.post().status, 403)
        with self.assertRaisesRegex(Refused, "no device waits"):
            self.world.tell("room-enrol", room="kaku-4", organization="kaku", name="x", code=device.code(),
                            fingerprint=device.fingerprint())
        self.assertEqual(device.make_request().post().status, 202, "with a new key it may ask again")

    async def test_a_room_renews_its_certificate_with_a_new_key(self):
        world = self.world
        device, old = self.enrolled("kaku-5")
        self.assertEqual(device.post("simplereenroll").status, 403, "without a certificate")
        self.assertEqual(device.post("simplereenroll", identity=world.administrators["taro"]).status, 403)
        self.assertEqual([(r["actor"], r["role"], r["organization"]) for r in self.refusals(device, 2)],
                         [("", "", ""), ("taro", "administrator", "kaku")])
        answer = device.post("simplereenroll", identity=old)
        self.assertEqual(answer.status, 400)
        self.assertIn(b"make a new one", answer.body)
        renewed = self.device("kaku-5-renewed")
        answer = renewed.post("simplereenroll", identity=old)
        self.assertEqual(answer.status, 200, answer.body)
        new = renewed.take(answer)
        # The old one stays good until the new one was seen; then it is nobody's.
        async with self.client(old) as client:
            self.assertEqual(client.room["id"], "kaku-5")
            async with MediaTunnel("127.0.0.1", world.port, ca=world.ca, **new):
                pass
            async with self.client(new) as newer:
                self.assertEqual(newer.room["id"], "kaku-5")
                await client.wait(lambda c: c.closing)
        with self.assertRaises(REFUSED):
            await self.client(old).connect()
        await self._until_tunnel_is_shut(old)
        again = self.device("kaku-5-third")
        self.assertEqual(again.post("simplereenroll", identity=old).status, 403, "retired")
        self.assertEqual(again.post("simplereenroll", identity=new).status, 200)
        row = world.audit("room.renewed")[0]
        self.assertEqual((row["actor"], row["role"], row["organization"], row["result"]), ("kaku-5", "room", "kaku", "ok"))
        self.assertTrue(world.audit("room.certificate-taken"))

    async def _until_tunnel_is_shut(self, identity):
        for _ in range(50):
            try:
                async with MediaTunnel("127.0.0.1", self.world.port, ca=self.world.ca, **identity):
                    await asyncio.sleep(0.1)
            except REFUSED:
                return
        self.fail("the retired certificate still opens a tunnel")

    async def test_renewal_ends_with_the_room_and_has_a_limit(self):
        _, identity = self.enrolled("kaku-6")
        keys = [self.device(f"kaku-6-{i}") for i in range(6)]
        for key in keys[:4]:
            self.assertEqual(key.post("simplereenroll", identity=identity).status, 200)
        answer = keys[4].post("simplereenroll", identity=identity)
        self.assertEqual(answer.status, 503)
        self.assertIn(int(answer.headers["retry-after"]), range(3500, 3601))
        self.world.tell("room-revoke", id="kaku-6")
        self.assertEqual(keys[5].post("simplereenroll", identity=identity).status, 403)

    async def test_bad_requests_are_answered_in_words_and_change_nothing(self):
        device = self.device("odd")
        good = device.body()
        der = base64.b64decode(good)
        broken = bytearray(der)
        broken[-5] ^= 1
        count = len(self.world.tell("room-pending")["devices"])
        cases = [
            (415, {"kind": "application/json"}), (415, {"kind": "text/plain; charset=utf-8"}),
            (400, {"data": b""}), (400, {"data": b"!!!!"}), (400, {"data": b"AAAA"}), (400, {"data": good[:-20]}),
            (400, {"data": base64.b64encode(der[:-3])}), (400, {"data": base64.b64encode(der + b"\0")}),
            (400, {"data": base64.b64encode(bytes(broken))}), (400, {"data": der}), (400, {"data": b"-" * 100}),
            (400, {"data": base64.b64encode(b"\x30\x84\xff\xff\xff\xff" + der)}),
            (400, {"data": b"-----BEGIN CERTIFICATE REQUEST-----\n" + good}),
            (413, {"data": b"A" * 16385}), (413, {"data": b"A" * 3000000}),
            (411, {"arguments": ["-H", "Transfer-Encoding: chunked"]}),
            (405, {"operation": "cacerts"}), (404, {"operation": "fullcmc"}), (404, {"operation": "simpleenroll/x"}),
            (404, {"operation": "serverkeygen"}),
        ]
        for n, (status, options) in enumerate(cases):
            device.source = f"127.0.2.{n + 1}"
            answer = device.post(**options)
            self.assertEqual(answer.status, status, (options, answer.body))
            self.assertGreater(len(answer.body), 10, "says why")
            self.assertEqual(answer.headers["connection"], "close")
        for n, (status, path, arguments) in enumerate([
                (405, f"{EST}/simpleenroll", []), (405, f"{EST}/simplereenroll", []), (404, "/", []), (404, "/metrics", []),
                (404, "/.well-known/est", []), (404, "/v1/media", []), (400, "/v1/control", []), (400, "/v1/admin", []),
                (404, "/" + "a" * 900, []), (405, f"{EST}/cacerts", ["-X", "PUT", "-d", "x"]),
                (405, f"{EST}/cacerts", ["-X", "DELETE"]), (404, f"{EST}/../../admin.sock", ["--path-as-is"])]):
            device.source = f"127.0.3.{n + 1}"
            answer = device.curl(path, *arguments)
            self.assertEqual(answer.status, status, path)
        for n, key in enumerate(["rsa:1024", "rsa:8192", "ed25519"]):
            weak = Device(self.world, f"weak{n}", source=f"127.0.4.{n + 1}")
            arguments = ["-newkey", "ed25519"] if key == "ed25519" else []
            if key == "rsa:8192":
                continue  # takes too long to make; the unit tests of requests have it
            weak.make_request(key=key, arguments=arguments)
            answer = weak.post()
            self.assertEqual(answer.status, 400)
            self.assertIn(b"P-256", answer.body)
        self.assertEqual(len(self.world.tell("room-pending")["devices"]), count)
        rows = {r["source"]: r for r in self.world.audit("enrolment.refused")}
        row = rows["127.0.2.3"]
        self.assertEqual((row["result"], row["actor"], row["object"], row["detail"]),
                         ("refused", "", f"{EST}/simpleenroll", "the body is empty"))
        self.assertEqual(rows["127.0.2.4"]["detail"], "the body is not base64")
        device.source = "127.0.5.1"
        self.assertEqual(device.post().status, 202)
        # A hostile serial number is only text.
        hostile = Device(self.world, "hostile", source="127.0.5.2").make_request(serial="x' DROP (a) ?.,:=-")
        hostile.post()
        shown, = self.world.tell("room-pending", code=hostile.code())["devices"]
        self.assertEqual(shown["serial"], "x' DROP (a) ?.,:=-".replace(" ", "?"))

    async def test_unapproved_devices_reach_only_this_path(self):
        device, world = self.device("outsider"), self.world
        device.post()
        for path, protocol in [("/v1/control", "kaigi.v1"), ("/v1/admin", "kaigi.admin.v1"), ("/v1/admin", "kaigi.v1")]:
            with self.assertRaises(websockets.InvalidStatusCode) as refused:
                await world.websocket(path, protocol)
            self.assertEqual(refused.exception.status_code, 401)
        for path in ("/", "/v1/media", EST, f"{EST}/simpleenroll", "/v1/controls"):
            with self.assertRaises(websockets.InvalidStatusCode) as refused:
                await world.websocket(path, "kaigi.v1")
            self.assertEqual(refused.exception.status_code, 404)
        with self.assertRaises(REFUSED):
            async with MediaTunnel("127.0.0.1", world.port, ca=world.ca, cert=None, key=None):
                pass
        # A certificate of its own making does not even pass TLS.
        subprocess.run(["openssl", "req", "-x509", "-key", device.key, "-subj", "/CN=kaku-1", "-out", device.cert],
                       check=True, capture_output=True)
        own = {"cert": device.cert, "key": device.key}
        for path, protocol in [("/v1/control", "kaigi.v1"), ("/v1/admin", "kaigi.admin.v1")]:
            with self.assertRaises(REFUSED):
                await world.websocket(path, protocol, **own)
        answer = device.post("simplereenroll", identity=own, check=False)
        self.assertEqual(answer.status, 0, "curl meets an alert")
        self.assertTrue(world.audit("tls.refused"))
        self.assertTrue(any(r["object"] == "/v1/control" for r in world.audit("room.refused")))
        self.assertTrue(any(r["object"] == "/v1/admin" for r in world.audit("administrator.refused")))

    def test_kaigi_ctl_enrols(self):
        world, device = self.world, self.device("kaku-7", serial="KT-0007")
        device.post()
        ctl = lambda *arguments, check=True: world.remote_ctl("taro", "room", *arguments, check=check)  # noqa: E731
        done = ctl("enrol", device.code(), "--room", "kaku-7", "--name", "応接室", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("give --yes", done.stderr)
        done = ctl("enrol", device.code(), check=False)
        self.assertEqual((done.returncode, "--room is needed" in done.stderr), (2, True))
        done = ctl("pending", "--code", device.code())
        self.assertIn("KT-0007", done.stdout)
        done = ctl("enrol", device.code().lower(), "--room", "kaku-7", "--name", "応接室", "--yes")
        self.assertIn(f"code:     {device.code()}", done.stdout)
        self.assertIn("room kaku-7 is enrolled", done.stdout)
        self.assertEqual(device.post().status, 200)
        done = ctl("reject", device.code(), check=False)
        self.assertIn("no device waits", done.stderr)

    def test_kaigi_ctl_asks_on_a_terminal(self):
        for answer, code in ((b"n\n", 1), (b"y\n", 0)):
            device = self.device(f"asked{code}")
            device.post()
            master, slave = pty.openpty()
            process = subprocess.Popen([CTL, "room", "enrol", device.code(), "--room", f"kaku-9{code}", "--organization", "kaku",
                                        "--name", "x", "--state", self.world.state], stdin=slave, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            os.write(master, answer)
            out, err = process.communicate(timeout=30)
            os.close(master)
            os.close(slave)
            self.assertEqual(process.returncode, code, err)
            self.assertIn(f"code:     {device.code()}", err)
            self.assertIn(device.source, err)
            self.assertEqual(device.post().status, 200 if code == 0 else 202)

    def test_a_slow_request_ends_in_time(self):
        context = ssl.create_default_context(cafile=self.world.ca)
        begun, ends = time.monotonic(), {}
        head = b"POST " + EST.encode() + b"/simpleenroll HTTP/1.1\r\nHost: x\r\nContent-Type: application/pkcs10\r\n"
        openings = {"header": head, "body": head + b"Content-Length: 5000\r\n\r\nAAAA", "nothing": b""}
        sockets = {}
        for name, opening in openings.items():
            raw = socket.create_connection(("127.0.0.1", self.world.port), source_address=("127.0.6.1", 0))
            sockets[name] = context.wrap_socket(raw, server_hostname="127.0.0.1")
            sockets[name].settimeout(0.3)
            sockets[name].sendall(opening)
        while len(ends) < len(sockets) and time.monotonic() - begun < 40:
            for name, s in sockets.items():
                if name in ends:
                    continue
                try:
                    if name != "nothing":
                        s.sendall(b"A" if name == "body" else b"X-Slow: 1\r\n")
                    if s.recv(1000) == b"":
                        ends[name] = time.monotonic() - begun
                except (socket.timeout, TimeoutError):
                    pass
                except OSError:
                    ends[name] = time.monotonic() - begun
        self.assertEqual(set(ends), set(sockets), f"still open after 40 s: {ends}")
        print("slow requests ended after", {k: round(v, 1) for k, v in ends.items()})
        self.assertLess(max(ends.values()), 25)


if __name__ == "__main__":
    unittest.main(verbosity=2)
