"""The limit grows until it is too much, is cut once for a burst, held, and pauses when told to."""

from bias_platform.inference.endpoints.adaptive_concurrency import AdaptiveConcurrency
from bias_platform_tests.inference.endpoints.conftest import FakeClock


def _answers(pace: AdaptiveConcurrency, count: int) -> None:
    for _ in range(count):
        pace.succeeded()


def test_it_starts_low_and_doubles_with_every_round() -> None:
    pace = AdaptiveConcurrency(100, FakeClock())
    seen = []
    for _ in range(6):
        seen.append(pace.limit)
        _answers(pace, pace.limit)
    assert seen == [4, 8, 16, 32, 64, 100]
    assert pace.highest == 100


def test_a_small_bound_is_never_passed() -> None:
    pace = AdaptiveConcurrency(2, FakeClock())
    _answers(pace, 50)
    assert (pace.limit, pace.highest) == (2, 2)


def test_a_burst_of_refusals_cuts_once() -> None:
    clock = FakeClock()
    pace = AdaptiveConcurrency(100, clock)
    _answers(pace, 16)
    sent = clock.now()
    clock.time += 1
    for _ in range(10):
        pace.rate_limited(sent, None)
    assert (pace.limit, pace.rate_limited_requests) == (16, 10)


def test_after_a_cut_it_is_held_and_then_grows_by_one_a_round() -> None:
    clock = FakeClock()
    pace = AdaptiveConcurrency(100, clock, hold=15)
    _answers(pace, 16)
    pace.rate_limited(clock.now(), None)
    assert pace.limit == 16
    clock.time += 14.9
    _answers(pace, 100)
    assert pace.limit == 16
    clock.time += 0.2
    _answers(pace, 17)
    assert pace.limit == 17
    _answers(pace, 18)
    assert pace.limit == 18


def test_a_few_refusals_among_answers_do_not_cut_while_it_is_held() -> None:
    clock = FakeClock()
    pace = AdaptiveConcurrency(100, clock)
    _answers(pace, 16)
    pace.rate_limited(clock.now(), None)
    for _ in range(20):
        clock.time += 0.1
        _answers(pace, 9)
        pace.rate_limited(clock.now(), None)
    assert pace.limit == 16
    clock.time += 15
    pace.rate_limited(clock.now(), None)
    assert pace.limit == 12


def test_refusals_only_cut_down_to_one() -> None:
    clock = FakeClock()
    pace = AdaptiveConcurrency(100, clock)
    _answers(pace, 60)
    for _ in range(60):
        clock.time += 0.1
        pace.rate_limited(clock.now(), None)
    assert pace.limit == 1


def test_errors_of_the_server_hold_it_shortly_and_cut_nothing() -> None:
    clock = FakeClock()
    pace = AdaptiveConcurrency(100, clock)
    pace.failed()
    _answers(pace, 10)
    assert pace.limit == 4
    clock.time += 2.1
    _answers(pace, 4)
    assert pace.limit == 8


def test_it_pauses_for_as_long_as_the_endpoint_wants() -> None:
    clock = FakeClock()
    pace = AdaptiveConcurrency(100, clock)
    pace.rate_limited(clock.now(), 7.0)
    pace.rate_limited(clock.now(), 3.0)
    assert pace.pause == 7.0
    clock.time += 5
    assert pace.pause == 2.0
    clock.time += 5
    assert pace.pause == 0.0
