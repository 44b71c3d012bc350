"""Finds the results of evaluated checkpoints in folders."""

import dataclasses
import itertools
import os
import pathlib
from collections.abc import Sequence

from absl import logging

from symbol_tuning import files
from symbol_tuning.evaluation import results


@dataclasses.dataclass(frozen=True)
class Run:
  """The results of one checkpoint, and the folder they are in."""

  label: str
  summary: results.Summary
  directory: files.Path


def load_runs(directories: Sequence[str]) -> list[Run]:
  """Reads the results in folders.

  Args:
    directories: folders of checkpoints, or folders that hold such.

  Returns:
    The checkpoints, folder by folder, in the order they were evaluated. Those
    that were evaluated under one label are called by their folders.

  Raises:
    FileNotFoundError: if a folder holds no results.
    ValueError: if an evaluation is not finished, or a folder is given twice.
  """
  found = [run for directory in directories for run in _find(directory)]
  for run in found:
    if run.summary.unfinished:
      raise ValueError(
        f'The evaluation in {run.directory} lacks'
        f' {len(run.summary.unfinished)} tasks, {run.summary.unfinished[0]} the'
        ' first: run it again, it goes on where it stopped.'
      )
  folders = [files.resolved(run.directory) for run in found]
  twice = {str(folder) for folder in folders if folders.count(folder) > 1}
  if twice:
    raise ValueError(f'{min(twice)} is given twice: name it once.')
  names = distinct_names([run.label for run in found], folders)
  return [
    dataclasses.replace(run, label=name)
    for run, name in zip(found, names, strict=True)
  ]


def _find(directory: str) -> list[Run]:
  folder = files.path(directory)
  folders = [folder]
  if not (folder / results.SUMMARY).exists():
    folders = [path.parent for path in folder.glob(f'*/{results.SUMMARY}')]
  if not folders:
    raise FileNotFoundError(
      f'{folder} holds no {results.SUMMARY}, nor does a folder in it: give the'
      ' output folder of symbol_tuning.eval.'
    )
  found = [(results.read_summary(one), one) for one in folders]
  runs = [Run(summary.label, summary, one) for summary, one in found]
  runs.sort(key=lambda run: (run.summary.order, run.directory))
  for first, second in itertools.pairwise(runs):
    if first.summary.order == second.summary.order:
      logging.warning(
        '%s and %s were evaluated one by one, and are compared in the order of'
        ' their names: name their folders in another order, if it is another.',
        first.directory,
        second.directory,
      )
  return runs


def distinct_names(
  names: Sequence[str], folders: Sequence[files.Path]
) -> list[str]:
  """Returns names, those that are not unique, or else all, replaced by folders.

  Args:
    names: one a folder.
    folders: absolute, no two the same; written relative to their common parent.
  """
  if len(set(names)) == len(names):
    return list(names)
  common = os.path.commonpath(folders)
  paths = [
    pathlib.Path(os.path.relpath(folder, common)).as_posix()
    for folder in folders
  ]
  distinct = [
    path if names.count(name) > 1 else name
    for name, path in zip(names, paths, strict=True)
  ]
  # One may be called what the folder of another is.
  return distinct if len(set(distinct)) == len(distinct) else paths
