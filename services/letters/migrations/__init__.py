"""Revisions of the letters' own tables, oldest first; one that was released is never changed."""
