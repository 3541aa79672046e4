"""The command line. The only place that turns a TracekitError into a line and an exit code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from tracekit import __version__
from tracekit.errors import TracekitError, UsageError

CONTEXT = {"help_option_names": ["-h", "--help"]}
force_option = click.option("--force", is_flag=True, help="Overwrite files that exist.")
paths_argument = click.argument("paths", nargs=-1, required=True, metavar="LOG...")


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="tracekit")
def cli() -> None:
    """Shows where a slow or failed CloudStack operation spent its time, from the management server's log.

    \b
    Exit codes: 0 fine; 2 usage, or a file that would be overwritten; 3 empty, binary or another program's log;
    4 missing, unreadable, or a folder without logs; 130 interrupted.
    """


@cli.command()
@paths_argument
@click.option("-o", "--output", metavar="FILE", help="Where to write the page; - is standard output.")
@click.option("--top", default=20, show_default=True, help="Operations shown in full: failed and slowest first.")
@force_option
def report(paths: tuple[str, ...], output: str | None, top: int, force: bool) -> None:
    """Write one HTML page that says what every operation did, where its time went and how it ended.

    \b
    Example:
      tracekit report management-server.log
    """
    from tracekit.report import render, summarise  # pandas and templates only where they are needed
    from tracekit.trace import read_trace

    target = Path(output or default_name(paths[0]))
    if output != "-" and target.exists() and not force:
        raise UsageError(f"{target}: exists; another file with -o, or --force to overwrite it")
    trace = read_trace(list(paths))
    page = render(trace, top=top)
    if output == "-":
        click.echo(page, nl=False)
        return
    write(target, page)
    click.echo(summarise(trace, top=top))
    click.echo(f"\n{target}  {len(page.encode()) / 1e6:.1f} MB")


@cli.command()
@paths_argument
@click.option("--to", "kind", type=click.Choice(["csv"]), required=True, help="Form of the files.")
@click.option("-o", "--output", required=True, metavar="FOLDER", help="Where to write them.")
@force_option
def export(paths: tuple[str, ...], kind: str, output: str, force: bool) -> None:
    """Write every table to a file of its own, so that other tools can read them.

    \b
    Example:
      tracekit export management-server.log --to csv -o tables
    """
    from tracekit.export.csv import export_csv
    from tracekit.trace import read_trace

    written = export_csv(read_trace(list(paths)), Path(output), force)
    click.echo("\n".join(str(path) for path in written))


def default_name(path: str) -> str:
    """`<log>.tracekit.html` in the current folder."""
    name = "stdin" if path == "-" else Path(path).resolve().name
    return f"{name}.tracekit.html"


def write(target: Path, text: str) -> None:
    """Write a file whole. Raises SourceError's sibling UsageError when the place cannot be written to."""
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{target}: cannot be written ({error.strerror}); another place with -o") from error


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; the exit code is that of the error."""
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
    except BrokenPipeError:
        sys.exit(0)
