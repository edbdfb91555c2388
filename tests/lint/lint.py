#!/usr/bin/env python3
"""House rules a compiler does not check: folders, include arrows, sizes, layout. Prints file:line and the remedy."""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOP = {"firmware", "board", "ui", "media", "tests", "CMakeLists.txt", "README.md", "CMakePresets.json", "LICENSE"}
# What each part may include besides itself.
ARROWS = {
    "base": set(),
    "rtp": {"base"},
    "net": {"base", "rtp"},
    "signal": {"base", "rtp"},
    "relay": {"base", "rtp", "net", "signal"},
    "codec": {"base", "rtp"},
    "gst": {"base", "rtp"},
    "core": {"base", "widgets", "screens", "assets"},
    "widgets": {"base", "core", "assets"},
    "screens": {"base", "core", "widgets", "assets"},
    "assets": set(),
    "app": {"base", "rtp", "net", "signal", "codec", "gst", "core", "update"},
    "update": {"base"},
}
ROOTS = {"firmware": ("base", "app", "update"), "media": ("rtp", "net", "signal", "relay", "codec", "gst"),
         "ui": ("core", "widgets", "screens", "assets")}
C_STOP, HEADER_STOP, FUNCTION_STOP = 1000, 200, 120
problems = []


def say(path, line, text):
    problems.append(f"{path.relative_to(ROOT)}:{line}: {text}")


def part_of(path):
    parts = path.relative_to(ROOT).parts
    return parts[1] if len(parts) > 2 and parts[1] in ROOTS.get(parts[0], ()) else None


def check_includes(path, lines):
    part = part_of(path)
    if not part:
        return
    for number, line in enumerate(lines, 1):
        found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not found:
            continue
        target = found[1].split("/")[0]
        if "/" not in found[1]:
            say(path, number, f'write "{part}/{found[1]}": includes start at a folder')
        elif target not in ARROWS:
            say(path, number, f'"{target}/" is no folder of ours')
        elif target != part and target not in ARROWS[part]:
            say(path, number, f"{part} may not include {target} (allowed: {', '.join(sorted(ARROWS[part])) or 'nothing'})")


def check_sizes(path, lines):
    stop = HEADER_STOP if path.suffix == ".h" else C_STOP
    if len(lines) > stop:
        say(path, stop, f"{len(lines)} lines: split it (stop: {stop})")
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start:
            if number - start > FUNCTION_STOP:
                say(path, start, f"a function of {number - start} lines: split it (stop: {FUNCTION_STOP})")
            start = None
        if "\t" in line:
            say(path, number, "a tab: use spaces")


def check_header(path, lines):
    text = "\n".join(lines)
    if "#pragma once" not in text:
        say(path, 1, "a header starts with its purpose and #pragma once")
    elif not text.lstrip().startswith("/*"):
        say(path, 1, "a header opens with a comment: purpose, thread, ownership")


def check_top():
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True)
    names = {line.split("/")[0] for line in listed.stdout.splitlines()}
    for name in sorted(names):
        if not name.startswith(".") and name not in TOP:
            problems.append(f"{name}: only {', '.join(sorted(TOP))} may stand at the top")
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def check_format(files):
    if not shutil.which("clang-format"):
        problems.append("clang-format is missing: apt-get install clang-format")
        return
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", "--ferror-limit=1", *map(str, files)],
                          capture_output=True, text=True)
    for line in done.stderr.splitlines():
        if "error:" in line:
            problems.append(line.replace(str(ROOT) + "/", "").split(" error:")[0] + " layout: run clang-format -i on it")


def main():
    files = check_top()
    sources = [f for f in files if f.suffix in (".c", ".h")]
    if not sources:
        problems.append("no sources found: lint would pass on nothing")
    for path in sources:
        lines = path.read_text(encoding="utf-8").splitlines()
        check_includes(path, lines)
        check_sizes(path, lines)
        if path.suffix == ".h":
            check_header(path, lines)
    check_format(sources)
    print("\n".join(problems) or f"{len(sources)} files keep the house rules")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
