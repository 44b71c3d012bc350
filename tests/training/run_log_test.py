import errno
import json

import jax
import jax.numpy as jnp
import pytest
from tensorboard.compat.proto import event_pb2
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow

from symbol_tuning.training import run_log
from symbol_tuning.training.step import Metrics

SUMMARY = {'loss': 1.5, 'tokens_per_second': 1234.0, 'non_padding': 0.75}


def metrics(loss, **changes):
  values = {'target_tokens': 1, 'tokens': 6, 'non_padding': 0.75}
  norms = {'z_loss': 0.25, 'grad_norm': 1, 'update_norm': 1}
  values |= norms | changes | {'loss': loss}
  return Metrics(**jax.tree.map(jnp.float32, values))


def test_a_window_weights_steps_by_their_targets():
  window = run_log.Window()
  window.add(metrics(loss=1.0, target_tokens=1), {})
  window.add(metrics(loss=4.0, target_tokens=3), {})
  summary = window.summary(last_step=2)
  assert summary['loss'] == pytest.approx((1 + 12) / 4)
  assert summary['target_tokens'] == 2
  assert summary['non_padding'] == 0.75
  ratio = summary['tokens_per_second'] / summary['steps_per_second']
  assert ratio == pytest.approx(6)


@pytest.mark.parametrize(
  'bad',
  [
    metrics(float('nan')),
    metrics(2.0, grad_norm=float('inf')),
    metrics(2.0, update_norm=float('nan')),
  ],
)
def test_a_window_names_the_step_that_is_not_finite_and_has_its_batch(bad):
  window = run_log.Window()
  for number, step_metrics in enumerate((metrics(1.0), bad, metrics(1.0))):
    window.add(step_metrics, {'number': number})
  with pytest.raises(run_log.NotFiniteError, match='at step 9 ') as error:
    window.summary(last_step=10)
  assert (error.value.step, error.value.batch) == (9, {'number': 1})


def test_a_line_that_cannot_be_written_is_a_warning(
  tmp_path, capsys, monkeypatch
):
  def refuse(self, data):
    raise OSError(errno.ENOSPC, 'No space left on device')

  with run_log.RunLog(tmp_path, first_step=0, total_steps=20) as log:
    monkeypatch.setattr(run_log.files.Growing, 'write', refuse)
    for step in (5, 10):
      log.training(step, SUMMARY)
  told = capsys.readouterr()
  assert told.out.count('loss 1.5') == 2
  assert told.err.count('warning: cannot write the log') == 1
  assert 'No space left' in told.err


def test_the_line_tells_everything(tmp_path, capsys):
  with run_log.RunLog(tmp_path, first_step=10, total_steps=20) as log:
    log.training(15, SUMMARY)
  line = capsys.readouterr().out
  for part in ('15/20', 'loss 1.5000', '1,234 tokens/s', '75% not padding'):
    assert part in line
  assert line.endswith('left\n')


def steps_of(folder):
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  return [json.loads(line)['step'] for line in lines]


def test_a_resumed_run_drops_the_lines_it_repeats(tmp_path):
  with run_log.RunLog(tmp_path, first_step=0, total_steps=9) as log:
    for step in (2, 4, 6):
      log.training(step, SUMMARY)
  with (tmp_path / 'metrics.jsonl').open('a') as file:
    file.write('{"step": 3, "lo')
  with run_log.RunLog(tmp_path, first_step=4, total_steps=9) as log:
    assert steps_of(tmp_path) == [2, 4]
    log.training(6, SUMMARY)
  assert steps_of(tmp_path) == [2, 4, 6]


def test_tensorboard_can_read_the_scalars(tmp_path):
  with run_log.RunLog(tmp_path, first_step=0, total_steps=9) as log:
    log.training(3, SUMMARY)
    log.evaluation(3, {'accuracy': 0.5})
  (path,) = tmp_path.glob('events.out.tfevents.*')
  reader = pywrap_tensorflow.PyRecordReader_New(str(path))
  scalars = {}
  while True:
    try:
      reader.GetNext()
    except Exception:
      break
    event = event_pb2.Event.FromString(reader.record())
    for value in event.summary.value:
      scalars[event.step, value.tag] = value.simple_value
  assert scalars[3, 'train/loss'] == 1.5
  assert scalars[3, 'eval/accuracy'] == 0.5
