"""Files that users bring: where they may go, and their way to the data service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from ijp.catalog import CatalogSession, Entity
from ijp.datastore import BLOCK_BYTES, Stored
from ijp.errors import NotFoundError, ValidationFailedError
from ijp.query import query
from portal.incoming import Readable
from portal.services import services
from portal.sessions import User

MOST_CHOICES = 200
MOST_NAMES = 20_000
_LONGEST_NAME = 255


@dataclass(frozen=True)
class NewDataset:
    """A dataset that a user wants to fill."""

    name: str
    type_id: int
    investigation_id: int
    description: str = ""


def target(session: CatalogSession, dataset_id: int) -> Entity:
    """The dataset that files are to go to.

    Raises:
        NotFoundError: There is none that this user may see.
    """
    text = (
        "SELECT d FROM Dataset d WHERE d.id = {} INCLUDE d.type, d.investigation AS i, i.facility"
    )
    found = session.search(query(text, dataset_id))
    if not found:
        raise NotFoundError(f"there is no dataset {dataset_id} that you may see")
    return dict(found[0])


def own_datasets(user: User) -> list[Entity]:
    """The newest datasets that the user made, which is where files usually go."""
    text = (
        "SELECT d FROM Dataset d WHERE d.createId = {} ORDER BY d.id DESC"
        f" LIMIT 0, {MOST_CHOICES} INCLUDE d.investigation"
    )
    return list(user.catalog.search(query(text, user.name)))


def investigations(session: CatalogSession) -> list[Entity]:
    """The newest investigations that the user sees."""
    text = f"SELECT i FROM Investigation i ORDER BY i.id DESC LIMIT 0, {MOST_CHOICES}"
    return list(session.search(text))


def dataset_types(session: CatalogSession) -> list[Entity]:
    """All dataset types, by name."""
    return list(session.search("SELECT t FROM DatasetType t ORDER BY t.name"))


def formats(session: CatalogSession, dataset: Entity) -> list[Entity]:
    """The datafile formats of a dataset's facility, by name."""
    facility = (dataset.get("investigation") or {}).get("facility") or {}
    text = "SELECT f FROM DatafileFormat f WHERE f.facility.id = {} ORDER BY f.name"
    return list(session.search(query(text, facility.get("id", 0))))


def format_for(known: list[Entity], file_name: str) -> int | None:
    """The format whose name or media type the file name's ending is; None if none is."""
    ending = PurePosixPath(file_name).suffix.lstrip(".").lower()
    same = {"jpg": "jpeg", "tif": "tiff", "nxs": "nexus", "h5": "hdf5", "txt": "text"}
    wanted = {ending, same.get(ending, ending)} - {""}
    for one in known:
        media = str(one.get("type") or "").lower()
        if str(one["name"]).lower() in wanted or media.rpartition("/")[2] in wanted:
            return int(one["id"])
    return None


def names(session: CatalogSession, dataset_id: int) -> list[str]:
    """The names of the files that a dataset has."""
    text = f"SELECT f.name FROM Datafile f WHERE f.dataset.id = {{}} LIMIT 0, {MOST_NAMES}"
    return [str(one) for one in session.search(query(text, dataset_id))]


def make_dataset(session: CatalogSession, wanted: NewDataset) -> int:
    """A new dataset, not complete yet; gives its id.

    Raises:
        ValidationFailedError: It has no name.
        ConflictError: The investigation has one of that name and type.
        NotAuthorizedError: The user may not make datasets there.
    """
    if not wanted.name:
        raise ValidationFailedError("give it a name", fields={"name": ["give it a name"]})
    values = {
        "name": wanted.name,
        "type": {"id": wanted.type_id},
        "investigation": {"id": wanted.investigation_id},
        "complete": False,
    }
    if wanted.description:
        values["description"] = wanted.description
    return session.create("Dataset", **values)


def put(
    user: User, dataset: Entity, name: str, content: Readable, *, format_id: int | None
) -> Stored:
    """Pass a file on to the data service as it arrives; memory does not grow with its size.

    Args:
        content: Read to its end; when reading fails, nothing is kept.
        format_id: None finds one by the name's ending.

    Raises:
        ValidationFailedError: The name cannot be a file's, or no format fits it.
        ConflictError: The dataset has a file of that name.
    """
    check_name(name)
    chosen = chosen_format(user, dataset, name, format_id)
    session = services().datastore.session(user.session_id)
    return session.put(
        _blocks(content),
        name=name,
        dataset_id=int(dataset["id"]),
        datafile_format_id=chosen,
    )


def chosen_format(user: User, dataset: Entity, name: str, format_id: int | None) -> int:
    """The format that was chosen, or else the one that fits the name.

    Raises:
        ValidationFailedError: None was, and none fits.
    """
    if format_id is not None:
        return format_id
    known = formats(user.catalog, dataset)
    found = format_for(known, name) or _only(known)
    if found is None:
        listed = ", ".join(str(one["name"]) for one in known) or "none"
        text = f"which format is {name!r}? The facility has: {listed}"
        raise ValidationFailedError(text, fields={"format": [text]})
    return found


def _only(known: list[Entity]) -> int | None:
    return int(known[0]["id"]) if len(known) == 1 else None


def check_name(name: str) -> None:
    """Refuse what cannot be a file's name in a dataset; folders before it are allowed.

    Raises:
        ValidationFailedError: With what is wrong with it.
    """
    parts = name.split("/")
    if not name or len(name) > _LONGEST_NAME:
        fault = f"a file's name has 1 to {_LONGEST_NAME} characters"
    elif any(part in ("", ".", "..") for part in parts) or "\\" in name or not name.isprintable():
        fault = f"{name[:80]!r} cannot be a file's name in a dataset"
    else:
        return
    raise ValidationFailedError(fault, fields={"name": [fault]})


def _blocks(content: Readable) -> Iterator[bytes]:
    while block := content.read(BLOCK_BYTES):
        yield block
