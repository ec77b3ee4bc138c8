"""What the one who typed `kinora demo` gets to see: bars while it runs, tables at the end, JSON for machines."""

from collections.abc import Sequence
from types import TracebackType

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from ops.demo.uploads import Upload

#: Rows of a list of faults that are shown; the JSON has all.
MAX_SHOWN = 40


class ClipEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How one clip ended."""

    clip: str
    author: str
    way: str
    video_id: str
    status: str
    code: str | None
    renditions: tuple[str, ...]
    #: What expected.json says against it; None where it agrees or says nothing.
    complaint: str | None


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One count: what was confirmed, and what GET says."""

    what: str
    confirmed: str
    said: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a demo found out."""

    url: str
    seed: int
    users: int
    elapsed_s: float
    clips: tuple[ClipEnd, ...]
    #: What was done, by kind.
    done: dict[str, int]
    counts: tuple[Compared, ...]
    #: What was refused: "what: code" to how often.
    refused: dict[str, int]
    #: Answers that asked to come back later, by code; tries without an answer.
    later: dict[str, int]
    lost: int
    events: dict[str, int]
    notes: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not self.faults


class RichScreen:
    """Bars on a terminal, lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[now]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._bar: TaskID | None = None
        self._told = -1

    def __enter__(self) -> "RichScreen":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def act(self, title: str) -> None:
        """Say what begins."""
        self._console.print(f"{title} ...")

    def uploads(self, uploads: Sequence[Upload]) -> None:
        """Show how far they are, each by its own progress."""
        if self._bar is None:
            self._bar = self._progress.add_task("Videos", total=len(uploads), now="")
        final = sum(upload.final for upload in uploads)
        ready = sum(upload.status == "ready" for upload in uploads)
        under_way = sum(upload.progress for upload in uploads if not upload.final)
        now = f"{ready} ready, {final - ready} refused, {len(uploads) - final} to go"
        self._progress.update(self._bar, completed=round(final + under_way, 1), now=now)
        if final != self._told and not self._console.is_terminal:
            self._console.print(f"  {now}")
        self._told = final


def show(report: Report, console: Console) -> None:
    """Print the tables."""
    console.print()
    console.print(_clips(report))
    console.print(_counts(report))
    if report.refused or report.later or report.lost:
        console.print(_refusals(report))
    for note in report.notes[:MAX_SHOWN]:
        console.print(f"note: {note}", markup=False)
    for fault in report.faults[:MAX_SHOWN]:
        console.print(f"WRONG: {fault}", markup=False, style="bold red")
    if len(report.faults) > MAX_SHOWN:
        console.print(f"... and {len(report.faults) - MAX_SHOWN} more (--json has all)")
    verdict = "everything is as it should be" if report.good else f"{len(report.faults)} are wrong"
    console.print(
        f"{report.users} people, {len(report.clips)} clips, {report.elapsed_s:.0f} s: {verdict}.",
        markup=False,
    )


def _clips(report: Report) -> Table:
    table = Table(title="Clips", title_justify="left")
    for column in ("clip", "by", "sent", "became", "why", "expected"):
        table.add_column(column)
    for clip in report.clips:
        style = None if clip.complaint is None else "bold red"
        table.add_row(
            clip.clip,
            clip.author,
            clip.way,
            clip.status,
            clip.code or "",
            clip.complaint or "as expected",
            style=style,
        )
    return table


def _counts(report: Report) -> Table:
    table = Table(title="What happened", title_justify="left")
    table.add_column("what")
    table.add_column("done", justify="right")
    table.add_column("stands", justify="right")
    table.add_column("GET says", justify="right")
    compared = {each.what: each for each in report.counts}
    for what, times in report.done.items():
        table.add_row(what, str(times), "", "")
    table.add_section()
    for what, count in compared.items():
        table.add_row(what, "", count.confirmed, str(count.said))
    if report.events:
        table.add_section()
        for what, times in report.events.items():
            table.add_row(f"event {what}", str(times), "", "")
    return table


def _refusals(report: Report) -> Table:
    table = Table(title="What was refused, and why", title_justify="left")
    table.add_column("what: code")
    table.add_column("times", justify="right")
    for what, times in sorted(report.refused.items()):
        table.add_row(what, str(times))
    for what, times in sorted(report.later.items()):
        table.add_row(f"asked to come back later: {what}", str(times))
    if report.lost:
        table.add_row("tries without an answer (sent again)", str(report.lost))
    return table
