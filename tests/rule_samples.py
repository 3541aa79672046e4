"""Short notation of the logs that fire a finding: what `sample` in grammars/rules/*.toml says.

A sample is the inside of an operation: job-43, a deploy, with its work job-44 on VM 7. One line each:

    who seconds message        who: req, api, work, bg, host (an agent's log); 2 behind it: the operation job-53/job-54
    late seconds message       a line of the background whose time lies so far back
    MANY n command             as many API requests at the same time
    REPEAT n line              the line as often
    cmd seconds Class took [key=value ...]   an agent command of the work job, `cmd2` of the other one
    !word value                seconds of waiting: queue, executor, threads, parent, publish, poll; failed, cancelled,
                               worked (the sample ends the work job), jobless, only
                               (nothing around the lines), command, level

`seconds` is the time since the line before; `<rule>` stands for the sample line of a message rule. Keys of a command:
host, wait (for its turn), false (the host's refusal), late (seconds until the thread woke), end (timeout, lost, none),
text (in the body), back (does not hold up what follows).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

BEGIN = datetime(2026, 3, 1, 10, 0, 0)
CONTEXT = {
    "api": "ctx-000000{n}1 job-{n}3",
    "work": "ctx-000000{n}2 job-{n}3/job-{n}4",
    "req": "ctx-{n:0>7}f",
    "poll": "ctx-00000077",
    "again": "ctx-00000005 job-43/job-45",
}
THREAD = {
    "api": "API-Job-Executor-{n}",
    "work": "Work-Job-Executor-{n}",
    "req": "qtp1-2{n}",
    "bg": "Background-{n}",
    "again": "Work-Job-Executor-9",
    "poll": "qtp1-99",
    "host": "AgentRequest-Handler-{n}",
}


@dataclass
class Writer:
    """Lines of one log, put in the order of their times at the end."""

    words: Mapping[str, Callable[[], str]]
    now: float = 0.0
    level: str = "DEBUG"
    seq: int = 100
    lines: list[tuple[float, str]] = field(default_factory=list)

    def say(
        self, who: str, message: str, wait: float = 0.001, at: float | None = None, place: float | None = None
    ) -> None:
        """One record; `who` as in the notation. `place` puts it among those of another time."""
        self.now += wait if at is None else 0.0
        name, number = (who[:-1], "5") if who.endswith("2") and who[:-1] in THREAD else (who, "4")
        if name.startswith("many"):
            name, number = "req", f"9{name[4:]}"
        message = (
            re.sub(r"<(\w+)>", lambda found: self.words[found[1]](), message).replace("\\n", "\n").replace("\\t", "\t")
        )
        context = CONTEXT.get(name, "null").format(n=number)
        time = BEGIN + timedelta(seconds=self.now if at is None else at)
        stamp = f"{time:%Y-%m-%d %H:%M:%S},{time.microsecond // 1000:03d}"
        level, message = (
            message.split(" ", 1)
            if message.split(" ")[0] in ("INFO", "WARN", "ERROR", "TRACE")
            else (self.level, message)
        )
        logid = "" if context == "null" else f"aaaaaa{number}0"
        line = (
            f"{stamp} {level:<5} [c.c.x.Sample] ({THREAD[name].format(n=number)}:{context}) (logid:{logid}) {message}"
        )
        self.lines.append((place if place is not None else self.now if at is None else at, line))

    def command(self, who: str, name: str, took: float, **key: str) -> None:
        """An agent command: what the thread that sends it and the answer's thread print."""
        self.seq += 1
        host, seq = key.get("host", "1"), self.seq
        head = f"Seq {host}-{seq}: "
        via = f"MgmtId: 1, via: {host}(kvm{host}), Ver: v1, Flags: "
        body = ",".join(
            f'{{"com.cloud.agent.api.{part}":{{"vm":{{"id":"7"}}{key.get("text", "")},"wait":"0"}}}}'
            for part in name.split(",")
        )
        begun = self.now
        if "wait" in key:
            self.say(who, f"{head}Waiting for Seq {seq - 1} Scheduling:  {{ Cmd , {via}100111, [{body}] }}")
            begun = self.now + float(key["wait"])
            if key.get("end") != "unsent":
                self.say("bg", f"{head}Sending now.  is current sequence.", at=begun)
        else:
            self.say(who, f"{head}Sending  {{ Cmd , {via}100011, [{body}] }}")
            begun = self.now
        over = begun + took
        if key.get("end") in ("timeout", "lost", "unsent"):
            if key["end"] == "lost":
                self.say(
                    "bg",
                    f"{head}Sending disconnect to class com.cloud.agent.manager.SynchronousListener",
                    at=over - 0.001,
                )
            self.say(who, f"WARN {head}Timed out on Seq {host}-{seq}:  {{ Cmd , {via}100011, [{body}] }}", at=over)
        elif "false" in key:
            answer = (
                f'[{{"com.cloud.agent.api.StartAnswer":{{"result":"false","details":"{key["false"]}","wait":"0"}}}}]'
            )
            self.say("bg", f"{head}Processing:  {{ Ans: , {via}10, {answer} }}", at=over)
        else:
            self.say(
                "bg",
                f'{head}Processing:  {{ Ans: , {via}10, [{{"com.cloud.agent.api.Answer":{{"result":"true"}}}}] }}',
                at=over,
            )
        if key.get("end") is None:
            over += float(key.get("late", "0.001"))
            self.say(who, f"{head}Received:  {{ Ans: , {via}10, {{ Answer }} }}", at=over)
        if "back" not in key:
            self.now = over


def log_of(sample: str, words: Mapping[str, Callable[[], str]]) -> str:
    """The log that a sample describes."""
    lines = [line for line in unrolled(sample.strip().splitlines()) if line.strip()]
    setting = {line[1:].partition(" ")[0]: line.partition(" ")[2] for line in lines if line.startswith("!")}
    said = [line.split(" ", 2) for line in lines if not line.startswith("!")]
    writer = Writer(words, level=setting.get("level", "DEBUG"))
    body(writer, said, setting)
    return "".join(f"{line}\n" for _, line in sorted(writer.lines, key=lambda item: item[0]))


def unrolled(lines: list[str]) -> Iterator[str]:
    """`REPEAT n line` as n lines."""
    for line in lines:
        word, _, rest = line.partition(" ")
        times, _, repeated = rest.partition(" ")
        yield from [repeated] * int(times) if word == "REPEAT" else [line]


def body(writer: Writer, said: list[list[str]], setting: Mapping[str, str]) -> None:
    """The operation with the sample's lines inside."""
    if "only" not in setting:
        name = setting.get("command", "deployVirtualMachine")
        writer.say("req", f"===START===  10.0.0.1 -- GET  command={name}&response=json")
        spoken(writer, [line for line in said if line[0] == "req"])
        if "jobless" in setting:
            writer.say("req", f"===END===  10.0.0.1 -- GET  command={name}&response=json")
        else:
            open_job(writer, "4", setting)
    if any(line[0].endswith("2") for line in said):
        writer.say("req2", "===START===  10.0.0.1 -- GET  command=deployVirtualMachine&response=json")
        open_job(writer, "5", {})
    spoken(writer, [line for line in said if line[0] != "req"])
    if "only" not in setting and "jobless" not in setting:
        close_job(writer, "4", setting)
    if any(line[0].endswith("2") for line in said):
        close_job(writer, "5", {})


def spoken(writer: Writer, said: list[list[str]]) -> None:
    """The sample's own lines."""
    for who, wait, message in said:
        if who == "MANY":
            for end in ("START", "END"):
                for number in range(int(wait)):
                    writer.say(f"many{number}", f"==={end}===  10.0.0.1 -- GET  command={message}&response=json")
        elif who == "late":
            writer.say("bg", message, at=writer.now - float(wait), place=writer.now)
        elif who.startswith("cmd"):
            name, took, *keys = shlex.split(message)
            writer.now += float(wait)
            writer.command("work" + who[3:], name, float(took), **dict(key.split("=", 1) for key in keys))
        else:
            writer.say(who, message, float(wait))


def open_job(writer: Writer, n: str, setting: Mapping[str, str]) -> None:
    """From `submit async job` to the work job's first line."""
    end = "2" if n == "5" else ""
    vm = "7" if n == "4" else "8"
    details = (
        f"AsyncJobVO: {{id:{n}3, userId: 2, accountId: 2, instanceType: VirtualMachine, instanceId: {vm}, "
        "cmd: org.apache.cloudstack.api.command.user.vm.DeployVMCmd, cmdInfo: {}, cmdVersion: 0, status: IN_PROGRESS}"
    )
    writer.say("req" + end, f"submit async job-{n}3, details: {details}")
    writer.say("req" + end, "===END===  10.0.0.1 -- GET  command=x&response=json")
    writer.say("api" + end, f"INFO Add job-{n}3 into job monitoring", 0.001 + float(setting.get("executor", "0")))
    writer.say("api" + end, f"Executing {details}")
    writer.say("api" + end, f"Sync job-{n}4 execution on object VmWorkJobQueue.{vm}")
    item = f"SyncQueueItemVO {{id:1, queueId: 1, contentType: AsyncJob, contentId: {n}4, lastProcessMsid: 1}}"
    writer.say("bg", f"Execute sync-queue item: {item}", 0.2 + float(setting.get("queue", "0")))
    writer.say("bg", f"Schedule queued job-{n}4")
    writer.say("work" + end, f"INFO Add job-{n}4 into job monitoring", 0.001 + float(setting.get("threads", "0")))
    writer.say("work" + end, f"Run VM work job: com.cloud.vm.VmWorkStart for VM {vm}, job origin: {n}3")


def close_job(writer: Writer, n: str, setting: Mapping[str, str]) -> None:
    """The ends of both jobs and the client's poll."""
    end = "2" if n == "5" else ""
    if "cancelled" in setting:
        return
    state = "FAILED, resultCode: 530" if "failed" in setting else "SUCCEEDED, resultCode: 0"
    ends = [("work", "4", 0.001), ("api", "3", 0.001 + float(setting.get("parent", "0")))]
    for who, job, wait in ends["worked" in setting :]:
        writer.say(who + end, f"Complete async job-{n}{job}, jobStatus: {state}, result: null", wait)
        writer.say(
            who + end, f"Publish async job-{n}{job} complete on message bus", 0.001 + float(setting.get("publish", "0"))
        )
        writer.say(who + end, f"Update db status for job-{n}{job}")
        writer.say(who + end, f"INFO Remove job-{n}{job} from job monitoring")
    if "poll" in setting:
        query = f"command=queryAsyncJobResult&jobId=aaaaaa{n}0-0000-0000-0000-000000000000&response=json"
        writer.say("poll", f"===START===  10.0.0.1 -- GET  {query}", float(setting["poll"]))
        writer.say("poll", f"===END===  10.0.0.1 -- GET  {query}")
