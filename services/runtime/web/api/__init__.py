"""The API of all rooms: addresses below /api/v1 for programs, described by OpenAPI documents.

Enters: each room's values and views (`Room`). Leaves: JSON, problem details, the documents. What may be asked and done
belongs to the rooms; tokens are checked by `runtime/web/access.py`.
"""

from services.runtime.web.api.document import add_api
from services.runtime.web.api.room import PREFIX, Room

__all__ = ["PREFIX", "Room", "add_api"]
