"""The `darkroom` command.

`upload` and `status` talk to the API and need the `cli` extra; `queue` and `provision` talk to AWS
and run in the container image too. So each command imports what it needs when it runs.
"""

from __future__ import annotations

import errno
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from mimetypes import guess_extension
from pathlib import Path, PurePath
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from unicodedata import normalize
from uuid import uuid4

import click

from darkroom import __version__
from darkroom.errors import DarkroomError, Unavailable

if TYPE_CHECKING:
    from darkroom.client import Client, Job, Photo

INTERRUPTED = 130
"""What shells expect of a command that Ctrl-C ended."""


class Commands(click.Group):
    """Turns what users and networks do wrong into a message and an exit status; never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DarkroomError as error:
            click.echo(f"Error: {_reason(error)}", err=True)
        except OSError as error:
            if error.errno == errno.EPIPE:  # `darkroom ... | head`: click ends quietly
                raise
            click.echo(f"Error: {error}", err=True)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None
        raise click.exceptions.Exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="darkroom %(version)s")
def main() -> None:
    """Process photos with Darkroom.

    \b
    darkroom upload holiday/ --preset web --out results/
    darkroom status 0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88
    darkroom queue
    """


def _url_option(command: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--url",
        envvar="DARKROOM_URL",
        default="http://127.0.0.1:8080",
        show_default=True,
        show_envvar=True,
        callback=_checked_url,
        help="Where the API is.",
    )(command)


def _checked_url(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise click.BadParameter(f"{value!r} is no address; it starts with http:// or https://")
    return value


def _checked_jobs(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Check jobs before the first byte is sent: a slip of the pen would fail every photo in turn."""
    if value is None:
        return None
    from pydantic import ValidationError

    from darkroom.jobs import faults_of, jobs_adapter

    try:
        text = Path(value[1:]).read_text(encoding="utf-8") if value.startswith("@") else value
        jobs_adapter.validate_json(text)
    except OSError as error:
        raise click.BadParameter(f"cannot read {value[1:]}: {error.strerror}") from error
    except ValidationError as error:
        faults = [f"{fault.field}: {fault.detail}" for fault in faults_of(error, "jobs")]
        raise click.BadParameter("\n  ".join(faults)) from error
    return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)


# --- upload ------------------------------------------------------------------------------------------------------


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--preset", metavar="NAME", help="A named list of jobs. Default: the API's default preset.")
@click.option(
    "--jobs", metavar="JSON|@FILE", callback=_checked_jobs, help="The jobs themselves, or the file they are in."
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Download the results into this folder.")
@_url_option
@click.option("--parallel", type=click.IntRange(1, 64), default=4, show_default=True, help="Photos at a time.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=1),
    default=600,
    show_default=True,
    help="How long one photo's jobs may take after its upload.",
)
@click.option("--reference", metavar="TEXT", help="Your own reference; it stays with the photos and comes in events.")
def upload(
    paths: tuple[Path, ...],
    preset: str | None,
    jobs: str | None,
    out: Path | None,
    url: str,
    parallel: int,
    timeout: float,
    reference: str | None,
) -> None:
    """Upload photos, wait for their jobs and download the results.

    PATHS are files and folders. Folders are searched to the bottom for photos (jpg, jpeg, jpe, jfif, png, webp,
    gif, tif, tiff, avif, heic, heif); hidden files are left out. A file that is named itself is always sent.

    \b
    Every photo gets a folder of its own in --out, named after it and placed as it was below the folder given:
      darkroom upload holiday --out results
        holiday/day1/sea.jpg   ->  results/day1/sea/...
        holiday/day2/sea.jpg   ->  results/day2/sea/...
    Where that would put two photos into one folder, the folder keeps the extension (sea.jpg/, sea.heic/),
    and where that does not help either, it gets a number (sea.jpg-2/). The same command again writes
    over its earlier results.
    Without --out the photos are uploaded and awaited; id, status and links of the results are printed.

    \b
    Examples:
      darkroom upload *.jpg --preset web --out results/
      darkroom upload scans/ --jobs '[{"type": "resize", "width": 800}, {"type": "metadata"}]' --out small/
      darkroom upload scans/ --jobs @jobs.json --parallel 8

    \b
    Exit status: 0 all is well, 1 something failed (each photo is named with its reason), 2 wrong usage,
    130 stopped by Ctrl-C; photos that were already sent are processed all the same.
    """
    if preset and jobs:
        raise click.UsageError("give --preset or --jobs, not both")
    if out and any(path.is_dir() and path.resolve() == out.resolve() for path in paths):
        raise click.UsageError("--out is a folder that is uploaded: the next run would upload its results")
    with _cli_extra():
        from darkroom.client import Client
    sources = _sources(paths, out)
    if not sources:
        raise click.UsageError("there are no photos in " + ", ".join(str(path) for path in paths))
    with Client(url, patience=2) as client:
        client.check()

    started = time.monotonic()
    outcomes: list[Outcome] = []
    with _partial_folder(out) as partial:
        task = Task(preset, jobs, reference, timeout, out, partial)
        try:
            with _progress(len(sources)) as show:
                for outcome in _in_parallel(sources, task, url, parallel):
                    outcomes.append(outcome)
                    show(outcome)
        finally:  # Ctrl-C too: some photos may have failed, and the others are on their way
            _report(outcomes, len(sources), out, time.monotonic() - started)
    if any(outcome.problems for outcome in outcomes):
        raise click.exceptions.Exit(1)


@dataclass(frozen=True)
class Source:
    """A file to upload and the folder below --out that is its alone."""

    path: Path
    folder: PurePath


@dataclass(frozen=True)
class Task:
    """What is to be done with every photo."""

    preset: str | None
    jobs: str | None
    reference: str | None
    timeout: float
    out: Path | None
    partial: Path
    """Downloads grow here, on the same file system, and move to their place when they are complete."""
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when the API has gone: a thousand photos need not find that out one after the other."""


@dataclass
class Outcome:
    """What became of a photo; without problems all is well."""

    source: Source
    photo: Photo | None = None
    files: list[Path] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def _sources(paths: Sequence[Path], out: Path | None) -> list[Source]:
    names: dict[Path, PurePath] = {}  # a file that is given twice is sent once
    files: list[Path] = []
    for given in paths:
        below = _photos_below(given, out.resolve() if out else None) if given.is_dir() else [given]
        for file in below:
            if file.absolute() not in names:
                names[file.absolute()] = PurePath(file.name) if file == given else file.relative_to(given)
                files.append(file)
    return [Source(file, folder) for file, folder in zip(files, _folders(list(names.values())), strict=True)]


def _photos_below(folder: Path, out: Path | None) -> Iterator[Path]:
    from darkroom.client import CONTENT_TYPES

    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            # A link may lead round in a circle, and what we wrote into --out the last time is no new photo.
            if not entry.is_symlink() and entry.resolve() != out:
                yield from _photos_below(entry, out)
        elif entry.suffix.lower() in CONTENT_TYPES and entry.is_file():
            yield entry


def _folders(names: list[PurePath]) -> list[PurePath]:
    """A folder for each name: `a` for a.jpg, `a.jpg` where `a` is not its alone, then `a.jpg-2`."""
    from darkroom.client import safe_name

    def key(path: PurePath) -> str:
        return normalize("NFC", str(path)).casefold()  # two names may be one on macOS and Windows

    stems = [name.with_name(safe_name(name.stem) or "_") for name in names]
    wanted = Counter(key(stem) for stem in stems)
    taken = {key(parent) for name in names for parent in name.parents}
    folders = []
    for name, stem in zip(names, stems, strict=True):
        alone = wanted[key(stem)] == 1 and key(stem) not in taken
        first = folder = stem if alone else name.with_name(safe_name(name.name) or "_")
        number = 1
        while key(folder) in taken:
            number += 1
            folder = first.with_name(f"{first.name}-{number}")
        taken.add(key(folder))
        folders.append(folder)
    return folders


@contextmanager
def _partial_folder(out: Path | None) -> Iterator[Path]:
    """A hidden folder in --out for what is not complete; gone when we are, Ctrl-C included."""
    if out:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".partial-", dir=out, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    else:
        yield Path()


def _in_parallel(sources: list[Source], task: Task, url: str, threads: int) -> Iterator[Outcome]:
    """Work on the sources in threads; yields each outcome as it comes.

    The threads are daemons: Python waits at its end for those of a ThreadPoolExecutor, so that Ctrl-C would
    have to wait for long polls and retries.
    """
    from darkroom.client import Client

    todo: SimpleQueue[Source | None] = SimpleQueue()
    done: SimpleQueue[Outcome | Exception] = SimpleQueue()

    def run() -> None:
        try:
            with Client(url) as client:
                while (source := todo.get()) is not None:
                    done.put(_process(client, source, task))
        except Exception as error:  # noqa: BLE001 - raised again by whoever reads the outcomes
            done.put(error)

    count = min(threads, len(sources))
    for entry in [*sources, *[None] * count]:
        todo.put(entry)
    for _ in range(count):
        threading.Thread(target=run, daemon=True).start()
    for _ in sources:
        outcome = done.get()
        if isinstance(outcome, Exception):
            raise outcome
        yield outcome


def _process(client: Client, source: Source, task: Task) -> Outcome:
    from darkroom.client import Unreachable

    outcome = Outcome(source)
    if task.gone.is_set():
        outcome.problems.append("not sent, as Darkroom does not answer any more")
        return outcome
    try:
        photo = client.upload(source.path, preset=task.preset, jobs=task.jobs, reference=task.reference)
        outcome.photo = photo
        outcome.photo = photo = client.wait(photo["id"], task.timeout)
    except (DarkroomError, OSError) as error:
        outcome.problems.append(_reason(error))
        if isinstance(error, Unreachable):
            task.gone.set()
        return outcome
    outcome.problems += _why(photo)
    for number, job in enumerate(photo["jobs"], 1):
        if job["status"] != "succeeded":
            continue
        outcome.links.append(f"{job['type']:<8}  {client.result_url(photo['id'], job['id'])}")
        if task.out:
            try:
                outcome.files.append(_save(client, outcome, photo["id"], job, f"{number}-{job['type']}", task))
            except (DarkroomError, OSError) as error:
                outcome.problems.append(f"{job['type']}: {_reason(error)}")
    if photo["status"] != "succeeded" and not outcome.problems:  # deleted, perhaps, while we waited
        outcome.problems.append(f"the photo is {photo['status']}")
    return outcome


def _save(client: Client, outcome: Outcome, photo_id: str, job: Job, fallback: str, task: Task) -> Path:
    assert task.out is not None
    partial = task.partial / uuid4().hex
    download = client.download(photo_id, job["id"], partial)
    name = PurePath(download["filename"] or fallback + (guess_extension(download["content_type"] or "") or ""))
    taken = {file.name.casefold() for file in outcome.files}
    number, free = 1, name
    while free.name.casefold() in taken:  # two jobs may give their results one name
        number += 1
        free = name.with_stem(f"{name.stem}-{number}")
    target = task.out / outcome.source.folder / free
    target.parent.mkdir(parents=True, exist_ok=True)
    partial.replace(target)
    return target


@contextmanager
def _progress(total: int) -> Iterator[Callable[[Outcome], None]]:
    """One bar on a terminal, else a line for each photo."""
    with _cli_extra():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _echo_outcome
        return
    failed = TextColumn("{task.fields[failed]} failed")
    bar = Progress(
        TextColumn("photos"), BarColumn(), MofNCompleteColumn(), failed, TimeElapsedColumn(), console=console
    )
    outcomes: list[Outcome] = []
    with bar:
        task = bar.add_task("", total=total, failed=0)

        def show(outcome: Outcome) -> None:
            outcomes.append(outcome)
            bar.update(task, advance=1, failed=sum(bool(outcome.problems) for outcome in outcomes))

        yield show
    for outcome in outcomes:  # not before: the bar redraws its line
        if not outcome.files:
            _echo_outcome(outcome)


def _echo_outcome(outcome: Outcome) -> None:
    parts = ["failed" if outcome.problems else "ok    ", _shown(outcome.source.path)]
    if outcome.photo:
        parts += [outcome.photo["id"], outcome.photo["status"]]
    if outcome.files:
        parts.append(f"{_counted(len(outcome.files), 'file')} in {_shown(outcome.files[0].parent)}")
    click.echo("  ".join(parts))
    if not outcome.files:
        for link in outcome.links:
            click.echo(f"        {link}")


def _report(outcomes: list[Outcome], total: int, out: Path | None, seconds: float) -> None:
    """Name what failed, then sum up; both are for people, so they go where results do not."""
    failed = [outcome for outcome in outcomes if outcome.problems]
    for outcome in failed:
        photo = f" (photo {outcome.photo['id']})" if outcome.photo else ""
        click.echo(f"failed: {_shown(outcome.source.path)}{photo}", err=True)
        for problem in outcome.problems:
            click.echo("  " + problem.replace("\n", "\n  "), err=True)
    left = total - len(outcomes)
    parts = [f"{len(outcomes) - len(failed)} of {_counted(total, 'photo')} succeeded"]
    parts += [f"{len(failed)} failed"] if failed else []
    parts += [f"{left} not awaited"] if left else []
    parts += [f"{_counted(sum(len(outcome.files) for outcome in outcomes), 'file')} in {_shown(out)}"] if out else []
    click.echo(f"{', '.join(parts)} ({seconds:.1f} s)", err=True)


# --- the other commands ------------------------------------------------------------------------------------------


@main.command()
@click.argument("photo_id", metavar="ID")
@_url_option
@click.option("--json", "as_json", is_flag=True, help="Print what the API says, for programs.")
def status(photo_id: str, url: str, as_json: bool) -> None:
    """Show a photo and its jobs.

    \b
    Examples:
      darkroom status 0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88
      darkroom status 0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88 --json | jq .counts
    """
    with _cli_extra():
        from darkroom.client import ApiError, Client
    with Client(url, patience=2) as client:
        try:
            photo = client.photo(photo_id)
        except ApiError as error:
            if error.http_status == 404:
                raise DarkroomError(f"there is no photo {photo_id} at {url}") from error
            raise
    if as_json:
        click.echo(json.dumps(photo, indent=2, ensure_ascii=False))
        return
    original = photo.get("original") or {}
    facts = {
        "photo": photo["id"],
        "status": photo["status"],
        "file": original.get("filename"),
        "original": _picture(original),
        "created": photo.get("created_at"),
    }
    for name, value in facts.items():
        if value:
            click.echo(f"{name:<9} {_printable(str(value))}")
    click.echo()
    rows = [
        [
            job["id"],
            job["type"],
            job["status"],
            str(job.get("attempts", "")),
            _picture(job.get("result") or {}) or _error(job),
        ]
        for job in photo["jobs"]
    ]
    _table([["JOB", "TYPE", "STATUS", "ATTEMPTS", "RESULT"], *rows])


@main.command()
def queue() -> None:
    """Show how many messages wait.

    Also how many are in work, delayed, or given up (dead letters). Asks SQS itself, with the AWS_* and DARKROOM_*
    settings of the services. SQS's counts are approximate and up to a minute old. A message holds all jobs that
    were asked for together.

    \b
    Example:
      AWS_ENDPOINT_URL=http://127.0.0.1:4566 darkroom queue
    """
    from darkroom.aws import make_clients
    from darkroom.queue import depths
    from darkroom.settings import read_settings

    settings = read_settings()
    clients = make_clients(settings)
    try:
        found = depths(settings, clients)
    except Unavailable as error:
        raise DarkroomError(
            f"{error.detail}\nAsked {clients.sqs.meta.endpoint_url}: AWS_ENDPOINT_URL and the region say where SQS is, "
            "and `darkroom provision` makes the queues."
        ) from error
    rows = [[depth.queue, str(depth.visible), str(depth.in_flight), str(depth.delayed)] for depth in found]
    _table([["QUEUE", "WAITING", "IN FLIGHT", "DELAYED"], *rows], right=True)
    click.echo("\nSQS counts approximately, and up to a minute late. What waits in a queue named -dlq was given up.")


@main.command()
def provision() -> None:
    """Make bucket, queues and table.

    What is there already is brought up to date; nothing is deleted, so it can be repeated at any time.

    \b
    Examples:
      darkroom provision                                            (AWS)
      AWS_ENDPOINT_URL=http://127.0.0.1:4566 darkroom provision     (an emulator)
    """
    from darkroom.aws import make_clients
    from darkroom.provision import provision as deploy
    from darkroom.settings import read_settings

    settings = read_settings()
    outcome = deploy(settings, make_clients(settings))
    queues = [settings.photos_queue, settings.photos_dlq, settings.ingest_queue, settings.webhooks_queue]
    rows = [["stack", f"{settings.stack} ({outcome})"], ["bucket", settings.bucket], ["table", settings.table]]
    _table([*rows, *(["queue", name] for name in [*queues, settings.events_queue])])


# --- words -------------------------------------------------------------------------------------------------------


@contextmanager
def _cli_extra() -> Iterator[None]:
    """Say how to get what the services do without."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise DarkroomError(
            f"this command needs the package {error.name}, which the services do without; "
            "install it with: pip install 'darkroom[cli]', or in a checkout: pip install '.[cli]'"
        ) from error


def _reason(error: Exception) -> str:
    """An error in a line for the whole and one for each field."""
    if not isinstance(error, DarkroomError):
        return str(error)
    faults = [f"{fault.field}: {fault.detail}" for fault in getattr(error, "faults", [])]
    return _printable("\n  ".join([error.detail, *faults]))


def _why(photo: Photo) -> list[str]:
    """Each reason for which jobs have no result, once, with those jobs: a damaged photo fails them all alike."""
    jobs: dict[str, list[str]] = {}
    for job in photo["jobs"]:
        if job["status"] != "succeeded":
            jobs.setdefault(_error(job) or f"the job is {job['status']}", []).append(job["type"])
    return [_printable(f"{', '.join(types)}: {reason}") for reason, types in jobs.items()]


def _error(job: Job) -> str:
    error = job.get("error")
    return f"{error['code']}: {error['detail']}" if error else ""


def _picture(facts: dict[str, Any]) -> str:
    """`800x600 image/jpeg 93 KB`, as far as it is known."""
    size = f"{facts['width']}x{facts['height']}" if facts.get("width") and facts.get("height") else ""
    length = facts.get("size")
    known = [size, facts.get("content_type") or "", f"{length / 1000:,.0f} KB" if isinstance(length, int) else ""]
    return " ".join(part for part in known if part)


def _table(rows: list[list[str]], right: bool = False) -> None:
    """Columns as wide as their widest entry; with `right`, all but the first are numbers."""
    rows = [[_printable(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if right and column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _shown(path: Path | None) -> str:
    return _printable(click.format_filename(path)) if path else ""


def _printable(text: str) -> str:
    """Text from elsewhere without what could command a terminal."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)
