"""Fits the rational approximation of erf used by the GELU kernels.

erf(x) ~ x P(x^2) / Q(x^2) for |x| <= 4, by iteratively reweighted linear least squares on Chebyshev nodes
(Sanathanan and Koerner 1963), minimising the relative error. Prints the coefficients, lowest power first, and the
largest error of a float32 evaluation. Needs numpy and scipy.
"""
import numpy as np
from scipy.special import erf

P, Q, LIMIT = 6, 5, 4.0

nodes = np.cos(np.pi * (np.arange(8000) + 0.5) / 8000)
x = (nodes + 1) / 2 * LIMIT
x = x[x > 1e-4]
u = x * x
target = erf(x) / x
weight = np.ones_like(x)
lawson = np.ones_like(x)
scale = LIMIT**2
powers_p = np.stack([(u / scale) ** i for i in range(P + 1)], 1)
powers_q = np.stack([(u / scale) ** i for i in range(1, Q + 1)], 1)
best = None
for _ in range(60):
    a = np.concatenate([powers_p, -target[:, None] * powers_q], 1)
    w = (lawson**0.5 * weight / target)[:, None]
    solution = np.linalg.lstsq(a * w, target * w[:, 0], rcond=None)[0]
    q = 1 + powers_q @ solution[P + 1 :]
    fit = (powers_p @ solution[: P + 1]) / q
    error = np.abs(fit / target - 1)
    weight = 1 / np.abs(q)
    lawson = lawson * (error / error.max() + 1e-3) ** 0.5
    lawson /= lawson.mean()
    if best is None or error.max() < best[0]:
        best = (error.max(), solution.copy())
solution = best[1]
p = solution[: P + 1] / scale ** np.arange(P + 1)
q = np.concatenate([[1], solution[P + 1 :] / scale ** np.arange(1, Q + 1)])
print("P", ", ".join(f"{v:.9e}f" for v in p.astype(np.float32)))
print("Q", ", ".join(f"{v:.9e}f" for v in q.astype(np.float32)))
grid = np.linspace(-LIMIT, LIMIT, 2_000_001).astype(np.float32)
grid = grid[grid != 0]
g2 = grid * grid
num, den = np.float32(p[-1]), np.float32(q[-1])
for c in p[-2::-1].astype(np.float32):
    num = num * g2 + c
for c in q[-2::-1].astype(np.float32):
    den = den * g2 + c
value = grid * num / den
exact = erf(grid.astype(np.float64))
print("relative", np.max(np.abs(value / exact - 1)), "absolute", np.max(np.abs(value - exact)))
