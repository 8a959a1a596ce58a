"""Proof of what a migration did to the data: a manifest before, a manifest after, and what was lost between them."""
