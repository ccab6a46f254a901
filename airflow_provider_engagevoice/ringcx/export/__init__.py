"""Exports of leads: all leads of a selection, proven complete, into a file."""
