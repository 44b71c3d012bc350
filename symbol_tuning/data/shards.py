"""Which rows of every batch a process reads.

Several processes feed one batch. Those whose devices hold the same rows, since
the mesh splits only the model between them, must read the same part of it.
"""

import dataclasses

import jax


@dataclasses.dataclass(frozen=True)
class BatchShard:
  """One of several equal parts of every batch.

  Attributes:
    index: which one, from 0; the parts are in the order of their rows.
    count: how many there are.
  """

  index: int = 0
  count: int = 1

  @classmethod
  def of_process(cls) -> 'BatchShard':
    """A part for each process, as it is where the mesh splits batches only."""
    return cls(jax.process_index(), jax.process_count())

  def num_rows(self, batch_size: int) -> int:
    """The rows of this part of a batch.

    Raises:
      ValueError: if the batch cannot be divided.
    """
    if batch_size % self.count:
      raise ValueError(
        f'BATCH_SIZE {batch_size} is not divisible by {self.count}, the number'
        ' of processes that read different rows.'
      )
    return batch_size // self.count
