#!/usr/bin/python3
"""The Debian packages as cpack makes them: what they hold, that the services are sound and shut in, that manuals and
completion tell of every command and option there is. Nothing is installed."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))

from kaigi_authority import Authority  # noqa: E402

BUILD = pathlib.Path(os.environ["KAIGI_BUILD"])
# What systemd-analyze calls the exposure, times ten: 0 is a service that can do nothing.
MOST_EXPOSED = {"kaigi-relay": 17, "kaigi-signer": 8}


def run(*words, check=True, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120, check=False, **more)
    if check and done.returncode != 0:
        sys.exit(f"{words}: {done.stdout}{done.stderr}")
    return done


def expect(condition, text):
    if not condition:
        sys.exit(text)


def make_packages(folder):
    run("cpack", "-G", "DEB", "--config", BUILD / "CPackConfig.cmake", "-B", folder, cwd=BUILD)
    packages = {path.name.split("_")[0]: path for path in folder.glob("*.deb")}
    expect(set(packages) == {"kaigi-relay", "kaigi-ctl"}, f"packages: {packages}")
    root = folder / "root"
    for path in packages.values():
        run("dpkg-deb", "-x", path, root)
    return packages, root


def check_control(packages):
    for name, path in packages.items():
        depends = run("dpkg-deb", "-f", path, "Depends").stdout
        expect("libc6" in depends and "libssl3" in depends, f"{name} depends on {depends}")
    control = run("dpkg-deb", "-I", packages["kaigi-relay"]).stdout
    for file in ("conffiles", "postinst", "prerm", "postrm"):
        expect(re.search(rf"\b{file}\b", control), f"kaigi-relay has no {file}")
    with tempfile.TemporaryDirectory() as scripts:
        run("dpkg-deb", "-e", packages["kaigi-relay"], scripts)
        for script in ("postinst", "prerm", "postrm"):
            run("sh", "-n", f"{scripts}/{script}")


def check_settings(root):
    """The packaged settings are taken; only the state folder is missing."""
    done = run(root / "usr/bin/kaigi-relay", "--config", root / "etc/kaigi/relay.conf", "--state", root / "none", check=False)
    expect(done.returncode != 0 and "cannot use the state folder" in done.stderr, f"packaged settings: {done.stderr}")
    expect("socket=/run/kaigi-signer/signer.sock" in (root / "etc/kaigi/relay.conf").read_text(), "the signer's socket")


def check_reader(root, folder):
    """Calendars are read apart: the relay carries nothing that could, and finds the program that does."""
    expect(os.access(root / "usr/libexec/kaigi/kaigi-agenda-reader", os.X_OK), "kaigi-agenda-reader is not in the package")
    needed = run("readelf", "-d", root / "usr/bin/kaigi-relay").stdout
    expect("libssl" in needed and "libical" not in needed and "libstdc++" not in needed, f"the relay needs {needed}")
    authority = Authority(BUILD, folder, folder / "state")
    authority.programs = root / "usr/bin"
    authority.init("127.0.0.1")
    settings, calendar = folder / "relay.conf", folder / "agenda.ics"
    settings.write_text(f"[relay]\nstate={authority.state}\n[listen]\naddresses=127.0.0.1\nport=0\n")
    calendar.write_text("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nEND:VCALENDAR\r\n", newline="")
    relay = subprocess.Popen([root / "usr/bin/kaigi-relay", "--config", settings], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not (authority.state / "admin.sock").exists():
            expect(relay.poll() is None and time.monotonic() < deadline, "the packaged relay did not start")
            time.sleep(0.02)
        run(root / "usr/bin/kaigi-ctl", "org", "add", "kaku", "--name", "架空市", "--state", authority.state)
        done = run(root / "usr/bin/kaigi-ctl", "agenda", "import", calendar, "--state", authority.state)
        expect("0 meetings imported" in done.stdout, f"agenda import: {done.stdout}{done.stderr}")
    finally:
        relay.terminate()
        relay.wait(20)
        authority.stop()


def check_services(root):
    units = root / "usr/lib/systemd/system"
    for name, most in MOST_EXPOSED.items():
        unit = units / f"{name}.service"
        done = run("systemd-analyze", "security", "--offline=true", f"--threshold={most}", "--no-pager", unit, check=False)
        expect(done.returncode == 0, f"{name} is too open:\n{done.stdout}{done.stderr}")
        text = unit.read_text()
        program = re.search(r"^ExecStart=(\S+)", text, re.M).group(1)
        options = set(re.findall(r" (--[a-z-]+)", re.search(r"^ExecStart=.*", text, re.M).group(0)))
        known = set(re.findall(r"--[a-z-]+", run(root / program.lstrip("/"), "--help").stdout))
        expect(options <= known, f"{name}.service gives {options - known}")
        # Its own paths stand elsewhere here; everything else must be clean.
        done = run("systemd-analyze", "verify", "--man=no", unit, check=False)
        wrong = [line for line in (done.stdout + done.stderr).splitlines() if name in line and "is not executable" not in line]
        expect(not wrong, f"{name}.service: {wrong}")


def check_manuals(root):
    pages = {path.stem: path for path in (root / "usr/share/man").rglob("*.[58]")}
    for page in pages.values():
        done = run("groff", "-man", "-Kutf8", "-Tutf8", "-ww", "-z", page, check=False)
        expect(done.returncode == 0 and not done.stderr, f"{page.name}: {done.stderr}")
    for name in ("kaigi-relay", "kaigi-signer"):
        text = pages[name].read_text().replace("\\-", "-")
        for option in set(re.findall(r"--[a-z-]+", run(root / "usr/bin" / name, "--help").stdout)) - {"--help"}:
            expect(option in text, f"{name}.8 does not tell of {option}")
    text = pages["kaigi-ctl"].read_text().replace("\\-", "-")
    commands = commands_of(root)
    for command in commands:
        expect(re.search(rf'[" ]{command}[" \n]', text), f'kaigi-ctl.8 does not tell of "{command}"')
    return commands


def commands_of(root):
    lines = run(root / "usr/bin/kaigi-ctl", "--help").stdout.splitlines()
    return [line[2:20].strip() if line[12] == " " else " ".join(line[2:21].split()) for line in lines if re.match(r"  [a-z]", line)]


def complete(root, *words):
    script = (root / "usr/share/bash-completion/completions/kaigi-ctl").as_posix()
    code = f'source {script}; COMP_WORDS=({root}/usr/bin/kaigi-ctl "${{@}}"); COMP_CWORD=$#; _kaigi_ctl; echo "${{COMPREPLY[@]}}"'
    return set(run("bash", "-c", code, "complete", *words).stdout.split())


def check_completion(root, commands):
    groups = {command.split()[0] for command in commands}
    expect(groups <= complete(root, ""), "completion does not know every command")
    for group in groups:
        names = {command.split()[1] for command in commands if command.startswith(group + " ")}
        expect(names <= complete(root, group, "") or not names, f"completion of {group}: {complete(root, group, '')}")
    expect(complete(root, "room", "rev") == {"revoke"}, "completion of room rev")
    expect("--organization" in complete(root, "room", "add", "--"), "completion of options")


def main():
    with tempfile.TemporaryDirectory(prefix="kaigi-package-") as folder:
        packages, root = make_packages(pathlib.Path(folder))
        check_control(packages)
        check_settings(root)
        check_reader(root, pathlib.Path(folder))
        check_services(root)
        check_completion(root, check_manuals(root))
        print(f"packages: {', '.join(f'{name} {path.stat().st_size // 1024} KiB' for name, path in sorted(packages.items()))}")


if __name__ == "__main__":
    main()
