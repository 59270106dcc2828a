"""Which moves of one solve could have been solved for by themselves.

A quadratic problem falls apart where its Hessian and its constraints join nothing: the connected components of the
graph whose nodes are the parameters, with an edge where the Hessian is not 0 or a constraint has both. The answer of
each component is then the same whatever becomes of the others. Loops whose pump answers the mean and whose bolts
answer the profile have two.
"""

from __future__ import annotations

import numpy as np
import scipy

from control.core.types import FloatArray

JOINED = 1e-12  # of the two diagonal elements' geometric mean


def parts(hessian: FloatArray, rows: FloatArray) -> tuple[int, ...]:
    """The part of each parameter, counted from 0 in the order of their first; ``rows`` (constraints, mvs)."""
    scale = np.sqrt(np.diag(hessian))
    together = np.abs(hessian) > JOINED * np.outer(scale, scale)
    shared = (rows != 0.0).astype(np.int64)
    _, found = scipy.sparse.csgraph.connected_components(together | (shared.T @ shared > 0), directed=False)
    numbers: dict[int, int] = {}
    return tuple(numbers.setdefault(int(one), len(numbers)) for one in found)
