"""The traps of CloudStack's logs, each with real lines from sample_logs/ or generated ones that fall into it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from generator import compare
from generator.layouts import LAYOUTS
from generator.log import printed, restart
from generator.operations import Deploy, deploy, pseudo, snapshot, start_twice
from generator.reading import grammars_once, read
from generator.world import World
from tracekit.trace import Trace, read_trace

VM = "8358c715-805b-4ee8-9ef4-72d888577c60"
START = " state transited from [Stopped] to [Starting] with event [StartRequested]. VM's original host: null"
STAMP = "2026-11-22 16:00:{:02d},000"


@pytest.fixture(scope="module", autouse=True)
def _grammars() -> Iterator[None]:
    with grammars_once():
        yield


@pytest.fixture(scope="module")
def real(_grammars: None, samples: Path) -> Callable[[str], Trace]:
    """A sample log, read once."""
    kept: dict[str, Trace] = {}

    def trace(name: str) -> Trace:
        if name not in kept:
            path = samples / name / "management-server.log"
            kept[name] = read_trace([str(path if path.exists() else path.with_name(path.name + ".gz"))])
        return kept[name]

    return trace


def world(layout: str = "log4j2", *, direct: bool = False) -> World:
    return World(LAYOUTS[layout], random.Random(5), direct)


def lines(*messages: str, head: str = "DEBUG [c.c.x.Y] (main:[]) (logid:0a1b2c3d) ") -> bytes:
    """A log of these messages, a second apart."""
    return "".join(f"{STAMP.format(second)} {head}{message}\n" for second, message in enumerate(messages)).encode()


def at(text: str) -> pd.Timestamp:
    return pd.Timestamp(f"2026-11-22 {text}")


def row(table: pd.DataFrame, **values: object) -> pd.Series:
    """The one row with these values."""
    for name, value in values.items():
        table = table[(table[name] == value).fillna(False)]
    assert len(table) == 1, values
    return table.iloc[0]


def of_line(trace: Trace, line: int) -> pd.Series:
    return row(trace.records, line=line)


# 1
@pytest.mark.parametrize("between", [" ", "\n"], ids=["log4j 2", "log4j 1"])
def test_a_record_is_a_statement_with_its_continuation_lines(between: str) -> None:
    trace_text = (
        f"{between}java.lang.RuntimeException: it broke\n\tat a.b.C.d(C.java:1)\nCaused by: x.Y: z\n"
        "2024-01-01 10:00:00.123+0000: 4567: error : the output of a script has dates"
    )
    trace = read(lines("Unexpected exception while executing org.apache.StopVMCmd" + trace_text, "Next"))
    assert trace.records["lines"].tolist() == [4 if between == " " else 5, 1]
    assert trace.records["event"].iloc[0] == "job_exception"


# 1
def test_the_parameters_of_a_post_are_part_of_its_record(real: Callable[[str], Trace]) -> None:
    trace = real("4.23-kvm/a-healthy")
    assert of_line(trace, 59)["lines"] == 9
    assert (trace.operations["command"] == "createNetwork").sum() == 1


# 2
@pytest.mark.parametrize(
    ("head", "thread", "ctx", "origin", "job"),
    [
        ("(main:null) (logid:) ", "main", None, None, None),
        ("(main:[]) (logid:) ", "main", None, None, None),
        ("(qtp7-22:ctx-1a2b3c4d) (logid:0a1b2c3d) ", "qtp7-22", "1a2b3c4d", None, None),
        ("(qtp7-22:[ctx-1a2b3c4d, ctx-5e6f7a8b]) (logid:0a1b2c3d) ", "qtp7-22", "1a2b3c4d", None, None),
        (
            "(API-Job-Executor-7:ctx-11111111 job-61 ctx-22222222) (logid:0a1b2c3d) ",
            "API-Job-Executor-7",
            "11111111",
            None,
            61,
        ),
        (
            "(Work-Job-Executor-7:[ctx-11111111, job-61/job-62, ctx-22222222, FirstFit]) (logid:0a1b2c3d) ",
            "Work-Job-Executor-7",
            "11111111",
            61,
            62,
        ),
        (
            "(DirectAgent-3:ctx-11111111 10.0.34.0, job-745/job-746, cmd: StartCommand) (logid:0a1b2c3d) ",
            "DirectAgent-3",
            "11111111",
            745,
            746,
        ),
        ("(RMI TCP Connection(12)-10.0.0.1:null) (logid:) ", "RMI TCP Connection(12)-10.0.0.1", None, None, None),
        ("(catalina-exec-5:ctx-1a2b3c4d) ", "catalina-exec-5", "1a2b3c4d", None, None),
    ],
)
def test_headers_differ_and_say_the_same(
    head: str, thread: str, ctx: str | None, origin: int | None, job: int | None
) -> None:
    record = read(lines("Hello", "Hello", head="INFO  [a.b.Class] " + head)).records.iloc[0]
    assert [compare.plain(record[name]) for name in ("thread", "ctx", "origin", "job")] == [thread, ctx, origin, job]


# 3: the polls ask by the whole uuid
def test_two_operations_of_one_logid_are_two_operations() -> None:
    here = world()
    first, second = deploy(here, 1000, Deploy()), deploy(here, 1300, Deploy())
    old = second.job.uuid
    second.job.uuid = first.job.uuid[:8] + old[8:]
    for line in here.lines:
        line.logid = line.logid.replace(old[:8], first.job.uuid[:8])
        line.message = line.message.replace(old, second.job.uuid)
    log = printed(here)
    trace = read(log.data)
    assert compare.rebuilt_operations(trace, log.truth) == compare.printed_operations(log.truth)
    assert compare.rebuilt_commands(trace) == compare.printed_commands(log.truth)


# 4
def test_the_logid_of_add_job_is_nobodys(real: Callable[[str], Trace]) -> None:
    trace = real("4.23-kvm/a-healthy")
    add = of_line(trace, 133)
    assert add["logid"] == "a1c82187"
    assert add["operation"] == "job-18"
    assert row(trace.jobs, job=18)["uuid"].startswith("dc77c50a")


# 4
def test_a_job_of_which_only_the_first_two_lines_are_there_has_the_second_ones_logid(samples: Path) -> None:
    text = (samples / "4.18" / "a-healthy" / "management-server.log").read_bytes().splitlines(keepends=True)
    assert row(read(b"".join(text[:91])).jobs, job=16)["uuid"] == "a6d37771"


# 5
def test_submit_joins_request_and_job_though_it_comes_after_executing(real: Callable[[str], Trace]) -> None:
    trace = real("4.18/a-healthy")
    operation = row(trace.operations, operation="job-16")
    assert of_line(trace, 91)["event"] == "job_execute"
    assert of_line(trace, 94)["event"] == "job_submit"
    assert (operation["submitted"], operation["returned"]) == (at("16:50:14.030"), at("16:50:14.166"))
    assert operation["command"] == "deployVirtualMachine"


# 5
def test_the_uuid_in_a_jobs_parameters_is_its_entitys(real: Callable[[str], Trace]) -> None:
    assert row(real("4.18/a-healthy").jobs, job=16)["uuid"] == "a6d37771"
    entity = row(real("4.23-kvm/a-healthy").operations, operation="job-18")["entity_uuid"]
    assert entity == "013ee27a-1b49-4e0d-beea-125dffa21d21"


# 6
def test_a_router_started_inside_belongs_to_the_work_job_and_is_no_job(real: Callable[[str], Trace]) -> None:
    trace = real("4.23-kvm/a-healthy")
    jobs = trace.jobs[trace.jobs["operation"] == "job-18"]
    assert jobs["job"].tolist() == [18, 19]
    assert row(trace.jobs, job=19)["origin"] == 18
    router = row(trace.commands, seq=2139209823000985619)
    assert (router["operation"], router["job"]) == ("job-18", 19)
    assert router["command"].startswith("StartCommand, CheckSshCommand")


# 6
def test_a_work_job_may_follow_another_and_belongs_to_the_same_operation() -> None:
    log = printed_with(lambda here: deploy(here, 1000, Deploy(second=True)))
    jobs = read(log).jobs
    assert jobs["operation"].tolist() == ["job-100"] * 3
    assert jobs["status"].tolist() == ["succeeded", "failed", "succeeded"]


# 6
def test_a_pseudo_job_is_an_operation_and_no_row_of_the_jobs() -> None:
    trace = read(printed_with(lambda here: pseudo(here, 1000)))
    assert trace.jobs["job"].tolist() == [101]
    assert trace.operations["operation"].tolist() == ["job-100"]
    assert trace.commands["operation"].tolist() == ["job-100"]


# 6
def test_a_work_job_that_two_wait_for_belongs_to_the_one_its_context_names() -> None:
    trace = read(printed_with(lambda here: start_twice(here, 1000)))
    assert trace.jobs["operation"].tolist() == ["job-100", "job-101", "job-100"]
    assert set(trace.commands["operation"]) == {"job-100"}
    wait = row(trace.spans, kind="wait", operation="job-101")
    assert wait["attributes"]["holder"] == 102
    owners = trace.ledger.loc[trace.ledger["operation"] == "job-101", ["category", "owner"]].to_numpy().tolist()
    assert ["queue", "waits for job-102 of job-100"] in owners


def printed_with(play: Callable[[World], object], layout: str = "log4j2") -> bytes:
    here = world(layout)
    play(here)
    return printed(here).data


# 7
def test_the_wait_for_the_heartbeat_is_a_queue(real: Callable[[str], Trace]) -> None:
    trace = real("4.23-kvm/a-healthy")
    job = row(trace.jobs, job=19)
    assert (job["queued"], job["scheduled"], job["started"]) == (
        at("17:05:02.337"),
        at("17:05:03.731"),
        at("17:05:03.736"),
    )
    ledger = trace.ledger[(trace.ledger["operation"] == "job-18") & (trace.ledger["category"] == "queue")]
    assert (at("17:05:02.337"), at("17:05:03.731")) in set(zip(ledger["start"], ledger["end"], strict=True))


# 7
@pytest.mark.parametrize("layout", ["log4j1", "log4j2"])
def test_a_job_with_a_queue_of_its_own_object_waited_in_it(layout: str) -> None:
    trace = read(printed_with(lambda here: snapshot(here, 1000, queued=True), layout))
    job = row(trace.jobs, job=100)
    assert job["queued"] < job["scheduled"] <= job["started"]
    assert compare.plain(job["origin"]) is None


# 8
def test_the_planners_second_run_is_no_second_attempt(real: Callable[[str], Trace]) -> None:
    trace = real("4.23-kvm/a-healthy")
    for operation in ("job-18", "job-21"):
        mine = trace.spans[(trace.spans["operation"] == operation) & (trace.spans["kind"] == "stage")]
        names = mine["name"].tolist()
        assert len(names) == len(set(names)), operation
        assert {"PLANNING", "RESERVATION", "NETWORK PREP", "VM START"} <= set(names)


# 9
def test_a_command_is_paired_over_the_threads_that_speak_of_it(real: Callable[[str], Trace]) -> None:
    trace = real("4.23-kvm/a-healthy")
    command = row(trace.commands, seq=3895332202698768397)
    assert (command["host"], command["sent"]) == (2, at("17:05:04.462"))
    assert command["answered"] == command["received"] == at("17:05:05.285")
    answer = of_line(trace, 495)
    assert (answer["thread"], compare.plain(answer["ctx"])) == ("AgentManager-Handler-9", None)
    assert answer["operation"] == "job-18"


# 9
def test_a_command_that_waited_its_turn_is_sent_by_another_thread() -> None:
    trace = read(printed_with(lambda here: deploy(here, 1000, Deploy(waits=1500))))
    waited = trace.commands[trace.commands["scheduled"].notna()]
    assert (waited["sent"] - waited["scheduled"]).dt.total_seconds().tolist() == [1.5]
    assert (trace.spans["kind"] == "wait").sum() == 1


# 10
def test_the_host_of_an_attaches_line_is_not_believed(real: Callable[[str], Trace]) -> None:
    trace = real("4.23-kvm/a-healthy")
    assert of_line(trace, 525)["event"] == "command_routed"
    assert row(trace.commands, seq=2139209823000985619)["host"] == 1  # `Seq 2-` in line 525, `Seq 1-` in 526
    assert of_line(trace, 525)["operation"] == "job-18"


# 11
def test_the_body_of_a_command_is_no_json(real: Callable[[str], Trace]) -> None:
    body = (
        '[{"com.cloud.agent.api.StartCommand":{"note":"a "quoted" word\nand a second {line}"}},'
        '{"com.cloud.agent.api.check.CheckSshCommand":{"wait":"(512.00 MB) 536870912"}}]'
    )
    head = "Seq 1-5: Sending  { Cmd , MgmtId: 1, via: 1(kvm1), Ver: v1, Flags: 100111, "
    assert read(lines(head + body + " }", "Next")).commands["command"].tolist() == ["StartCommand, CheckSshCommand"]
    failed = row(real("4.23-kvm/l-agent-exception").commands, seq=6696571170923216938)
    assert (failed["command"], failed["result"]) == ("StartCommand", "failed")
    assert failed["details"].startswith("java.lang.RuntimeException")


# 12
@pytest.mark.parametrize(
    "logger",
    ["o.a.c.f.j.i.AsyncJobManagerImpl", "o.a.c.f.j.i.AsyncJobManagerImpl$5", "framework.jobs.impl.AsyncJobManagerImpl"],
)
def test_the_logger_does_not_decide_what_a_message_means(logger: str) -> None:
    trace = read(lines("Update db status for job-7", "x", head=f"DEBUG [{logger}] (main:[]) (logid:) "))
    assert trace.records["event"].iloc[0] == "job_update"


# 13
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("VM start attempt #2", "Instance start attempt #2"),
        (
            f'VM instance {{id: "3", name: "i-4-3-VM", uuid: "{VM}", type="User"}}{START}',
            f'VM instance {{"id":3,"instanceName":"i-4-3-VM","state":"Starting","type":"User","uuid":"{VM}"}}{START}',
        ),
    ],
)
def test_the_wording_changes_and_the_meaning_stays(old: str, new: str) -> None:
    events = read(lines(old, new)).events.table()
    assert len(events) == 2
    said = events.drop(columns=["record", "name"]).dropna(axis="columns", how="all")
    assert said.iloc[0].to_dict() == said.iloc[1].to_dict()


# 14
def test_a_call_without_an_end_ends_before_the_next_line_outside(real: Callable[[str], Trace]) -> None:
    trace = real("4.23-kvm/a-healthy")
    calls = trace.spans[trace.spans["kind"] == "call"]
    before = calls[(calls["ends"] == "before") & calls["operation"].notna()]
    assert len(before) > 100
    after = trace.records.loc[before["last_record"].astype(int), "ts"].to_numpy()
    assert (before["end"].to_numpy() >= after).all()
    above = trace.spans.loc[before["parent"].astype(int), "end"].to_numpy()
    assert (before["end"].to_numpy() <= above).all()


# 15
def test_polls_belong_to_the_operation_they_ask_about(real: Callable[[str], Trace]) -> None:
    trace = real("4.23-kvm/a-healthy")
    assert set(trace.records[trace.records["line"].between(370, 379)]["operation"].dropna()) <= {"job-18"}
    assert of_line(trace, 370)["operation"] == "job-18"
    assert "queryAsyncJobResult" not in set(trace.operations["command"].dropna())


# 15
def test_background_threads_are_in_no_operation(real: Callable[[str], Trace]) -> None:
    for name in ("4.23-kvm/a-healthy", "4.18/a-healthy"):
        records = real(name).records
        thread = records["thread"].astype("str")
        for pool in ("StatsCollector", "RouterStatusMonitor", "Cluster-Heartbeat", "CapacityChecker"):
            assert records.loc[thread.str.startswith(pool), "operation"].isna().all(), pool


# 16
def test_complete_says_how_a_job_ended_and_done_executing_does_not(real: Callable[[str], Trace]) -> None:
    trace = real("4.23-kvm/l-agent-exception")
    job = row(trace.jobs, job=129)
    assert (job["status"], job["result_code"]) == ("failed", 530)
    assert (trace.records["event"] == "job_done").sum() == 4
    assert row(trace.operations, operation="job-129")["status"] == "failed"


# 16
def test_jobs_of_a_killed_server_are_cancelled_by_the_next(real: Callable[[str], Trace]) -> None:
    trace = real("4.23/k-ms-restart")
    ends = trace.jobs.set_index("job")["status"].to_dict()
    assert {job for job, status in ends.items() if status == "cancelled"} == {208, 209, 210, 211, 212, 213, 214}
    assert ends[217] == "succeeded"
    assert row(trace.operations, operation="job-208")["completed"] == at("16:56:59.168")


# 16
def test_threads_and_sequence_numbers_begin_anew_with_a_server() -> None:
    here = world()
    deploy(here, 1000, Deploy(took=9000))
    deploy(here, restart(here, 6000), Deploy(took=500))
    log = printed(here)
    trace = read(log.data)
    assert compare.rebuilt_commands(trace) == compare.printed_commands(log.truth)
    assert trace.jobs["status"].tolist() == ["cancelled", "cancelled", "succeeded", "succeeded"]
    assert trace.commands["seq"].duplicated().any()


# 16
def test_a_server_that_is_killed_in_the_middle_of_a_line() -> None:
    here = world()
    deploy(here, 1000, Deploy(took=9000))
    deploy(here, restart(here, 6000), Deploy(took=500))
    log = printed(here)
    first = next(number for number, (line, _) in enumerate(log.records) if line.statement == "server")
    data = b"".join(text for _, text in log.records[: first - 1]) + log.records[first - 1][1][:-6]
    trace = read(data + b"".join(text for _, text in log.records[first:]))
    assert compare.rebuilt_commands(trace) == compare.printed_commands(log.truth)


# 17
def test_other_files_of_the_server_change_nothing_about_its_jobs(real: Callable[[str], Trace], samples: Path) -> None:
    apilog = (
        b"2026-11-22 16:50:14,165 INFO  [a.c.c.a.ApiServlet] (qtp77334939-25:ctx-e14aae4b ctx-0ccf0b36) "
        b"(logid:44abbcbf) (userId=4 accountId=4 sessionId=node01) 127.0.0.1 -- POST  200 "
        b'{"deployvirtualmachineresponse":{"id":"8358c715-805b-4ee8-9ef4-72d888577c60",'
        b'"jobid":"a6d37771-4af5-456e-85fa-b968ba06145e"}}\n' * 2
    )
    agent = (
        b"2026-11-22 16:50:19,000 INFO  [kvm.storage.LibvirtStorageAdaptor] (agentRequest-Handler-3:null) "
        b"(logid:a6d37771) Trying to fetch storage pool 5d4c3b2a from libvirt\n" * 2
    )
    log = (samples / "4.18" / "a-healthy" / "management-server.log").read_bytes()
    alone, together = real("4.18/a-healthy"), read(log, apilog, agent)
    assert len(together.meta.files) == 3
    for name in ("jobs", "operations"):
        assert together_rows(together, name) == together_rows(alone, name)


def together_rows(trace: Trace, name: str) -> list[dict[str, object]]:
    table = getattr(trace, name).drop(columns=["uuid", "server", "request", "command"], errors="ignore")
    return [{key: compare.plain(value) for key, value in row.items()} for row in table.to_dict("records")]
