"""The first healthy deploy of the 4.18 sample log, against facts read from it with grep, line by line.

job-16 deploys i-4-3-VM (web01) for alice into a network that has no router yet: its work job-17 starts r-4-VM first.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tracekit.trace import Trace, read_trace

DAY = "2026-11-22 "


@pytest.fixture(scope="module")
def trace(samples: Path) -> Trace:
    return read_trace([str(samples / "4.18" / "a-healthy" / "management-server.log")])


def at(clock: str) -> pd.Timestamp:
    return pd.Timestamp(DAY + clock)


def line(trace: Trace, record: float) -> int:
    return int(trace.records.loc[int(record), "line"])


def one(table: pd.DataFrame, **values: object) -> pd.Series:
    for name, value in values.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_the_request_is_joined_to_its_job(trace: Trace) -> None:
    deploy = one(trace.operations, operation="job-16")
    assert deploy["command"] == "deployVirtualMachine"  # its POST line does not say so, its command class does
    assert deploy["entity"] == "i-4-3-VM (web01)"
    assert deploy["account"] == "alice"
    assert deploy["caller"] == "127.0.0.1"
    assert deploy["uuid"] == "a6d37771"
    assert deploy["status"] == "succeeded"
    assert deploy["submitted"] == at("16:50:14.030")  # line 48, ===START===
    assert deploy["returned"] == at("16:50:14.166")  # line 95, ===END===
    assert deploy["completed"] == at("16:50:23.542")  # line 620, Update db status for job-16
    assert deploy["client_seen"] == at("16:50:24.283")  # line 629, the end of the poll that began at line 624


def test_the_work_job_waited_for_the_heartbeat(trace: Trace) -> None:
    work = one(trace.jobs, job=17)
    assert (work["origin"], work["kind"], work["command"], work["vm"]) == (16, "work", "com.cloud.vm.VmWorkStart", 3)
    assert work["queued"] == at("16:50:14.269")  # line 180, Sync job-17 execution
    assert work["scheduled"] == at("16:50:15.776")  # line 182, Execute sync-queue item ... contentId: 17
    assert work["started"] == at("16:50:15.781")  # line 185, Executing AsyncJobVO
    assert work["completed"] == at("16:50:23.501")  # line 612, Update db status for job-17


@pytest.mark.parametrize(
    ("stage", "start", "first", "end", "last"),
    [
        ("PLANNING", "16:50:14.198", 107, "16:50:14.254", 178),  # allocation algorithm .. Returning Destination
        ("RESERVATION", "16:50:15.778", 184, "16:50:15.846", 256),  # Add job-17 .. Lock is acquired for network
        ("NETWORK PREP", "16:50:15.846", 256, "16:50:21.005", 557),  # .. template 111 is already in store
        ("VOLUME PREP", "16:50:21.005", 557, "16:50:22.524", 595),  # .. Sending StartCommand to host 3
        ("VM START", "16:50:22.524", 595, "16:50:23.443", 603),  # .. Received its answer
        ("COMPLETION", "16:50:23.443", 603, "16:50:23.507", 616),  # .. Remove job-17 from job monitoring
    ],
)
def test_each_stage_is_bounded_by_its_lines(
    trace: Trace, stage: str, start: str, first: int, end: str, last: int
) -> None:
    span = one(trace.spans, operation="job-16", kind="stage", name=stage)
    assert (span["start"], line(trace, span["first_record"])) == (at(start), first)
    assert (span["end"], line(trace, span["last_record"])) == (at(end), last)


def test_the_router_started_inside_has_no_stages_of_its_own(trace: Trace) -> None:
    stages = trace.spans[(trace.spans["operation"] == "job-16") & (trace.spans["kind"] == "stage")]
    assert len(stages) == 6
    starts = trace.spans[(trace.spans["operation"] == "job-16") & (trace.spans["name"].str.startswith("StartCommand"))]
    assert [line(trace, row) for row in starts["first_record"]] == [447, 595]  # the router's, then the VM's


def test_commands_are_paired_over_threads(trace: Trace) -> None:
    start = one(trace.commands, seq=2284732385960394764)
    assert start["host"] == 2
    assert start["command"].split(", ")[0] == "StartCommand"
    assert start["sent"] == at("16:50:17.780")  # line 447, Work-Job-Executor-3
    assert start["answered"] == at("16:50:19.694")  # line 476, DirectAgent-5
    assert start["received"] == at("16:50:19.694")  # line 477, Work-Job-Executor-3
    assert (start["job"], start["operation"]) == (17, "job-16")


def test_every_millisecond_has_one_owner(trace: Trace) -> None:
    deploy = one(trace.operations, operation="job-16")
    rows = trace.ledger[(trace.ledger["operation"] == "job-16") & (trace.ledger["category"] != "client")]
    assert rows["start"].iloc[0] == deploy["submitted"]
    assert rows["end"].iloc[-1] == deploy["completed"]
    assert (rows["start"].iloc[1:].to_numpy() == rows["end"].iloc[:-1].to_numpy()).all()
    queue = one(rows, owner="VmWorkJobQueue.3, until the heartbeat")
    assert (queue["category"], queue["start"], queue["end"]) == ("queue", at("16:50:14.269"), at("16:50:15.776"))


def test_the_second_planner_run_is_no_retry(trace: Trace) -> None:
    mine = trace.spans[trace.spans["operation"] == "job-16"]
    plans = mine[mine["name"] == "DeploymentPlanningManagerImpl.planDeployment"]
    assert len(plans) == 3  # in the API job, in the work job with the host given, and for the router
    assert list(mine.loc[mine["kind"] == "stage", "name"]).count("PLANNING") == 1


def test_the_tree_nests_as_the_code_does(trace: Trace) -> None:
    spans = trace.spans
    nic = spans[(spans["operation"] == "job-16") & (spans["name"] == "NetworkOrchestrator.allocateNic")]
    ancestors = []
    at_span = int(nic["parent"].iloc[0])
    while pd.notna(at_span):
        ancestors.append(spans.loc[int(at_span), "name"])
        at_span = spans.loc[int(at_span), "parent"]
    wanted = [
        "NetworkOrchestrator.allocate",
        "VirtualMachineManagerImpl.allocate",
        "UserVmManagerImpl.commitUserVm",
        "ApiServlet.processRequestInContext",
        "deployVirtualMachine",
    ]
    assert [name for name in ancestors if name in wanted] == wanted[:3] + wanted[2:3] + wanted[3:]
