"""`darkroom upload`: find the photos, upload several at a time, download their results, and report."""

from __future__ import annotations

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
from typing import Any

import click

from darkroom.cli.advice import advised
from darkroom.cli.api_connection import connected
from darkroom.cli.progress import UploadProgress
from darkroom.cli.saving import ResultFolder, free_name, key_of, label_of
from darkroom.cli.terminal import SayOnce, counted, say
from darkroom.client import Client, ClientError, PhotoJson, Unreachable, UploadArguments

SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif"}

LARGE = 32 * 1024 * 1024
"""Bytes from which --direct sends a file in parts."""


@dataclass(frozen=True)
class LocalPhoto:
    """A file to upload, and its own folder below --out."""

    path: Path
    folder: PurePath


@dataclass(frozen=True)
class UploadOptions:
    """What to do with every photo."""

    url: str
    preset: str | None
    jobs: list[dict[str, Any]] | None
    reference: str | None
    timeout: float
    out: Path | None
    api_key: str | None = field(default=None, repr=False)
    direct: bool = False


@dataclass
class UploadOutcome:
    """The outcome for one photo; it succeeded if there are no problems."""

    source: LocalPhoto
    photo: PhotoJson | None = None
    photo_id: str | None = None
    files: list[Path] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


# --- what to upload, and where to put the results -----------------------------------------------------------------


def find_photos(paths: Sequence[Path], out: Path | None) -> list[LocalPhoto]:
    """The given files and the photos in the given folders, each once."""
    found: dict[Path, tuple[Path, PurePath]] = {}
    for given in paths:
        for file in _photos_below(given, out and out.resolve()) if given.is_dir() else [given]:
            name = PurePath(file.name) if file == given else file.relative_to(given)
            found.setdefault(file.absolute(), (file, name))
    folders = folders_for([name for _, name in found.values()])
    return [LocalPhoto(file, folder) for (file, _), folder in zip(found.values(), folders, strict=True)]


def _photos_below(folder: Path, out: Path | None) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            # A link can form a circle, and --out holds results of an earlier run.
            if not entry.is_symlink() and entry.resolve() != out:
                yield from _photos_below(entry, out)
        elif entry.suffix.lower() in SUFFIXES and entry.is_file():
            yield entry


def folders_for(names: list[PurePath]) -> list[PurePath]:
    """A folder for each name: `a` for a.jpg, or `a.jpg` if another file needs `a` too."""
    stems = [name.with_suffix("") if name.stem.strip(".") else name for name in names]
    wanted = Counter(key_of(stem) for stem in stems)
    taken = {key_of(parent) for name in names for parent in name.parents}
    folders = []
    for name, stem in zip(names, stems, strict=True):
        alone = wanted[key_of(stem)] == 1 and key_of(stem) not in taken
        folders.append(free_name(stem if alone else name, taken))
    return folders


# --- the run ------------------------------------------------------------------------------------------------------


class UploadRun:
    """Uploads photos, several at a time."""

    def __init__(self, options: UploadOptions, partial: Path, on_busy: Callable[[str], None]) -> None:
        self._options = options
        self._on_busy = on_busy
        self._partial = partial
        """Downloads go here first, on the same file system, and move to their folder when they are complete."""
        self._api_gone = Event()
        """Set when nothing answers any more, so that the remaining photos are not tried one by one."""

    def outcomes(self, photos: Sequence[LocalPhoto], parallel: int) -> Iterator[UploadOutcome]:
        """Process all photos; yields each outcome when it is known."""
        todo: SimpleQueue[LocalPhoto] = SimpleQueue()
        done: SimpleQueue[UploadOutcome] = SimpleQueue()
        for source in photos:
            todo.put(source)

        def work() -> None:
            with (
                Client(self._options.url, self._options.api_key, on_busy=self._on_busy) as client,
                suppress(Empty),
            ):
                while True:
                    done.put(self._process(client, todo.get_nowait()))

        for _ in range(min(parallel, len(photos))):
            Thread(target=work, daemon=True).start()  # daemon: Ctrl-C does not wait for long polls
        for _ in photos:
            yield done.get()

    def _process(self, client: Client, source: LocalPhoto) -> UploadOutcome:
        outcome, options = UploadOutcome(source), self._options
        if self._api_gone.is_set():
            outcome.problems.append("not sent, because Darkroom or its storage does not answer any more")
            return outcome
        try:
            outcome.photo = self._send(client, source.path)
            outcome.photo_id = outcome.photo["id"]
            outcome.photo = client.wait(outcome.photo_id, options.timeout)
            self._collect(client, outcome, outcome.photo)
        except Exception as error:  # noqa: BLE001 - the other photos go on
            outcome.problems.append(_words(error))
            if isinstance(error, ClientError) and error.photo_id:
                outcome.photo_id = error.photo_id
            if isinstance(error, Unreachable):
                self._api_gone.set()
        return outcome

    def _send(self, client: Client, path: Path) -> PhotoJson:
        options = self._options
        wanted: UploadArguments = {
            "preset": options.preset,
            "jobs": options.jobs,
            "reference": options.reference,
        }
        if not options.direct:
            return client.upload(path, **wanted)
        if path.is_file() and path.stat().st_size >= LARGE:
            return client.upload_large(path, on_progress=UploadProgress(path.name), **wanted)
        return client.upload_direct(path, **wanted)

    def _collect(self, client: Client, outcome: UploadOutcome, photo: PhotoJson) -> None:
        """Collect the results of a photo whose jobs have ended, and the reasons of jobs without a result."""
        outcome.problems += _reasons(photo)
        out = self._options.out
        folder = ResultFolder(out / outcome.source.folder, self._partial) if out else None
        for job in photo["jobs"]:
            if not job["result"]:
                continue
            outcome.links.append(f"{label_of(job):<8}  {client.result_url(photo['id'], job=job['id'])}")
            if folder:
                try:
                    outcome.files.append(folder.save(client, photo["id"], job))
                except (ClientError, OSError) as error:
                    outcome.problems.append(f"{label_of(job)}: {_words(error)}")


def _reasons(photo: PhotoJson) -> list[str]:
    """Each reason once, with the jobs that it concerns: a damaged photo fails all its jobs alike."""
    jobs: dict[str, list[str]] = {}
    for job in photo["jobs"]:
        if job["status"] != "succeeded":
            error = job["error"]
            reason = f"{error['code']}: {error['detail']}" if error else f"the job is {job['status']}"
            jobs.setdefault(reason, []).append(label_of(job))
    return [f"{', '.join(labels)}: {reason}" for reason, labels in jobs.items()]


def _words(error: Exception) -> str:
    return advised(error) if isinstance(error, ClientError | OSError) else repr(error)


# --- the report ---------------------------------------------------------------------------------------------------


def upload_all(photos: Sequence[LocalPhoto], options: UploadOptions, parallel: int) -> bool:
    """Upload the photos and report the outcome of each. Returns True if all succeeded."""
    on_busy = SayOnce()
    with connected(options.url, options.api_key) as client:
        client.check()
        # A wrong preset or API key is found here, before any photo is sent.
        presets = client.operations()["presets"]
        if options.preset and options.preset not in presets:
            raise click.UsageError(
                f"there is no preset {options.preset!r} at {options.url}; it has {', '.join(presets)}"
            )
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    bar_only = options.out is not None and sys.stderr.isatty()  # otherwise a line for each photo
    outcomes: list[UploadOutcome] = []
    try:
        with (
            TemporaryDirectory(prefix=".partial-", dir=options.out, ignore_cleanup_errors=True) as partial,
            click.progressbar(
                UploadRun(options, Path(partial), on_busy).outcomes(photos, parallel),
                len(photos),
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
    finally:  # also after Ctrl-C: some photos may have failed
        _sum_up(outcomes, len(photos), options.out, time.monotonic() - started)
    return not _failed(outcomes)


def _failed(outcomes: Sequence[UploadOutcome]) -> list[UploadOutcome]:
    return [outcome for outcome in outcomes if outcome.problems]


def _say_outcome(outcome: UploadOutcome) -> None:
    parts = ["failed" if outcome.problems else "ok    ", str(outcome.source.path)]
    parts += [outcome.photo["id"], outcome.photo["status"]] if outcome.photo else []
    parts += [f"{counted(len(outcome.files), 'file')} in {outcome.files[0].parent}"] if outcome.files else []
    say("  ".join(parts))
    if not outcome.files:
        for link in outcome.links:
            say(f"        {link}")


def _sum_up(outcomes: Sequence[UploadOutcome], total: int, out: Path | None, seconds: float) -> None:
    """Name the failed photos and print totals, to standard error."""
    failed = _failed(outcomes)
    for outcome in failed:
        photo = f" (photo {outcome.photo_id})" if outcome.photo_id else ""
        say(f"failed: {outcome.source.path}{photo}", err=True)
        for problem in outcome.problems:
            say("  " + problem.replace("\n", "\n  "), err=True)
    parts = [f"{len(outcomes) - len(failed)} of {counted(total, 'photo')} succeeded"]
    parts += [f"{len(failed)} failed"] if failed else []
    parts += [f"{total - len(outcomes)} not awaited"] if len(outcomes) < total else []
    parts += [f"{counted(sum(len(outcome.files) for outcome in outcomes), 'file')} in {out}"] if out else []
    say(f"{', '.join(parts)} ({seconds:.1f} s)", err=True)
