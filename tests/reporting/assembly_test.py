"""The report says what the results say, in every form it is written in."""

import csv
import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse

import pytest

from symbol_tuning import files
from symbol_tuning.reporting import accuracies, assembly
from symbol_tuning.reporting.comparison import compare
from symbol_tuning.reporting.pages import html as html_lib
from symbol_tuning.reporting.pages.document import Document, Part, Section
from symbol_tuning.reporting.pages.tables import Cell, Table, words

SYMBOLS, FLIPPED = 'icl_symbol_uninstructed', 'icl_flipped'
DIGITS = ('10482', '77310')
LETTERS = ('dvoj', 'bkcz', 'aaqx')


def tasks_of(fake, subj, teab, flipped, add):
  """What a checkpoint answers correctly, of 100 queries each or 8."""
  return {
    (SYMBOLS, 'subj'): fake.predictions(
      subj, options=DIGITS, category='integers'
    ),
    (SYMBOLS, 'teab'): fake.predictions(
      teab, options=LETTERS, shown=(0, 1, 2), category='letters'
    ),
    (FLIPPED, 'subj'): fake.predictions(flipped, shown=(0, 1, 1)),
    ('list_functions', 'add'): fake.answers(add),
  }


@pytest.fixture(scope='module')
def evaluated(tmp_path_factory, make_fake):
  fake = make_fake(tmp_path_factory.mktemp('results'))
  fake.write('original', tasks_of(fake, 50, 30, 10, 2), order=0)
  fake.write('tuned', tasks_of(fake, 90, 36, 10, 6), order=1)
  return fake.folder


@pytest.fixture(scope='module')
def folder(evaluated, tmp_path_factory, make_console):
  """A written report."""
  folder = tmp_path_factory.mktemp('report')
  assembly.write([evaluated], folder, 'A <tiny> world.', make_console())
  return folder


def test_a_report_in_a_bucket_is_that_on_a_disk(
  evaluated, folder, bucket, make_console
):
  for path in evaluated.rglob('*'):
    if path.is_file():
      name = path.relative_to(evaluated).as_posix()
      files.write_bytes(bucket / evaluated.name / name, path.read_bytes())
  written = assembly.write(
    [str(bucket / evaluated.name)],
    str(bucket / folder.name),
    'A <tiny> world.',
    make_console(),
  )
  assert {path.name for path in written} == {p.name for p in folder.iterdir()}
  for path in written:
    if path.suffix in ('.csv', '.svg', '.png'):
      assert path.read_bytes() == (folder / path.name).read_bytes()


def test_a_folder_has_one_writer(evaluated, tmp_path, make_console):
  with (
    files.only_writer(tmp_path, '--output_dir'),
    pytest.raises(BlockingIOError, match='choose another --output_dir'),
  ):
    assembly.write([evaluated], tmp_path, '', make_console())


def rows_of(path):
  with path.open(newline='', encoding='utf-8') as file:
    return list(csv.DictReader(file))


def accuracy_of(path):
  lines = [json.loads(line) for line in path.read_text().splitlines()]
  if 'options' not in lines[0]:
    correct = [line['prediction'] in line['answers'] for line in lines]
  else:
    scores = [[o['log_likelihood'] for o in li['options']] for li in lines]
    correct = [
      max(range(len(one)), key=one.__getitem__) == line['label']
      for one, line in zip(scores, lines, strict=True)
    ]
  return 100 * sum(correct) / len(correct)


def test_accuracies_can_be_recomputed_from_what_they_link_to(folder):
  tables = (SYMBOLS, FLIPPED, 'list_functions')
  rows = [row for name in tables for row in rows_of(folder / f'{name}.csv')]
  assert len(rows) == 4
  for row in rows:
    measured = [
      accuracy_of(folder / row[f'{label}, source'])
      for label in ('original', 'tuned')
    ]
    assert measured == pytest.approx(
      [float(row['original']), float(row['tuned'])]
    )
    difference = float(row['tuned − original'])
    assert difference == pytest.approx(measured[1] - measured[0])


def test_averages_are_those_of_the_summary_and_of_the_datasets(folder):
  rows = {row['Setting']: row for row in rows_of(folder / 'settings.csv')}
  symbols = rows['Symbols, uninstructed']
  summary = json.loads((folder / symbols['tuned, source']).read_text())
  assert float(symbols['tuned']) == pytest.approx(63)
  assert summary['mixtures'][SYMBOLS]['metrics']['accuracy'] == pytest.approx(
    63
  )
  datasets = rows_of(folder / f'{SYMBOLS}.csv')
  mean = sum(float(row['tuned']) for row in datasets) / len(datasets)
  assert float(symbols['tuned']) == pytest.approx(mean)
  assert float(symbols['Chance']) == pytest.approx((50 + 100 / 3) / 2)


def test_accuracies_per_token_are_those_of_the_summary(folder):
  rows = {
    row['Setting']: row
    for row in rows_of(folder / 'length_normalized_accuracy.csv')
  }
  [symbols] = [row for name, row in rows.items() if 'Symbols' in name]
  source = folder / symbols['tuned, source'] / '..' / 'summary.json'
  mixture = json.loads(source.read_text())['mixtures'][SYMBOLS]
  expected = mixture['metrics']['length_normalized_accuracy']
  assert float(symbols['tuned']) == pytest.approx(expected)


def test_diagnostics_can_be_recomputed_from_what_they_link_to(folder):
  rows = {row['Setting']: row for row in rows_of(folder / 'recency.csv')}
  row = rows['Flipped']
  [path] = (folder / row['tuned, source']).iterdir()
  lines = [json.loads(line) for line in path.read_text().splitlines()]
  last = [re.findall('Output: (.+)', line['text'])[-1] for line in lines]

  def share(name):
    chosen = [line['options'][line[name]]['text'].strip() for line in lines]
    return 100 * sum(map(str.__eq__, chosen, last)) / len(lines)

  assert float(row['tuned']) == pytest.approx(share('prediction'))
  assert float(row['Right answers']) == pytest.approx(share('label'))


def test_a_difference_that_may_be_noise_is_marked(folder):
  text = (folder / 'report.md').read_text()
  [symbols] = re.findall(r'\| Symbols, uninstructed \| 2 × 100 .*', text)
  assert re.search(r'\*\*\+23\.0 ± [\d.]+\*\* \|$', symbols)
  [flipped] = re.findall(r'\| Flipped \| 1 × 100 .*', text)
  assert flipped.endswith('| +0.0 ± 0.0 n.s. |')


def test_every_figure_and_table_is_a_file(folder):
  text = (folder / 'report.md').read_text()
  pictures = re.findall(r'!\[[^]]+\]\((\w+)\.png\)', text)
  assert {'settings', 'differences', 'flipped', 'algorithmic'} <= set(pictures)
  assert {'recency', 'confusion_2', 'confusion_3', 'symbols'} <= set(pictures)
  for name in pictures:
    assert (folder / f'{name}.png').read_bytes().startswith(b'\x89PNG')
    assert (folder / f'{name}.svg').read_text().startswith('<svg')
  for link in re.findall(r'\]\(([^)]+)\)', text):
    assert (folder / link).exists(), link


class Page(html.parser.HTMLParser):
  """Collects what there is to check of a page."""

  _VOID = frozenset({'meta', 'br', 'use', 'path', 'rect'})

  def __init__(self, text):
    super().__init__()
    self.links, self.ids, self.references = [], [], []
    self.open, self.tags = [], set()
    self.text = ''
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    attributes = dict(attrs)
    self.tags.add(tag)
    self.ids += [attributes['id']] if 'id' in attributes else []
    target = attributes.get('href') or attributes.get('xlink:href')
    if tag == 'a':
      self.links.append(target)
    elif target:
      self.references.append(target)
    assert 'src' not in attributes
    if tag not in self._VOID:
      self.open.append(tag)

  def handle_startendtag(self, tag, attrs):
    self.handle_starttag(tag, attrs)
    if tag not in self._VOID:
      self.open.pop()

  def handle_endtag(self, tag):
    if tag not in self._VOID:
      assert self.open.pop() == tag

  def handle_data(self, data):
    self.text += data


def test_the_page_is_whole_and_needs_nothing_else(folder):
  text = (folder / 'report.html').read_text()
  page = Page(text)
  assert not page.open
  assert len(page.ids) == len(set(page.ids))
  assert not page.tags & {'link', 'iframe', 'img', 'object', 'embed'}
  assert 'url(http' not in text and '@import' not in text
  assert {f'#{name}' for name in page.ids} >= set(page.references)
  for link in page.links:
    assert not urllib.parse.urlparse(link).scheme
    is_inside = link.startswith('#')
    assert link[1:] in page.ids if is_inside else (folder / link).exists()
  assert 'A <tiny> world.' in page.text
  assert page.text.count('+23.0') and 'n.s.' in page.text


def test_words_from_elsewhere_are_escaped():
  table = Table('<b>', ('<i>',), [[Cell('<u>', link='"><script>')]], 'name')
  section = Section('<s>', '<p>', tables=[table])
  document = Document('<h>', '<n>', ['<r>'], [Part('<q>', [section])], ['<m>'])
  text = html_lib.write(document, {})
  for word in 'biushnqrm':
    assert f'&lt;{word}&gt;' in text
  assert '"><script>' not in text


def test_settings_that_differ_are_told_by_other_numbers():
  told = words({'temperature': 0.75, 'top_p': 0.05, 'accuracy': 41.25})
  assert told == 'temperature: 0.75, top_p: 0.05, accuracy: 41.2'


def test_links_lead_to_folders_of_any_name():
  cell = Cell('57.1', link='../before (135M)/a#b.jsonl')
  address = '../before%20%28135M%29/a%23b.jsonl'
  assert cell.markdown() == f'[57.1]({address})'
  section = Section('s', tables=[Table('t', ('x',), [[cell]], 'name')])
  document = Document('d', '', [], [Part('p', [section])], [])
  assert f'<a href="{address}">57.1</a>' in html_lib.write(document, {})


BROWSER = next(
  filter(
    None,
    map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome')),
  ),
  None,
)

# Sorts by each column, and leaves a word on what it saw in the page.
PROBE = """
<script>
const heads = [...document.querySelectorAll('table')[0].tHead.rows[0].cells];
heads.at(-1).click();
const cells = [...document.querySelectorAll('table')[0].tBodies[0].rows]
  .map(row => row.cells[heads.length - 1].dataset.number);
const pictures = [...document.querySelectorAll('figure svg')];
document.body.dataset.seen = JSON.stringify({
  sorted: cells.map(Number),
  drawn: pictures.every(one => one.getBoundingClientRect().width > 100),
  overflow: document.documentElement.scrollWidth > innerWidth,
  requests: performance.getEntriesByType('resource').length,
});
</script>
"""


@pytest.mark.skipif(BROWSER is None, reason='no Chromium or Chrome to open it')
@pytest.mark.parametrize('width', [500, 1200])
def test_a_browser_shows_the_page(folder, tmp_path, width):
  page = folder / 'probed.html'
  text = (folder / 'report.html').read_text()
  page.write_text(text.replace('</body>', f'{PROBE}</body>'))
  done = subprocess.run(
    [
      BROWSER,
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      f'--user-data-dir={tmp_path / "profile"}',
      f'--window-size={width},900',
      '--dump-dom',
      page.as_uri(),
    ],
    capture_output=True,
    text=True,
    check=True,
    timeout=120,
  )
  [found] = re.findall('data-seen="([^"]*)"', done.stdout)
  seen = json.loads(found.replace('&quot;', '"'))
  assert seen['sorted'] == sorted(seen['sorted'], reverse=True)
  assert seen['drawn'] and not seen['overflow'] and not seen['requests']


def test_a_training_is_a_curve_and_its_ends_are_compared(
  fake, tmp_path, make_console
):
  for step, correct in {100: 40, 200: 55, 300: 80}.items():
    fake.write(
      f'step_{step}',
      {('list_functions', 'add'): fake.answers(correct, 100)},
      path=f'/runs/tuned/checkpoints/{step}',
      step=step,
      order=step,
    )
  console = make_console()
  assembly.write([fake.folder], tmp_path / 'report', console=console)
  rows = rows_of(tmp_path / 'report' / 'steps.csv')
  measured = [float(row['List functions']) for row in rows]
  assert [float(row['Step']) for row in rows] == [100, 200, 300]
  assert measured == pytest.approx([40, 55, 80])
  assert (tmp_path / 'report' / 'steps.svg').exists()
  shown = console.file.getvalue()
  assert 'step_100' in shown and 'step_200' not in shown


def test_prompts_without_exemplars_are_reported_too(
  fake, tmp_path, make_console
):
  made = {(FLIPPED, 'subj'): fake.predictions(60, shown=())}
  fake.write('tuned', made)
  assembly.write([fake.folder], tmp_path / 'report', console=make_console())
  text = (tmp_path / 'report' / 'report.md').read_text()
  assert 'Recency' not in text and 'Calibration' in text


def test_many_classes_are_confused_in_few_rows(fake, tmp_path, make_console):
  options = tuple(f'intent {number}' for number in range(77))
  made = [fake.prediction(q, options, 7, 9 if q else 7) for q in range(5)]
  fake.write('tuned', {(SYMBOLS, 'intents'): made})
  assembly.write([fake.folder], tmp_path / 'report', console=make_console())
  [row] = rows_of(tmp_path / 'report' / 'confusion_77.csv')
  assert (row['Right'], row['Predicted'], row['Queries']) == ('8', '10', '4')


def test_many_checkpoints_fit_on_a_terminal(fake, make_console):
  checkpoints = [
    fake.collect(f'symbols_{number}', tasks_of(fake, 50 + number, 30, 10, 2))
    for number in range(5)
  ]
  console = make_console()
  console.print(accuracies.short_table(compare(checkpoints)).rich())
  lines = console.file.getvalue().splitlines()
  assert sum(line.startswith(' symbols_') for line in lines) == 5
  assert sum('difference ' in line for line in lines) == 4


def test_separators_and_what_was_measured_of_them_are_told(
  fake, tmp_path, make_console
):
  tasks = {('list_functions', 'add'): fake.answers(3)}
  candidates = {'separator_candidates': {'eos': 41.25, 'none': 55.5}}
  fake.write('base', tasks, settings=candidates | {'separator': 'none'})
  fake.write('tuned', tasks, order=1)
  assembly.write([fake.folder], tmp_path / 'report', console=make_console())
  [base, tuned] = rows_of(tmp_path / 'report' / 'checkpoints.csv')
  assert (base['separator'], tuned['separator']) == ('none', 'eos')
  assert base['separator candidates'] == 'eos: 41.2, none: 55.5'
  text = (tmp_path / 'report' / 'report.md').read_text()
  assert '> **Note.** What stands between prompt and label differs' in text


def run_main(*arguments):
  return subprocess.run(
    [sys.executable, '-m', 'symbol_tuning.report', *map(str, arguments)],
    capture_output=True,
    text=True,
    check=False,
    env=os.environ | {'COLUMNS': '100'},
  )


def test_main_shows_the_table_and_what_it_wrote(evaluated, tmp_path):
  done = run_main(evaluated, f'--output_dir={tmp_path / "report"}')
  assert done.returncode == 0, done.stderr
  [row] = re.findall('Symbols, uninstructed .*', done.stdout)
  assert re.search(r'41\.7 +40\.0 ± [\d.]+ +63\.0 ± [\d.]+ +\+23\.0 ± ', row)
  assert f'Wrote {tmp_path / "report"}: report.html, report.md' in done.stdout


def test_main_names_what_is_wrong(tmp_path):
  done = run_main(tmp_path, f'--output_dir={tmp_path}')
  assert done.returncode == 1
  assert done.stderr.startswith(f'error: {tmp_path} holds no summary.json')
