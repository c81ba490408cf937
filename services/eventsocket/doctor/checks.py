"""Everything the doctor looks at, in the order of the report. Pure.

Enters: facts. Leaves: findings, at least one for each check. This list is the table of contents; each check is a small
function in the module that the list names.
"""

from __future__ import annotations

from services.eventsocket.doctor import dialplan_checks, file_checks, machine_checks, sip_checks, switch_checks
from services.eventsocket.doctor.facts import Facts
from services.eventsocket.doctor.finding import Check, Finding

CHECKS: tuple[Check, ...] = (
    *switch_checks.CHECKS,
    *sip_checks.CHECKS,
    *dialplan_checks.CHECKS,
    *file_checks.CHECKS,
    *machine_checks.CHECKS,
)


def examine(facts: Facts) -> list[Finding]:
    """Every check's findings, in the order of CHECKS."""
    return [finding for check in CHECKS for finding in check.findings(facts)]
