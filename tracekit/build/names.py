"""Who and what an operation was about, and why it failed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tracekit.build.doubts import Doubts
from tracekit.build.spans import nullable
from tracekit.build.tree import Tree
from tracekit.frames import look_up, numbers_of
from tracekit.parse.events import Events
from tracekit.read.files import Sources
from tracekit.schema import OPERATIONS, check, frame

ABOUT = ("JOB", "INSTANCE", "INSTANCE_TYPE", "ENTITY_NAME", "USER", "ACCOUNT")  # columns that say what a job is about


def errors_of(jobs: pd.DataFrame, events: Events, records: pd.DataFrame, sources: Sources) -> pd.DataFrame:
    """`jobs` with the error that the completion of each failed job names."""
    rows = (
        events.meaning("job.complete", columns=["JOB", "ERROR"])
        .drop_duplicates("JOB", keep="last")
        .set_index("JOB")["ERROR"]
    )
    return jobs.assign(error=look_up(jobs["job"], rows))


def with_entities(
    table: pd.DataFrame, jobs: pd.DataFrame, runs: pd.DataFrame, events: Events, records: pd.DataFrame
) -> pd.DataFrame:
    """Add entity, entity_uuid, account, user: from the job's details and from what its lines call the VM."""
    about = events.meaning("job.submit", "job.execute", columns=ABOUT)
    job = about["JOB"].fillna(records["job"].reindex(about["record"]).reset_index(drop=True))
    about = about.assign(JOB=job).drop_duplicates("JOB").set_index("JOB").reindex(table["job"]).set_index(table.index)
    names = vm_names(events)
    of_vm = jobs[jobs["kind"] == "work"].drop_duplicates("operation").set_index("operation")["vm"].reindex(table.index)
    vm = about["INSTANCE"].where(about["INSTANCE_TYPE"] == "VirtualMachine").fillna(of_vm)
    instance = look_up(vm, names["VM_NAME"])
    given = about["ENTITY_NAME"].fillna(table["asked_name"])
    both = instance.notna() & given.notna() & (vm == about["INSTANCE"])
    entity = instance.fillna(given)
    entity[both] = instance[both].astype("str") + " (" + given[both].astype("str") + ")"
    return table.assign(
        entity=entity,
        entity_uuid=look_up(vm, names["VM_UUID"]),
        user=about["USER"].astype("object").map(str, na_action="ignore"),
        account=account_names(table, about, runs, events, records),
    )


def vm_names(events: Events) -> pd.DataFrame:
    """Instance name and uuid of each VM that any line names, by its number."""
    rules = [rule for rule in events if {"VM", "VM_NAME"} <= set(events.fields(rule))]
    cut = events.cutter(rules)
    named = np.flatnonzero(cut.known("VM") & cut.known("VM_NAME"))
    vm = pd.Index(cut.column("VM", named), name="VM")
    first = ~vm.duplicated()
    told = {name: cut.column(name, named[first]) for name in ("VM_NAME", "VM_UUID")}
    return pd.DataFrame(told, index=vm[first])


def account_names(
    table: pd.DataFrame, about: pd.DataFrame, runs: pd.DataFrame, events: Events, records: pd.DataFrame
) -> pd.Series[Any]:
    """Account's name as the API thread's checks print it, else its number from the job's details."""
    rules = [rule for rule in events if "ACCOUNT_NAME" in events.fields(rule)]
    rows = events.table(rules, columns=["ACCOUNT_NAME"]).dropna()
    run = records.loc[rows["record"], "run"].to_numpy()
    by_run = pd.Series(rows["ACCOUNT_NAME"].array, index=run)
    by_run = by_run[~by_run.index.duplicated()]
    number = "account " + about["ACCOUNT"].astype("object").astype("str")
    return look_up(table["run"], by_run).fillna(number.where(about["ACCOUNT"].notna()))


def describe_operations(
    table: pd.DataFrame, tree: Tree, ledger: pd.DataFrame, jobs: pd.DataFrame, doubts: Doubts
) -> pd.DataFrame:
    """The operations table: times and shares that follow from the parts."""
    made = table.reset_index()
    made["request"] = nullable(np.append(tree.of_run, -1)[numbers_of(made["run"])])
    made["wall"] = made["completed"] - made["submitted"]
    # A clock that was set back: the log has no duration for it.
    made.loc[made["wall"] < pd.Timedelta(0), "wall"] = pd.NaT
    made["sync"] = made["returned"] - made["submitted"]
    waits = ledger[ledger["category"].isin(["queue", "executor"])]
    queue = (waits["end"] - waits["start"]).groupby(waits["operation"]).sum()
    made["queue"] = look_up(made["operation"], queue)
    made["run"] = made["completed"] - made["started"]
    errors = jobs.set_index("job")["error"]
    made["error"] = look_up(made["job"], errors)
    made["doubts"] = doubts.column(made["operation"])
    made = made.sort_values(["submitted", "operation"], kind="stable")
    for name in ("wall", "sync", "queue", "run"):
        made[name] = made[name].astype("timedelta64[us]")
    return check(frame(OPERATIONS, {name: made[name] for name in OPERATIONS if name in made}), OPERATIONS, "operations")
