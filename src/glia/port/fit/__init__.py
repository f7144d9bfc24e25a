"""`glia fit`: the memory ledger of a model, and the smallest machine that it works on."""
