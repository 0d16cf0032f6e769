"""`darkroom upload`: find the photos, process several at a time, put their results in place, say what became of them.

Needs the `cli` extra.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from threading import Event, Thread
from uuid import uuid4

import click

from darkroom.cli.client import Client, Photo, Unreachable
from darkroom.cli.terminal import Once, counted, say
from darkroom.errors import DarkroomError

SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif"}


@dataclass(frozen=True)
class Source:
    """A file to upload and the folder below --out that is its alone."""

    path: Path
    folder: PurePath


@dataclass(frozen=True)
class Task:
    """What is to be done with every photo."""

    url: str
    preset: str | None
    jobs: str | None
    reference: str | None
    timeout: float
    out: Path | None
    api_key: str | None = field(default=None, repr=False)
    direct: bool = False


@dataclass
class Outcome:
    """What became of a photo; without problems all is well."""

    source: Source
    photo: Photo | None = None
    files: list[Path] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


# --- what to upload, and where to put its results -----------------------------------------------------------------


def find_photos(paths: Sequence[Path], out: Path | None) -> list[Source]:
    """The files given and the photos in the folders given; a file that is given twice is sent once."""
    found: dict[Path, tuple[Path, PurePath]] = {}
    for given in paths:
        for file in _photos_below(given, out and out.resolve()) if given.is_dir() else [given]:
            name = PurePath(file.name) if file == given else file.relative_to(given)
            found.setdefault(file.absolute(), (file, name))
    folders = folders_for([name for _, name in found.values()])
    return [Source(file, folder) for (file, _), folder in zip(found.values(), folders, strict=True)]


def _photos_below(folder: Path, out: Path | None) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            # A link may lead round in a circle, and what we wrote into --out the last time is no new photo.
            if not entry.is_symlink() and entry.resolve() != out:
                yield from _photos_below(entry, out)
        elif entry.suffix.lower() in SUFFIXES and entry.is_file():
            yield entry


def folders_for(names: list[PurePath]) -> list[PurePath]:
    """A folder for each name: `a` for a.jpg, `a.jpg` where `a` is not its alone."""
    stems = [name.with_suffix("") if name.stem.strip(".") else name for name in names]
    wanted = Counter(_key(stem) for stem in stems)
    taken = {_key(parent) for name in names for parent in name.parents}
    folders = []
    for name, stem in zip(names, stems, strict=True):
        alone = wanted[_key(stem)] == 1 and _key(stem) not in taken
        folders.append(_free(stem if alone else name, taken))
    return folders


def _free(name: PurePath, taken: set[str]) -> PurePath:
    """The name, with a number if it is taken; then it is taken too."""
    number, free = 1, name
    while _key(free) in taken:
        number += 1
        free = name.with_stem(f"{name.stem}-{number}")
    taken.add(_key(free))
    return free


def _key(path: PurePath) -> str:
    return str(path).casefold()  # two names may be one on macOS and Windows


def safe_name(name: str) -> str:
    """A name that stays in its folder and is not hidden; empty if nothing is left."""
    return re.sub(r'[\x00-\x1f<>:"|?*]', "_", re.split(r"[/\\]", name)[-1]).strip(" .")


# --- the run ------------------------------------------------------------------------------------------------------


class Run:
    """Photos in work, several at a time."""

    def __init__(self, task: Task, partial: Path, waiting: Callable[[str], None]) -> None:
        self._task = task
        self._waiting = waiting
        self._partial = partial
        """Downloads grow here, on the same file system, and move to their place when they are complete."""
        self._gone = Event()
        """Set when the API has gone: a thousand photos need not find that out one after the other."""

    def outcomes(self, sources: Sequence[Source], parallel: int) -> Iterator[Outcome]:
        """Process all; yields each outcome as it comes."""
        todo: SimpleQueue[Source] = SimpleQueue()
        done: SimpleQueue[Outcome] = SimpleQueue()
        for source in sources:
            todo.put(source)

        def work() -> None:
            with Client(self._task.url, api_key=self._task.api_key, waiting=self._waiting) as client, suppress(Empty):
                while True:
                    done.put(self._process(client, todo.get_nowait()))

        for _ in range(min(parallel, len(sources))):
            Thread(target=work, daemon=True).start()  # a daemon: Ctrl-C does not wait for long polls
        for _ in sources:
            yield done.get()

    def _process(self, client: Client, source: Source) -> Outcome:
        outcome, task = Outcome(source), self._task
        if self._gone.is_set():
            outcome.problems.append("not sent, as Darkroom, or its storage, does not answer any more")
            return outcome
        try:
            begin = client.ask_for_form if task.direct else client.upload
            outcome.photo = begin(source.path, preset=task.preset, jobs=task.jobs, reference=task.reference)
            if task.direct:
                client.send_past_the_api(source.path, outcome.photo)
            outcome.photo = client.wait(outcome.photo["id"], task.timeout)
            self._collect(client, outcome, outcome.photo)
        except Exception as error:  # noqa: BLE001 - it is one photo's problem, not the others'
            outcome.problems.append(_words(error))
            if isinstance(error, Unreachable):
                self._gone.set()
        return outcome

    def _collect(self, client: Client, outcome: Outcome, photo: Photo) -> None:
        """Note the results of a photo whose jobs have ended, and why some have none."""
        outcome.problems += _reasons(photo)
        taken: set[str] = set()
        for job in photo["jobs"]:
            if not job["result"]:
                continue
            outcome.links.append(f"{job['type']:<8}  {client.result_url(photo['id'], job['id'])}")
            if self._task.out:
                name = _free(PurePath(safe_name(job["result"]["filename"]) or job["id"]), taken)
                target = self._task.out / outcome.source.folder / name
                partial = self._partial / uuid4().hex
                try:
                    client.download(photo["id"], job["id"], partial)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    outcome.files.append(partial.replace(target))
                except (DarkroomError, OSError) as error:
                    outcome.problems.append(f"{job['type']}: {_words(error)}")


def _reasons(photo: Photo) -> list[str]:
    """Each reason for which jobs have no result, once, with those jobs: a damaged photo fails them all alike."""
    jobs: dict[str, list[str]] = {}
    for job in photo["jobs"]:
        if job["status"] != "succeeded":
            error = job["error"]
            reason = f"{error['code']}: {error['detail']}" if error else f"the job is {job['status']}"
            jobs.setdefault(reason, []).append(job["type"])
    return [f"{', '.join(types)}: {reason}" for reason, types in jobs.items()]


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, DarkroomError | OSError) else repr(error)


# --- what became of it --------------------------------------------------------------------------------------------


def upload_all(sources: Sequence[Source], task: Task, parallel: int) -> bool:
    """Upload the photos and say what becomes of each; True if all went well."""
    waiting = Once()
    with Client(task.url, patience=2, api_key=task.api_key, waiting=waiting) as client:
        client.check()
        # Otherwise the whole folder would be sent, to be told with each photo; that a key is wrong, too.
        presets = client.presets()
        if task.preset and task.preset not in presets:
            raise click.UsageError(f"there is no preset {task.preset!r} at {task.url}, only {', '.join(presets)}")
    if task.out:
        task.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    bar_only = task.out is not None and sys.stderr.isatty()  # else a line for each photo
    outcomes: list[Outcome] = []
    try:
        with (
            TemporaryDirectory(prefix=".partial-", dir=task.out, ignore_cleanup_errors=True) as partial,
            click.progressbar(
                Run(task, Path(partial), waiting).outcomes(sources, parallel),
                len(sources),
                label="photos",
                show_eta=False,
                show_pos=True,
                item_show_func=lambda _: f"{len(_failed(outcomes))} failed",
                hidden=not bar_only,
                file=sys.stderr,
            ) as run,
        ):
            for outcome in run:
                outcomes.append(outcome)
                if not bar_only:
                    _say_outcome(outcome)
    finally:  # Ctrl-C too: some photos may have failed, and the others are on their way
        _sum_up(outcomes, len(sources), task.out, time.monotonic() - started)
    return not _failed(outcomes)


def _failed(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.problems]


def _say_outcome(outcome: Outcome) -> None:
    parts = ["failed" if outcome.problems else "ok    ", str(outcome.source.path)]
    parts += [outcome.photo["id"], outcome.photo["status"]] if outcome.photo else []
    parts += [f"{counted(len(outcome.files), 'file')} in {outcome.files[0].parent}"] if outcome.files else []
    say("  ".join(parts))
    if not outcome.files:
        for link in outcome.links:
            say(f"        {link}")


def _sum_up(outcomes: Sequence[Outcome], total: int, out: Path | None, seconds: float) -> None:
    """Name what failed and count; both are for people, so they go where results do not."""
    failed = _failed(outcomes)
    for outcome in failed:
        photo = f" (photo {outcome.photo['id']})" if outcome.photo else ""
        say(f"failed: {outcome.source.path}{photo}", err=True)
        for problem in outcome.problems:
            say("  " + problem.replace("\n", "\n  "), err=True)
    parts = [f"{len(outcomes) - len(failed)} of {counted(total, 'photo')} succeeded"]
    parts += [f"{len(failed)} failed"] if failed else []
    parts += [f"{total - len(outcomes)} not awaited"] if len(outcomes) < total else []
    parts += [f"{counted(sum(len(outcome.files) for outcome in outcomes), 'file')} in {out}"] if out else []
    say(f"{', '.join(parts)} ({seconds:.1f} s)", err=True)
