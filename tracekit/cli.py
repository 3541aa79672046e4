"""The command line. The only place that turns a TracekitError into a line and an exit code."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import click

from tracekit import __version__
from tracekit.errors import TracekitError, UsageError
from tracekit.writing import encoded, free, place, write

if TYPE_CHECKING:
    from tracekit.diagnose.rules import Rule
    from tracekit.options import Filters
    from tracekit.progress import Progress
    from tracekit.read.files import Sources
    from tracekit.trace import Started, Trace

COLLECTIONS = (1_000_000, 20, 100)  # objects made between two collections of garbage, and their generations
LARGE = 10.0  # MB of a page from which on one is warned
CONTEXT = {"help_option_names": ["-h", "--help"]}
NO_CACHE, RULES = "tracekit.no_cache", "tracekit.rules"
# What --by compares; stands here because click needs it before pandas is loaded.
BY = ("host", "pool", "router", "template", "account", "hour", "command", "agent-command", "half", "stall")
force_option = click.option("--force", is_flag=True, help="Overwrite files that exist.")
paths_argument = click.argument("paths", nargs=-1, required=True, metavar="LOG...")
strict_option = click.option(
    "--strict", is_flag=True, help="Exit code 1 when a cause was found or a line was not understood."
)
cache_option = click.option(
    "--no-cache",
    is_flag=True,
    expose_value=False,
    callback=lambda context, _, given: context.meta.__setitem__(NO_CACHE, given),
    help="Read the logs even where the cache has what they say.",
)
rules_option = click.option(
    "--rules",
    multiple=True,
    type=click.Path(path_type=Path),
    envvar="TRACEKIT_RULES",
    expose_value=False,
    callback=lambda context, _, given: context.meta.__setitem__(RULES, given),
    metavar="FOLDER",
    help="Ask the rules of this folder, too; several times for several. Also by TRACEKIT_RULES.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="For machines.")
FILTERS = (
    click.option("--since", metavar="TIME", help="Operations submitted at or after this time of the log."),
    click.option("--until", metavar="TIME", help="Operations submitted at or before it."),
    click.option("--job", metavar="JOB", help="The operation of this job: job-43, 43, or job-43#2."),
    click.option("--vm", metavar="NAME", help="Part of the VM's name, or its uuid."),
    click.option("--command", metavar="NAME", help="Part of the API command's name."),
    click.option("--failed", is_flag=True, help="Failed and cancelled ones."),
    click.option("--slower-than", metavar="TIME", help="150ms, 2s, 1.5m."),
    click.option("--dialect", metavar="NAME", help="Take every file for this log layout; see grammars/dialects."),
)


def filter_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options by which every command chooses operations."""
    for option in reversed(FILTERS):
        function = option(function)
    return function


class Commands(click.Group):
    """All commands. Where nobody reads any more what one prints it ends, and that is no error."""

    def make_context(self, *given: Any, **more: Any) -> click.Context:
        """Read the options; --help and --version print."""
        try:
            return super().make_context(*given, **more)
        except BrokenPipeError:  # for which click has a code of its own
            print_no_more()
            raise click.exceptions.Exit(0) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was given, and see that what it printed is written."""
        try:
            made = super().invoke(ctx)
            if sys.stdout is not None:  # as when it was closed before
                sys.stdout.flush()
        except BrokenPipeError:
            print_no_more()
            ctx.exit(0)
        return made


@click.group(cls=Commands, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="tracekit")
def cli() -> None:
    r"""Show where a slow or failed CloudStack operation spent its time, from the management server's log.

    \b
    LOG is a file, a packed file, a folder, or - for standard input.
    Exit codes: 0 fine; 2 usage, or what cannot or must not be written; 3 empty, binary or another program's log;
    4 missing, unreadable, or a folder without logs; 130 interrupted; 1 with --strict, when something was found.
    """


@cli.command()
@paths_argument
@click.option("-o", "--output", metavar="FILE", help="Where to write the page; - is standard output.")
@click.option("--top", default=20, show_default=True, help="Operations shown in full: failed and slowest first.")
@rules_option
@click.option("--redact", is_flag=True, help="Stand-ins for addresses, names of hosts, accounts, users, VMs, UUIDs.")
@filter_options
@strict_option
@force_option
@cache_option
def report(
    paths: tuple[str, ...], output: str | None, top: int, redact: bool, strict: bool, force: bool, **filters: Any
) -> None:
    r"""Write one HTML page that says what every operation did, where its time went and how it ended.

    \b
    Example:
      tracekit report management-server.log
    """
    target = place(output, default_name(paths[0]), force)
    logs = opened(paths, **window(filters))
    from tracekit.report import page, text  # pandas and templates only where they are needed

    trace = chosen(logs, filters, redact)
    with logs.progress.step("making the page"):
        made, html = page.page_of(trace, top, redacted=redact)
    size = write(target, [encoded(html)])
    if target is not None:
        click.echo(text.summary(made))
        click.echo(f"\n{target}  {size_said(size)}")
    if strict:
        end_strict(trace)


@cli.command()
@paths_argument
@filter_options
@click.option("--top", type=int, help="Only the slowest so many; with --by so many rows.")
@rules_option
@click.option("--by", type=click.Choice(BY), help="Compare them: groups, agent commands, both halves, stalls.")
@strict_option
@json_option
@cache_option
def operations(
    paths: tuple[str, ...], top: int | None, by: str | None, strict: bool, as_json: bool, **filters: Any
) -> None:
    r"""List every operation: what, for whom, when, how long, where the time went, how it ended.

    With --by they are compared: slow ones by host, pool, ... against what the rest of the same API commands lets
    expect; times of commands; what changed between the halves of the time; what stood still together.

    \b
    Examples:
      tracekit operations management-server.log --command deploy --slower-than 30s
      tracekit operations management-server.log --by host
    """
    logs = opened(paths, **window(filters))
    from tracekit.report import terminal

    trace = chosen(logs, filters)
    if by is not None:
        click.echo(grouped(trace, by, top, as_json))
        if strict:
            end_strict(trace)
        return
    rows = trace.operations
    if top is not None:
        rows = rows.loc[rows["wall"].sort_values(ascending=False, kind="stable").index[:top].sort_values()]
    click.echo(terminal.operations_json(rows) if as_json else terminal.operations_table(rows))
    if strict:
        end_strict(trace)


@cli.command()
@click.argument("paths", nargs=-1, required=True, metavar="LOG... JOB")
@click.option("--critical", is_flag=True, help="Only the steps that held the operation up, in order.")
@cache_option
def tree(paths: tuple[str, ...], critical: bool) -> None:
    r"""Show the call tree of one operation: total and own seconds, begin, `[5x]` for repeats, `<` for ends not logged.

    \b
    Example:
      tracekit tree management-server.log job-43
    """
    trace, name = with_operation(paths)
    from tracekit.report import terminal

    click.echo(terminal.critical_text(trace, name) if critical else terminal.tree_text(trace, name))


@cli.command()
@click.argument("paths", nargs=-1, required=True, metavar="LOG... JOB")
@cache_option
def lines(paths: tuple[str, ...]) -> None:
    r"""Print every line of one operation, whichever thread or file wrote it, behind its line number.

    \b
    Example:
      tracekit lines management-server.log job-43 | less
    """
    trace, name = with_operation(paths)
    from tracekit.report import terminal

    for line in terminal.lines_text(trace, name):
        click.echo(line)


@cli.command()
@paths_argument
@click.option("--to", "kind", type=click.Choice(["csv"]), required=True, help="Form of the files.")
@click.option("-o", "--output", required=True, metavar="FOLDER", help="Where to write them.")
@rules_option
@force_option
@cache_option
def export(paths: tuple[str, ...], kind: str, output: str, force: bool) -> None:
    r"""Write every table to a file of its own, so that other tools can read them.

    \b
    Example:
      tracekit export management-server.log --to csv -o tables
    """
    logs = opened(paths)
    from tracekit.export.csv import export_csv

    trace = read(logs)
    with logs.progress.step("writing tables"):
        written = export_csv(trace, Path(output), force)
    click.echo("\n".join(str(path) for path in written))


@cli.command()
@paths_argument
@click.option("-o", "--output", required=True, metavar="FILE", help="Where to; - prints it; a folder for several logs.")
@click.option("--map", "private_map", metavar="FILE", help="Write what stands for what, for your eyes only.")
@force_option
@cache_option
def redact(paths: tuple[str, ...], output: str, private_map: str | None, force: bool) -> None:
    r"""Write a log that can be given away: no secrets, stand-ins for addresses, hosts, accounts, users, VMs, UUIDs.

    \b
    Example:
      tracekit redact management-server.log -o clean.log
    """
    private = free(Path(private_map), force) if private_map else None
    if Path(output).is_file():  # whether a folder is needed is known once it was read what the logs are
        place(output, output, force)
    logs = opened(paths)
    trace = read(logs)
    from tracekit.standins import StandIns

    with logs.progress.step("collecting names"):
        made = StandIns.of(trace)
    files = list(trace.sources)
    targets = clean_places([made.replaced(source.path) for source in files], output, force)
    for source, target in zip(files, targets, strict=True):
        with logs.progress.step("writing the log with stand-ins"):
            write(target, made.written(source))
    if private:
        write(private, [encoded(made.table())])
    said = f"{len(made.made):,} stand-ins; ids of the database and names made of them, like i-2-3-VM, stay"
    click.echo("\n".join([*map(str, filter(None, targets)), said]), err=None in targets)


@cli.command()
@click.argument("before", metavar="LOG")
@click.argument("after", metavar="LOG")
@click.option("-o", "--output", metavar="FILE", help="Where to write the page; - is standard output.")
@click.option(
    "--operation", "pair", nargs=2, metavar="JOB JOB", help="Which two; else the slowest of a shared command."
)
@rules_option
@force_option
@cache_option
def diff(before: str, after: str, output: str | None, pair: tuple[str, str] | None, force: bool) -> None:
    r"""Compare two logs, or two operations of one: what got slower, by how much, which commands are new.

    \b
    Examples:
      tracekit diff before.log after.log
      tracekit diff server.log server.log --operation job-43 job-81
    """
    target = place(output, "diff.tracekit.html", force)
    if pair is None and after == before:
        raise UsageError("one log: name the two operations with --operation job-43 job-81")
    logs = opened((before,))
    from tracekit.report import diff as differences, page

    first = read(logs, more=after != before)
    second = first if after == before else read(opened((after,)))
    made = differences.between_traces(first, second, (before, after), pair)
    html = page.render_diff(made)
    size = write(target, [encoded(html)])
    if target is not None:
        click.echo(differences.summary(made))
        click.echo(f"\n{target}  {size_said(size)}")


@cli.command()
@click.argument("line")
def explain(line: str) -> None:
    r"""Say what the grammar sees in one line of a log: its columns, the statement behind it, the releases.

    \b
    Example:
      tracekit explain 'Sync job-44 execution on object VmWorkJobQueue.6'
    """
    from tracekit.parse.explain import explain as explained
    from tracekit.redact import shown

    rows = explained(line)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name.ljust(width)}  {shown(value)}")


@cli.command()
@click.option("--unknown", metavar="LOG", help="Draft rules for the statements of a log that no rule reads.")
@rules_option
def check(unknown: str | None) -> None:
    r"""Lint the grammars and dialects by their own samples, and all rules. Exit code 1 when something is wrong.

    \b
    Examples:
      tracekit check --rules my-rules
      tracekit check --unknown management-server.log
    """
    from tracekit.redact import shown

    if unknown is not None:
        click.echo(drafted(unknown), nl=False)
        return
    found = [shown(line) for line in wrong()]
    for line in found:
        click.echo(line)
    click.echo(f"{len(found)} problems" if found else "grammars, dialects and rules: nothing is wrong")
    if found:
        sys.exit(1)


def wrong() -> Iterator[str]:
    """Everything that is wrong in grammars, dialects and rules, one line each."""
    from tracekit.diagnose.lint import check_rules
    from tracekit.fleet.members import check_members, load_members
    from tracekit.parse.explain import check as checked
    from tracekit.parse.grammar import load_messages
    from tracekit.parse.named import check_renderings
    from tracekit.parse.search import Search
    from tracekit.parse.told import check_tellings, load_tellings
    from tracekit.resources import grammars

    yield from checked()
    yield from check_renderings(Search.of(grammars()).renderings)
    yield from check_tellings(load_tellings(grammars()))
    yield from check_members(load_members(grammars()), load_messages(grammars()).meanings)
    yield from check_rules(click.get_current_context().meta.get(RULES) or ())


def grouped(trace: Trace, by: str, top: int | None, as_json: bool) -> str:
    """The operations of a trace compared by one question, the first `top` rows."""
    from tracekit.fleet import fleet
    from tracekit.report import fleet_text

    rows = fleet_text.rows_by(fleet(trace), by)[:top]
    return fleet_text.fleet_json(rows) if as_json else fleet_text.fleet_table(rows, by)


def drafted(path: str) -> str:
    """Drafts of grammar rules for what no rule reads in a log, the most frequent statements first."""
    from tracekit.parse import parse
    from tracekit.parse.mine import draft_text
    from tracekit.quality import Collector
    from tracekit.read.files import open_sources

    parsed = parse(open_sources([path]), Collector())
    return draft_text(parsed.records, parsed.sources, parsed.messages)


class Opened(NamedTuple):
    """Logs that are open, and how they are to be read."""

    sources: Sources
    options: Mapping[str, Any]
    place: Path | None  # in the cache; None where it is not asked
    started: Started | None  # of logs that the cache does not have
    progress: Progress


def opened(paths: Sequence[str], **options: Any) -> Opened:
    """Open logs. What the cache does not have is scanned from now on, while others import what they need."""
    from tracekit.kept import place_of
    from tracekit.memory import settle
    from tracekit.progress import Progress
    from tracekit.read.files import open_sources
    from tracekit.trace import started_trace

    progress = Progress(sys.stderr)
    settle()
    with progress.step("opening"):
        sources = open_sources(list(paths))
        given = {**options, "rules": own_rules()}
        place = None if click.get_current_context().meta.get(NO_CACHE) else place_of(sources, given)
        there = place is not None and place.is_file()
        return Opened(sources, given, place, None if there else started_trace(sources, **options), progress)


def read(logs: Opened, *, more: bool = False) -> Trace:
    """The trace of logs: of a large one from the cache when it was read before, unless --no-cache was given.

    What is left to do of keeping it is done with the command, or now when `more` logs are read, which need all cores.
    """
    from tracekit.kept import at_once, kept_trace

    at_end = at_once if more else when_done
    size = sum(map(len, logs.sources)) / 1e6
    with logs.progress.step(f"reading {size:,.0f} MB"):
        return kept_trace(
            logs.sources, logs.place, started=logs.started, at_end=at_end, tell=logs.progress.tell, **logs.options
        )


def when_done(finish: Callable[[], object]) -> None:
    """Do something when the command is done and its user has what he asked for; not when he ends it."""
    done = click.get_current_context().call_on_close
    done(lambda: None if isinstance(sys.exception(), KeyboardInterrupt) else finish())


def window(given: Mapping[str, Any]) -> dict[str, Any]:
    """What of the options says how to read a log."""
    filters = filters_of(given)
    return {"dialect": given.get("dialect"), "since": filters.since, "until": filters.until}


def chosen(logs: Opened, given: Mapping[str, Any], redact: bool = False) -> Trace:
    """The trace of logs with the operations that the filters leave; with `redact` that of the log with stand-ins."""
    filters = filters_of(given)
    trace = read(logs, more=redact)
    if redact:
        from tracekit.standins import StandIns
        from tracekit.trace import trace_of

        with logs.progress.step("putting stand-ins into the log"):
            sources = StandIns.of(trace).sources(trace.sources)
        del trace  # all its tables are made anew
        with logs.progress.step("reading the log with stand-ins"):
            trace = trace_of(sources, tell=logs.progress.tell, **logs.options)
    return trace.with_operations(filters.apply(trace.operations).reset_index(drop=True))


def own_rules() -> tuple[Rule, ...] | None:
    """The rules of the folders that --rules names; None without any."""
    folders = click.get_current_context().meta.get(RULES)
    if not folders:
        return None
    from tracekit.diagnose import lint

    return lint.own_rules(folders)


def filters_of(given: Mapping[str, Any]) -> Filters:
    """Filters from the values of the command line. Raises UsageError for one that cannot be read."""
    from tracekit.options import Filters, duration, job_name, moment

    return Filters(
        since=moment(given["since"]) if given["since"] else None,
        until=moment(given["until"]) if given["until"] else None,
        job=job_name(given["job"]) if given["job"] else None,
        vm=given["vm"],
        command=given["command"],
        failed=given["failed"],
        slower_than=duration(given["slower_than"]) if given["slower_than"] else None,
    )


def with_operation(arguments: tuple[str, ...]) -> tuple[Trace, str]:
    """The trace of all arguments but the last, and the operation that the last one means."""
    if len(arguments) < 2:
        raise UsageError("name the log and the operation: management-server.log job-43")
    trace = read(opened(arguments[:-1]))
    from tracekit.report.terminal import operation_of

    return trace, operation_of(trace, arguments[-1])


def end_strict(trace: Trace) -> None:
    """End with code 1 when a cause above `note` was found, or a record that no rule knows."""
    findings = trace.findings
    found = findings[(findings["verdict"] == "found") & (findings["severity"] != "note")]
    shown = found["operation"].isna() | found["operation"].isin(trace.operations["operation"])
    if shown.any() or trace.records["event"].isna().any():
        sys.exit(1)


def default_name(path: str) -> str:
    """`<log>.tracekit.html` in the current folder."""
    name = "stdin" if path == "-" else Path(path).resolve().name
    return f"{name}.tracekit.html"


def clean_places(paths: list[str], output: str, force: bool) -> list[Path | None]:
    """Where redacted files go: one into the file `output`, several into the folder of that name."""
    if len(paths) == 1:
        return [place(output, output, force)]
    if output == "-":
        raise UsageError("-o -: standard output is for one log; name a folder for several")
    names = [Path(path).name.removesuffix(".gz") for path in paths]
    parts = [name if names.count(name) == 1 else f"{i + 1}-{name}" for i, name in enumerate(names)]
    return [free(Path(output) / part, force) for part in parts]


def size_said(size: int) -> str:
    """How large a page of so many bytes is, with a warning where a ticket may refuse it."""
    said = size / 1e6
    return f"{said:.1f} MB" + (" (large: --top 5 or --job makes it smaller)" if said > LARGE else "")


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; the exit code is that of the error."""
    # Next to nothing that is made here is garbage: looking for it as often as Python does costs a tenth of the time.
    gc.set_threshold(*COLLECTIONS)
    # Nobody multiplies matrices, and to start threads that could takes numpy half as long as all the rest.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        return cli.main(arguments, prog_name="tracekit", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except TracekitError as error:
        click.echo(f"tracekit: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:  # of files each says more; what is left is where the output goes
        print_no_more()
        click.echo(f"tracekit: {error.filename or 'standard output'}: {error.strerror}; write elsewhere", err=True)
        sys.exit(UsageError.exit_code)


def program() -> NoReturn:
    """`main` as a process of its own, which ends when all is written: to take apart every module and table, which are
    gone then anyway, takes Python 0.04 s more.
    """
    code = 0
    try:
        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    atexit._run_exitfuncs()  # ends forks that nobody asked
    os._exit(code)


def print_no_more() -> None:
    """Have Python write nowhere what it could not write: it would try once more when it ends, and say so."""
    with contextlib.suppress(OSError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
