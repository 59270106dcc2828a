"""Short-run charts: products that change too often for limits of their own share one chart.

    deviation from nominal: x - T_j, one sigma for all        Z: (x - T_j) / sigma_j, each product its own sigma

Runs go on over a change of product: they tell of the machine. Good for: lines that make a recipe for a few rolls at a
time. Caveat: the first kind needs spreads that are alike; test before.

D. J. Wheeler, Short Run SPC (1991); D. C. Montgomery (2005) section 9-1.
"""

from __future__ import annotations

import numpy as np

from control.core.spc import individuals
from control.core.spc.lines import Lines
from control.core.spc.rules import Recent, RuleSet
from control.core.types import FloatArray, IntArray


def lines(nominal: FloatArray, sigma: float | FloatArray) -> Lines:
    """In the unit of the values: they step with the product."""
    reach = 3.0 * np.broadcast_to(np.asarray(sigma, np.float64), nominal.shape)
    return Lines(nominal - reach, nominal, nominal + reach)


def judge(
    values: FloatArray, nominal: FloatArray, sigma: float | FloatArray, rules: RuleSet, recent: Recent = ()
) -> tuple[IntArray, Recent]:
    """Bits each of ``values`` (k,) breaks, ``nominal`` (k,) being the target of its product.

    ``sigma`` is one number (deviation from nominal) or (k,), that of each value's product (Z chart).
    """
    return individuals.judge((values - nominal) / sigma, 0.0, 1.0, rules, recent)
