"""Wiring: settings, addresses, processes. Importing the Celery application here lets every Django process enqueue."""

from apcweb.celery import app as celery_app

__all__ = ["celery_app"]
