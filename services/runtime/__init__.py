"""The shell that all services share: settings, bus, worker, store, clock, log, metrics, web. Knows no business rule."""
