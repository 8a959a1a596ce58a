"""Backfills of cinder's volumes: the type that they lack, and the host that they moved to.

Each is a work of the repair engine: planned, journaled in chunks, undone. What is particular to cinder is here.
"""
