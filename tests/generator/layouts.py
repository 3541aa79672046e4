"""How each header dialect prints a line, and how its release words a statement.

Wording is test data: small templates with $names, one set a family of releases. A dialect file that is added under
grammars/dialects needs an entry here (`test_generated.py` says so).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import Template

Context = Sequence[str]

# Statements of every release; a family below adds to them or says them otherwise.
COMMON = {
    "get": "===$mark===  10.0.0.7 -- GET  $query",
    "post": "===$mark===  10.0.0.7 -- POST  $query",
    "add": "Add job-$job into job monitoring",
    "remove": "Remove job-$job from job monitoring",
    "submit": "submit async job-$job, details: $details",
    "execute": "Executing $details",
    "sync": "Sync job-$job execution on object $queue.$item",
    "schedule": "Schedule queued job-$job",
    "work": "Run VM work job: $cls for VM $vm, job origin: $origin",
    "work_execute": 'Execute VM work job: $cls{"dcId":1,"userId":4,"accountId":4,"vmId":$vm,"handlerName":"Virtual"}',
    "work_executed": 'Done executing VM work job: $cls{"dcId":1,"userId":4,"accountId":4,"vmId":$vm}',
    "work_done": "Done with run of VM work job: $cls for VM $vm, job origin: $origin",
    "complete": "Complete async job-$job, jobStatus: $status, resultCode: $code, result: $result",
    "publish": "Publish async job-$job complete on message bus",
    "wake": "Wake up jobs related to job-$job",
    "update": "Update db status for job-$job",
    "joined": "Wake up jobs joined with job-$job and disjoin all subjobs created from job- $job",
    "done": "Done executing $cls for job-$job",
    "child_failed": "Job $job failed with InsufficientCapacityException",
    "pseudo": "Job is executed without a context, setup psudo job for the executing thread",
    "transit": "$entity state transited from [$old] to [$new] with event [$event]. VM's original host: null, new host: "
    "null, host before state transition: null",
    "routed": "Seq $shown-$seq: Routed from 3281355014145",
    "send": "Seq $host-$seq: Sending  { Cmd , MgmtId: 3281355014145, via: $host($name), Ver: v1, Flags: $flags, "
    "$body }",
    "wait": "Seq $host-$seq: Waiting for Seq $behind Scheduling:  { Cmd , MgmtId: 3281355014145, via: $host($name), "
    "Ver: v1, Flags: $flags, $body }",
    "now": "Seq $shown-$seq: Sending now.  is current sequence.",
    "direct": "Seq $host-$seq: Executing:  { Cmd , MgmtId: 3281355014145, via: $host($name), Ver: v1, Flags: $flags, "
    "$body }",
    "begun": "Seq $shown-$seq: Executing request",
    "ended": "Seq $shown-$seq: Response Received: ",
    "answer": "Seq $host-$seq: Processing:  { Ans: , MgmtId: 3281355014145, via: $host, Ver: v1, Flags: 10, $body }",
    "none_left": "Seq $shown-$seq: No more commands found",
    "receive": "Seq $host-$seq: Received:  { Ans: , MgmtId: 3281355014145, via: $host($name), Ver: v1, Flags: 10, "
    "{ $answers } }",
    "timeout": "Seq $shown-$seq: Timed out on Seq $host-$seq:  { Cmd , MgmtId: 3281355014145, via: $host($name), "
    "Ver: v1, Flags: $flags, $body }",
    "unheard": "Seq $shown-$seq: Unable to find listener.",
    "server": "Server configuration file found: /etc/cloudstack/management/server.properties",
    "daemon": "Initializing server daemon on 127.0.0.1, with http.enable=true, http.port=8080",
    "cancel": "Cancel left-over job-$job",
    "purge": "Purge queue item for cancelled job-$job",
    "noise": "Nothing that a rule would know: $what",
    "network": "Lock is acquired for network id 204 as a part of network implement",
    "failure": "Unable to start instance, the host said: $what",
}
OLD = {
    "details": "AsyncJobVO: {id:$job, userId: 4, accountId: 4, instanceType: VirtualMachine, instanceId: $vm, cmd: "
    '$cls, cmdInfo: {"httpmethod":"POST","ctxAccountId":"4","name":"$entity","uuid":"$entity_uuid"}, '
    "cmdVersion: 0, status: IN_PROGRESS, processStatus: 0, resultCode: 0, result: null, initMsid: 1, "
    "completeMsid: null, lastUpdated: null, lastPolled: null, created: null, removed: null}",
    "dequeue": "Execute sync-queue item: SyncQueueItemVO {id:9, queueId: 7, contentType: AsyncJob, contentId: $job, "
    "lastProcessMsid: 1, lastprocessNumber: 1, lastProcessTime: Sun Nov 22 16:50:15 UTC 2026, created: "
    "Sun Nov 22 16:50:14 UTC 2026}",
    "work_details": "AsyncJobVO: {id:$job, userId: 4, accountId: 4, instanceType: null, instanceId: null, cmd: $cls, "
    "cmdInfo: rO0ABXNyABhjb20, cmdVersion: 0, status: IN_PROGRESS, processStatus: 0, resultCode: 0, "
    "result: null, initMsid: 1, completeMsid: null, lastUpdated: null, lastPolled: null, created: Sun "
    "Nov 22 16:50:14 UTC 2026, removed: null}",
    "vm": 'VM instance {id: "$vm", name: "$name", uuid: "$uuid", type="$type"}',
    "attempt": "VM start attempt #$attempt",
}
NEW = {
    "details": 'AsyncJob {"accountId":4,"cmd":"$cls","cmdInfo":"{\\"httpmethod\\":\\"GET\\",\\"ctxAccountId\\":\\"4\\",'
    '\\"name\\":\\"$entity\\",\\"uuid\\":\\"$entity_uuid\\"}","cmdVersion":0,"completeMsid":null,"created":null,'
    '"id":$job,"initMsid":1,"instanceId":$vm,"instanceType":"VirtualMachine","lastPolled":null,'
    '"lastUpdated":null,"processStatus":0,"removed":null,"result":null,"resultCode":0,"status":"IN_PROGRESS",'
    '"userId":4,"uuid":"$uuid"}',
    "work_details": 'AsyncJob {"accountId":4,"cmd":"$cls","cmdInfo":"rO0ABXNyABhjb20","cmdVersion":0,'
    '"completeMsid":null,"created":"Sun Nov 22 16:50:14 UTC 2026","id":$job,"initMsid":1,'
    '"instanceId":null,"instanceType":null,"lastPolled":null,"lastUpdated":null,"processStatus":0,'
    '"removed":null,"result":null,"resultCode":0,"status":"IN_PROGRESS","userId":4,"uuid":"$uuid"}',
    "vm": 'VM instance {"id":$vm,"instanceName":"$name","state":"Starting","type":"$type","uuid":"$uuid"}',
    "attempt": "Instance start attempt #$attempt",
}
LOGGERS = {
    "get": "c.c.a.ApiServlet",
    "post": "c.c.a.ApiServlet",
    "add": "o.a.c.f.j.i.AsyncJobMonitor",
    "remove": "o.a.c.f.j.i.AsyncJobMonitor",
    "work": "c.c.v.VmWorkJobDispatcher",
    "work_done": "c.c.v.VmWorkJobDispatcher",
    "work_execute": "c.c.v.VmWorkJobHandlerProxy",
    "work_executed": "c.c.v.VmWorkJobHandlerProxy",
    "transit": "c.c.c.CapacityManagerImpl",
    "server": "o.a.c.ServerDaemon",
    "daemon": "o.a.c.ServerDaemon",
    "noise": "c.c.s.StatsCollector",
    "network": "o.a.c.e.o.NetworkOrchestrator",
    "attempt": "c.c.v.VirtualMachineManagerImpl",
    **dict.fromkeys(("send", "wait", "direct", "answer", "receive"), "c.c.a.t.Request"),
    **dict.fromkeys(("routed", "now", "begun", "ended", "none_left", "timeout", "unheard"), "c.c.a.m.AgentAttache"),
}
LEVELS = {
    "add": "INFO",
    "remove": "INFO",
    "server": "INFO",
    "daemon": "INFO",
    "timeout": "WARN",
    "child_failed": "ERROR",
    "pseudo": "WARN",
    "failure": "ERROR",
}


@dataclass(frozen=True)
class Layout:
    """One header dialect with the wording of its releases."""

    id: str
    words: Mapping[str, str]
    context: Callable[[Context], str]
    lying_hosts: bool  # lines of the attache classes name the host that was attached last (trap 10)
    exceptions_inline: bool  # the exception's class stands on the message's line
    parameters: bool  # a POST's parameters are printed below its line
    logids: bool = True
    prefix: str = ""  # a shipper's, before every record
    point: str = ","  # before the milliseconds

    def say(self, statement: str, **values: object) -> str:
        """The message of a statement."""
        return Template(self.words[statement]).substitute(values)

    def head(self, stamp: str, level: str, logger: str, thread: str, context: Context, logid: str) -> str:
        """Everything before the message."""
        said = f" (logid:{logid})" if self.logids else ""
        stamp = stamp.replace(".", self.point)
        return f"{self.prefix}{stamp} {level:<5} [{logger}] ({thread}:{self.context(context)}){said} "


def words(context: Context) -> str:
    """A context of log4j 1."""
    return " ".join(context) or "null"


def brackets(context: Context) -> str:
    """A context of log4j 2."""
    return f"[{', '.join(context)}]"


PREFIX = "Mar 11 16:52:02 mgmt01 cloudstack-management: "
LAYOUTS = {
    layout.id: layout
    for layout in (
        Layout("log4j1", {**COMMON, **OLD}, words, lying_hosts=False, exceptions_inline=False, parameters=False),
        Layout("log4j2", {**COMMON, **NEW}, brackets, lying_hosts=True, exceptions_inline=True, parameters=True),
        Layout("log4j1-plain", {**COMMON, **OLD}, words, False, False, False, logids=False),
        Layout("forwarded", {**COMMON, **NEW}, brackets, True, True, True, prefix=PREFIX),
        Layout("reshipped", {**COMMON, **OLD}, words, False, False, False, point="."),
    )
}
# Dialects of other files, and those that keep no whole log of a management server, by what they lack.
OTHERS = {
    "another program": ("access",),
    "no date": ("container", "development", "syslog", "undated"),
    "no context": ("elided", "spring"),
}
