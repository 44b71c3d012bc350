"""Figures hold any words, and take the colour of the page around them."""

import xml.etree.ElementTree as ET

import pytest

from symbol_tuning.reporting import figures
from symbol_tuning.reporting.pages import svg
from symbol_tuning.reporting.statistics import Estimate

LABELS = ('a$b$ & <c>', 'über_tuned')
ESTIMATES = (Estimate(0.4, 0.3, 0.5), None)


def bars():
  drawn = dict.fromkeys(LABELS, ESTIMATES)
  return figures.grouped_bars(['one', 'two'], drawn, [0.5, 0.0])


def differences():
  return figures.differences(['one'], LABELS, [ESTIMATES])


def curves():
  lines = [
    figures.Line(label, number, {1: ESTIMATES[0], 2: ESTIMATES[0]})
    for number, label in enumerate(LABELS)
  ]
  panel = figures.Panel('one', [*lines, figures.Line('', 2, {})], ([1], [0.5]))
  return figures.curves([panel] * 4, 'across', 'up')


def grids():
  square = [[0.9, 0.1], [0.5, 0.5]]
  return figures.grids({label: [square] for label in LABELS}, ['one'], 'a', 'd')


@pytest.mark.parametrize('draw', [bars, differences, curves, grids])
def test_a_figure_is_sound_svg_without_a_colour_of_its_own(draw):
  text = svg.text(draw(), 'name', 'What "it" <shows>')
  root = ET.fromstring(text)
  assert root.get('aria-label') == 'What "it" <shows>'
  assert 'currentColor' in text and figures.INK not in text
  words = ' '.join(root.itertext())
  for label in LABELS:
    assert label in words or label.replace('_', ' ') in words
  ids = [one.get('id') for one in root.iter() if one.get('id')]
  assert all(name.startswith('name-') for name in ids)


def test_a_figure_is_drawn_the_same_each_time():
  assert svg.text(bars(), 'name', 'it') == svg.text(bars(), 'name', 'it')


@pytest.mark.parametrize('name', ['16shot_flipped', '2x'])
def test_a_figure_may_be_called_by_a_number(name):
  root = ET.fromstring(svg.text(bars(), name, 'it'))
  assert any(
    element.get('id', '').startswith(f'{name}-') for element in root.iter()
  )
