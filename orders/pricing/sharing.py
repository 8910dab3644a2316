"""Dividing amounts into whole minor units, so that the parts always add up to the whole."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction


def share_out(amount: int, weights: Sequence[int], *, grain: int = 1) -> tuple[int, ...]:
    """Divide an amount in minor units in proportion to weights, by largest remainder, in units of `grain`.

    The shares add up to the amount, which is a multiple of `grain` as each of them is, and each is less than one unit away from
    its exact part. Among equal remainders the first one gets the unit. Where all weights are zero, everything counts the same.
    The amount may be negative. Raises: ValueError for a negative weight, or where there is nothing to share among.
    """
    if grain != 1:
        return tuple(share * grain for share in share_out(amount // grain, weights))
    if not weights or min(weights) < 0:
        raise ValueError(f"cannot share among the weights {list(weights)}")
    if not any(weights):
        weights = [1] * len(weights)
    whole = sum(weights)
    sign, size = (-1, -amount) if amount < 0 else (1, amount)
    shares = [size * weight // whole for weight in weights]
    remainders = [size * weight % whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: (-remainders[index], index))
    for index in by_remainder[: size - sum(shares)]:
        shares[index] += 1
    return tuple(sign * share for share in shares)


def round_half_up(exact: Fraction, *, grain: int = 1) -> int:
    """Return the nearest multiple of `grain`; a half goes away from zero."""
    sign = -1 if exact < 0 else 1
    return sign * grain * int(abs(exact) / grain + Fraction(1, 2))
