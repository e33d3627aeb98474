"""The contracts of one workspace: the file that holds them and the journal that tells of them.

What adds protection is written to the file first and told to the journal then; what takes it away,
the other way round. So a process that dies in between never leaves less protection than the
journal says; ``differences`` finds what it left.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from agents.approvals import Lift, Request, drop_lift, keep_lift, lifts
from agents.contract_journal import (
    Difference,
    Journalled,
    contract_item,
    differences,
    item_id,
    journalled_contract,
    lift_item,
    weakening,
)
from agents.shared_memory import SharedMemory
from mcp_local_llm import StoreUnavailable, UsageError
from memory.records import Kind, Source, Where, has_control
from memory.secrets import refuse_secrets
from tools.preserve.contracts import CONTRACT_FILE, PRODUCT, Contract
from tools.preserve.file import (
    parse_contracts,
    read_contracts,
    with_contract,
    without_contract,
    write_contracts,
)
from tools.repository import Repo


class Protection:
    """The contracts of the workspace ``root``, changed together with the journal of ``memory``.

    ``head`` is the commit checked out (empty when there is none) and ``committed`` the contracts
    in it. Methods that write raise ``UsageError`` for a contract file that cannot be read and
    ``StoreUnavailable`` for a disk or journal that does not play along.
    """

    def __init__(
        self, root: Path, memory: SharedMemory, head: str = "", committed: Iterable[Contract] = ()
    ) -> None:
        """Take what ``open`` has found out."""
        self.root = root
        self.memory = memory
        self.head = head
        self.committed = tuple(committed)

    @classmethod
    async def open(cls, root: Path, memory: SharedMemory) -> Protection:
        """Return the contracts of ``root``, which may lie outside of git."""
        if not await Repo.is_repo(root):
            return cls(root, memory)
        repo = await Repo.open(root)
        head = await repo.head() or ""
        shown = await repo.run("cat-file", "blob", f"{head}:{CONTRACT_FILE}") if head else None
        try:
            committed = parse_contracts(shown.raw) if shown and shown.code == 0 else ()
        except UsageError:  # `check` says so
            committed = ()
        return cls(root, memory, head, committed)

    # -- asking --------------------------------------------------------------------------------

    def written(self) -> tuple[Contract, ...]:
        """Return the contracts of the file, as it is now."""
        return read_contracts(self.root)

    def journalled(self) -> dict[str, Journalled]:
        """Return what the journal says of every contract of this project, by id."""
        where = Where(project=self.memory.project, kinds=(Kind.PRESERVATION,))
        items = [stored.item for stored in self.memory.journal.live(where)]
        mine = (journalled_contract(item) for item in items if item.project)
        return {known.contract.id: known for known in mine if known is not None}

    def let_go(self, name: str) -> bool:
        """Say whether the journal knows that the contract ``name`` was taken away."""
        stored = self.memory.journal.get([item_id(name, self.memory.project)])
        return any(each.state != "live" for each in stored.values())

    def held(self, name: str) -> tuple[Contract, ...]:
        """Return what ``name`` says in the file, in the last commit and in the journal."""
        journalled = self.journalled().get(name)
        told = [journalled.contract] if journalled else []
        every = [*self.written(), *self.committed, *told, *PRODUCT]
        return tuple(dict.fromkeys(each for each in every if each.id == name))

    def named(self, text: str) -> tuple[str, ...]:
        """Return the ids of the contracts that ``text`` names by id or by region."""
        told = [each.contract for each in self.journalled().values()]
        every = [*self.written(), *told, *self.committed, *PRODUCT]
        by_id = [each.id for each in every if each.id == text]
        return tuple(dict.fromkeys(by_id or [each.id for each in every if each.region == text]))

    def differences(self) -> tuple[Difference, ...]:
        """Return where file and journal do not agree."""
        return tuple(differences(self.written(), self.journalled(), self.let_go))

    # -- what needs no approval ----------------------------------------------------------------

    def protect(
        self, contract: Contract, *, unsettled: bool = False, source: Source = "user"
    ) -> Request | None:
        """Add or strengthen ``contract``; return what needs an approval, and then change nothing.

        ``source`` is who worded it, as the journal keeps it.

        Raises:
            UsageError: reason or region look like a secret, or are no text in one line.
        """
        _refuse_unfit(contract)
        with self._alone():
            held = [each for each in self.held(contract.id) if weakening(each, contract)]
            if held:
                return self._request("change", self.held(contract.id), becomes=contract)
            before = self._data()
            data = with_contract(before, contract)
            write_contracts(self.root, data)
            self._tell(contract, unsettled=unsettled, source=source)
            if data != before:
                self._close({contract.id}, "protected again")
        return None

    def record(self) -> tuple[str, ...]:
        """Tell the journal what only the file says (a clone, a hand edit); return the ids."""
        with self._alone():
            told = self.journalled()
            fresh = [
                each
                for each in self.written()
                if each.id not in told or not weakening(told[each.id].contract, each)
            ]
            changed = [one for one in fresh if one.id not in told or told[one.id].contract != one]
            for contract in changed:
                self._tell(contract)
            self._close({each.id for each in changed}, "protected again")
        return tuple(each.id for each in changed)

    # -- what does -----------------------------------------------------------------------------

    def removal(self, names: Iterable[str], reason: str = "") -> Request:
        """Return the question whether the contracts ``names`` may go."""
        return self._request("remove", [c for name in names for c in self.held(name)], reason)

    def lifting(self, contracts: Iterable[Contract], reason: str = "", run_id: str = "") -> Request:
        """Return the question whether one change may break ``contracts``.

        Raises:
            UsageError: without a run, nothing is compared before the first commit.
        """
        if not run_id and not self.head:
            raise UsageError("there is no commit yet to compare with, so nothing has to be lifted")
        return self._request("lift", contracts, reason, run_id=run_id)

    def _request(
        self,
        action: Literal["remove", "change", "lift"],
        contracts: Iterable[Contract],
        reason: str = "",
        *,
        becomes: Contract | None = None,
        run_id: str = "",
    ) -> Request:
        refuse_secrets(reason)
        return Request(
            project=self.memory.project,
            root=str(self.root),
            action=action,
            contracts=tuple(contracts),
            becomes=becomes,
            run_id=run_id,
            reason=reason or (becomes.reason if becomes else ""),
        )

    def carry_out(self, request: Request, approved_by: str) -> None:
        """Do what the user has approved, and journal it. Never call it on a model's word.

        Raises:
            UsageError: the contracts have changed since the question was asked.
        """
        with self._alone():
            self._require_unchanged(request)
            how = f"approved at the {approved_by}"
            why = ": ".join(word for word in (how, request.reason) if word)
            if request.action == "lift":
                self._open_lift(request, approved_by)
                return
            data = self._data()
            for name in request.ids:
                here = any(each.id == name for each in parse_contracts(data))
                if request.becomes is not None:
                    self._tell(request.becomes, why=why)
                    data = with_contract(data, request.becomes)
                else:
                    self._let_go(self.held(name)[0], why)
                    data = without_contract(data, name) if here else data
            if any(each.id in request.ids for each in self.committed):
                self._open_lift(request, approved_by)
            write_contracts(self.root, data)

    def hand_over(self, run_id: str) -> None:
        """Make the lifts of a run that was applied to the workspace hold there, once."""
        for lift in lifts(self.memory.home, self.memory.project):
            if run_id and lift.run_id == run_id:
                moved = lift.model_copy(update={"run_id": "", "base": self.head})
                keep_lift(self.memory.home, moved)
                self.memory.put(lift_item(moved))

    def spend(self, run_id: str = "") -> tuple[Lift, ...]:
        """Close the lifts of ``run_id``; without one, those of a change that was committed."""
        done = [
            lift
            for lift in lifts(self.memory.home, self.memory.project)
            if (lift.run_id == run_id if run_id else not lift.run_id and lift.base != self.head)
        ]
        for lift in done:
            self._drop(lift, f"used by the run {run_id}" if run_id else "HEAD has moved on")
        return tuple(done)

    def _close(self, names: set[str], why: str) -> None:
        for lift in lifts(self.memory.home, self.memory.project):
            if names & set(lift.contracts):
                self._drop(lift, why)

    def _drop(self, lift: Lift, why: str) -> None:
        drop_lift(self.memory.home, lift)
        item = lift_item(lift)
        if self.memory.journal.get([item.id]):
            self.memory.journal.forget(item.id, why)

    def _require_unchanged(self, request: Request) -> None:
        kept = [each for each in request.contracts if each.origin == "marker"]
        now = [*(each for name in request.ids for each in self.held(name)), *kept]
        if set(now) != set(request.contracts):
            raise UsageError(
                f"the contracts {', '.join(request.ids)} have changed since this was asked; see "
                "`mcp-local-llm contracts` and repeat the command"
            )

    def _open_lift(self, request: Request, approved_by: str) -> None:
        lift = Lift(
            project=self.memory.project,
            contracts=request.ids,
            becomes=request.becomes,
            run_id=request.run_id,
            base=self.head,
            approved_by=approved_by,
            reason=request.reason,
        )
        self.memory.put(lift_item(lift))
        keep_lift(self.memory.home, lift)

    # -- journal and file ----------------------------------------------------------------------

    def _tell(
        self,
        contract: Contract,
        *,
        unsettled: bool = False,
        why: str = "",
        source: Source = "user",
    ) -> None:
        known = self.journalled().get(contract.id)
        data: dict[str, JsonValue] = {"base": self.head, "unsettled": unsettled}
        if known is not None and known.contract == contract:
            if known.is_typed or source == "relayed":
                return
            data = {"base": known.base, "unsettled": known.unsettled}  # the user says it as well
        self.memory.put(contract_item(contract, self.memory.project, data, why, source))

    def _let_go(self, contract: Contract, why: str) -> None:
        item = contract_item(contract, self.memory.project, {"base": self.head})
        if not self.memory.journal.get([item.id]):
            self.memory.put(item)  # a clone's contract: that it was there is part of the story
        self.memory.journal.forget(item.id, why)

    def _data(self) -> bytes:
        file = self.root / CONTRACT_FILE
        return file.read_bytes() if file.is_file() else b""

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock of the contract file, which is that of its folder."""
        folder = (self.root / CONTRACT_FILE).parent
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            folder.mkdir(exist_ok=True)
            handle = os.open(folder, flags)
        except OSError as error:
            raise StoreUnavailable(
                f"{str(folder)!r} cannot be used ({error.strerror}); make it a folder of the "
                "workspace that you may write"
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _refuse_unfit(contract: Contract) -> None:
    text = " ".join((contract.id, contract.region, contract.reason, *contract.tests))
    if has_control(text):
        raise UsageError(
            f"{text!r} holds a line break or another control character, or is no UTF-8; "
            "write it in one line"
        )
    refuse_secrets(text)
