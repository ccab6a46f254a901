"""Uploaded files: multipart forms, CSV files and workbooks."""
