"""The local engine's spool and supervisors.

A supervisor starts for every job, and a user waits for it: so this package imports nothing but
the quick parts of the standard library (no re, json, typing, subprocess, dataclasses).
"""
