"""Administrators' changes as the rooms of a running relay meet them, and kaigi-ctl's words for all of them."""
import asyncio
import json
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "relay_control"))

import websockets  # noqa: E402
from harness import CTL, LINES, Relay, Room, event, offer, run  # noqa: E402
from kaigi_client import ConnectionEnded, RelayError  # noqa: E402

MEETING = "kaku/now"


def policies(client):
    return [{k: v for k, v in m.items() if k != "type"} for _, m in client.log if m["type"] == "policy"]


class Admin(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.relay = Relay(rooms=("a", "b")).__enter__()
        cls.relay.ctl("org", "add", "mihon", "--name", "見本町")
        cls.relay.import_agenda(event("now", "ab"), event("soon", "ab", 30), check=False)
        cls.ctl("agenda", "import", cls.relay.folder / "agenda.ics", "--organization", "kaku")

    @classmethod
    def tearDownClass(cls):
        cls.relay.__exit__(None)

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)

    @classmethod
    def ctl(cls, *words, code=0):
        done = cls.relay.ctl(*words, check=False)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr

    async def do(self, *words, code=0):
        return await asyncio.to_thread(self.ctl, *words, code=code)

    def ask(self, *words):
        return json.loads(self.ctl(*words, "--json"))

    async def test_names_come_from_the_directory_and_change_at_once(self):
        async with self.relay.client("a") as a, self.relay.client("b") as b:
            await a.join(MEETING, offer(), LINES)
            await b.join(MEETING, offer(), LINES)
            await a.wait(lambda c: len(c.participants) == 2)
            await self.do("room", "set", "b", "--name", "新しい会議室", "--department", "防災課")
            await self.do("org", "set", "kaku", "--name", "新架空市")
            await a.wait(lambda c: any((p["organization"], p["department"], p["name"]) ==
                                       ("新架空市", "防災課", "新しい会議室") for p in c.participants))
            await a.wait(lambda c: "新しい会議室" in c.agenda.replace("\r\n ", "") and
                         "新架空市" in c.agenda.replace("\r\n ", ""))
            await self.do("org", "set", "kaku", "--name", "架空市")
            await self.do("room", "set", "b", "--name", "会議室b", "--department", "総務課")
            await a.leave()
            await b.leave()

    async def test_names_of_those_who_sit_elsewhere_are_not_told_in_a_meeting(self):
        async with self.relay.client("a") as a:
            def told():
                return sum(message["type"] == "participants" for _, message in a.log)
            await a.join(MEETING, offer(), LINES)
            await a.wait(lambda c: told() == 1)
            await self.do("org", "set", "mihon", "--name", "新見本町")
            await self.do("room", "set", "b", "--name", "控室")
            # Agendas come later than participants would.
            await a.wait(lambda c: "控室" in c.agenda.replace("\r\n ", ""))
            self.assertEqual(told(), 1)
            await self.do("room", "set", "a", "--name", "控室a")
            await a.wait(lambda c: c.participants[0]["name"] == "控室a")
            self.assertEqual(told(), 2)
            await self.do("room", "set", "a", "--name", "会議室a")
            await self.do("room", "set", "b", "--name", "会議室b")
            await self.do("org", "set", "mihon", "--name", "見本町")
            await a.leave()

    async def test_settings_reach_the_rooms_they_are_for(self):
        async with self.relay.client("a") as a, self.relay.client("b") as b:
            await a.ping()
            self.assertEqual(policies(a), [], "nothing is set, so nothing is said")
            await self.do("setting", "set", "media.video-kbps", "800")
            await a.wait(lambda c: policies(c) == [{"video_kbps": 800}])
            await b.wait(lambda c: policies(c) == [{"video_kbps": 800}])
            await self.do("setting", "set", "media.video-kbps", "600", "--scope", "organization", "--id", "mihon")
            await self.do("setting", "set", "media.udp", "never", "--scope", "organization", "--id", "kaku")
            await self.do("setting", "set", "media.video-kbps", "900", "--scope", "room", "--id", "b")
            await self.do("setting", "set", "join.camera-muted", "true", "--scope", "room", "--id", "b")
            await b.wait(lambda c: policies(c)[-1] == {"video_kbps": 900, "udp": "never", "camera_muted": True})
            self.assertEqual(policies(a)[-1], {"video_kbps": 800, "udp": "never"})
            self.assertEqual(len(policies(a)), 2, "not told of what is not its own")
            async with self.relay.client("b") as again:
                await again.wait(lambda c: policies(c))
                self.assertEqual(policies(again), [{"video_kbps": 900, "udp": "never", "camera_muted": True}])
            shown = self.ctl("setting", "list", "--room", "b")
            self.assertIn("media.video-kbps             900      (room)", shown)
            for words in (["media.video-kbps"], ["media.udp", "--scope", "organization", "--id", "kaku"],
                          ["media.video-kbps", "--scope", "organization", "--id", "mihon"],
                          ["media.video-kbps", "--scope", "room", "--id", "b"],
                          ["join.camera-muted", "--scope", "room", "--id", "b"]):
                await self.do("setting", "unset", *words)
            await a.wait(lambda c: policies(c)[-1] == {})

    async def test_the_meetings_organization_says_when_it_opens_and_how_long_seats_are_kept(self):
        async with self.relay.client("a") as a, self.relay.client("b") as b:
            with self.assertRaises(RelayError) as refused:
                await a.join("kaku/soon", offer(), LINES)
            self.assertEqual(refused.exception.code, "not-open-yet")
            await self.do("setting", "set", "meeting.open-before-minutes", "60", "--scope", "organization", "--id", "mihon")
            with self.assertRaises(RelayError):
                await a.join("kaku/soon", offer(), LINES)
            await self.do("setting", "set", "meeting.open-before-minutes", "60", "--scope", "organization", "--id", "kaku")
            await a.join("kaku/soon", offer(), LINES)
            await b.join("kaku/soon", offer(), LINES)
            await a.wait(lambda c: len(c.participants) == 2)
            await self.do("setting", "set", "meeting.seat-seconds", "1", "--scope", "organization", "--id", "kaku")
            b.abort()
            begun = time.monotonic()
            await a.wait(lambda c: len(c.participants) == 1)
            self.assertLess(time.monotonic() - begun, 8, "in place of 30 s")
            await self.do("setting", "unset", "meeting.seat-seconds", "--scope", "organization", "--id", "kaku")
            await self.do("setting", "unset", "meeting.open-before-minutes", "--scope", "organization", "--id", "kaku")
            await a.leave()

    async def test_a_revocation_ends_everything_within_five_seconds(self):
        room = self.relay.rooms["d"] = Room(self.relay.folder, "d")
        await asyncio.to_thread(self.relay.enrol, room)
        self.relay.import_agenda(event("with-d", "ad"), check=False)
        await self.do("agenda", "import", self.relay.folder / "agenda.ics", "--organization", "kaku")
        async with self.relay.client("a") as a, self.relay.client("d") as d, self.relay.tunnel("d") as tunnel:
            await a.join("kaku/with-d", offer(), LINES)
            await d.join("kaku/with-d", offer(), LINES)
            await a.wait(lambda c: len(c.participants) == 2)
            begun = time.monotonic()
            await self.do("room", "revoke", "d")
            with self.assertRaises((ConnectionEnded, websockets.ConnectionClosed)):
                await d.wait(lambda c: False, 5)
            self.assertEqual((d.left, d.closing["reason"]), ("revoked", "revoked"))
            with self.assertRaises(websockets.ConnectionClosed):
                await asyncio.wait_for(tunnel.receive(), 5)
            await a.wait(lambda c: len(c.participants) == 1, 5)
            self.assertLess(time.monotonic() - begun, 5)
            await a.leave()
        self.assertIn("revoked already", self.ctl("room", "revoke", "d", code=1))

    async def test_a_meeting_called_off_sends_everybody_away_and_stays_so(self):
        self.relay.import_agenda(event("short", "a"), check=False)
        await self.do("agenda", "import", self.relay.folder / "agenda.ics", "--organization", "kaku")
        async with self.relay.client("a") as a:
            await a.join("kaku/short", offer(), LINES)
            await self.do("meeting", "cancel", "kaku/short")
            await a.wait(lambda c: c.left)
            self.assertEqual(a.left, "ended")
        said = await self.do("agenda", "import", self.relay.folder / "agenda.ics", "--organization", "kaku", code=1)
        self.assertIn("older than what the relay has", said)
        self.assertRegex(self.ctl("meeting", "list"), r"kaku/short .* cancelled")

    async def test_organizations_with_one_uid_have_two_meetings(self):
        self.relay.import_agenda(event("same", "a", title="一つめ"), check=False)
        await self.do("agenda", "import", self.relay.folder / "agenda.ics", "--organization", "kaku")
        self.relay.import_agenda(event("same", "b", title="二つめ"), check=False)
        await self.do("agenda", "import", self.relay.folder / "agenda.ics", "--organization", "mihon")
        async with self.relay.client("a") as a, self.relay.client("b") as b:
            self.assertIn("UID:kaku/same", a.agenda)
            self.assertIn("一つめ", a.agenda)
            self.assertIn("UID:mihon/same", b.agenda)
            # Another organization's meeting and one that nobody has are answered alike, to the letter.
            answers = []
            for meeting in ("mihon/same", "mihon/none"):
                with self.assertRaises(RelayError) as refused:
                    await a.join(meeting, offer(), LINES)
                self.assertEqual(refused.exception.code, "unknown-meeting")
                answers.append(str(refused.exception))
            self.assertEqual(answers[0], answers[1])
        said = self.ctl("agenda", "import", self.relay.folder / "agenda.ics", code=1)
        self.assertIn("organization is needed", said)

    def test_the_words_for_everything(self):
        folder, ctl = self.relay.folder, self.ctl
        key, csr = folder / "boss.key", folder / "boss.csr"
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
            "-out", csr, "-subj", "/CN=x")
        ctl("admin", "add", "mihon-boss", "--name", "企画財政課", "--role", "administrator", "--organization", "mihon",
            "--csr", csr, "--cert-out", folder / "boss.crt")
        text = run("openssl", "x509", "-in", folder / "boss.crt", "-noout", "-text").stdout
        self.assertIn("URI:kaigi:admin:mihon-boss", text)
        self.assertIn("mihon-boss", ctl("admin", "list", "--organization", "mihon"))
        ctl("admin", "revoke", "mihon-boss")
        self.assertTrue(self.ask("admin", "list")["administrators"][0]["revoked_at"])
        ctl("org", "add", "reiji", "--name", "例示村", "--reading", "れいじむら")
        lines = ctl("org", "list").splitlines()
        # 見本町 is six cells wide and 架空市 too: what follows stands in one column.
        columns = [line.encode("euc_jp").index(b"\xa4") for line in lines if "かくうし" in line or "れいじむら" in line]
        self.assertEqual(len(columns), 2)
        self.assertEqual(len(set(columns)), 1, lines)
        ctl("org", "remove", "reiji")
        ctl("community", "add", "bosai", "--name", "防災", "--organization", "kaku", "--organization", "mihon")
        ctl("community", "join", "bosai", "a")
        self.assertRegex(ctl("community", "list"), r"bosai +防災 +- +kaku mihon +a")
        ctl("community", "leave", "bosai", "a")
        ctl("community", "set", "bosai", "--theme", "地震")
        ctl("community", "remove", "bosai")
        ctl("room", "add", "予定の部屋", "--id", "kaku-later", "--organization", "kaku", "--name-reading", "よていのへや")
        self.assertRegex(ctl("room", "list"), r"kaku-later +kaku")
        self.assertIn("has 1 administrators", ctl("org", "remove", "mihon", code=1).replace("0 rooms and ", "has "))
        revision = next(r["revision"] for r in self.ask("room", "list")["rooms"] if r["id"] == "kaku-later")
        ctl("room", "set", "kaku-later", "--department", "総務課", "--if-revision", str(revision))
        self.assertIn("meanwhile", ctl("room", "set", "kaku-later", "--name", "x", "--if-revision", str(revision), code=1))
        self.assertIn("one line", ctl("room", "set", "kaku-later", "--name", "a\u202eb\nc", code=1))
        self.assertIn("--from must be", ctl("meeting", "list", "--from", "yesterday", code=2))
        self.assertIn("--role is needed", ctl("admin", "add", "x", "--name", "x", code=2))

    def test_the_trail_is_listed_exported_and_verified(self):
        export = self.relay.folder / "trail.jsonl"
        self.assertIn("there is no room", self.ctl("room", "revoke", "nobody", code=1))
        self.assertRegex(self.ctl("audit", "list", "--event", "room.", "--newest-first"), r"room\.revoked +refused")
        self.assertIn("keep its last line", self.ctl("audit", "export", export))
        self.assertIn("name a new file", self.ctl("audit", "export", export, code=1))
        self.assertIn("in order", self.ctl("audit", "verify", "--file", export))
        self.assertIn("in order", self.ctl("audit", "verify", "--file", export, "--offline"))
        lines = export.read_text().splitlines()
        export.write_text("\n".join(lines[:3] + lines[4:]) + "\n")
        self.ctl("audit", "verify", "--file", export, "--offline", code=1)
        copy = self.relay.folder / "copy.db"
        self.assertIn("copied", self.ctl("backup", copy))
        self.assertTrue(copy.exists())
        self.assertIn("absolute", self.ctl("backup", "copy.db", code=1))
        self.assertTrue(self.ctl("restore", copy, code=1), "the relay runs")

    def test_help_names_every_command(self):
        words = run(CTL, "--help").stdout
        for command in ("org add", "admin revoke", "room set", "community join", "setting unset", "meeting cancel",
                        "audit export", "backup", "restore"):
            group, _, name = command.partition(" ")
            self.assertRegex(words, rf"(?m)^  {group} +{name}")
            done = subprocess.run([CTL, *command.split(), "--help"], capture_output=True, text=True, timeout=20)
            self.assertEqual(done.returncode, 0)
            self.assertIn("Usage:", done.stdout)


if __name__ == "__main__":
    unittest.main()
