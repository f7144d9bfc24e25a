"""How a collective is carried out, and what that moves through the memory and links of one rank.

A part is what one rank gathers or keeps: the payload over the ranks. Touches of HBM per step are
those of the vendor's text: a hop of a gather reads and writes a part once; a hop of a reduction
reads what came and its own part and writes the sum downstream (2 reads, 1 write). Its KangaRing,
which spares some where all ranks of a chip take part, is counted as a ring.
Source: aws-neuron-sdk neuron-runtime/explore/intranode-collective-comm.rst.
"""

from __future__ import annotations

WHOLE = ("collective_permute", "permute")  # kinds by their beginning: one hop of all bytes


def algorithm(num_bytes: int, group_size: int, mesh_limit: float, rdh_limit: float) -> str:
    """`mesh`, `rdh` (recursive doubling and halving) or `ring`, by the size of the message."""
    if num_bytes < mesh_limit:
        return "mesh"
    power_of_two = group_size & (group_size - 1) == 0
    return "rdh" if num_bytes < rdh_limit and power_of_two else "ring"


def sent_bytes(kind: str, group_size: int, num_bytes: int) -> float:
    """What one rank has to send at least."""
    if group_size <= 1:
        return 0.0
    if kind.startswith(WHOLE):
        return float(num_bytes)
    part = num_bytes * (group_size - 1) / group_size
    return 2 * part if kind == "all_reduce" else part


def hbm_bytes(kind: str, group_size: int, num_bytes: int, way: str) -> tuple[int, int] | None:
    """Bytes that one rank's HBM reads and writes, its neighbours' writes into it included.

    None for a kind whose every byte is read and written once.
    """
    n = group_size
    if n <= 1 or kind not in ("all_gather", "reduce_scatter", "all_reduce"):
        return None
    gathered = (n, n)  # its own part is copied to its place, n - 1 are sent and received
    # Ring: the first hop only reads. Mesh: all parts come, then one sum of them. Halving: the half
    # that is sent and the half that is kept are both summed.
    reduced = (2.5 * n - 2, 1.5 * n - 1) if way == "rdh" else (2 * n - 1, n)
    reads, writes = {
        "all_gather": gathered,
        "reduce_scatter": reduced,
        # The sum lies where it belongs already: nothing is copied before the gather.
        "all_reduce": (reduced[0] + n - 1, reduced[1] + n - 1),
    }[kind]
    return round(reads * num_bytes / n), round(writes * num_bytes / n)
