"""Tests of our decoder under T5X, where there is a checkout of T5X."""

import dataclasses
import functools
import importlib
import pathlib
import sys

import flax
import gin
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import seqio
import tensorflow as tf
import tiny_models

from symbol_tuning import gin_utils
from symbol_tuning.data import packing
from symbol_tuning.models import likelihood
from symbol_tuning.models.checkpoints import native
from symbol_tuning.models.decoder import Decoder

t5x_models = pytest.importorskip(
  'symbol_tuning.t5x_models', reason='T5X is not on the path'
)
t5x = importlib.import_module('t5x')
adafactor, decoding, partitioning, train_state = (
  importlib.import_module(f't5x.{name}')
  for name in ('adafactor', 'decoding', 'partitioning', 'train_state')
)

# 0 is a token, as in vocabularies of GPT-2's kind.
PROMPTS = ([5, 0, 7, 1], [9, 3, 8, 4, 11, 0])
ANSWERS = ([8, 2, 1], [4, 0])
LENGTHS = {'inputs': 8, 'targets': 6}
REQUIRED = {
  'CHECKPOINT': 'path',
  'CHECKPOINT_PATH': 'path',
  'EVAL_OUTPUT_DIR': 'folder',
  'MIXTURE_OR_TASK_NAME': 'symbol_tuning',
  'MODEL_DIR': 'folder',
}


@pytest.fixture
def make_model():
  """A function: changes to a tiny configuration → a model of T5X."""

  def make(**changes):
    config = dataclasses.replace(tiny_models.TINY, conv_width=3, **changes)
    return t5x_models.DecoderModel(
      Decoder(config),
      vocabulary=seqio.PassThroughVocabulary(32, eos_id=1),
      optimizer_def=adafactor.Adafactor(),
      decode_fn=functools.partial(decoding.temperature_sample, temperature=0.0),
      loss_normalizing_factor='NUM_REAL_TARGET_TOKENS',
    )

  return make


@pytest.fixture
def optimizer(clean_gin):
  """T5X's Adafactor with our rules."""
  gin_utils.parse(['models/tiny.gin', 't5x/decoder.gin'])
  return gin.get_configurable(adafactor.Adafactor)()


def random_params(model):
  return tiny_models.random_params(model.module.config, 0.5)


def examples():
  for inputs, targets in zip(PROMPTS, ANSWERS, strict=True):
    yield {'inputs': np.int32(inputs), 'targets': np.int32(targets)}


def t5x_batch(pack):
  spec = tf.TensorSpec([None], tf.int32)
  dataset = tf.data.Dataset.from_generator(
    examples, output_signature={'inputs': spec, 'targets': spec}
  )
  lengths = {name: length * (1 + pack) for name, length in LENGTHS.items()}
  converter = t5x_models.DecoderModel.FEATURE_CONVERTER_CLS(pack=pack)
  rows = converter(dataset, lengths).batch(2).as_numpy_iterator()
  return jax.tree.map(jnp.asarray, next(rows))


def our_scores(model, params):
  """Of each answer, by the scoring of our trainer."""
  for example in examples():
    features = packing.to_decoder_features(example)
    row = {name: jnp.asarray(array)[None] for name, array in features.items()}
    found = likelihood.weighted_log_likelihoods(model.module, params, row, 6)
    yield float((found.values_BP * found.weights_BP).sum())


def test_scores_are_ours(make_model):
  model = make_model()
  params = random_params(model)
  scores = model.score_batch(params, t5x_batch(pack=False))
  np.testing.assert_allclose(scores, list(our_scores(model, params)), rtol=1e-5)


def test_the_loss_of_a_packed_row_is_ours(make_model):
  model = make_model()
  params = random_params(model)
  batch = t5x_batch(pack=True)
  assert len(batch['decoder_input_tokens']) == 1
  loss, _ = model.loss_fn(params, batch, dropout_rng=None)
  ours = -sum(our_scores(model, params)) / sum(map(len, ANSWERS))
  np.testing.assert_allclose(loss, ours, rtol=1e-5)


def test_dropout_is_for_training_only(make_model):
  model = make_model(dropout_rate=0.5)
  params = random_params(model)
  batch = t5x_batch(pack=False)
  with_dropout, _ = model.loss_fn(params, batch, jax.random.key(0))
  without, _ = model.eval_fn(params, batch)
  ours = -sum(our_scores(model, params)) / sum(map(len, ANSWERS))
  np.testing.assert_allclose(without, ours, rtol=1e-5)
  assert abs(with_dropout - without) > 1e-3


def test_what_is_written_is_most_probable(make_model):
  model = make_model()
  params = random_params(model)
  read = jax.jit(lambda tokens: model.module.apply({'params': params}, tokens))
  written = model.predict_batch_with_aux(
    params, t5x_batch(pack=False), num_decodes=2
  )[0]
  for prompt, tokens in zip(PROMPTS, written, strict=True):
    so_far = list(prompt)
    for token in tokens[:5]:
      row = (
        jnp.zeros((1, 16), jnp.int32)
        .at[0, : len(so_far)]
        .set(jnp.asarray(so_far))
      )
      assert token == read(row)[0, len(so_far) - 1].argmax()
      if token == 1:
        break
      so_far.append(int(token))


@pytest.mark.parametrize('scan_layers', [False, True])
def test_every_parameter_has_rules(make_model, optimizer, scan_layers):
  model = make_model(scan_layers=scan_layers)
  state = train_state.FlaxOptimTrainState.create(
    optimizer, model.get_initial_variables(jax.random.key(0), {})
  )
  rules = gin.get_configurable(partitioning.standard_logical_axis_rules)()
  partitioner = partitioning.PjitPartitioner(2, logical_axis_rules=rules)
  axes = partitioner.get_mesh_axes(state).params
  assert tuple(axes['token_embedding']['embedding']) == ('model', None)


def test_t5x_starts_from_our_checkpoint(make_model, optimizer, tmp_path):
  model = make_model()
  params = random_params(model)
  native.save(params, model.module.config, tmp_path)
  initializer = t5x_models.FromCheckpoint(
    optimizer,
    model.get_initial_variables,
    {'decoder_input_tokens': (4, 8)},
    partitioning.PjitPartitioner(1),
    model=model.module,
    path=str(tmp_path),
  )
  state = initializer.from_scratch(jax.random.key(0))
  shape = initializer.global_train_state_shape
  assert jax.tree.structure(state) == jax.tree.structure(shape)
  jax.tree.map(
    np.testing.assert_array_equal, flax.core.unfreeze(state.params), params
  )


@pytest.mark.parametrize(
  ('program', 'files'),
  [
    ('train', ['t5x/quickstart.gin']),
    ('train', ['t5x/quickstart.gin', 't5x/from_checkpoint.gin']),
    ('eval', ['models/tiny.gin', 't5x/decoder.gin', 't5x/eval.gin']),
    ('eval', ['t5x/quickstart_eval.gin']),
  ],
)
def test_gin_files_configure_the_programs(
  program, files, monkeypatch, clean_gin
):
  main = importlib.import_module(f't5x.{program}')
  monkeypatch.setitem(sys.modules, '__main__', main)
  gin_utils.parse(
    files,
    [f'{name} = {value!r}' for name, value in REQUIRED.items()],
    [str(pathlib.Path(t5x.__file__).parent.parent)],
  )
  model = gin_utils.macro('MODEL').scoped_configurable_fn()
  assert model.module.config.vocab_size == model.output_vocabulary.vocab_size
