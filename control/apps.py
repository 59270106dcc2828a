from django.apps import AppConfig


class ControlConfig(AppConfig):
    name = "control"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Process control"
