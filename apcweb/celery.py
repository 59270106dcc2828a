"""The Celery application: work that ends. Its schedule and its manners are in the settings."""

from __future__ import annotations

import os
import signal
import warnings

from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import setup_logging, worker_process_init

from apcweb.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "apcweb.settings")

app = Celery("apcweb")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# root is warned of pickled messages; here only JSON is accepted
warnings.filterwarnings("ignore", category=SecurityWarning)

_main_process = os.getpid()  # a pool process is forked from here and keeps this number


@worker_process_init.connect  # type: ignore[untyped-decorator]
def end_with_the_worker(**_: object) -> None:
    """A worker killed with -9 must not leave pool processes that go on with its tasks."""
    die_with_parent(signal.SIGKILL, _main_process)


@setup_logging.connect  # type: ignore[untyped-decorator]
def keep_the_log_lines_of_the_settings(**_: object) -> None:
    """Celery lays out its own log unless somebody listens here."""
