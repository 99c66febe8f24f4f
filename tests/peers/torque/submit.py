"""qsub."""

from __future__ import annotations

import getopt
import grp
import os
import pwd
import re
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.peers.standin.refusal import Refusal
from tests.peers.torque import server
from tests.peers.torque.depend import parsed, registered
from tests.peers.torque.limits import limits, submit_error
from tests.peers.torque.store import Job, Store

OPTIONS = "a:A:b:c:C:d:D:e:EfF:hI:j:J:k:K:l:L:m:M:nN:o:p:P:q:r:S:t:T:u:v:Vw:W:xXz"
USAGE = """
usage: qsub [-a date_time] [-A account_string] [-b secs]
    [-c [ none | { enabled | periodic | shutdown |
"""
_ATTRIBUTES = {"depend", "group_list", "umask", "stagein", "stageout", "x"}


def run(store: Store, arguments: list[str]) -> str:
    """Take a job; gives what goes to standard output."""
    options, operands = _options(arguments)
    user, owner = store.caller(), None
    if user == "root" and "-P" not in options:
        raise Refusal(1, "qsub can not be run as root")
    name, script = _script(options, operands)
    options = _directives(script, options.get("-C", "#PBS")) | options
    _check(options)
    parsed(store, _attributes(options).get("depend"))
    with store.writing():
        # The number is gone even if the job is refused: ids have gaps.
        number = store.new_number()
    with store.writing():
        owner, group = _owner(store, user, options)
        queue = _queue(store, user, options.get("-q"))
        job = _job(store, options, name, queue, number, owner, group)
        job["submit_args"] = " ".join(arguments)
        if not arguments:
            del job["submit_args"]
        job["_script"] = str(store.folder / "jobs" / f"{number}.SC")
        if "-P" in options:
            job["proxy_user"] = owner
        _write(job["_script"], script)
        answer = _added(store, job, options, number)
        store.set_value("event", time.time())
    return "" if "-z" in options else f"{answer}\n"


def _options(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    try:
        pairs, operands = getopt.gnu_getopt(list(arguments), OPTIONS)
    except getopt.GetoptError as error:
        raise Refusal(2, f"qsub: invalid option -- '{error.opt}'\n[exiting]\n{USAGE}") from error
    options: dict[str, str] = {}
    for name, value in pairs:
        if name in ("-l", "-W", "-v") and name in options:
            value = f"{options[name]},{value}"
        options[name] = value
    return options, operands


def _script(options: Mapping[str, str], operands: Sequence[str]) -> tuple[str, bytes]:
    """The job's name if it has none, and the script."""
    if len(operands) > 1:
        raise Refusal(2, USAGE)
    if not operands:
        name, script = "STDIN", sys.stdin.buffer.read()
    else:
        name = os.path.basename(operands[0])
        try:
            script = Path(operands[0]).read_bytes()
        except OSError as error:
            text = f"qsub: script file '{operands[0]}' cannot be loaded - {error.strerror}"
            raise Refusal(1, text) from error
    if b"\r\n" in script:
        raise Refusal(1, "qsub:  script is written in DOS/Windows text format")
    if b"\0" in script[:1024]:
        raise Refusal(1, "qsub:  file must be an ascii script")
    return options.get("-N", name) or "none", script


def _directives(script: bytes, prefix: str) -> dict[str, str]:
    """The options in the script's first lines; an empty prefix switches them off."""
    words: list[str] = []
    for line in script.decode(errors="replace").splitlines():
        if prefix and line.startswith(prefix + " "):
            words += shlex.split(line[len(prefix) :])
        elif line.strip() and not line.startswith("#"):
            break
    return _options(words)[0]


def _check(options: Mapping[str, str]) -> None:
    """What qsub itself refuses, before the server hears of it."""
    wrong = {
        "-N": not re.fullmatch(r"[!-~]{0,236}", options.get("-N", "")),
        "-j": options.get("-j", "n") not in ("oe", "eo", "n"),
        "-k": not set(options.get("-k", "n")) <= set("oen"),
        "-m": not set(options.get("-m", "n")) <= set("abenf"),
        "-p": not -1024 <= int(options.get("-p", "0")) <= 1023,
        "-S": not options.get("-S", "/").startswith("/"),
        "-a": "-a" in options and _moment(options["-a"]) is None,
    }
    for name, is_wrong in wrong.items():
        if is_wrong:
            raise Refusal(2, f"[qsub: illegal {name} value]\n{USAGE}")
    if "-v" in options and any(
        not re.match(r"\w+(=|$)", part) for part in options["-v"].split(",")
    ):
        raise Refusal(3, "qsub: invalid -v syntax")


def _moment(text: str) -> int | None:
    """Seconds since the epoch of ``[[[[CC]YY]MM]DD]hhmm[.SS]``; None if it is not that."""
    if not re.fullmatch(r"(\d\d){2,6}(\.\d\d)?", text):
        return None
    digits, _, seconds = text.partition(".")
    now = time.strftime("%Y%m%d%H%M")
    digits = now[: 12 - len(digits)] + digits
    try:
        when = int(time.mktime(time.strptime(digits + (seconds or "00"), "%Y%m%d%H%M%S")))
    except ValueError:
        return None
    if len(text.partition(".")[0]) == 4 and when < time.time():
        when += 86400
    return when


def _owner(store: Store, user: str, options: Mapping[str, str]) -> tuple[str, str]:
    owner, _, group = options.get("-P", user).partition(":")
    if "-P" in options and not store.is_manager(user):
        raise submit_error(
            177,
            f"Bad UID for job execution MSG=User '{user}' is attempting to submit a proxy job "
            f"for user '{owner}' but is not a manager",
        )
    if owner not in store.config["users"]:
        try:
            pwd.getpwnam(owner)
        except KeyError as error:
            raise Refusal(
                177,
                "qsub: submit error (Bad UID for job execution MSG=User "
                f"{owner} does not exist in server password file",
            ) from error
    group = group or _attributes(options).get("group_list", "")
    return owner, _checked_group(store, owner, group) if group else owner


def _checked_group(store: Store, owner: str, group: str) -> str:
    members = store.config["groups"].get(group)
    if members is None:
        try:
            members = grp.getgrnam(group).gr_mem
        except KeyError as error:
            text = f"Bad GID for job execution MSG=cannot locate group {group} in server group file"
            raise submit_error(199, text) from error
    if owner not in members:
        text = (
            f"Bad GID for job execution MSG=user {owner} is not a member of group {group} "
            "in server password file"
        )
        raise submit_error(199, text)
    return group


def _queue(store: Store, user: str, name: str | None) -> str:
    name = name or store.config["default_queue"]
    queue = store.config["queues"].get(name)
    who = f"user {user}@{store.server}, queue {name}"
    if queue is None:
        raise submit_error(172, "Unknown queue MSG=requested queue not found")
    if not queue.get("enabled", True):
        raise submit_error(175, f"Queue is not enabled MSG=queue is disabled: {who}")
    if "acl_users" in queue and user not in queue["acl_users"]:
        text = f"Unauthorized Request  MSG=user ACL rejected the submitting user: {who}"
        raise submit_error(159, text)
    limit = queue.get("max_user_queuable")
    if limit is not None:
        jobs = [job for job in store.jobs("QHWRSE") if job["queue"] == name]
        if sum(job["euser"] == user for job in jobs) >= limit:
            raise submit_error(
                228,
                "Maximum number of jobs already in queue for user MSG=total number of current "
                f"user's jobs exceeds the queue limit: {who}",
            )
    return str(name)


def _attributes(options: Mapping[str, str]) -> dict[str, str]:
    """A ``-W``; the commas within a value of depend are its own."""
    found: dict[str, str] = {}
    name = ""
    for part in filter(None, options.get("-W", "").split(",")):
        before, equals, value = part.partition("=")
        if equals:
            name = before
            found[name] = value
        else:
            found[name] += f",{part}"
    return found


def _job(
    store: Store,
    options: Mapping[str, str],
    name: str,
    queue: str,
    number: int,
    owner: str,
    group: str,
) -> Job:
    now = int(time.time())
    where = options.get("-d") or options.get("-w") or os.getcwd()
    more = _attributes(options)
    if unknown := more.keys() - _ATTRIBUTES:
        text = "Undefined attribute  MSG=detected presence of an unknown attribute"
        raise submit_error(154, text) if unknown else AssertionError
    variables = _variables(store, options, queue, where)
    job: Job = {
        "Job_Id": f"{number}.{store.server}",
        "Job_Name": name,
        "Job_Owner": f"{owner}@{store.server}",
        "job_state": "Q",
        "queue": queue,
        "server": store.server,
        "Checkpoint": options.get("-c", "u"),
        "ctime": now,
        "Error_Path": _path(store, options.get("-e"), where, name, f"e{number}"),
        "Hold_Types": "u" if "-h" in options else "n",
        "Join_Path": options.get("-j", "n"),
        "Keep_Files": options.get("-k", "n"),
        "Mail_Points": options.get("-m", "a"),
        "mtime": now,
        "Output_Path": _path(store, options.get("-o"), where, name, f"o{number}"),
        "Priority": options.get("-p", "0"),
        "qtime": now,
        "Rerunable": "False" if options.get("-r") == "n" else "True",
        "Resource_List": limits(store, options.get("-l", ""), queue),
        "Variable_List": ",".join(f"{key}={value}" for key, value in variables.items()),
        "euser": owner,
        "egroup": group,
        "queue_type": "E",
        "fault_tolerant": "False",
        "job_radix": "0",
        "submit_host": store.server,
        "init_work_dir": where,
        "request_version": "1",
        "_variables": variables,
        "_work_dir": options.get("-d") or store.home(owner),
    }
    for option, attribute in (
        ("-A", "Account_Name"),
        ("-M", "Mail_Users"),
        ("-S", "Shell_Path_List"),
    ):
        if option in options:
            job[attribute] = options[option]
    if "umask" in more:
        job["umask"] = str(int(more["umask"], 8))
    if group != owner:
        job["group_list"] = group
    if "-F" in options:
        job["_arguments"] = options["-F"]
    when = _moment(options.get("-a", ""))
    if when is not None and when > now:
        job["Execution_Time"] = when
    return job


def _variables(store: Store, options: Mapping[str, str], queue: str, where: str) -> dict[str, str]:
    found = {"PBS_O_QUEUE": queue}
    for name in ("HOME", "LOGNAME", "PATH", "SHELL", "LANG"):
        if name in os.environ:
            found[f"PBS_O_{name}"] = os.environ[name]
    if "-V" in options:
        found |= os.environ
    for part in filter(None, options.get("-v", "").split(",")):
        name, equals, value = part.partition("=")
        found[name] = value.split("\n")[0] if equals else os.environ.get(name, "")
    return found | {
        "PBS_O_WORKDIR": where,
        "PBS_O_HOST": store.server,
        "PBS_O_SERVER": store.server,
    }


def _path(store: Store, given: str | None, where: str, name: str, ending: str) -> str:
    usual = f"{os.path.basename(name)}.{ending}"
    path = given or usual
    if re.match(r"[\w.-]+:/", path):
        return path
    path = os.path.join(where, path)
    if given and (path.endswith("/") or os.path.isdir(path)):
        path = os.path.join(path, usual)
    return f"{store.server}:{path}"


def _write(path: str, script: bytes) -> None:
    Path(path).write_bytes(script)
    Path(path).chmod(0o755)


def _added(store: Store, job: Job, options: Mapping[str, str], number: int) -> str:
    """Put the job, or the array and its elements, into the queue."""
    depend = _attributes(options).get("depend")
    if depend is not None:
        registered(store, job, parsed(store, depend))
    server.place(job)
    if "-t" not in options:
        store.add(job)
        server.account(store, "Q", job, f"queue={job['queue']}")
        return str(job["Job_Id"])
    array_id = f"{number}[].{store.server}"
    array = {key: value for key, value in job.items() if key != "qtime"}
    array |= {"Job_Id": array_id, "job_array_request": options["-t"].split("%")[0]}
    chosen, at_once = _elements(store, options["-t"])
    store.add(array)
    for place, index in enumerate(chosen):
        element = {key: value for key, value in job.items() if key != "Hold_Types"}
        element |= {
            "Job_Id": f"{number}[{index}].{store.server}",
            "Job_Name": f"{job['Job_Name']}-{index}",
            "job_array_id": str(index),
            "Variable_List": f"PBS_ARRAYID={index},{job['Variable_List']}",
            "Error_Path": _element_path(job["Error_Path"], index),
            "Output_Path": _element_path(job["Output_Path"], index),
            "_variables": {"PBS_ARRAYID": str(index), "PBS_ARRAY_INDEX": str(index)}
            | job["_variables"],
        }
        if job["job_state"] == "H":
            element["Hold_Types"] = job["Hold_Types"]
        elif at_once and place >= at_once:
            element |= {"Hold_Types": "l", "job_state": "H"}
        store.add(element)
        server.account(store, "Q", element, f"queue={job['queue']}")
    return array_id


def _element_path(path: str, index: int) -> str:
    """OpenPBS has a word for the number, Torque puts it behind."""
    if "^array_index^" in path:
        return path.replace("^array_index^", str(index))
    return f"{path}-{index}"


def _elements(store: Store, request: str) -> tuple[list[int], int]:
    text, _, at_once = request.partition("%")
    wrong = submit_error(235, "Bad Job Array Request MSG=" + request)
    chosen: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if found is None or (found[2] and int(found[2]) < int(found[1])):
            raise wrong
        chosen.update(range(int(found[1]), int(found[2] or found[1]) + 1))
    if len(chosen) > store.config["max_job_array_size"]:
        raise wrong
    return sorted(chosen), int(at_once or 0)
