"""What goes wrong around the relay: settings, files, ports, the store. Each is named with its remedy and survived."""
import asyncio
import concurrent.futures
import contextlib
import json
import os
import shutil
import socket
import sqlite3
import time
import unittest
from unittest import mock

from harness import BUILD, CTL, LINES, RELAY, Relay, Room, calendar, event, offer, run


class Start(unittest.TestCase):
    """Starts that must fail, and say why."""

    def refuse(self, relay, *words):
        code, log = relay.start(expect_failure=True)
        self.assertEqual(code, 1, log)
        for word in words:
            self.assertIn(word, log)
        self.assertEqual(log.count(" error "), 1, log)

    def test_files_and_ports(self):
        relay = Relay()
        key = relay.state / "relay.key"
        good = key.read_text()
        key.write_text((relay.authority.signer / "issuing.key").read_text())
        self.refuse(relay, "is not the private key of", "ca server")
        key.write_text("x")
        self.refuse(relay, "is not the private key of")
        key.unlink()
        self.refuse(relay, "cannot read", "ca init")
        key.write_text(good)
        relay.state.rename(relay.folder / "away")
        self.refuse(relay, "cannot use the state folder", "ca init")
        (relay.folder / "away").rename(relay.state)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            relay.port = taken.getsockname()[1]
            self.refuse(relay, "Address already in use", "[listen] port")
        relay.port = None
        relay.listen = "192.0.2.77"
        self.refuse(relay, "no such address")
        relay.listen = "127.0.0.1"
        with relay:
            done = run(RELAY, "--state", relay.state, "--config", relay.configure("[listen]\naddresses=127.0.0.1\nport=0\n"),
                       check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("another kaigi-relay is using the state folder", done.stderr)
            self.assertTrue(relay.ask("status")["ok"], "the first is untouched")

    def test_settings(self):
        relay = Relay()
        relay.settings = "[media]\nworkerz=2\n"
        self.refuse(relay, "relay.conf:7: unknown key \"workerz\" in [media]; did you mean \"workers\"?")
        done = run(RELAY, "--config", "/nonexistent.conf", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot read the settings", done.stderr)
        self.assertEqual(run(RELAY, "--bogus", check=False).returncode, 2)
        self.assertIn("kaigi-relay", run(RELAY, "--version").stdout)
        relay.settings = ""
        with relay:
            pass


class Running(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)

    async def test_a_locked_store_refuses_changes_and_keeps_meetings(self):
        with Relay() as relay:
            relay.import_agenda(event("now", "ab"))
            async with relay.client("a") as a, relay.client("b") as b:
                await a.join("kaku/now", offer(), LINES)
                with contextlib.closing(sqlite3.connect(relay.state / "kaigi.db", isolation_level=None)) as thief:
                    thief.execute("BEGIN IMMEDIATE")
                    done = await asyncio.to_thread(relay.import_agenda, event("more", "ab"), check=False)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn("nothing was changed", done.stderr)
                    self.assertIn("another program holds the store", done.stderr)
                    await b.join("kaku/now", offer(), LINES)
                    await a.wait(lambda c: len(c.participants) == 2)
                    self.assertNotIn("UID:kaku/more", a.agenda)
                    self.assertFalse(relay.ask("status")["store"]["ok"])
                    # A revocation holds though it cannot be written down.
                    done = await asyncio.to_thread(relay.ctl, "room", "revoke", "b", check=False)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn("only until the next restart", done.stderr)
                    await b.wait(lambda c: c.left)
                    thief.execute("ROLLBACK")
                await asyncio.to_thread(relay.import_agenda, event("more", "ab"))
                await a.wait(lambda c: "UID:kaku/more" in c.agenda)
                self.assertTrue(relay.ask("status")["store"]["ok"])
                self.assertIn("[store.failed]", relay.log())
                self.assertIn("[store.recovered]", relay.log())
                lost = [row for row in relay.ask("audit", "list")["rows"] if row["event_id"] == "audit.rows-lost"]
                self.assertEqual(len(lost), 1)
                self.assertRegex(lost[0]["detail"], r"^count=[1-9]\d* since=\d{4}-")

    async def test_a_corrupt_store_ends_no_meeting_and_a_restart_restores_it(self):
        with Relay() as relay:
            relay.import_agenda(event("now", "ab"))
            async with relay.client("a") as a, relay.client("b") as b:
                await a.join("kaku/now", offer(), LINES)
                # The file alone may go at any time; with its log too, what the good copy has is left.
                await asyncio.to_thread(relay.wait_copied, "SELECT 1 FROM meeting WHERE uid = 'kaku/now'")
                database = relay.state / "kaigi.db"
                for path in [database, *relay.state.glob("kaigi.db-wal")]:
                    with open(path, "r+b") as file:
                        file.write(b"this is no database any more..." * (path.stat().st_size // 31))
                await b.join("kaku/now", offer(), LINES)
                await a.wait(lambda c: len(c.participants) == 2)
                await a.leave()
            relay.stop()
            relay.start()
            self.assertIn("[store.restored]", relay.log())
            async with relay.client("a") as a:
                self.assertIn("UID:kaku/now", a.agenda)
            self.assertEqual(len(list(relay.state.glob("kaigi.db.corrupt-*[0-9]"))), 1)

    async def test_reload_refuses_bad_settings_and_goes_on(self):
        with Relay() as relay, mock.patch.dict(os.environ):
            relay.configure("[relay]\nstat=x\n")
            relay.process.send_signal(1)
            for _ in range(200):
                if "[relay.reloaded]" in relay.log():
                    break
                await asyncio.sleep(0.02)
            self.assertIn("keeping the settings as they were", relay.log())
            self.assertIn('did you mean "state"', relay.log())
            async with relay.client("a"):
                pass

    async def test_systemd_is_told(self):
        relay = Relay()
        path = relay.folder / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            notify.settimeout(10)
            # A proxy in the environment is none of the relay's business.
            environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "300000", "http_proxy": "http://127.0.0.1:1",
                           "https_proxy": "http://127.0.0.1:1"}

            def until(word):
                while word not in (text := notify.recv(4096).decode()):
                    pass
                return text

            with mock.patch.dict(os.environ, environment):
                relay.__enter__()
            until("READY=1")
            until("WATCHDOG=1")
            relay.process.send_signal(1)
            self.assertIn("MONOTONIC_USEC=", until("RELOADING=1"))
            until("READY=1")
            async with relay.client("a"):
                pass
            relay.process.terminate()
            until("STOPPING=1")
            relay.__exit__(None)

    async def test_calendars_whose_reader_fails_change_nothing(self):
        # A relay that was put somewhere without its reader, and then beside readers that fail.
        relay = Relay()
        program = shutil.copy(RELAY, relay.folder)
        reader = relay.folder / "kaigi-agenda-reader"
        faults = (("#!/bin/sh\nexit 127\n", "a library it needs is missing; install the package kaigi-relay again"),
                  ("#!/bin/sh\ncat >/dev/null; echo no answer at all\n", "gave no answer the relay may take"),
                  ("#!/bin/sh\nkill -KILL $$\n", "ended by signal 9"),
                  ("#!/bin/sh\nkill -XCPU $$\n", "takes too long to be read and was given up; import it in parts"))
        with mock.patch("harness.RELAY", program), relay:
            def refused():
                done = relay.import_agenda(event("now", "ab"), check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn("nothing was changed", done.stderr)
                return done.stderr
            async with relay.client("a") as a:
                self.assertIn("install the package kaigi-relay again", await asyncio.to_thread(refused))
                for text, words in faults:
                    reader.write_text(text)
                    reader.chmod(0o755)
                    self.assertIn(words, await asyncio.to_thread(refused))
                await a.ping()
                self.assertNotIn("UID:kaku/now", a.agenda)
                rows = [r for r in relay.ask("audit", "list")["rows"] if r["event_id"] == "agenda.imported"]
                self.assertEqual([r["result"] for r in rows], ["failed"] * (1 + len(faults)))
                self.assertTrue(all("nothing was changed" in r["detail"] for r in rows), rows)
                reader.unlink()
                reader.symlink_to(BUILD / "media/relay/kaigi-agenda-reader")
                await asyncio.to_thread(relay.import_agenda, event("now", "ab"))
                await a.wait(lambda c: "UID:kaku/now" in c.agenda)

    def test_a_slow_calendar_holds_up_nobody_else(self):
        relay = Relay()
        program = shutil.copy(RELAY, relay.folder)
        reader, go = relay.folder / "kaigi-agenda-reader", relay.folder / "go"
        true_reader = BUILD / "media/relay/kaigi-agenda-reader"

        def slow(then):
            (relay.folder / "waits").unlink(missing_ok=True)
            reader.write_text(f"#!/bin/sh\n: >{relay.folder}/waits\n{then}\n")
            reader.chmod(0o755)

        def wait_until_it_reads():
            deadline = time.monotonic() + 10
            while not (relay.folder / "waits").exists():
                self.assertLess(time.monotonic(), deadline, relay.log())
                time.sleep(0.01)

        def quickly(what, *arguments, **options):
            since = time.monotonic()
            done = what(*arguments, **options)
            self.assertLess(time.monotonic() - since, 1, arguments)
            return done

        with mock.patch("harness.RELAY", program), relay, concurrent.futures.ThreadPoolExecutor() as pool:
            boss = Room(relay.folder, "boss").make_request()
            relay.ctl("admin", "add", "boss", "--name", "総務課", "--role", "administrator", "--organization", "kaku",
                      "--csr", boss.csr, "--cert-out", boss.cert)
            path = relay.folder / "boss.ics"
            path.write_text(calendar(event("mine", "ab")), newline="")
            slow(f"until [ -e {go} ]; do sleep 0.02; done\nexec {true_reader}")
            imported = pool.submit(run, CTL, "agenda", "import", path, "--relay", f"https://127.0.0.1:{relay.port}",
                                   "--certificate", boss.cert, "--key", boss.key, "--ca", relay.ca, check=False)
            wait_until_it_reads()
            quickly(relay.ctl, "room", "revoke", "b")
            busy = quickly(relay.ctl, "agenda", "import", path, "--organization", "kaku", check=False)
            self.assertEqual(busy.returncode, 1)
            self.assertIn("another calendar of this organization is being read; try again", busy.stderr)
            # Revoked meanwhile: what comes of it afterwards is nobody's.
            quickly(relay.ctl, "admin", "revoke", "boss")
            go.touch()
            self.assertNotEqual(imported.result().returncode, 0)
            deadline = time.monotonic() + 10
            while not (rows := [r for r in relay.ask("audit", "list")["rows"]
                                if r["event_id"] == "agenda.imported" and r["actor"] == "boss"]):
                self.assertLess(time.monotonic(), deadline, relay.log())
                time.sleep(0.02)
            self.assertEqual(rows[0]["result"], "refused")
            self.assertIn("no administrator's (any more)", rows[0]["detail"])
            self.assertEqual(relay.ask("meeting", "list")["meetings"], [])
            slow("exec sleep 60")
            imported = pool.submit(relay.import_agenda, event("now", "ab"), check=False)
            wait_until_it_reads()
            since = time.monotonic()
            self.assertEqual(relay.stop(), 0)
            self.assertLess(time.monotonic() - since, 2)
            self.assertNotEqual(imported.result().returncode, 0)

    def test_the_admin_socket_survives_nonsense(self):
        with Relay() as relay:
            for line in (b"\n", b"{\n", b"[1]\n", b'{"command":7}\n', b'{"command":"room-add","id":7,"csr":[]}\n',
                         b'{"command":"agenda-import","calendar":"\xff"}\n', b"\x00" * 100 + b"\n", b""):
                with socket.socket(socket.AF_UNIX) as door:
                    door.connect(str(relay.state / "admin.sock"))
                    door.sendall(line)
                    door.shutdown(socket.SHUT_WR)
                    answer = door.makefile("rb").readline()
                    if line:
                        self.assertFalse(json.loads(answer)["ok"], line)
            self.assertTrue(relay.ask("status")["ok"])
            self.assertEqual((relay.state / "admin.sock").stat().st_mode & 0o777, 0o600)


if __name__ == "__main__":
    unittest.main(verbosity=2)
