"""glia: take an AI workload off one vendor's chips.

`glia port model.py:function --to trn2` checks, compiles, runs, proves and prices a model on a
virtual chip. The packages are listed, in the order a program flows through them, in README.md.
"""

__version__ = "0.1.0"
