"""An endpoint is given up when it answers nothing for long, not for a bad minute."""

from bias_platform.inference.endpoints.circuit_breaker import CircuitBreaker
from bias_platform_tests.inference.endpoints.conftest import FakeClock


def test_many_errors_at_once_are_no_reason_yet() -> None:
    breaker = CircuitBreaker(FakeClock(), patience=180)
    assert [breaker.error("HTTP 500") for _ in range(100)] == [None] * 100


def test_errors_only_for_long_end_it_with_a_count() -> None:
    clock = FakeClock()
    breaker = CircuitBreaker(clock, patience=180)
    breaker.good()
    said = []
    for _ in range(25):
        said.append(breaker.error("HTTP 500: down"))
        clock.time += 10
    assert said[:19] == [None] * 19
    assert said[19] == "none of the last 20 requests was answered in 190 seconds, the last one: HTTP 500: down"


def test_one_answer_in_between_begins_anew() -> None:
    clock = FakeClock()
    breaker = CircuitBreaker(clock, patience=180)
    for number in range(200):
        assert breaker.error("HTTP 500") is None
        clock.time += 10
        if number % 15 == 14:
            breaker.good()


def test_requests_go_one_at_a_time_before_the_first_answer_and_when_nothing_is_answered_any_more() -> None:
    breaker = CircuitBreaker(FakeClock())
    assert breaker.doubtful
    breaker.good()
    assert not breaker.doubtful
    for _ in range(10):
        breaker.error("HTTP 500")
    assert breaker.doubtful
    breaker.good()
    assert not breaker.doubtful


def test_refusals_from_the_start_end_it_and_later_ones_do_not() -> None:
    breaker = CircuitBreaker(FakeClock())
    said = [breaker.refusal("HTTP 400: no such field") for _ in range(20)]
    assert said[:19] == [None] * 19
    assert said[19] == "all of the first 20 requests were refused, the last one: HTTP 400: no such field"
    other = CircuitBreaker(FakeClock())
    other.good()
    assert [other.refusal("HTTP 400") for _ in range(100)] == [None] * 100
