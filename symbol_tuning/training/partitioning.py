"""How arrays are laid out over devices.

The devices form a mesh with three axes, after T5X, MaxText and Levanter:
`data` (each device has the whole model), `fsdp` (parameters are split too, and
gathered when used) and `tensor` (heads, MLP and vocabulary are split). Batches
are split over `data` and `fsdp`. Which axis of an array goes to which axis of
the mesh follows from its logical names by rules in T5X's form.

Where devices come in slices, joined by a slower network, only `data` crosses
from one slice to another: gradients are summed over it once a step, while the
other two axes are used in every layer.
"""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

PyTree = Any
MeshAxes = str | tuple[str, ...] | None
LogicalAxisRules = tuple[tuple[str, MeshAxes], ...]

MESH_AXES = ('data', 'fsdp', 'tensor')


def standard_logical_axis_rules(
  additional_rules: Sequence[tuple[str, MeshAxes]] = (),
) -> LogicalAxisRules:
  """Rules for the logical axes of `symbol_tuning.models`.

  Keys and values are kept whole, since models have few heads of them (PaLM
  one); `('kv_heads', 'tensor'), ('activation_kv_heads', 'tensor')` splits them.
  Tokens are embedded with the embedding split as it is stored.

  Args:
    additional_rules: tried before the standard ones. The first rule for a
      logical axis wins whose mesh axes the array does not use already.
  """
  return (
    *((name, axes) for name, axes in additional_rules),
    ('batch', ('data', 'fsdp')),
    ('embedding_batch', 'data'),
    ('vocab', 'tensor'),
    ('heads', 'tensor'),
    ('mlp', 'tensor'),
    ('embed', 'fsdp'),
    ('activation_heads', 'tensor'),
    ('activation_mlp', 'tensor'),
    ('activation_vocab', 'tensor'),
  )


@dataclasses.dataclass(frozen=True)
class Partitioner:
  """A mesh of devices and the rules by which arrays are split over it.

  Attributes:
    data: number of groups of devices that hold a whole model each.
    fsdp: number of parts that parameters are split into, for storage.
    tensor: number of parts that layers are split into, for computation. One of
      the three may be -1: as many as there are devices left.
    logical_axis_rules: pairs of a logical axis and the mesh axes it is split
      over (a name, a tuple of names, or None). An axis without a rule is whole.
    slices: number of slices: equal groups of consecutive devices, each with a
      fast network of its own. None: as many as the devices say they are in.
    devices: what the mesh is made of; None: all devices of all processes.

  Raises:
    ValueError: if a rule names no axis of the mesh.
  """

  data: int = -1
  fsdp: int = 1
  tensor: int = 1
  logical_axis_rules: LogicalAxisRules = dataclasses.field(
    default_factory=standard_logical_axis_rules
  )
  slices: int | None = None
  devices: tuple[jax.Device, ...] | None = None

  def __post_init__(self):
    for rule in self.logical_axis_rules:
      if not set(_names(rule[1])) <= set(MESH_AXES):
        raise ValueError(
          f'the logical axis rule {rule} names no axis of the mesh; its axes '
          f'are {", ".join(MESH_AXES)}, and None keeps an array whole'
        )

  @functools.cached_property
  def mesh(self) -> Mesh:
    """The mesh; its data axis goes from slice to slice, then within each.

    Raises:
      ValueError: if the sizes do not fit the number of devices or slices.
    """
    devices = self.devices or tuple(jax.devices())
    slices = _slices(devices, self.slices)
    data, *rest = self._mesh_shape(len(devices))
    if data % len(slices):
      raise ValueError(
        f'a mesh of data={data}, fsdp={rest[0]}, tensor={rest[1]} does not fit '
        f'{len(slices)} slices of {len(slices[0])} devices: data must be a '
        f'multiple of {len(slices)}; or set slices=1 to let every axis of the '
        'mesh cross the network between them'
      )
    shape = (data // len(slices), *rest)
    meshes = [
      mesh_utils.create_device_mesh(
        shape, one_slice, allow_split_physical_axes=True
      )
      for one_slice in slices
    ]
    return Mesh(np.concatenate(meshes), MESH_AXES)

  def _mesh_shape(self, num_devices: int) -> tuple[int, ...]:
    sizes = (self.data, self.fsdp, self.tensor)
    fixed = math.prod(size for size in sizes if size != -1)
    rest = num_devices // max(fixed, 1)
    shape = tuple(rest if size == -1 else size for size in sizes)
    if sizes.count(-1) > 1 or min(shape) < 1 or math.prod(shape) != num_devices:
      raise ValueError(
        f'a mesh of data={self.data}, fsdp={self.fsdp}, tensor={self.tensor} '
        f'does not fit {num_devices} device(s): the product must be '
        f'{num_devices}; make one of the three -1 to have it fill the rest'
      )
    return shape

  @contextlib.contextmanager
  def activate(self) -> Iterator[None]:
    """Puts the mesh and the rules in force for logical constraints."""
    with (
      jax.set_mesh(self.mesh),
      nn.logical_axis_rules(self.logical_axis_rules),
    ):
      yield

  @property
  def replicated(self) -> NamedSharding:
    return NamedSharding(self.mesh, PartitionSpec())

  @property
  def batch_sharding(self) -> NamedSharding:
    """Sharding of [batch, ...] arrays."""
    return NamedSharding(self.mesh, self._spec(('batch',)))

  def _spec(self, axes: tuple[str | None, ...]) -> PartitionSpec:
    spec = nn.logical_to_mesh_axes(axes, self.logical_axis_rules)
    return spec or PartitionSpec()

  def check_batch_size(
    self, batch_size: int, num_microbatches: int = 1
  ) -> None:
    """Raises ValueError unless the mesh divides each part of a global batch."""
    if batch_size < 1:
      raise ValueError(f'BATCH_SIZE is {batch_size}; it must be at least 1')
    parts = _parts(self.mesh, self.batch_sharding.spec[0])
    multiple = parts * num_microbatches
    if batch_size % multiple:
      below = batch_size // multiple * multiple
      fitting = ' or '.join(str(n) for n in (below, below + multiple) if n)
      microbatches = num_microbatches, 'into {} microbatches'
      devices = parts, 'over {} devices'
      split = ' '.join(
        text.format(n) for n, text in (microbatches, devices) if n > 1
      )
      raise ValueError(
        f'a batch of {batch_size} rows cannot be split {split} '
        f'({_mesh_text(self.mesh)}): make the batch size a multiple of '
        f'{multiple} ({fitting}) or change the mesh'
      )

  def put_batch(self, batch: dict[str, np.ndarray]) -> dict[str, jax.Array]:
    """This process's rows of a batch → its part of the global batch."""
    return jax.make_array_from_process_local_data(self.batch_sharding, batch)

  def abstract(self, shapes: PyTree, logical_axes: PyTree) -> PyTree:
    """Adds to each shape the sharding that follows from its logical axes.

    Args:
      shapes: `jax.ShapeDtypeStruct`s.
      logical_axes: a PartitionSpec of logical names for each.

    Raises:
      ValueError: if the mesh cannot divide an array.
    """

    def with_sharding(path, array, axes):
      names = (*axes, *[None] * (array.ndim - len(axes)))
      sharding = self.sharding(parameter_name(path), array.shape, names)
      return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=sharding)

    return jax.tree.map_with_path(with_sharding, shapes, logical_axes)

  def sharding(
    self, name: str, shape: tuple[int, ...], axes: tuple[str | None, ...]
  ) -> NamedSharding:
    """How an array lies on the mesh, by the logical names of its axes.

    Args:
      name: of the array, for errors.
      shape: of the whole array.
      axes: a logical name, or None, for each axis.

    Raises:
      ValueError: if the mesh cannot divide the array.
    """
    spec = self._spec(axes)
    _check_divides(name, shape, axes, spec, self.mesh)
    return NamedSharding(self.mesh, spec)

  def abstract_result(
    self, function: Callable[[PyTree], PyTree], argument: PyTree
  ) -> PyTree:
    """Shapes and shardings of `function(argument)`, from the argument's.

    The shardings are those that JAX's explicit sharding infers: a mean over one
    axis keeps the layout of the others. What depends on nothing is replicated.
    """
    mesh = Mesh(
      self.mesh.devices, MESH_AXES, axis_types=(AxisType.Explicit,) * 3
    )
    typed = jax.tree.map(lambda a: _with_mesh(a, mesh), argument)
    with jax.set_mesh(mesh):
      result = jax.eval_shape(function, typed)
    return jax.tree.map(lambda a: _with_mesh(a, self.mesh), result)


def _slices(
  devices: tuple[jax.Device, ...], num_slices: int | None
) -> list[list[jax.Device]]:
  """The devices of each slice."""
  if num_slices is None:
    by_index: dict[int, list[jax.Device]] = {}
    for device in devices:
      by_index.setdefault(getattr(device, 'slice_index', 0), []).append(device)
    slices = [by_index[index] for index in sorted(by_index)]
  elif num_slices > 0 and len(devices) % num_slices == 0:
    slices = np.reshape(np.array(devices, object), (num_slices, -1)).tolist()
  else:
    raise ValueError(
      f'{len(devices)} device(s) cannot be split into slices={num_slices}: it '
      'must be a divisor; None takes the slices the devices say they are in'
    )
  if len(set(map(len, slices))) > 1:
    raise ValueError(
      f'the slices have {[len(s) for s in slices]} devices; they must all have '
      'the same number'
    )
  return slices


def parameter_name(path: tuple[Any, ...]) -> str:
  """'decoder/layers/mlp/kernel' for the path of a leaf."""
  return jax.tree_util.keystr(path, simple=True, separator='/')


def _with_mesh(array: jax.ShapeDtypeStruct, mesh: Mesh):
  spec = array.sharding.spec if array.sharding else PartitionSpec()
  sharding = NamedSharding(mesh, spec)
  return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=sharding)


def _names(axes: MeshAxes) -> tuple[str, ...]:
  return (axes,) if isinstance(axes, str) else axes or ()


def _parts(mesh: Mesh, axes: MeshAxes) -> int:
  return math.prod(mesh.shape[name] for name in _names(axes))


def _mesh_text(mesh: Mesh) -> str:
  return ', '.join(f'{name}={size}' for name, size in mesh.shape.items())


def _check_divides(array, shape, names, spec, mesh) -> None:
  for size, name, mesh_axes in zip(shape, names, spec, strict=True):
    parts = _parts(mesh, mesh_axes)
    if size % parts:
      fitting = [n for n in range(1, parts + 1) if size % n == 0]
      over = ' × '.join(_names(mesh_axes))
      raise ValueError(
        f"{array}: axis '{name}' of size {size} cannot be split into {parts} "
        f'parts ({_mesh_text(mesh)}); sizes of {over} that would do: '
        f"{fitting}, or keep the axis whole by the rule ('{name}', None)"
      )
