"""Routing: decides where a call goes, in one plan per decision."""
