"""Revisions of eventsocket's own tables, oldest first; one that was released is never changed."""
