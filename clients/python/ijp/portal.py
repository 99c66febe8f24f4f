"""The portal: job types, jobs, searches over its REST interface ``/api/v1``."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from time import sleep
from typing import Any
from urllib.parse import quote

import requests

from ijp import errors
from ijp.transport import Transport, blocks_of, json_of

Record = dict[str, Any]
"""A thing as the portal's JSON has it: camelCase names."""

_PAGE = 2000
MOST_BATCH_BYTES = 2 * 1024 * 1024
"""The largest batch file."""

FINAL_STATES = frozenset({"Completed", "Failed", "Cancelled"})


class _BeyondEndError(errors.BadRequestError):
    """A part was asked for that is not there (yet)."""


_FROM_STATUS: dict[int, type[errors.PortalError]] = {
    400: errors.BadRequestError,
    401: errors.NotAuthenticatedError,
    403: errors.NotAuthorizedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    413: errors.TooLargeError,
    416: _BeyondEndError,
    422: errors.BadRequestError,
    503: errors.UnavailableError,
}


def read_error(status: int, body: Mapping[str, Any]) -> errors.PortalError:
    """The error that the portal reported, as the class it was there."""
    kind = errors.BY_CODE.get(str(body.get("code")))
    if kind in (None, errors.PortalError):
        kind = _FROM_STATUS.get(status, kind or errors.InternalError)
    message = str(body.get("message") or f"the portal answered {status}")
    fields = body.get("fields")
    return kind(
        message,
        fields=fields if isinstance(fields, dict) else None,
        correlation_id=body.get("correlationId"),
    )


def growing_pauses(first: float = 0.05, longest: float = 15.0) -> Iterator[float]:
    """How long to wait, in seconds, before asking again and again."""
    pause = first
    while True:
        yield pause
        pause = min(pause * 1.5, longest)


class PortalClient:
    """A portal, used with the catalog session of a user; without one only log-in works."""

    def __init__(
        self, url: str, session_id: str | None = None, http: requests.Session | None = None
    ) -> None:
        """Take the portal's address, such as ``https://jobs.example.org``."""
        self._transport = Transport(url.rstrip("/") + "/api/v1", read_error, http)
        self.url = url.rstrip("/")
        self.session_id = session_id

    def _call(self, method: str, path: str, **arguments: Any) -> requests.Response:
        if self.session_id:
            arguments["headers"] = {
                "Authorization": f"Bearer {self.session_id}",
                **arguments.get("headers", {}),
            }
        return self._transport.call(method, path, **arguments)

    def _json(self, method: str, path: str, **arguments: Any) -> Any:
        return json_of(self._call(method, path, **arguments))

    # log-in

    def authenticators(self) -> list[Record]:
        """The ways to log in, each with the names of what it asks for."""
        return list(self._json("GET", "/authenticators"))

    def login(self, authenticator: str, credentials: Mapping[str, str]) -> Record:
        """Log in and use that session from now on.

        Raises:
            NotAuthenticatedError: The authenticator refused.
        """
        body = {"authenticator": authenticator, "credentials": dict(credentials)}
        found = dict(self._json("POST", "/session", json=body))
        self.session_id = str(found["sessionId"])
        return found

    def session(self) -> Record:
        """Who is logged in, and for how many minutes."""
        return dict(self._json("GET", "/session"))

    def refresh(self) -> None:
        """Let the session last its full lifetime again."""
        self._call("PUT", "/session")

    def logout(self) -> None:
        """End the session; jobs that are not finished go on."""
        self._call("DELETE", "/session")
        self.session_id = None

    # data

    def datasets(self, **search: Any) -> Record:
        """One page of datasets; the arguments are the query parameters of the search page."""
        return dict(self._json("GET", "/datasets", params=search))

    def dataset(self, id: int) -> Record:
        """One dataset with its parameters."""
        return dict(self._json("GET", f"/datasets/{id}"))

    def datafiles(self, dataset_id: int) -> list[Record]:
        """The files of a dataset, all of them."""
        files: list[Record] = []
        after: int | None = 0
        while after is not None:
            params = {"after": after, "limit": _PAGE}
            found = self._json("GET", f"/datasets/{dataset_id}/datafiles", params=params)
            files += found["datafiles"]
            after = found["next"]
        return files

    def find_datafiles(self, **search: Any) -> Record:
        """One page of datafiles; the arguments are those of the search page for datafiles."""
        return dict(self._json("GET", "/datafiles", params=search))

    def searchable(self, entity: str = "Dataset") -> list[Record]:
        """What datasets or datafiles can be searched by, with the operators that fit."""
        return list(self._json("GET", "/parameters", params={"entity": entity})["parameters"])

    def provenance(self, dataset_id: int, depth: int = 3) -> Record:
        """The graph around a dataset: nodes and edges, so many jobs back and forth."""
        params = {"depth": str(depth)}
        return dict(self._json("GET", f"/datasets/{dataset_id}/provenance", params=params))

    def begin_download(
        self, dataset_ids: Sequence[int] = (), datafile_ids: Sequence[int] = (), *, name: str = ""
    ) -> Record:
        """Have data prepared for download in the background.

        Returns:
            How far it is: ``id``, ``state`` (PREPARING, RESTORING, READY or FAILED with its
            ``reason``), ``looked`` of ``total`` things that were selected, ``online`` of
            ``files``, and, when it is prepared, ``url``, which needs no session.

        Raises:
            NotFoundError: Something of a small selection is not there, or not for the user.
        """
        body = {"datasetIds": list(dataset_ids), "datafileIds": list(datafile_ids), "name": name}
        return dict(self._json("POST", "/downloads", json=body))

    def download_state(self, id: str) -> Record:
        """How far a download is, as ``begin_download`` gives it."""
        return dict(self._json("GET", f"/downloads/{quote(id, safe='')}"))

    def download(
        self,
        dataset_ids: Sequence[int] = (),
        datafile_ids: Sequence[int] = (),
        *,
        name: str = "",
        tell: Callable[[Record], None] = lambda _: None,
    ) -> Record:
        """Prepare data for download and wait until their address is known.

        They may have to come back from the archive still: the state is then RESTORING.

        Args:
            tell: Told how far it is while it is waited for.

        Raises:
            PortalError: They cannot be downloaded; says why.
        """
        seen = self.begin_download(dataset_ids, datafile_ids, name=name)
        pauses = growing_pauses()
        while seen["state"] == "PREPARING":
            tell(seen)
            sleep(next(pauses))
            seen = self.download_state(seen["id"])
        if seen["state"] == "FAILED":
            raise errors.PortalError(f"the data cannot be downloaded: {seen['reason']}")
        return seen

    # job types

    def job_types(
        self, dataset_ids: Sequence[int] = (), datafile_ids: Sequence[int] = ()
    ) -> list[Record]:
        """The job types, and whether each takes the given data (``fits``, ``reason``)."""
        params = _ids(dataset_ids, datafile_ids)
        return list(self._json("GET", "/job-types", params=params)["jobTypes"])

    def job_type(self, name: str) -> Record:
        """One job type with its options."""
        return dict(self._json("GET", f"/job-types/{quote(name, safe='')}"))

    def form(
        self,
        name: str,
        *,
        dataset_ids: Sequence[int] = (),
        datafile_ids: Sequence[int] = (),
        options: Mapping[str, Any] | None = None,
        arguments: Sequence[str] = (),
        one_job: bool | None = None,
        investigation_id: int | None = None,
        engine: str | None = None,
    ) -> Record:
        """What a job type asks for this selection, and what it would run; takes what submit takes.

        Gives ``faults`` by option, ``question`` if one job or many is open, the number of ``jobs``
        and the ``command`` of the first, and the ``estimate`` of where and how long they run.
        """
        body = {
            "datasetIds": list(dataset_ids),
            "datafileIds": list(datafile_ids),
            "options": dict(options or {}),
            "arguments": list(arguments),
            "oneJob": one_job,
            "investigationId": investigation_id,
            "engine": engine,
        }
        return dict(self._json("POST", f"/job-types/{quote(name, safe='')}/form", json=body))

    # jobs

    def submit(
        self,
        job_type: str,
        *,
        dataset_ids: Sequence[int] = (),
        datafile_ids: Sequence[int] = (),
        options: Mapping[str, Any] | None = None,
        arguments: Sequence[str] = (),
        one_job: bool | None = None,
        investigation_id: int | None = None,
        engine: str | None = None,
        key: str | None = None,
    ) -> list[Record]:
        """Submit one job, or one for each input, as the job type says.

        Args:
            one_job: For types that can do both: all inputs in one job, or one job each.
            engine: The batch engine that they must go to; None: whichever is best.
            key: Two submissions with the same key are one; a fresh key if None, so that a
                repeated network call does not run anything twice.

        Raises:
            ValidationFailedError: Options do not fit; ``fields`` says which and why.
        """
        body: Record = {
            "jobType": job_type,
            "datasetIds": list(dataset_ids),
            "datafileIds": list(datafile_ids),
            "options": dict(options or {}),
            "key": key or secrets.token_hex(16),
        }
        if arguments:
            body["arguments"] = list(arguments)
        if one_job is not None:
            body["oneJob"] = one_job
        if investigation_id is not None:
            body["investigationId"] = investigation_id
        if engine is not None:
            body["engine"] = engine
        return list(self._json("POST", "/jobs", json=body)["jobs"])

    def jobs(self, **filters: Any) -> Record:
        """One page of the user's jobs, newest first: ``jobs`` and ``next``."""
        return dict(self._json("GET", "/jobs", params=filters))

    def job(self, id: int | str) -> Record:
        """One job, by its number or its public id."""
        return dict(self._json("GET", _job(id)))

    def cancel(self, id: int | str) -> Record:
        """Have a job end, waiting or running; gives it as it is now."""
        return dict(self._json("POST", _job(id) + "/cancel"))

    def delete(self, id: int | str) -> None:
        """Remove a finished job's record and output; datasets that it made stay."""
        self._call("DELETE", _job(id))

    def repeat(self, id: int | str) -> list[Record]:
        """Submit a job again with the same inputs and options."""
        return list(self._json("POST", _job(id) + "/repeat")["jobs"])

    def retry(self, id: int | str, *, more: bool = True) -> Record:
        """Try a failed or cancelled job again in place; gives it as it is now.

        Args:
            more: Ask for twice the memory or time if the job ran out of it.
        """
        return dict(self._json("POST", _job(id) + "/retry", json={"more": more}))

    # many jobs

    def job_list(self, **filters: Any) -> Record:
        """One page of the list: ``entries``, each with ``job`` or ``sweep``, and ``next``."""
        return dict(self._json("GET", "/job-list", params=filters))

    def sweep(self, id: int) -> Record:
        """A sweep, with the ``counts`` of its jobs; ``jobs(sweep=id)`` lists these."""
        return dict(self._json("GET", f"/sweeps/{id}"))

    def act(
        self,
        action: str,
        jobs: Iterable[int | str] = (),
        sweeps: Iterable[int] = (),
        *,
        failure: str | None = None,
        more: bool = True,
    ) -> Record:
        """Cancel, hold, release, delete, retry or repeat many jobs; gives ``results`` by job.

        ``first`` and ``last`` change the order of the user's own jobs that are not started.

        Args:
            sweeps: Of which all jobs are meant that the action is for.
            failure: Of these, only jobs that failed so, such as ``memory``.
            more: As for ``retry``.
        """
        body = {"action": action, **_chosen(jobs, sweeps, failure, more)}
        return dict(self._json("POST", "/jobs/actions", json=body))

    def plan_retry(
        self,
        jobs: Iterable[int | str] = (),
        sweeps: Iterable[int] = (),
        *,
        failure: str | None = None,
        more: bool = True,
    ) -> Record:
        """What ``act("retry", …)`` would do: ``groups`` of jobs with resources, and ``refused``."""
        body = _chosen(jobs, sweeps, failure, more)
        return dict(self._json("POST", "/jobs/retry-plan", json=body))

    def preview_batch(self, job_type: str, content: bytes, format: str | None = None) -> Record:
        """What each row of a batch file would run, and what is wrong with it."""
        return dict(self._batch(job_type, "/batch/preview", content, {"format": format}))

    def submit_batch(
        self,
        job_type: str,
        content: bytes,
        format: str | None = None,
        *,
        name: str | None = None,
        leave_out_wrong: bool = False,
        engine: str | None = None,
        key: str | None = None,
    ) -> Record:
        """Submit a job for each row of a batch file; gives ``jobIds`` and ``sweepId``.

        Args:
            format: csv, tsv or jsonl; None: as it looks.
            leave_out_wrong: Submit the good rows though others are wrong.
            engine: As for ``submit``, and so is the key.

        Raises:
            ValidationFailedError: Rows are wrong; ``fields`` says what, by line.
        """
        asked = {
            "format": format,
            "name": name,
            "key": key or secrets.token_hex(16),
            "leaveOutWrong": "true" if leave_out_wrong else None,
            "engine": engine,
        }
        return dict(self._batch(job_type, "/batch", content, asked))

    def _batch(self, job_type: str, path: str, content: bytes, asked: Record) -> Any:
        if len(content) > MOST_BATCH_BYTES:
            raise errors.TooLargeError(
                f"a batch file may have {MOST_BATCH_BYTES >> 20} MiB; this one has more"
            )
        params = {name: value for name, value in asked.items() if value is not None}
        place = f"/job-types/{quote(job_type, safe='')}{path}"
        headers = {"Content-Type": "text/plain"}
        return self._json("POST", place, params=params, body=content, headers=headers)

    def alter(self, id: int | str, changes: Mapping[str, Any], note: str = "") -> Record:
        """Ask for other limits of a waiting job; an administrator decides.

        Args:
            changes: Of ``memoryMiB``, ``wallMinutes`` and ``queue``.
            note: Why.
        """
        return dict(self._json("POST", _job(id) + "/alter", json={**changes, "note": note}))

    def alterations(self, *, pending: bool = False) -> list[Record]:
        """The newest requests to alter jobs: the user's own, an administrator's of everybody."""
        params = {"pending": "true"} if pending else None
        return list(self._json("GET", "/alterations", params=params))

    def decide(self, id: int, *, grant: bool, reason: str = "") -> Record:
        """Grant a request, or refuse it with a reason; for administrators."""
        verb = "grant" if grant else "refuse"
        return dict(self._json("POST", f"/alterations/{id}/{verb}", json={"reason": reason}))

    def external_jobs(self, *, everybody: bool = False) -> list[Record]:
        """The user's jobs that were submitted outside of the portal; all, for administrators."""
        params = {"everybody": "true"} if everybody else None
        return list(self._json("GET", "/external-jobs", params=params))

    def limits(self, *, everybody: bool = False) -> Record:
        """What the user may have and uses, in ``limits``; jobs wait or are refused beyond.

        Args:
            everybody: Of all users, in ``users``; for administrators.
        """
        return dict(self._json("GET", "/limits/users" if everybody else "/limits"))

    def queues(self) -> Record:
        """The queues of the batch system, and how many jobs run and wait."""
        return dict(self._json("GET", "/queues"))

    def nodes(self) -> list[Record]:
        """The hosts that run jobs, as they were when the portal last looked at them."""
        return list(self._json("GET", "/nodes"))

    def set_node_offline(self, name: str, note: str, *, engine: str = "") -> Record:
        """Have no new jobs start on a host; for administrators.

        Args:
            note: Why, for everybody to see.
            engine: Which batch system's, where several have a host of this name.
        """
        body = {"note": note, "engine": engine}
        return dict(self._json("POST", f"/nodes/{quote(name, safe='')}/offline", json=body))

    def set_node_online(self, name: str, *, engine: str = "") -> Record:
        """Let a host run jobs again; for administrators."""
        body = {"engine": engine}
        return dict(self._json("POST", f"/nodes/{quote(name, safe='')}/online", json=body))

    def output(self, id: int | str, *, stream: str = "out", offset: int = 0) -> Iterator[bytes]:
        """What a job wrote so far, from a byte on; nothing if there is no more.

        Args:
            stream: ``out`` or ``err``.
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        try:
            answer = self._call(
                "GET",
                _job(id) + "/output",
                params={"stream": stream},
                headers=headers,
                stream=True,
            )
        except _BeyondEndError:
            return
        with answer:
            yield from blocks_of(answer, 1 << 16)


def _chosen(
    jobs: Iterable[int | str], sweeps: Iterable[int], failure: str | None, more: bool
) -> Record:
    found: Record = {"jobs": list(map(str, jobs)), "sweeps": list(sweeps), "more": more}
    return found | ({"failure": failure} if failure else {})


def _job(id: int | str) -> str:
    return "/jobs/" + quote(str(id), safe="")


def _ids(dataset_ids: Iterable[int], datafile_ids: Iterable[int]) -> dict[str, str]:
    found = {
        "datasetIds": ",".join(map(str, dataset_ids)),
        "datafileIds": ",".join(map(str, datafile_ids)),
    }
    return {name: value for name, value in found.items() if value}
