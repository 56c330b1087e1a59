"""Orders in which options are shown, balanced so that no option gains from its place."""

from bias_platform.errors import CatalogError


def balanced_orders(options: int, orders: int) -> tuple[tuple[int, ...], ...]:
    """Chooses orders of the options; the canonical one comes first, and its reverse second where there are two.

    With as many orders as options every option stands once at every place. The orders are rows of a Williams square
    (E. J. Williams, 1949), in which, for an even number of options, every option also follows every other exactly
    once; for an odd number this needs 2 x options orders, the square and its mirror image.

    Args:
        options: how many options there are: 2 or more, or 0 for a task that has none.
        orders: how many orders are wanted; at most `options` (even) or 2 x `options` (odd), and 1 without options.

    Returns:
        for each order, the canonical positions as shown.

    Raises:
        CatalogError: more orders than the balanced design has.

    >>> balanced_orders(4, 2)
    ((0, 1, 2, 3), (3, 2, 1, 0))
    >>> balanced_orders(0, 1)
    ((),)
    """
    if options == 0:
        if orders != 1:
            raise CatalogError(f"option_orders: a task without options has no orders of them; allowed: 1, not {orders}")
        return ((),)
    square = _williams_square(options)
    mirrored = [row[::-1] for row in square]
    if options % 2 == 0:  # the square holds the mirror image of each of its rows
        half = options // 2
        design = [row for place in range(half) for row in (square[place], square[place + half])]
    else:
        design = [square[0], mirrored[0]] if orders == 2 else square + mirrored
    if not 1 <= orders <= max(len(design), 2 * options if options % 2 else options):
        raise CatalogError(
            f"option_orders: {orders} balanced orders of {options} options do not exist; allowed: 1 to {len(design)}"
        )
    return tuple(design[:orders])


def order_text(order: tuple[int, ...]) -> str:
    """An order as tables hold it.

    >>> order_text((1, 0))
    '1-0'
    >>> order_text(())
    ''
    """
    return "-".join(map(str, order))


def _williams_square(n: int) -> list[tuple[int, ...]]:
    # 0, 1, n-1, 2, n-2, ...: its neighbouring differences are all distinct; shifts of it make the square
    zigzag = [0] + [(step + 1) // 2 if step % 2 else n - step // 2 for step in range(1, n)]
    name = {symbol: place for place, symbol in enumerate(zigzag)}  # renamed so that row 0 is canonical
    return [tuple(name[(symbol + shift) % n] for symbol in zigzag) for shift in range(n)]
