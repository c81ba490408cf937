"""The conversation of `toritsugi freeswitch install`: what would change, what has changed, what comes next.

Enters: a prefix and what is wanted. Leaves: lines for a person and the exit code: 0 done or nothing to do, 1 a file was
kept because somebody changed it, 2 no place for our files. Passwords are made here and never printed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TextIO

from freeswitch.install import place
from freeswitch.install.layout import AGENT_PASSWORD, FS_CLI, SECRETS, NoPlace, Pair, checked, kind_of, our_files
from freeswitch.install.plan import Change, Plan, back_to, checksum, diff, install, set_in, with_passwords

Lang = Literal["ja", "en"]
OPERATOR_VARIABLE, AGENT_VARIABLE = "tt_event_socket_password", "tt_agent_password"
EXIT_DONE, EXIT_KEPT, EXIT_NO_PLACE = 0, 1, 2


class Conversation:
    """One run of the command."""

    def __init__(self, prefix: Path, out: TextIO, err: TextIO, lang: Lang, dry_run: bool) -> None:
        self._prefix, self._out, self._err = prefix, out, err
        self._lang, self._dry_run = lang, dry_run

    def install(self, replace_changed: bool) -> int:
        """Place our files."""
        try:
            prefix, ours = checked(self._prefix), our_files()
            with place.as_its_owner(prefix):
                plan, manifest = planned(prefix, ours, replace_changed)
                backup = None if self._dry_run else place.apply(prefix, plan.changes, manifest)
        except (NoPlace, OSError) as problem:
            return self._refuse(problem)
        self._tell(plan, backup)
        for path in plan.kept:
            self._say(
                f"そのまま: {path} はあなたが変更しています(--replace-changed で置き換え)",
                f"kept: {path} has been changed by you (--replace-changed puts ours there)",
            )
        if plan.changes and not self._dry_run:
            self._say(
                f"次に: FreeSWITCHを再起動し、`toritsugi doctor --prefix {prefix}` を実行してください。",
                f"Next: restart FreeSWITCH, then run `toritsugi doctor --prefix {prefix}`.",
            )
        return EXIT_KEPT if plan.kept else EXIT_DONE

    def restore(self, backup: Path | None) -> int:
        """Put back what a backup holds; None: all backups, so that everything is as before the first install."""
        try:
            prefix = checked(self._prefix)
            with place.as_its_owner(prefix):
                plan, made = self._back(prefix, backup.resolve() if backup is not None else None)
        except (NoPlace, OSError) as problem:
            return self._refuse(problem)
        self._tell(plan, made)
        return EXIT_DONE

    def _back(self, prefix: Path, backup: Path | None) -> tuple[Plan, Path | None]:
        """Carried out, unless it is a dry run: what changed, and the backup of what was there until now."""
        chosen = [backup] if backup is not None else place.backups_to_undo(prefix)
        if not chosen:
            raise NoPlace(
                (f"{prefix}: バックアップがありません", f"{prefix}: there is no backup: nothing was installed")
            )
        wanted: dict[str, bytes | None] = {}
        sources: dict[str, Path] = {}
        for one in chosen:  # the oldest first: what a file was in the beginning counts
            for path, was in place.earlier(one).items():
                wanted.setdefault(path, was)
                sources.setdefault(path, one)
        plan = back_to(place.read(prefix, list(wanted)), wanted)
        if self._dry_run:
            return plan, None
        left = {path: sum_ for path, sum_ in place.manifest_of(prefix).items() if path not in wanted}
        return plan, place.restore(prefix, plan.changes, sources, left if backup else None)

    def _tell(self, plan: Plan, backup: Path | None) -> None:
        for change in plan.changes:
            if self._dry_run:
                self._out.write(diff(change))
            else:
                marks = ("新規", "new") if change.before is None else ("変更", "changed")
                marks = ("削除", "removed") if change.after is None else marks
                self._say(f"{marks[0]}: {change.path}", f"{marks[1]}: {change.path}")
        number = len(plan.changes)
        if self._dry_run:
            self._say(
                f"{number} 個のファイルが変わります(まだ何も書いていません)",
                f"{number} files would change; nothing was written",
            )
        elif not number:
            self._say("変更はありません", "Nothing to change")
        else:
            self._say(
                f"{number} 個のファイルを書きました。元の内容: {backup}",
                f"{number} files written; what was there: {backup}",
            )

    def _refuse(self, problem: NoPlace | OSError) -> int:
        said: Pair = (
            problem.said
            if isinstance(problem, NoPlace)
            else (
                f"{problem}。途中まで置かれたものは、もう一度実行するか、--uninstall で元に戻せます",
                f"{problem}; what was placed until then: run this again, or --uninstall takes it back",
            )
        )
        self._err.write(said[self._lang == "en"] + "\n")
        return EXIT_NO_PLACE

    def _say(self, ja: str, en: str) -> None:
        self._out.write((en if self._lang == "en" else ja) + "\n")


def planned(prefix: Path, ours: dict[str, bytes], replace_changed: bool) -> tuple[Plan, dict[str, str]]:
    """What an install would change here, and the manifest that it would leave. Raises NoPlace, OSError."""
    manifest = place.manifest_of(prefix)
    present = place.read(prefix, [*ours, *manifest, AGENT_PASSWORD, FS_CLI])
    plan = install(present, {path: raw for path, raw in ours.items() if path != SECRETS}, manifest, replace_changed)
    secret = _secrets(ours, present)
    changes = [Change(path, present.get(path), raw) for path, raw in secret.items() if present.get(path) != raw]
    left = {path: checksum(raw) for path, raw in ours.items() if kind_of(path) == "ours"}
    left |= {path: manifest[path] for path in plan.kept}
    return Plan((*plan.changes, *changes), plan.kept), left


def _secrets(ours: dict[str, bytes], present: dict[str, bytes]) -> dict[str, bytes]:
    """New passwords only for what has none; the copies for the agent and fs_cli are as secrets.xml has them."""
    text = present.get(SECRETS, ours[SECRETS]).decode("utf-8", "replace")
    text = with_passwords(text, {OPERATOR_VARIABLE: place.new_password(), AGENT_VARIABLE: place.new_password()})
    return {
        SECRETS: text.encode(),
        AGENT_PASSWORD: f"{set_in(text, AGENT_VARIABLE)}\n".encode(),
        FS_CLI: f"[default]\npassword => {set_in(text, OPERATOR_VARIABLE)}\n".encode(),
    }
