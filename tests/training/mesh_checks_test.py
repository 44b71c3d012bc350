import pytest

from symbol_tuning.models import config, decoder
from symbol_tuning.training import (
  mesh_checks,
  optimizers,
  partitioning,
  state,
  step,
)

PALM_540B = config.DecoderConfig(
  vocab_size=256_000,
  num_layers=118,
  embed_dim=18_432,
  num_heads=48,
  num_kv_heads=1,
  head_dim=256,
  mlp_dim=73_728,
)


@pytest.fixture
def make_partitioner(make_devices):
  """A function: additional rules and sizes → a partitioner of 32 devices."""

  def make(*rules, **sizes):
    return partitioning.Partitioner(
      devices=make_devices([0] * 32),
      logical_axis_rules=partitioning.standard_logical_axis_rules(rules),
      **sizes,
    )

  return make


@pytest.mark.parametrize('tensor', [1, 2, 4, 8, 16])
def test_palm_can_be_split_by_tensor(make_partitioner, tensor):
  partitioner = make_partitioner(data=1, fsdp=-1, tensor=tensor)
  mesh_checks.check(partitioner, PALM_540B, step.Loss(64), (32, 2560))
  abstract = state.abstract_state(
    decoder.Decoder(PALM_540B), optimizers.adafactor(), partitioner
  )
  embedding = abstract.params['token_embedding']['embedding']
  shard = embedding.sharding.shard_shape(embedding.shape)
  assert shard == (256_000 // tensor, 18_432 * tensor // 32)


@pytest.mark.parametrize(
  ('rule', 'loss', 'message'),
  [
    (
      ('activation_kv_heads', 'tensor'),
      step.Loss(),
      "keys and values: axis 'activation_kv_heads' of size 1 .* 16 parts",
    ),
    (
      ('activation_heads', ('data', 'tensor')),
      step.Loss(),
      r'sizes of data × tensor that would do: \[1, 2, 3, 4, 6, 8, 12, 16, 24\]',
    ),
    (
      ('length', 'tensor'),
      step.Loss(positions_per_row=24),
      "the logits: axis 'length' of size 24 cannot be split into 16 parts",
    ),
  ],
)
def test_what_the_mesh_cannot_divide_is_named(
  make_partitioner, rule, loss, message
):
  partitioner = make_partitioner(rule, tensor=16, data=2)
  with pytest.raises(ValueError, match=message):
    mesh_checks.check(partitioner, PALM_540B, loss, (32, 2560))


def test_microbatches_must_be_split_too(make_partitioner):
  partitioner = make_partitioner()
  mesh_checks.check(partitioner, PALM_540B, step.Loss(), (64, 8), 2)
  with pytest.raises(
    ValueError, match=r'into 4 microbatches .* of 128 \(128\)'
  ):
    mesh_checks.check(partitioner, PALM_540B, step.Loss(), (64, 8), 4)
