"""Seed data of a new sandbox."""
