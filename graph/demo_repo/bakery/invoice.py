def refund_total(receipt: list[int]) -> int:
    """Return sum of negative items."""
    return sum(x for x in receipt if x < 0)


def dinner_orders(passenger):
    return [x for x in passenger if x >= 3]
