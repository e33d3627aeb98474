"""What the user has to allow: open questions with their one-time codes, and lifts of contracts.

A question is kept under the hash of its code, so that whoever reads the folder learns no code. A
lift is one small file, and it is open as long as the file is there: what a restored journal says
of the past opens none again. Both lie in the state folder, for the user alone (0600).

Not covered: a program that types on a terminal of the user's own, and one that may write the
state folder; the crew's commands run in a sandbox that has neither.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from mcp_local_llm import StoreUnavailable, UsageError
from memory.private import private_folder
from memory.records import Record
from memory.whole_file import write_whole
from tools.preserve.contracts import Contract

VALID_S: Final = 15 * 60
_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # base 32 without I, L, O and U (Crockford)
_MISREAD: Final = str.maketrans("ILO", "110", "- ")
_LENGTH: Final = 8
_SOON_S: Final = 5.0  # how far a clock may have been set back

Kept = TypeVar("Kept", bound=Record)


class Request(Record):
    """What the user is asked to allow, and nothing else.

    ``contracts`` are those touched, as they were when it was asked. ``remove`` takes them away,
    ``change`` makes the only one ``becomes``, ``lift`` leaves them and allows one change: of the
    run ``run_id``, or the next one in the workspace. ``erase`` is about no contracts but about the
    ids of ``items`` of the memory. ``asked_at`` is in seconds since the epoch.
    """

    project: str
    root: str
    action: Literal["remove", "change", "lift", "erase"]
    contracts: tuple[Contract, ...] = ()
    items: tuple[str, ...] = ()
    becomes: Contract | None = None
    run_id: str = ""
    reason: str = ""
    asked_at: float = Field(default_factory=time.time)

    @model_validator(mode="after")
    def _about_something(self) -> Self:
        if not (self.items if self.action == "erase" else self.contracts):
            raise ValueError("a request is about contracts, or about items to erase")
        return self

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the contracts, each once."""
        return tuple(dict.fromkeys(each.id for each in self.contracts))

    def words(self) -> str:
        """Return in one sentence what would be allowed."""
        if self.action == "erase":
            return f"{', '.join(id[:8] for id in self.items)} will be erased for good"
        named = ", ".join(repr(each) for each in self.ids)
        if self.action == "remove":
            return f"{named} will no longer be protected"
        if self.becomes is not None:
            return f"{named} becomes {self.becomes.level} for {self.becomes.region!r}"
        return f"{named} may be broken by " + (
            f"the run {self.run_id!r}" if self.run_id else "the next change, until it is committed"
        )


class Lift(Record):
    """One change that the user has allowed: of the run ``run_id``, else of the workspace.

    One of the workspace holds as long as HEAD is ``base``. With ``becomes``, the contract is not
    lifted but is that one already, before a commit says so.
    """

    id: str = Field(default_factory=lambda: secrets.token_hex(8))
    project: str
    contracts: tuple[str, ...]
    becomes: Contract | None = None
    run_id: str = ""
    base: str = ""
    approved_by: str
    approved_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    reason: str = ""


def ask(home: Path, request: Request) -> str:
    """Keep ``request`` for ``VALID_S`` seconds and return the code that answers it, once.

    Raises:
        StoreUnavailable: the state folder cannot be written.
    """
    for file in _files(home, "codes"):
        if not _is_open(_read(file, Request)):
            file.unlink(missing_ok=True)
    code = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    _write(_code_file(home, code), request)
    return code


def asked(home: Path, code: str) -> Request:
    """Return what ``code`` stands for; that does not use it up.

    Raises:
        UsageError: there is no such code, it was used, or it is too old.
    """
    request = _read(_code_file(home, code), Request)
    if request is None or not _is_open(request):
        raise UsageError(
            f"the code {code!r} is unknown, was used, or is older than {VALID_S // 60} minutes; "
            "repeat the command that gave it"
        )
    return request


def use(home: Path, code: str) -> Request:
    """Return what ``code`` stands for and use it up; of two callers one succeeds.

    Raises:
        UsageError: as ``asked`` does.
    """
    request = asked(home, code)
    try:
        _code_file(home, code).unlink()
    except FileNotFoundError as error:
        raise UsageError(f"the code {code!r} was used a moment ago") from error
    return request


def keep_lift(home: Path, lift: Lift) -> None:
    """Open ``lift``. Raises StoreUnavailable when the state folder cannot be written."""
    _write(_lift_file(home, lift), lift)


def drop_lift(home: Path, lift: Lift) -> None:
    """Close ``lift``; again does nothing."""
    _lift_file(home, lift).unlink(missing_ok=True)


def lifts(home: Path, project: str) -> tuple[Lift, ...]:
    """Return the open lifts of ``project``, in the order in which they were allowed."""
    found = (_read(file, Lift) for file in _files(home, "lifts") if file.stem.startswith(project))
    mine = [lift for lift in found if lift is not None and lift.project == project]
    return tuple(sorted(mine, key=lambda lift: lift.approved_at))


def open_lifts(
    home: Path, project: str, run_id: str = "", *, head: str | None = None
) -> frozenset[str]:
    """Return the ids of the contracts that the run ``run_id``, or the workspace, may break.

    A lift of the workspace counts for runs too. With ``head``, the commit checked out, it counts
    only while that is the commit it was given at.
    """
    return frozenset(
        name
        for lift in lifts(home, project)
        if lift.becomes is None
        and (lift.run_id == run_id if lift.run_id else head is None or lift.base == head)
        for name in lift.contracts
    )


def changed_contracts(home: Path, project: str, head: str) -> dict[str, Contract]:
    """Return the contracts whose change was approved at the commit ``head``, by id."""
    found = (lift.becomes for lift in lifts(home, project) if lift.base == head)
    return {contract.id: contract for contract in found if contract is not None}


def _is_open(request: Request | None) -> bool:
    return request is not None and -_SOON_S <= time.time() - request.asked_at <= VALID_S


def _code_file(home: Path, code: str) -> Path:
    plain = code.upper().translate(_MISREAD)
    # slow on purpose: all 2^40 codes could else be tried on what lies in the folder
    hashed = hashlib.scrypt(plain.encode("utf-8", "replace"), salt=b"code", n=2**14, r=8, p=1)
    return _folder(home, "codes") / f"{hashed.hex()[:48]}.json"


def _lift_file(home: Path, lift: Lift) -> Path:
    return _folder(home, "lifts") / f"{lift.project}-{lift.id}.json"


def _folder(home: Path, name: str) -> Path:
    return home / "approvals" / name


def _files(home: Path, name: str) -> list[Path]:
    return sorted(_folder(home, name).glob("*.json"))


def _read(file: Path, kind: type[Kept]) -> Kept | None:
    """Return what the file holds; None when it is gone or not whole, which allows nothing."""
    try:
        return kind.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None


def _write(file: Path, record: Record) -> None:
    try:
        private_folder(file.parent)
        write_whole(file, record.model_dump_json())
    except OSError as error:
        raise StoreUnavailable(
            f"the approval cannot be kept in {str(file.parent)!r} ({error.strerror}); free some "
            "space there"
        ) from error
