"""Who and what an operation was about, and why it failed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tracekit.build.doubts import Doubts
from tracekit.build.mentions import coalesced
from tracekit.build.spans import nullable
from tracekit.build.tree import Tree
from tracekit.frames import NEVER, TEXTS, Numbers, among, first_places, instants, look_up, numbers_of, taken
from tracekit.parse.events import Events
from tracekit.schema import OPERATIONS, check, frame

ABOUT = ("INSTANCE", "INSTANCE_TYPE", "ENTITY_NAME", "USER", "ACCOUNT")  # columns that say what a job is about


def errors_of(jobs: pd.DataFrame, events: Events) -> pd.DataFrame:
    """`jobs` with the error that the completion of each failed job names."""
    cut = events.meant("job.complete")
    job = numbers_of(cut.column("JOB"))
    last = np.flatnonzero(~pd.Index(job).duplicated(keep="last"))
    return jobs.assign(error=look_up(jobs["job"], pd.Series(cut.column("ERROR", last), index=job[last])))


def with_entities(table: pd.DataFrame, jobs: pd.DataFrame, events: Events, records: pd.DataFrame) -> pd.DataFrame:
    """Add entity, entity_uuid, account, user: from the job's details and from what its lines call the VM."""
    about = about_jobs(events, records, numbers_of(table["job"]))
    names = vm_names(events)
    on_vm = np.asarray(about["INSTANCE_TYPE"] == "VirtualMachine", dtype=np.bool_)
    instance, of_work = numbers_of(about["INSTANCE"]), vms_of_work(table, jobs)
    vm = np.where(on_vm & (instance >= 0), instance, of_work)
    name, uuid = (taken(names[column], names.index.get_indexer(pd.Index(vm))) for column in ("VM_NAME", "VM_UUID"))
    given = coalesced(about["ENTITY_NAME"], table["asked_name"].array)
    both = ~name.isna() & ~given.isna() & (vm == instance)
    entity = coalesced(name, given)
    entity[both] = name[both] + " (" + given[both] + ")"
    return table.assign(
        entity=entity,
        entity_uuid=uuid,
        user=numbered("", about["USER"]),
        account=account_names(table, about["ACCOUNT"], events, records),
    )


def about_jobs(events: Events, records: pd.DataFrame, jobs: Numbers) -> dict[str, Any]:
    """What the first line about each of these jobs says of it."""
    cut = events.meant("job.submit", "job.execute")
    job = numbers_of(coalesced(cut.column("JOB"), records["job"].array.take(cut.records)))
    first = first_places(job)
    at = pd.Index(job[first]).get_indexer(pd.Index(jobs))
    return {name: cut.column(name, first).take(at, allow_fill=True) for name in ABOUT}


def vms_of_work(table: pd.DataFrame, jobs: pd.DataFrame) -> Numbers:
    """The VM of the first work job of each operation, -1 for none."""
    work = np.flatnonzero((jobs["kind"] == "work").to_numpy())[::-1]
    of = table.index.get_indexer(pd.Index(jobs["operation"].array[work]))
    made = np.full(len(table) + 1, -1, dtype=np.int64)
    made[of] = numbers_of(jobs["vm"])[work]  # the one that comes last stays
    return made[:-1]


def vm_names(events: Events) -> pd.DataFrame:
    """Instance name and uuid of each VM that any line names, by its number."""
    rules = [rule for rule in events if {"VM", "VM_NAME"} <= set(events.fields(rule))]
    cut = events.cutter(rules)
    named = np.flatnonzero(cut.known("VM") & cut.known("VM_NAME"))
    vm = pd.Index(cut.column("VM", named), name="VM")
    first = ~vm.duplicated()
    told = {name: cut.column(name, named[first]) for name in ("VM_NAME", "VM_UUID")}
    return pd.DataFrame(told, index=vm[first])


def account_names(table: pd.DataFrame, numbers: Any, events: Events, records: pd.DataFrame) -> Any:
    """Account's name as the API thread's checks print it, else its number from the job's details."""
    cut = events.cutter([rule for rule in events if "ACCOUNT_NAME" in events.fields(rule)])
    named = np.flatnonzero(cut.known("ACCOUNT_NAME"))
    run = records["run"].to_numpy()[cut.records[named]]
    first = first_places(run)
    by_run = pd.Series(cut.column("ACCOUNT_NAME", named[first]), index=run[first])
    return coalesced(look_up(table["run"], by_run).array, numbered("account ", numbers))


def numbered(before: str, numbers: Any) -> Any:
    """Texts of numbers with something before them, null where one is unknown."""
    each = numbers_of(numbers).tolist()
    return pd.array([f"{before}{number}" if number >= 0 else None for number in each], dtype=TEXTS)


def describe_operations(
    table: pd.DataFrame, tree: Tree, ledger: pd.DataFrame, jobs: pd.DataFrame, doubts: Doubts
) -> pd.DataFrame:
    """The operations table: times and shares that follow from the parts."""
    submitted, completed = table["submitted"].array, table["completed"].array
    wall = completed - submitted
    # A clock that was set back: the log has no duration for it.
    wall[wall < np.timedelta64(0)] = pd.NaT
    made: dict[str, Any] = {
        **{str(name): column.array for name, column in table.items()},
        "operation": table.index.array,
        "request": nullable(np.append(tree.of_run, -1)[numbers_of(table["run"])]),
        "wall": wall,
        "sync": table["returned"].array - submitted,
        "queue": queued_times(table.index, ledger),
        "run": completed - table["started"].array,
        "error": look_up(table["job"], pd.Series(jobs["error"].array, index=jobs["job"].array)).array,
        "doubts": doubts.column(table.index.to_series()).array,
    }
    # By time, those without one last; at one time by name.
    order = np.argsort(table.index.to_numpy(dtype=object), kind="stable")
    order = order[np.argsort(submitted[order], kind="stable")]
    columns = {name: made[name].take(order) for name in OPERATIONS if name in made}
    return check(frame(OPERATIONS, columns), OPERATIONS, "operations")


def queued_times(operations: pd.Index[Any], ledger: pd.DataFrame) -> npt.NDArray[np.timedelta64]:
    """How long each operation was in queues and waited for executors, by the ledger; null where it never did."""
    owned = np.flatnonzero(among(ledger["category"], ["queue", "executor"]))
    of = operations.get_indexer(pd.Index(ledger["operation"].array[owned]))
    made = np.zeros(len(operations), dtype=np.int64)
    np.add.at(made, of, (instants(ledger["end"]) - instants(ledger["start"]))[owned])
    made[np.bincount(of, minlength=len(made)) == 0] = NEVER
    return made.view("timedelta64[us]")
