"""Revisions of the tables that every service has, oldest first; one that was released is never changed."""
