from bakery.invoice import dinner_orders, refund_total


def test_refunds_are_summed():
    assert refund_total([12, -3, 40, -5]) == -8


def test_orders_for_three_or_more_are_kept():
    assert dinner_orders([1, 3, 2, 8]) == [3, 8]
