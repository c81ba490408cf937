"""Figures for Prometheus. Labels are services, types and switches: never a number, a call or a tenant's client.

Enters: counts from the shell. Leaves: figures; the page /metrics is served by `metrics_server.py`.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

HANDLED = Counter("toritsugi_handled_total", "Messages handled", ["service", "type"])
RETRIED = Counter("toritsugi_retried_total", "Retries in place", ["service", "why"])
DEAD_LETTERED = Counter("toritsugi_dead_lettered_total", "Messages put aside", ["service"])
EXPIRED = Counter("toritsugi_expired_total", "Commands dropped because they were past their time", ["queue"])
UNHEARD = Counter("toritsugi_unheard_total", "Messages no queue listens to", ["delivery"])
DECISION_SECONDS = Histogram(
    "toritsugi_decision_seconds",
    "From the agent's reading an arrival to its writing the command",
    ["switch"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 1.5, 2),
)
ESL_EVENTS = Counter("toritsugi_esl_events_total", "Events read from the switch", ["switch"])
SPOOLED = Counter("toritsugi_spooled_total", "Records that had to go to the spool on disk", ["switch"])
SPOOL_LOST = Counter(
    "toritsugi_spool_lost_total", "Records thrown away because neither disk nor memory had room for them", ["switch"]
)
UNKNOWN_NUMBERS = Counter("toritsugi_unknown_numbers_total", "Arrivals for a number or phone of no client", ["switch"])
TENANT_MISMATCH = Counter(
    "toritsugi_tenant_mismatch_total", "Arrivals whose tt_tenant was not the number's owner", ["switch"]
)
ENDS_DIFFER = Counter(
    "toritsugi_ends_differ_total", "Legs of whose end event and call record tell different things", ["switch"]
)
CDR_FILES = Counter(
    "toritsugi_cdr_files_total",
    "Files of call records: archived, put aside as bad, unreadable, erased",
    ["switch", "what"],
)
CDR_WAITING = Gauge("toritsugi_cdr_waiting", "Call records that the last look at the folder found in it", ["switch"])
