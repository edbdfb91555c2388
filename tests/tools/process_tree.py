"""What a process and all that descend from it have used, from /proc: for programs that are many processes."""
import os
import pathlib

PROC = pathlib.Path("/proc")
TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """(parent, CPU seconds) or None for a process that is gone."""
    try:
        fields = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / TICK


def descendants(root):
    """pid → CPU seconds of every process below root; root itself is left out."""
    stats = {int(p.name): s for p in PROC.iterdir() if p.name.isdigit() and (s := _stat(p.name))}
    children = {}
    for pid, (parent, _) in stats.items():
        children.setdefault(parent, []).append(pid)
    found, todo = {}, list(children.get(root, []))
    while todo:
        pid = todo.pop()
        found[pid] = stats[pid][1]
        todo += children.get(pid, [])
    return found


def cpu_between(before, after):
    """CPU seconds between two answers of descendants(). What a process used that ended in between is not known."""
    return sum(seconds - before.get(pid, 0) for pid, seconds in after.items())


def memory_kb(pids):
    """(PSS, RSS) of all together. RSS counts what they share once for each, PSS once."""
    pss = rss = 0
    for pid in pids:
        try:
            lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        fields = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
        pss, rss = pss + fields["Pss"], rss + fields["Rss"]
    return pss, rss
