"""The configuration of this process, saved where its results go.

A program saves it once the run is accepted: a command that is refused must not
replace the record of the run before it.
"""

import jax

from symbol_tuning import files

CONFIG_FILE = 'config.gin'

_text: str | None = None


def use(text: str | None) -> None:
  """Sets what `save` writes: a gin configuration; None for nothing."""
  global _text
  _text = text


def save(folder: files.Path, step: int | None = None) -> None:
  """Writes config.gin, where this process was configured by gin.

  Only process 0 writes. A configuration that was there and is another one is
  kept.

  Args:
    folder: of the results.
    step: where the run goes on; the earlier configuration is kept as
      config-until-<step>.gin. None: as config-earlier.gin, the latest only.
  """
  if _text is None or jax.process_index():
    return
  folder.mkdir(parents=True, exist_ok=True)
  path = folder / CONFIG_FILE
  if path.exists() and path.read_text(encoding='utf-8') != _text:
    name = 'config-earlier.gin' if step is None else f'config-until-{step}.gin'
    # A try from this step that left no checkpoint has made none of the steps
    # until it: what has made them is kept already.
    if step is None or not (folder / name).exists():
      path.replace(folder / name)
  files.write_text(path, _text)
