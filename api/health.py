"""Whether this process is alive: answered in half a second, whatever hangs behind it."""

from __future__ import annotations

import threading
import time

from flask import Response, jsonify

from api.services import Services, services
from api.system import version
from db import facts
from pipeline.errors import StorageUnavailable

PATIENCE_S = 0.5
"""How long an answer waits for the look at the database that it has set off."""
FRESH_S = 2.0


def health() -> Response:
    """200 while this process can answer at all; ``models_loaded`` says whether somebody is there who runs the models."""
    here = services()
    return jsonify({"status": "healthy", "version": version(), "models_loaded": here.at_hand.known(here)})


class ModelsAtHand:
    """The last look for published pipelines and living workers; None while the database does not answer.

    It is taken in a thread of its own: a probe that hangs with the database would have a healthy process killed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0
        self._known: bool | None = None
        self._look: threading.Thread | None = None

    def known(self, here: Services) -> bool | None:
        """What is known now, after a look if the last one is not fresh."""
        with self._lock:
            if time.monotonic() >= self._until and not (self._look and self._look.is_alive()):
                self._look = threading.Thread(target=self._ask, args=(here,), name="health", daemon=True)
                self._look.start()
            look = self._look
        if look is not None:
            look.join(PATIENCE_S)
        return self._known

    def _ask(self, here: Services) -> None:
        try:
            with here.database.begin() as connection:
                self._known = facts.models_at_hand(connection)
        except StorageUnavailable:
            self._known = None
        self._until = time.monotonic() + FRESH_S
