"""How Torque 6.1.3 prints jobs and nodes: XML, ``name = value`` lines, and tables."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_IN_THIS_ORDER = """
Job_Id Job_Name Job_Owner resources_used job_state queue server Account_Name Checkpoint ctime
depend Error_Path exec_host Execution_Time group_list Hold_Types Join_Path Keep_Files Mail_Points
Mail_Users mtime Output_Path Priority qtime Rerunable Resource_List session_id Shell_Path_List
stagein stageout User_List Variable_List euser egroup queue_type sched_hint comment etime
exit_status submit_args job_array_request job_array_id umask start_time Walltime start_count
fault_tolerant comp_time job_radix total_runtime proxy_user submit_host init_work_dir
request_version
"""
ORDER = tuple(_IN_THIS_ORDER.split())
MOMENTS = {"ctime", "mtime", "qtime", "etime", "start_time", "comp_time", "Execution_Time"}
_WIDTH, _FULL, _INDENTED = 80, 78, 8


def shown(job: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The attributes that are there, in Torque's order."""
    for name in ORDER:
        if name in job:
            yield name, job[name]


def xml(jobs: Iterable[Mapping[str, Any]]) -> str:
    """``qstat -f -x``, without the newline at its end."""
    inside = "".join(f"<Job>{_elements(shown(job))}</Job>" for job in jobs)
    return f'<?xml version="1.0"?>\n<Data>{inside}</Data>'


def nodes_xml(nodes: Iterable[Mapping[str, Any]]) -> str:
    """``pbsnodes -x``: it has no first line."""
    return (
        "<Data>" + "".join(f"<Node>{_elements(node.items())}</Node>" for node in nodes) + "</Data>"
    )


def _elements(pairs: Iterable[tuple[str, Any]]) -> str:
    return "".join(f"<{name}>{_content(value)}</{name}>" for name, value in pairs)


def _content(value: object) -> str:
    return _elements(value.items()) if isinstance(value, dict) else _escaped(value)


def _escaped(value: object) -> str:
    text = str(value)
    for char, name in (("&", "amp"), ("<", "lt"), (">", "gt"), ("'", "apos"), ('"', "quot")):
        text = text.replace(char, f"&{name};")
    return text


def text(jobs: Iterable[Mapping[str, Any]]) -> str:
    """``qstat -f``."""
    return "".join(_block(job) for job in jobs)


def _block(job: Mapping[str, Any]) -> str:
    lines = [f"Job Id: {job['Job_Id']}\n"]
    for name, value in shown(job):
        if name == "Job_Id":
            continue
        if isinstance(value, dict):
            lines += [line(f"{name}.{key}", str(inner)) for key, inner in value.items()]
        else:
            lines.append(line(name, moment(value) if name in MOMENTS else str(value)))
    return "".join(lines) + "\n"


def moment(seconds: object) -> str:
    """As in text, which is local time."""
    return time.ctime(int(str(seconds)))


def line(name: str, value: str) -> str:
    """One attribute, folded at commas, and within words where a part is too long for a line.

    A line that is just full is folded too, even if nothing follows.
    """
    text = f"    {name} = "
    if name == "depend":
        return f"{text}{value}\n"
    column = len(text)
    for place, part in enumerate(value.split(",")):
        part = f"{part}," if place < value.count(",") else part
        if column + len(part) >= _WIDTH and place > 0:
            text += "\n\t"
            column = _INDENTED
        for char in part:
            text += char
            column += 1
            if column >= _FULL:
                text += "\n\t"
                column = _INDENTED
    return text + "\n"


def table(jobs: Iterable[Mapping[str, Any]]) -> str:
    """Plain ``qstat``: nothing at all if there are no jobs."""
    rows = [
        f"{job['Job_Id']:<26} {job['Job_Name'][:16]:<16} {job['euser'][:15]:<15} "
        f"{_time_used(job):>8} {job['job_state']} {job['queue']:<15}\n"
        for job in jobs
    ]
    if not rows:
        return ""
    return (
        "Job ID                    Name             User            Time Use S Queue\n"
        "------------------------- ---------------- --------------- -------- - -----\n"
        + "".join(rows)
    )


def _time_used(job: Mapping[str, Any]) -> str:
    return str(job.get("resources_used", {}).get("cput", "0"))


def queues(rows: Iterable[tuple[str, Mapping[str, Any], Mapping[str, int]]]) -> str:
    """``qstat -Q``: rows of name, configuration, and number of jobs by state."""
    lines = [
        "Queue              Max    Tot   Ena   Str   Que   Run   Hld   Wat   Trn   Ext T   Cpt\n"
        "----------------   ---   ----    --    --   ---   ---   ---   ---   ---   --- -   ---\n"
    ]
    for name, queue, count in rows:
        numbers = "".join(f"{count.get(state, 0):>6}" for state in "QRHWTE")
        kind = queue.get("type", "Execution")[0]
        lines.append(
            f"{name:<16}{0:>6}{sum(count.values()):>7}{_yes(queue, 'enabled'):>6}"
            f"{_yes(queue, 'started'):>6}{numbers} {kind}{count.get('C', 0):>6}\n"
        )
    return "".join(lines)


def short_queues(rows: Iterable[tuple[str, Mapping[str, Any], Mapping[str, int]]]) -> str:
    """``qstat -q``, from its second line on."""
    lines = [
        "Queue            Memory CPU Time Walltime Node  Run Que Lm  State\n"
        "---------------- ------ -------- -------- ----  --- --- --  -----\n"
    ]
    running = waiting = 0
    for name, queue, count in rows:
        limits = queue.get("max", {})
        runs, waits = count.get("R", 0), count.get("Q", 0) + count.get("H", 0) + count.get("W", 0)
        running, waiting = running + runs, waiting + waits
        state = ("E" if queue.get("enabled", True) else "D") + (
            " R" if queue.get("started", True) else " S"
        )
        lines.append(
            f"{name:<16} {limits.get('mem', '  --  '):>6}    --    "
            f"{limits.get('walltime', '   --   '):>8}   --  {runs:>3} {waits:>3} --   {state}\n"
        )
    lines.append(" " * 47 + "----- -----\n" + f"{running:>52}{waiting:>6}\n")
    return "".join(lines)


def _yes(queue: Mapping[str, Any], name: str) -> str:
    return "yes" if queue.get(name, True) else "no"


def alternative(
    server: str, jobs: Iterable[Mapping[str, Any]], *, now: int, hosts: bool = False
) -> str:
    """``qstat -a``, with the hosts behind for ``-n -1``."""
    rows = [_alternative(job, now, hosts) for job in jobs]
    if not rows:
        return ""
    return (
        f"\n{server}: \n"
        f"{'':82}Req'd       Req'd       Elap\n"
        "Job ID                  Username    Queue    Jobname          SessID  NDS   TSK   "
        "Memory      Time    S   Time\n"
        "----------------------- ----------- -------- ---------------- ------ ----- ------ "
        "--------- --------- - ---------\n" + "".join(rows)
    )


def _alternative(job: Mapping[str, Any], now: int, hosts: bool) -> str:
    limits = job["Resource_List"]
    nodes, tasks = limits.get("nodect", "--"), slots(limits.get("nodes", "1"))
    elapsed = "      -- "
    if job["job_state"] == "W":
        elapsed = limits["walltime"]
    elif "start_time" in job:
        elapsed = f"{duration(now - int(job['start_time'])):>9}"
    behind = f"   {job.get('exec_host', ' -- ')}" if hosts else ""
    session = job.get("session_id", "   -- ")
    return (
        f"{job['Job_Id']:<23} {job['euser'][:11]:<11} {job['queue'][:8]:<8} "
        f"{job['Job_Name'][:16]:<16} {session:>6} {nodes:>5} {tasks:>6} "
        f"{limits.get('mem', '     -- '):>9} {limits['walltime']:>9} {job['job_state']} "
        f"{elapsed:>9}{behind}\n"
    )


def slots(nodes: str) -> int:
    """How many slots a ``nodes=`` asks for."""
    total = 0
    for part in nodes.split("+"):
        first, *rest = part.split(":")
        ppn = next((int(word[4:]) for word in rest if word.startswith("ppn=")), 1)
        total += (int(first) if first.isdigit() else 1) * ppn
    return total


def duration(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def nodes_text(nodes: Iterable[Mapping[str, Any]]) -> str:
    """``pbsnodes -a``."""
    return "".join(
        f"{node['name']}\n"
        + "".join(f"     {name} = {value}\n" for name, value in node.items() if name != "name")
        + "\n"
        for node in nodes
    )


def node_states(nodes: Iterable[Mapping[str, Any]], *, notes: bool = False) -> str:
    """``pbsnodes -l``."""
    return "".join(
        f"{node['name']:<20} {node['state']}"
        + (f"      {node['note']}" if notes and "note" in node else "")
        + "\n"
        for node in nodes
    )
