"""Faults, and what the ledger makes of them (issue 5 point 8; the matrix in docs/reliability.md).

    python -m tests.faults --kills 1000

A *side* is what the mail goes to: a process that outlives the sender, and whose record of what it took is the truth.
A *newsroom* is a database with an approved issue. A *worker* is a process that sends it with the code of an
installation. After each run `judging` compares what the ledger says with the truth; nothing else decides.
"""
