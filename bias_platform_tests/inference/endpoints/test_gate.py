"""As many as may be inside are inside, the others come in turn, and a pause holds everybody."""

import asyncio

from bias_platform.inference.endpoints.gate import Gate
from bias_platform_tests.inference.endpoints.conftest import FakeClock


def test_never_more_than_the_limit_and_everybody_in_turn() -> None:
    limit, inside, most, order = [3], [0], [0], []

    async def visit(gate: Gate, number: int) -> None:
        async with gate.passage():
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            assert inside[0] <= max(limit[0], 3)
            order.append(number)
            await asyncio.sleep(0)
            if number == 10:
                limit[0] = 5
            inside[0] -= 1

    async def run() -> None:
        gate = Gate(lambda: limit[0], lambda: 0.0, FakeClock())
        await asyncio.gather(*(visit(gate, number) for number in range(50)))

    asyncio.run(run())
    assert order == list(range(50))
    assert most == [5]


def test_a_pause_is_waited_for() -> None:
    clock = FakeClock()
    until = clock.time + 9

    async def run() -> None:
        gate = Gate(lambda: 1, lambda: max(0.0, until - clock.time), clock)
        async with gate.passage():
            assert clock.time >= until

    asyncio.run(run())
    assert clock.slept == [9]


def test_whoever_gives_up_waiting_takes_no_place() -> None:
    async def run() -> list[str]:
        gate, done = Gate(lambda: 1, lambda: 0.0, FakeClock()), []

        async def visit(name: str) -> None:
            async with gate.passage():
                await asyncio.sleep(0.01)
                done.append(name)

        tasks = [asyncio.create_task(visit(name)) for name in ("first", "second", "third")]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return done

    assert asyncio.run(run()) == ["first", "third"]
