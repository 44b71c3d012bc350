import dataclasses

import pytest
from made_queries import make_queries

from symbol_tuning.evaluation import in_training, layout, results
from symbol_tuning.evaluation import suite as suite_lib
from symbol_tuning.evaluation.ranking.task import RankingTask


@dataclasses.dataclass(frozen=True)
class Asked:
  """Questions that are loaded already."""

  suite: suite_lib.Suite

  def load(self):
    return self.suite


def test_an_evaluation_in_training_reports_accuracy_and_loss(
  model, params, tmp_path
):
  task = RankingTask(make_queries(6, seed=1))
  suite = suite_lib.Suite({'icl_flipped': {'icl_flipped_subj': task}})
  evaluation = in_training.PeriodicEvaluation(
    model,
    Asked(suite),
    str(tmp_path),
    budget=layout.Budget(num_row_lengths=1),
  )
  evaluation.prepare()
  measured = evaluation(params, 300)
  folder = tmp_path / 'inference_eval' / '300'
  summary = results.read_summary(folder)
  assert summary.step == 300
  [task_result] = summary.mixtures['icl_flipped'].tasks.values()
  predictions = results.read_predictions(folder / task_result.predictions)
  labels = [p.options[p.label] for p in predictions]
  assert measured == {
    'icl_flipped/accuracy': summary.mixtures['icl_flipped'].accuracy,
    'icl_flipped/loss': pytest.approx(
      -sum(label.log_likelihood for label in labels)
      / sum(label.num_tokens for label in labels)
    ),
  }
