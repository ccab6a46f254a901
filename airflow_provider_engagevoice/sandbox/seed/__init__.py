"""Seed data of the sandbox: generated, or imported from a CSV file."""
