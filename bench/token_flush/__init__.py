"""Parts of bench/tokens.py: durable servers, a table of tokens, the peers, and a writer that looks on."""
