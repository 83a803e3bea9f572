"""Preflight's looks beyond this machine: do the links open, and may mail come from the sender's domain.

What cannot be told from here is "unknown", never a finding: without a network everything is.
"""
