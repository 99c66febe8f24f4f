"""Pooled Unix accounts: jobs run in accounts of their own, one at a time, and leave nothing.

Everything here but ``cli`` needs only the standard library, as the runner does: it is for worker
nodes too.
"""
