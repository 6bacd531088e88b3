"""Fits the polynomials of the GELU kernels for bfloat16.

Phi(x) - 1/2 and GELU'(x) - 1/2 are odd: each is x P(x^2) on |x| <= LIMIT, by iteratively reweighted least squares
(Lawson 1961), and meets 1/2 at the limit, beyond which it stays. Prints the coefficients, lowest power first, and the
largest error of a float32 evaluation, to be compared with the rounding of bfloat16, 2e-3 of the value. Needs numpy.
"""
from math import erf as scalar_erf

import numpy as np

erf = np.vectorize(scalar_erf)

LIMIT = 4.4


def cdf(x):
    return 0.5 * (1 + erf(x / np.sqrt(2)))


def slope(x):
    return cdf(x) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


def fit(function, terms):
    x = np.linspace(1e-3, LIMIT, 6000)
    target = function(x) - 0.5
    # What is missing to one half at the limit, plus a little so that rounding does not fall short, goes in smoothly.
    target = target + (0.5 + 2e-6 - target[-1]) * (x / LIMIT) ** 24
    powers = np.stack([x * (x / LIMIT) ** (2 * k) for k in range(terms)], 1)
    weight = np.ones_like(x)
    for _ in range(600):
        root = np.sqrt(weight)
        solution = np.linalg.lstsq(powers * root[:, None], target * root, rcond=None)[0]
        error = np.abs(powers @ solution - target)
        weight *= error + 1e-12
        weight /= weight.sum()
        weight[-1] = max(weight[-1], weight.max() * 100)
    return (solution / LIMIT ** (2.0 * np.arange(terms))).astype(np.float32)


for name, function, terms in (("cdf", cdf, 9), ("slope", slope, 10)):
    coefficients = fit(function, terms)
    x = np.linspace(-8, 8, 400_001).astype(np.float32)
    c = np.clip(x, np.float32(-LIMIT), np.float32(LIMIT))
    u = c * c
    p = np.full_like(x, coefficients[-1])
    for k in coefficients[-2::-1]:
        p = p * u + k
    value = np.clip(np.float32(0.5) + c * p, 0, 1) if name == "cdf" else np.float32(0.5) + c * p
    print(name, ", ".join(f"{v:.9e}f" for v in coefficients))
    print("largest error", np.abs(value - function(x.astype(np.float64))).max(), "at the limits", value[0], value[-1])
