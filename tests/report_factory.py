"""Small traces made by hand, for tests of what is shown: no log is parsed here.

A :class:`Maker` writes the lines of a log as it goes, so records, spans, ledger and text agree with each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pandas as pd

from tracekit import schema
from tracekit.parse.events import Events
from tracekit.read.files import Source, Sources

DAY = pd.Timestamp("2026-08-01 12:00:37.000")
PATH = "logs/management-server.log"
HOSTILE = '</script><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7013}}\u202e\x00\x1b[31mred\' onload="x"'


def at(seconds: float) -> pd.Timestamp:
    """A moment `seconds` after the beginning of the minute."""
    return DAY + pd.Timedelta(microseconds=round(seconds * 1e6))


@dataclass
class Maker:
    """Collects rows; `trace()` hands them over as a trace."""

    text: bytearray = field(default_factory=bytearray)
    line: int = 1
    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {
            name: []
            for name in (
                *("records", "spans", "operations", "jobs", "commands", "ledger", "findings", "quality"),
                *("entities", "told", "unknown"),
            )
        }
    )

    def record(
        self, moment: float, message: str, operation: str | None = None, *, level: str = "DEBUG", thread: str = "main",
        span: int | None = None, event: str | None = "known", more: tuple[str, ...] = (),
    ) -> int:  # fmt: skip
        """Write one record; its number."""
        head = f"{at(moment):%Y-%m-%d %H:%M:%S,%f}"[:-3] + f" {level:<5} [c.c.Test] ({thread}:[]) (logid:) "
        said = "\n".join([head + message, *more]) + "\n"
        raw = said.encode("utf-8", errors="surrogatepass")
        number = len(self.rows["records"])
        self.rows["records"].append(
            {
                "source": PATH, "line": self.line, "lines": 1 + len(more), "offset": len(self.text), "length": len(raw),
                "message": len(head.encode()), "ts": at(moment), "level": level, "logger": "c.c.Test", "thread": thread,
                "event": event, "operation": operation, "span": span,
            }
        )  # fmt: skip
        self.text += raw
        self.line += 1 + len(more)
        return number

    def span(
        self, operation: str, kind: str, name: str, start: float, end: float | None, parent: int | None = None,
        *, status: str = "ok", ends: str = "logged", thread: str = "Work-Job-Executor-1", **attributes: Any,
    ) -> int:  # fmt: skip
        """Add a span and the lines of its two ends; its number. Self time is set when the trace is made."""
        number = len(self.rows["spans"])
        first = self.record(start, f"begin {name}", operation, thread=thread, span=number)
        last = first if end is None else self.record(end, f"end {name}", operation, thread=thread, span=number)
        self.rows["spans"].append(
            {
                "span": number, "parent": parent, "operation": operation, "kind": kind, "name": name, "thread": thread,
                "server": "ms1", "start": at(start), "end": pd.NaT if end is None else at(end),
                "duration": pd.NaT if end is None else at(end) - at(start), "self_time": pd.NaT,
                "depth": 0 if parent is None else self.rows["spans"][parent]["depth"] + 1,
                "status": "open" if end is None else status, "ends": "open" if end is None else ends,
                "first_record": first, "last_record": last, "attributes": attributes,
            }
        )  # fmt: skip
        return number

    def command(
        self, operation: str, name: str, host: str, sent: float, answered: float | None, parent: int, *,
        waited: float = 0.0, result: str | None = "true", details: str | None = None,
    ) -> int:  # fmt: skip
        """Add an agent command and its span; the span's number."""
        status = "error" if result == "false" else "ok"
        span = self.span(operation, "command", name, sent, answered, parent, status=status, thread="DirectAgent-9")
        self.rows["commands"].append(
            {
                "host": int(host[-1]), "host_name": host, "seq": 7_000_000_000 + span, "command": name,
                "operation": operation, "scheduled": at(sent - waited), "sent": at(sent),
                "answered": pd.NaT if answered is None else at(answered), "result": result, "details": details,
                "span": span,
            }
        )  # fmt: skip
        return span

    def interval(
        self, operation: str, start: float, end: float, category: str, owner: str, span: int | None = None
    ) -> None:
        """Add an interval of the ledger, bounded by the first and last record of the operation so far."""
        own = [i for i, row in enumerate(self.rows["records"]) if row["operation"] == operation]
        self.rows["ledger"].append(
            {
                "operation": operation, "start": at(start), "end": at(end), "category": category, "owner": owner,
                "span": span, "first_record": own[0] if own else None, "last_record": own[-1] if own else None,
            }
        )  # fmt: skip

    def operation(
        self, operation: str, command: str | None, start: float | None, end: float | None, **more: Any
    ) -> None:
        """Add an operation; `more` are further columns, moments in seconds."""
        moments = {
            key: pd.NaT if value is None else at(value)
            for key, value in more.items()
            if key in ("returned", "queued", "started", "client_seen")
        }
        spans = {key: pd.Timedelta(seconds=more[key]) for key in ("sync", "queue", "run") if key in more}
        wall = pd.NaT if start is None or end is None else at(end) - at(start)
        self.rows["operations"].append(
            {
                "status": "succeeded", "account": "alice", "user": "alice", "caller": "192.0.2.10", "server": "ms1",
                **more,
                "operation": operation, "command": command, "wall": wall,
                "submitted": pd.NaT if start is None else at(start),
                "completed": pd.NaT if end is None else at(end), **moments, **spans,
            }
        )  # fmt: skip

    def trace(self) -> SimpleNamespace:
        """Everything as a trace with checked tables."""
        _self_times(self.rows["spans"])
        tables = {
            name: schema.check(_frame(getattr(schema, name.upper()), rows), getattr(schema, name.upper()), name)
            for name, rows in self.rows.items()
        }
        schema.check_spans(tables["spans"])
        records = tables["records"]
        file = SimpleNamespace(
            path=PATH, size=len(self.text), lines=self.line - 1, dialect="log4j2",
            title="log4j 2 (4.20 to 4.23)", share=1.0,
            first=records["ts"].min() if len(records) else pd.NaT, last=records["ts"].max() if len(records) else pd.NaT,
        )  # fmt: skip
        return SimpleNamespace(
            sources=Sources((Source(PATH, bytes(self.text), False),)),
            meta=SimpleNamespace(files=(file,), version="0.0"),
            kept=False,
            events=Events(SimpleNamespace(meanings={})),  # type: ignore[arg-type]
            **tables,
        )


def _frame(columns: dict[str, str], rows: list[dict[str, Any]]) -> pd.DataFrame:
    return schema.frame(columns, {name: [row.get(name) for row in rows] for name in columns})


def _self_times(spans: list[dict[str, Any]]) -> None:
    """Duration minus the union of the children, as the build step does it."""
    for span in spans:
        if span["end"] is pd.NaT:
            continue
        inner = sorted(
            (s["start"], min(s["end"], span["end"]))
            for s in spans
            if s["parent"] == span["span"] and s["end"] is not pd.NaT
        )
        covered, reach = pd.Timedelta(0), span["start"]
        for start, end in inner:
            covered += max(end - max(start, reach), pd.Timedelta(0))
            reach = max(reach, end)
        span["self_time"] = max(span["duration"] - covered, pd.Timedelta(0))


def deploy(
    maker: Maker, name: str = "job-43", entity: str = "i-2-3-VM", begin: float = 0.044, slow: float = 1.1
) -> None:
    """A healthy deploy into a fresh network with everything in it; `slow` is the time of its StartCommand."""
    b = begin
    request = maker.span(name, "request", "deployVirtualMachine", b, b + 0.252, thread="qtp-12")
    maker.span(
        name, "call", "DynamicRoleBasedAPIAccessChecker.checkAccess", b + 0.004, b + 0.006, request, thread="qtp-12"
    )
    for i in range(4):
        maker.span(
            name,
            "call",
            "AccountManagerImpl.checkAccess",
            b + 0.01 + i * 0.004,
            b + 0.012 + i * 0.004,
            request,
            thread="qtp-12",
        )
    allocate = maker.span(name, "call", "UserVmManagerImpl.allocate", b + 0.04, b + 0.2, request, thread="qtp-12")
    for i in range(5):
        maker.span(
            name,
            "call",
            "ResourceLimitManagerImpl.incrementResourceCount",
            b + 0.05 + i * 0.02,
            b + 0.06 + i * 0.02,
            allocate,
            thread="qtp-12",
            ends="before",
        )
    job = maker.span(name, "job", name, b + 0.3, b + 5.98 + slow, thread="API-Job-Executor-3")
    plan = maker.span(name, "stage", "PLANNING", b + 0.3, b + 0.363, job, host="kvm1", pool="primary-1", vm=entity)
    for i, said in enumerate(
        ("LocalStoragePoolAllocator", "ClusterScopeStoragePoolAllocator", "ZoneWideStoragePoolAllocator")
    ):
        maker.span(name, "call", f"{said}.select", b + 0.32 + i * 0.01, b + 0.329 + i * 0.01, plan)
    maker.span(name, "queue", "VmWorkJobQueue.8", b + 0.38, b + 2.056, job)
    work = maker.span(name, "work", "VmWorkStart job-44", b + 2.056, b + 5.9 + slow, job)
    maker.span(name, "stage", "RESERVATION", b + 2.06, b + 2.07, work, host="kvm1", attempt=1, vm=entity)
    net = maker.span(
        name,
        "stage",
        "NETWORK PREP",
        b + 2.126,
        b + 4.578,
        work,
        addresses="10.1.1.186",
        commands="DhcpEntryCommand, SavePasswordCommand, VmDataCommand",
        vm=entity,
    )
    maker.span(name, "stage", "VM START", b + 2.3, b + 3.2, net, vm="r-6-VM", host="kvm2")
    router = maker.command(name, "StartCommand", "kvm2", b + 2.35, b + 3.15, net)
    first = maker.command(name, "DhcpEntryCommand", "kvm2", b + 3.3, b + 3.5, net)
    maker.command(name, "SavePasswordCommand", "kvm2", b + 3.6, b + 3.9, net)
    data = maker.command(name, "VmDataCommand", "kvm2", b + 3.95, b + 4.5, net, waited=0.04)
    volume = maker.span(name, "stage", "VOLUME PREP", b + 4.579, b + 4.7, work, pool="primary-1", vm=entity)
    copy = maker.command(name, "CopyCommand", "kvm1", b + 4.59, b + 4.69, volume)
    vm_start = maker.span(name, "stage", "VM START", b + 4.731, b + 4.756 + slow, work, host="kvm1", vm=entity)
    start = maker.command(name, "StartCommand", "kvm1", b + 4.74, b + 4.74 + slow, vm_start)
    maker.span(name, "stage", "COMPLETION", b + 5.8 + slow, b + 5.9 + slow, work, ends="before", vm=entity)
    maker.span(name, "state", "Starting → Running", b + 5.81 + slow, b + 5.82 + slow, work)
    maker.record(
        b + 5.0,
        "Timed out on 10.0.0.1 apiKey=TOPSECRET password=hunter2",
        name,
        level="WARN",
        thread="Work-Job-Executor-1",
        more=("java.lang.Exception: x", "\tat a.b.C"),
    )
    for start_at, end_at, category, owner, span in (
        (0, 0.252, "execution", "ApiServlet.processRequest", request),
        (0.252, 0.3, "executor", "API-Job-Executor", None),
        (0.3, 0.38, "execution", "DeploymentPlanningManagerImpl.planDeployment", plan),
        (0.38, 2.056, "queue", "VmWorkJobQueue.8, queue heartbeat", None),
        (2.056, 2.35, "execution", "NetworkOrchestrator.prepare", net),
        (2.35, 3.15, "agent", "kvm2 StartCommand", router),
        (3.15, 3.3, "lock", "network 204, held by job-41", None),
        (3.3, 3.95, "agent", "kvm2 DhcpEntryCommand", first),
        (3.95, 4.5, "agent", "kvm2 VmDataCommand", data),
        (4.5, 4.59, "database", "template_spool_ref", None),
        (4.59, 4.74, "agent", "kvm1 CopyCommand", copy),
        (4.74, 4.74 + slow, "agent", "kvm1 StartCommand", start),
        (4.74 + slow, 5.8 + slow, "unlogged", "Work-Job-Executor-1", None),
        (5.8 + slow, 5.98 + slow, "execution", "UserVmManagerImpl.finalizeStart", None),
    ):  # fmt: skip
        maker.interval(name, b + start_at, b + end_at, category, owner, span)
    maker.interval(name, b + 5.98 + slow, b + 6.4 + slow, "client", "queryAsyncJobResult")
    maker.operation(
        name, "deployVirtualMachine", b, b + 5.98 + slow, job=int(name.split("-")[1]), request=request,
        uuid="5dc96a21-0000-4000-8000-000000000043", entity=entity, returned=b + 0.252, started=b + 0.3,
        client_seen=b + 6.4 + slow, sync=0.252, queue=1.724, run=4.0 + slow,
    )  # fmt: skip


def crowd(maker: Maker, number: int = 2400, begin: float = 60.0) -> None:
    """An operation of very many calls, the last one failed."""
    name = "job-71"
    job = maker.span(name, "job", name, begin + 0.1, begin + 24.9)
    for i in range(number):
        start = begin + 0.2 + i * 0.01
        status = "error" if i == number - 1 else "ok"
        maker.span(name, "call", f"VolumeDaoImpl.find{i % 7}", start, start + 0.008, job, status=status)
    maker.interval(name, begin, begin + 25, "execution", "VolumeDaoImpl")
    maker.operation(name, "deleteVolume", begin, begin + 25, job=71, returned=begin + 0.1)


def failed(maker: Maker, begin: float = 20.0) -> None:
    """A start that fails because a command was answered with false."""
    name = "job-51"
    job = maker.span(name, "job", name, begin + 0.1, begin + 12.4, status="error", thread="API-Job-Executor-4")
    work = maker.span(name, "work", "VmWorkStart job-52", begin + 0.9, begin + 12.3, job, status="error")
    stage = maker.span(name, "stage", "VM START", begin + 1.0, begin + 11.2, work, status="error", host="kvm1")
    span = maker.command(
        name,
        "StartCommand",
        "kvm1",
        begin + 1.1,
        begin + 11.1,
        stage,
        result="false",
        details="Unable to start: no space left",
    )
    record = maker.record(
        begin + 11.3, "Unable to start VM on Host", name, level="ERROR", thread="Work-Job-Executor-2", event=None
    )
    maker.interval(name, begin, begin + 0.1, "execution", "ApiServlet.processRequest")
    maker.interval(name, begin + 0.1, begin + 0.9, "queue", "VmWorkJobQueue.9")
    maker.interval(name, begin + 0.9, begin + 1.1, "execution", "VirtualMachineManagerImpl.orchestrateStart", work)
    maker.interval(name, begin + 1.1, begin + 11.1, "agent", "kvm1 StartCommand", span)
    maker.interval(name, begin + 11.1, begin + 12.4, "execution", "VirtualMachineManagerImpl.orchestrateStart", work)
    maker.operation(
        name, "startVirtualMachine", begin, begin + 12.4, job=51, entity="i-2-9-VM", returned=begin + 0.09,
        status="failed", error="Unable to start a VM due to insufficient capacity", sync=0.09, queue=0.8, run=11.4,
    )  # fmt: skip
    maker.rows["findings"].append(
        {
            "rule": "start-answer-false", "severity": "error", "verdict": "found", "operation": name, "span": span,
            "cost": pd.Timedelta(seconds=10), "title": "kvm1 answered StartCommand with false", "evidence": [record],
            "advice": "Look at /var/log/cloudstack/agent/agent.log on kvm1 at the time below.",
        }
    )  # fmt: skip


def unfinished(maker: Maker, begin: float = 35.0) -> None:
    """A migration whose command has no answer when the log ends."""
    name = "job-60"
    job = maker.span(name, "job", name, begin + 0.1, None, thread="API-Job-Executor-5")
    work = maker.span(name, "work", "VmWorkMigrate job-61", begin + 0.5, None, job)
    maker.command(name, "MigrateCommand", "kvm2", begin + 0.8, None, work, result=None)
    maker.operation(
        name,
        "migrateVirtualMachine",
        begin,
        None,
        job=60,
        entity="i-2-3-VM",
        returned=begin + 0.08,
        status="unfinished",
        sync=0.08,
    )


def requests(maker: Maker, number: int = 12, begin: float = 1.0) -> None:
    """Requests without a job, one of them refused."""
    for i in range(number):
        name, start = f"req-{i:08x}", begin + i * 3.1
        length = 0.02 + (i % 5) * 0.013
        span = maker.span(name, "request", "listVirtualMachines", start, start + length, thread="qtp-7")
        refused = i == 7
        maker.interval(name, start, start + length, "execution", "ApiServlet.processRequest", span)
        maker.operation(
            name, "listVirtualMachines", start, start + length, returned=start + length, account="admin",
            status="failed" if refused else "succeeded", error="Acct[bob] may not list" if refused else None,
        )  # fmt: skip


def hostile(maker: Maker, begin: float = 45.0) -> None:
    """An operation all of whose names want to act."""
    name = "job-66"
    job = maker.span(name, "job", HOSTILE, begin + 0.1, begin + 2.0)
    maker.span(name, "stage", HOSTILE, begin + 0.2, begin + 1.0, job, status="error", host=HOSTILE, vm=HOSTILE)
    maker.command(name, HOSTILE, "kvm1", begin + 0.3, begin + 0.9, job, result="false", details=HOSTILE)
    record = maker.record(
        begin + 1.1, HOSTILE + " sessionkey=TOPSECRET&apikey=TOPSECRET", name, level="ERROR", thread=HOSTILE[:60]
    )
    maker.record(begin + 1.2, "x" * 1_000_000, name)
    maker.interval(name, begin, begin + 2.0, "execution", HOSTILE)
    maker.operation(
        name, HOSTILE, begin, begin + 2.0, job=66, entity=HOSTILE, account=HOSTILE, user=HOSTILE, caller=HOSTILE,
        uuid=HOSTILE, status="failed", error=HOSTILE, server=HOSTILE,
    )  # fmt: skip
    maker.rows["findings"].append(
        {
            "rule": "x",
            "severity": "error",
            "verdict": "found",
            "operation": name,
            "title": HOSTILE,
            "evidence": [record],
            "advice": HOSTILE,
        }
    )
    maker.rows["entities"].append({"kind": "vm", "id": 66, "uuid": HOSTILE, "name": HOSTILE, "count": 1})
    maker.rows["unknown"].append(
        {"template": HOSTILE, "count": 1, "level": "WARN", "logger": HOSTILE, "example": HOSTILE, "where": HOSTILE}
    )
    maker.rows["quality"].append(
        {"counter": HOSTILE, "severity": "warning", "count": 3, "example": HOSTILE, "where": HOSTILE}
    )


def typical() -> SimpleNamespace:
    """A log with a bit of everything."""
    maker = Maker()
    deploy(maker)
    deploy(maker, "job-47", "i-2-4-VM", 8.0, 0.9)
    deploy(maker, "job-49", "i-2-5-VM", 9.5, 1.3)
    deploy(maker, "job-53", "i-2-6-VM", 24.0, 9.7)
    requests(maker)
    failed(maker)
    unfinished(maker)
    maker.rows["entities"] += [
        {"kind": "host", "id": 1, "uuid": "2cc7a860-3782-4710-b05f-7b8c1aac4294", "name": "kvm1", "count": 12},
        {"kind": "vm", "id": 3, "uuid": None, "name": "i-2-3-VM", "count": 4},
        {"kind": "vm", "id": 4, "uuid": None, "name": None, "count": 1},
    ]
    maker.rows["unknown"].append(
        {
            "template": "Bridge <*> is gone", "count": 7, "level": "WARN", "logger": "Bridges",
            "example": "Bridge cloudbr0 is gone", "where": f"{PATH}:77",
        }
    )  # fmt: skip
    maker.rows["quality"].append(
        {"counter": "time goes back", "severity": "note", "count": 4, "example": "by 12 ms", "where": f"{PATH}:120"}
    )
    return maker.trace()


def many() -> SimpleNamespace:
    """A log with an operation of more spans than are drawn as elements."""
    maker = Maker()
    deploy(maker)
    crowd(maker)
    return maker.trace()


def bad() -> SimpleNamespace:
    """A log that wants to act on whoever reads it."""
    maker = Maker()
    deploy(maker)
    hostile(maker)
    return maker.trace()
