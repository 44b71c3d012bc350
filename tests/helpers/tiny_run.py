"""A run of the tiny model, as a training leaves it but untrained."""

import jax

from symbol_tuning import api, gin_utils, run_config
from symbol_tuning.models import parameters
from symbol_tuning.models.checkpoints import native, steps


def save(model_dir, step=3, seed=0):
  """Writes a MODEL_DIR with one checkpoint."""
  model_dir.mkdir(parents=True)
  config = gin_utils.configs_dir() / 'models' / 'tiny.gin'
  (model_dir / run_config.CONFIG_FILE).write_text(config.read_text())
  model, _ = api._of_run(model_dir / run_config.CONFIG_FILE)
  params = parameters.init_params(model, jax.random.key(seed))
  native.save(params, model.config, model_dir / steps.STEPS / str(step))
