"""What gunicorn loads in each worker process: ``gunicorn -c python:api.gunicorn_conf api.wsgi:app``."""

from __future__ import annotations

from api import lifecycle, logs
from api.app import create_app
from api.services import EXTENSION
from api.settings import ApiSettings
from pipeline import faults
from tasks.settings import TaskSettings

logs.configure()
_tasks = TaskSettings()
faults.arm(_tasks.fault_plan, _tasks.env)
app = create_app(ApiSettings())
lifecycle.stop_with(app.extensions[EXTENSION].stopping)
