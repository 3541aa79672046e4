"""Agents' logs beside the server's: the host's side of commands, clocks, operations of the host's lines; clusters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from generator.reading import grammars_once
from tracekit.report.context import from_trace
from tracekit.report.page import render
from tracekit.schema import COMMANDS, LEDGER, RECORDS, check, check_spans
from tracekit.trace import Trace, read_trace

LOG = "management-server.log"
# A pair of real lines of an agent at DEBUG, from the same test installation as the sample logs.
REQUEST = (
    "{received} DEBUG [cloud.agent.Agent] (AgentRequest-Handler-{thread}:[]) (logid:{logid}) "
    "Request:Seq {host}-{seq}:  "
    "{{ Cmd , MgmtId: 3281355014145, via: {host}, Ver: v1, Flags: 100011, "
    '[{{"com.cloud.agent.api.StartCommand":{{}}}}] }}\n'
    "{begun} DEBUG [cloud.agent.Agent] (AgentRequest-Handler-{thread}:[]) (logid:{logid}) "
    "Processing command: com.cloud.agent.api.StartCommand\n"
    "{begun} DEBUG [kvm.resource.LibvirtComputingResource] (AgentRequest-Handler-{thread}:[]) (logid:{logid}) "
    "on its way\n"
)
ANSWER = (
    "{answered} DEBUG [cloud.agent.Agent] (AgentRequest-Handler-{thread}:[]) (logid:{logid}) Seq {host}-{seq}:  "
    "{{ Ans: , MgmtId: 3281355014145, via: {host}, Ver: v1, Flags: 10, "
    '[{{"com.cloud.agent.api.StartAnswer":{{}}}}] }}\n'
)
TAIL = (
    "{later} DEBUG [cloud.agent.Agent] (AgentRequest-Handler-{thread}:[]) (logid:ffffffff) "
    "Processing command: com.cloud.agent.api.GetHostStatsCommand\n"
)


@pytest.fixture(scope="module", autouse=True)
def _grammars() -> Iterator[None]:
    with grammars_once():
        yield


@pytest.fixture(scope="module")
def alone(healthy: Path) -> Trace:
    return read_trace([str(healthy)])


def stamp(moment: pd.Timestamp) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S,%f")[:-3]


def agent_log(trace: Trace, host: str, ahead: pd.Timedelta, *, debug: bool = True) -> str:
    """The log that the host's agent would have written: it took each command 3 ms after it was sent, began 5 ms later
    and answered 4 ms before the server had the answer. Its clock is `ahead` of the server's.
    """
    lines: list[str] = []
    jobs = trace.jobs.set_index("job")
    mine = trace.commands[(trace.commands["host_name"] == host) & trace.commands["answered"].notna()]
    for number, command in enumerate(mine.dropna(subset=["sent", "job"]).itertuples()):
        top = jobs.at[command.job, "origin"] if pd.notna(jobs.at[command.job, "origin"]) else command.job
        values = {
            "received": stamp(command.sent + ahead + pd.Timedelta(3, "ms")),
            "begun": stamp(command.sent + ahead + pd.Timedelta(8, "ms")),
            "answered": stamp(command.answered + ahead - pd.Timedelta(4, "ms")),
            "later": stamp(command.answered + ahead + pd.Timedelta(9, "ms")),
            "logid": jobs.at[top, "uuid"][:8], "host": command.host, "seq": command.seq, "thread": number % 5 + 1,
        }  # fmt: skip
        if debug:
            lines += [text for part in (REQUEST, ANSWER, TAIL) for text in part.format(**values).splitlines(True)]
        else:
            lines.append(
                "{begun} INFO  [kvm.storage.LibvirtStorageAdaptor] (AgentRequest-Handler-{thread}:[]) (logid:{logid}) "
                "Trying to fetch storage pool from libvirt\n".format(**values)
            )
    ready = f"Processing agent ready command, agent id = 9, uuid = 2cc7a860-3782-4710-b05f-7b8c1aac4294, name = {host}"
    lines.append(f"2026-11-22 17:00:00,000 INFO  [cloud.agent.Agent] (AgentRequest-Handler-1:[]) (logid:) {ready}\n")
    return "".join(sorted(lines, key=lambda line: line[:23]))


@pytest.fixture(scope="module")
def host(alone: Trace) -> str:
    """The host that most commands went to."""
    return str(alone.commands["host_name"].value_counts().index[0])


@pytest.mark.parametrize("ahead", [0, 250, -90_000])
def test_a_command_knows_when_the_host_took_and_answered_it(
    ahead: int, alone: Trace, host: str, healthy: Path, tmp_path: Path
) -> None:
    path = tmp_path / "agent.log"
    shift = pd.Timedelta(ahead, "ms")
    path.write_text(agent_log(alone, host, shift))
    trace = read_trace([str(healthy), str(path)])
    told = trace.commands.dropna(subset=["host_answered"])
    assert len(told) > 3
    assert set(told["host_name"]) == {host}
    assert (told["host_received"] == told["sent"] + shift + pd.Timedelta(3, "ms")).all()
    assert (told["host_answered"] == told["answered"] + shift - pd.Timedelta(4, "ms")).all()
    row = trace.quality.set_index("counter").loc[f"clock of {host} against the server's"]
    assert row["count"] == len(told)
    offset, slack = (float(number) for number in re.findall(r"[+-]?\d+(?= ms|;)", row["example"]))
    assert abs(offset - ahead) <= slack + 1
    assert slack <= 4
    assert row["severity"] == ("warning" if abs(ahead) > 1000 else "note")
    # Shown, never applied: the operations are what they were.
    pd.testing.assert_frame_equal(trace.operations, alone.operations)


def test_the_hosts_time_is_split_on_one_clock(alone: Trace, host: str, healthy: Path, tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    path.write_text(agent_log(alone, host, pd.Timedelta(12, "s")))
    trace = read_trace([str(healthy), str(path)])
    told = trace.commands.dropna(subset=["host_answered", "span"])
    for command in told.itertuples():
        shares = trace.spans.at[command.span, "attributes"]
        assert shares["host_wait_ms"] == 5
        assert shares["wire_ms"] == 7
        assert shares["execution_ms"] == pytest.approx((command.answered - command.sent) / pd.Timedelta(1, "ms") - 12)


# What an agent at DEBUG writes of a command for a router, in the order of VirtualRoutingResource's statements.
ROUTER = (
    "{locked} DEBUG [kvm.resource.LibvirtComputingResource] (AgentRequest-Handler-{thread}:[]) (logid:{logid}) "
    "Preparing the router\n"
    "{configured} DEBUG [resource.virtualnetwork.VirtualRoutingResource] (AgentRequest-Handler-{thread}:[]) "
    "(logid:{logid}) Transforming com.cloud.agent.api.routing.DhcpEntryCommand to ConfigItems\n"
    "{configured} DEBUG [resource.virtualnetwork.VirtualRoutingResource] (AgentRequest-Handler-{thread}:[]) "
    "(logid:{logid}) Processing ScriptConfigItem, executing update_config.py vm_dhcp_entry.json took 21ms\n"
)


def test_the_wait_for_a_routers_lock_ends_with_the_first_line_behind_it(
    alone: Trace, healthy: Path, tmp_path: Path
) -> None:
    command = next(alone.commands[alone.commands["command"] == "DhcpEntryCommand"].dropna(subset=["span"]).itertuples())
    begun = command.sent + pd.Timedelta(4, "ms")
    values = {
        "received": stamp(command.sent + pd.Timedelta(1, "ms")), "begun": stamp(begun), "thread": 2,
        "locked": stamp(begun + pd.Timedelta(17, "ms")), "configured": stamp(begun + pd.Timedelta(20, "ms")),
        "answered": stamp(command.answered), "logid": "01020304", "host": command.host, "seq": command.seq,
    }  # fmt: skip
    head, work = REQUEST.rsplit("{begun}", 1)
    assert "on its way" in work
    path = tmp_path / "agent.log"
    path.write_text("".join(part.format(**values) for part in (head, ROUTER, ANSWER)))
    trace = read_trace([str(healthy), str(path)])
    shares = trace.spans.at[command.span, "attributes"]
    assert (shares["wire_ms"], shares["host_wait_ms"], shares["router_lock_ms"], shares["in_router_ms"]) == (
        1,
        3,
        17,
        21,
    )
    parts = sum(shares[name] for name in ("wire_ms", "host_wait_ms", "router_lock_ms", "execution_ms"))
    assert parts == (command.answered - command.sent) / pd.Timedelta(1, "ms")


@pytest.mark.parametrize(("given", "debug", "why"), [(False, True, "not given"), (True, False, "no requests")])
def test_it_is_said_why_a_command_is_not_split(
    given: bool, debug: bool, why: str, alone: Trace, host: str, healthy: Path, tmp_path: Path
) -> None:
    path = tmp_path / "agent.log"
    path.write_text(agent_log(alone, host, pd.Timedelta(0), debug=debug))
    trace = read_trace([str(healthy), *([str(path)] if given else [])])
    mine = trace.commands[(trace.commands["host_name"] == host) & trace.commands["span"].notna()]
    assert {trace.spans.at[span, "attributes"].get("unsplit") for span in mine["span"]} == {why}
    detail = next(detail for detail in from_trace(trace).details if detail.commands.rows)
    wanted = "/agent.log of " if why == "not given" else "was written at INFO"
    (sentence,) = [sentence for sentence in detail.commands.missing if wanted in sentence]
    assert host in sentence
    assert "DEBUG" in sentence
    assert detail.commands.total is None


def test_the_page_shows_the_split_of_each_command(alone: Trace, host: str, healthy: Path, tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    path.write_text(agent_log(alone, host, pd.Timedelta(0)))
    made = from_trace(read_trace([str(healthy), str(path)]))
    rows = [row for detail in made.details for row in detail.commands.rows if row.on_host]
    assert len(rows) > 3
    assert {row.on_host.times[:3] for row in rows if row.on_host} == {("7 ms", "5 ms", "")}
    html = render(made)
    assert "on the host: wire 7 ms, agent&#39;s queue 5 ms, execution" in html
    assert '<th scope="col" class="n">Router\'s lock</th>' in html


def test_the_hosts_lines_belong_to_the_operation_until_the_answer(
    alone: Trace, host: str, healthy: Path, tmp_path: Path
) -> None:
    path = tmp_path / "agent.log"
    path.write_text(agent_log(alone, host, pd.Timedelta(0)))
    trace = read_trace([str(healthy), str(path)])
    lines = trace.records[trace.records["source"] == str(path)]
    assert set(lines["server"]) == {host}
    text = lines.apply(trace.sources.text, axis=1)
    for words, known in (("on its way", True), ("Request:Seq", True), ("Ans:", True), ("GetHostStats", False)):
        chosen = lines[text.str.contains(words, regex=False)]
        assert len(chosen) > 3
        assert chosen["operation"].notna().all() == known
        assert chosen["span"].notna().all() == known
    kinds = trace.spans.loc[lines["span"].dropna().astype(int), "kind"]
    assert set(kinds) == {"command"}


def test_at_info_the_logid_tells_whose_line_it_is(alone: Trace, host: str, healthy: Path, tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    path.write_text(agent_log(alone, host, pd.Timedelta(0), debug=False))
    trace = read_trace([str(healthy), str(path)])
    assert trace.commands["host_received"].isna().all()
    lines = trace.records[(trace.records["source"] == str(path)) & trace.records["logid"].notna()]
    assert len(lines) > 3
    assert lines["operation"].notna().all()
    assert (lines["server"] == host).all()


def test_a_command_that_only_the_host_tells_of_is_a_row(alone: Trace, healthy: Path, tmp_path: Path) -> None:
    values = {
        "received": "2026-11-22 17:05:01,000", "begun": "2026-11-22 17:05:01,001", "thread": 1, "logid": "01020304",
        "host": 9, "seq": 77, "answered": "2026-11-22 17:05:02,000",
    }  # fmt: skip
    path = tmp_path / "agent.log"
    path.write_text(REQUEST.format(**values) + ANSWER.format(**values))
    trace = read_trace([str(healthy), str(path)])
    (row,) = trace.commands[trace.commands["seq"] == 77].itertuples()
    assert (row.host, row.host_name, row.command) == (9, "host 9", "StartCommand")
    assert row.host_answered - row.host_received == pd.Timedelta(1, "s")
    assert pd.isna(row.sent)
    assert pd.isna(row.operation)


def test_an_agents_log_alone_is_read_without_operations(alone: Trace, host: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    path.write_text(agent_log(alone, host, pd.Timedelta(0)))
    trace = read_trace([str(path)])
    assert (trace.meta.files[0].component, trace.meta.files[0].server) == ("agent", host)
    assert len(trace.operations) == 0
    assert trace.commands["host_answered"].notna().sum() > 3


# --- apilog.log


def test_apilog_gives_the_whole_uuid_of_a_job_and_nothing_else(samples: Path, tmp_path: Path) -> None:
    """Before 4.20.1 the server's log has only the first eight digits; these are real lines of that server."""
    log = samples / "4.18" / "a-healthy" / LOG
    log = log if log.exists() else log.with_name(f"{LOG}.gz")
    uuid = "a6d37771-4af5-456e-85fa-b968ba06145e"
    head = (
        "INFO  [a.c.c.a.ApiServlet] (qtp77334939-25:ctx-e14aae4b ctx-0ccf0b36) (logid:44abbcbf) (userId=4 accountId=4 "
    )
    answer = '{"deployvirtualmachineresponse":{"id":"8358c715-805b-4ee8-9ef4-72d888577c60","jobid":"' + uuid + '"}}'
    path = tmp_path / "apilog.log"
    path.write_text(f"2026-11-22 16:50:14,166 {head}sessionId=ijte74bjz6) 127.0.0.1 -- POST  200 {answer}\n")
    without, trace = read_trace([str(log)]), read_trace([str(log), str(path)])
    jobs = trace.jobs.set_index("job")["uuid"]
    assert without.jobs.set_index("job").at[16, "uuid"] == uuid[:8]
    assert jobs[16] == uuid
    assert trace.operations.set_index("operation").at["job-16", "uuid"] == uuid
    (line,) = trace.records[trace.records["source"] == str(path)].itertuples()
    assert (line.operation, line.server) == ("job-16", trace.meta.files[0].server)
    columns = [name for name in without.operations if name != "uuid"]
    pd.testing.assert_frame_equal(trace.operations[columns], without.operations[columns])
    pd.testing.assert_frame_equal(trace.ledger[["start", "end"]], without.ledger[["start", "end"]])


# --- several servers


def records_of(text: str) -> list[str]:
    return re.split(r"(?m)^(?=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ +\[)", text)[1:]


def two_servers(text: str) -> tuple[str, str]:
    """The log of one server as two of a cluster would have written it (none was recorded).

    A queue item may be taken by the heartbeat of any server, so the work jobs, with the commands they send, run on the
    second one: same job numbers and logids, another msid.
    """
    rows = records_of(text)
    work = [row for row in rows if "(Work-Job-Executor-" in row[:200]]
    sent = {seq for row in work for seq in re.findall(r"Seq -?\d+-(\d+): (?:Sending|Waiting|Executing)", row)}

    def moved(row: str) -> bool:
        seq = re.search(r"Seq -?\d+-(\d+)", row)
        taken = "(AsyncJobMgr-Heartbeat" in row[:200] and ("sync-queue item" in row or "Schedule queued" in row)
        return "(Work-Job-Executor-" in row[:200] or taken or (seq is not None and seq[1] in sent)

    return (
        "".join(row for row in rows if not moved(row)),
        "".join(row.replace("MgmtId: 3281355014145", "MgmtId: 90520745723404") for row in rows if moved(row)),
    )


def test_an_operation_that_crosses_two_servers_is_one(healthy: Path, alone: Trace, tmp_path: Path) -> None:
    paths = [tmp_path / name / LOG for name in ("ms1", "ms2")]
    for path, text in zip(paths, two_servers(healthy.read_text()), strict=True):
        path.parent.mkdir()
        path.write_text(text)
    trace = read_trace([str(path) for path in reversed(paths)])
    assert {file.server for file in trace.meta.files} == {"ms1", "90520745723404"}
    columns = [name for name in alone.operations if name not in ("server", "request")]
    pd.testing.assert_frame_equal(trace.operations[columns], alone.operations[columns])
    pd.testing.assert_frame_equal(trace.jobs.drop(columns="server"), alone.jobs.drop(columns="server"))
    work = trace.jobs["origin"].notna()
    assert set(trace.jobs.loc[work, "server"]) == {"90520745723404"}
    assert set(trace.jobs.loc[~work, "server"]) == {"ms1"}
    assert set(trace.operations["server"]) == {"ms1"}
    assert len(trace.records) == len(alone.records)
    assert trace.records["ts"].cummax().sub(trace.records["ts"]).max() < pd.Timedelta(1, "s")


def test_one_folder_of_two_servers_is_told_apart_by_time(healthy: Path, alone: Trace, tmp_path: Path) -> None:
    one, two = two_servers(healthy.read_text())
    (tmp_path / "a.log").write_text(one)
    (tmp_path / "b.log").write_text(two)
    trace = read_trace([str(tmp_path)])
    assert len({file.server for file in trace.meta.files}) == 2
    assert trace.operations["status"].tolist() == alone.operations["status"].tolist()


def test_two_installations_are_not_mixed(healthy: Path, restarted: Path, alone: Trace) -> None:
    other = read_trace([str(restarted)])
    both = read_trace([str(healthy), str(restarted)])
    common = set(alone.operations["operation"]) & set(other.operations["operation"])
    assert both.operations["operation"].is_unique
    assert len(both.operations) == len(alone.operations) + len(other.operations)
    assert both.operations["operation"].str.contains("@").sum() == len(common)
    assert both.operations["wall"].sum() == alone.operations["wall"].sum() + other.operations["wall"].sum()
    assert len(both.spans) == len(alone.spans) + len(other.spans)
    check(both.records, RECORDS, "records")
    check(both.commands, COMMANDS, "commands")
    check(both.ledger, LEDGER, "ledger")
    check_spans(both.spans)
    # Numbers point to the rows that they pointed to.
    for trace in (alone, other):
        for row in trace.spans[trace.spans["kind"] == "job"].itertuples():
            text = trace.sources.text(trace.records.loc[row.first_record])
            mine = both.spans[(both.spans["kind"] == "job") & (both.spans["start"] == row.start)].iloc[0]
            assert both.sources.text(both.records.loc[mine["first_record"]]) == text
