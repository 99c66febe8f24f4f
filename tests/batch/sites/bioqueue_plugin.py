"""A cluster plug-in in BioQueue's form, for task-spooler: three functions, and it prints."""

import os
import subprocess


def _tsp(*arguments, **more):
    done = subprocess.Popen(
        ("tsp", *arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more
    )
    stdout, _ = done.communicate()
    print("tsp", *arguments, "said", stdout)
    return stdout.decode().strip()


def submit_job(
    protocol,
    job_id,
    job_step,
    cpu=0,
    mem="",
    vrt_mem="",
    queue="",
    log_file="",
    wall_time="",
    workspace="",
):
    """Submit a step of a job; gives the spooler's id, 0 on failure."""
    script = os.path.join(workspace, f"{job_id}-{job_step}.sh")
    try:
        with open(script, "w") as file:
            file.write(f"#!/bin/sh\ncd {workspace}\nexec {protocol}\n")
        return _tsp("-N", str(cpu), "sh", script, cwd=workspace)
    except OSError as problem:
        print(problem)
        return 0


def query_job_status(job_id):
    """0 is completed, 1 running, 2 queued; negative is an error."""
    return {"finished": 0, "running": 1, "queued": 2}.get(_tsp("-s", str(job_id)), -3)


def cancel_job(job_id):
    """1 is done, 0 is not."""
    _tsp("-r" if query_job_status(job_id) == 2 else "-k", str(job_id))
    return 1
