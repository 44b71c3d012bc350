"""How far an evaluation is."""

from symbol_tuning.evaluation import countdown


def test_time_left_is_estimated_from_what_was_scored():
  times = iter([0, 5, 10, 10])
  lines = []
  counter = countdown.Countdown(
    total=100, period=8, clock=lambda: next(times), write=lines.append
  )
  counter.skip(40)
  counter.advance(10)
  assert not lines
  counter.advance(10)
  assert lines == ['evaluating · 60 % · 20s left']


def test_time_left_is_not_guessed_before_anything_was_scored():
  lines = []
  countdown.Countdown(total=100, write=lines.append).say('reading')
  assert lines == ['reading · 0 % · time left unknown']
