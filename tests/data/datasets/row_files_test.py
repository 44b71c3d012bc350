"""Tests that files of rows are found, read, or refused with file and line."""

import gzip
import json

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from symbol_tuning.data.datasets import row_files

ROWS = [{'text': 'a dull film', 'label': 0}, {'text': 'a warm one', 'label': 1}]
JSONL = ''.join(json.dumps(row) + '\n' for row in ROWS).encode()
CSV = b'text,label\na dull film,0\na warm one,1\n'
AS_TEXT = [row | {'label': str(row['label'])} for row in ROWS]


def gzipped(content):
  # Without the time: it would stand in a test's name, which may not change.
  return gzip.compress(content, mtime=0)


def touch(folder, *names):
  for name in names:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'')


def write(folder, name, content):
  path = folder / name
  path.write_bytes(content)
  return path


def read(path):
  return [row for _, row in row_files.read(path)]


@pytest.mark.parametrize(
  'names',
  [
    ['train.jsonl'],
    ['train.jsonl.gz'],
    ['train.csv'],
    ['train.tsv.gz'],
    ['train.parquet'],
    ['train-00000-of-00002.parquet', 'train-00001-of-00002.parquet'],
    ['train-00000-of-00001-a09b74b3ef9c3b56.parquet'],
    ['train-00000-of-00001.jsonl.gz'],
    ['data/train.csv'],
    ['data/train-00000-of-00001.parquet'],
    ['train/0000.parquet', 'train/0001.parquet'],
    ['train/a.jsonl', 'train/b.jsonl.gz', 'train/train.csv'],
    ['train/data-00000-of-00002.parquet', 'train/data-00001-of-00002.parquet'],
  ],
)
def test_a_split_goes_by_the_names_that_people_and_the_hub_use(tmp_path, names):
  others = ['test.jsonl', 'train.json', 'train.txt', 'trainer.csv', 'README.md']
  touch(tmp_path, *names, *others)
  assert row_files.find(tmp_path, 'train') == [
    tmp_path / name for name in names
  ]
  assert row_files.find(tmp_path, 'validation') == []
  assert row_files.find(tmp_path / 'nowhere', 'train') == []


@pytest.mark.parametrize(
  'names',
  [
    ['train.jsonl', 'train.csv'],
    ['train.parquet', 'train-00000-of-00001.parquet'],
    ['train.jsonl', 'data/train.jsonl'],
    ['train.csv', 'train/0000.parquet'],
  ],
)
def test_a_split_that_stands_there_twice_is_refused(tmp_path, names):
  touch(tmp_path, *names)
  with pytest.raises(ValueError, match='more than once') as error:
    row_files.find(tmp_path, 'train')
  assert all(str(tmp_path / name) in str(error.value) for name in names)


@pytest.mark.parametrize(
  'names',
  [
    ['train-00001-of-00002.parquet'],
    ['train-00000-of-00002.csv', 'train-00001-of-00003.csv'],
    ['train-00000-of-00001.csv', 'train-00000-of-00001.jsonl'],
  ],
)
def test_shards_that_are_no_whole_are_refused(tmp_path, names):
  touch(tmp_path, *names)
  with pytest.raises(ValueError, match="'train' is not whole") as error:
    row_files.find(tmp_path, 'train')
  assert all(name in str(error.value) for name in names)


@pytest.mark.parametrize(
  'names, message',
  [
    (['train-00000-of-00002.jsonl'], "train: 'train' is not whole"),
    (['more-00001-of-00002.parquet'], "train: 'more' is not whole"),
    (['a.jsonl', 'a.csv'], 'train holds a in several formats'),
    (['b.csv', 'b.csv.gz'], 'train holds b in several formats'),
    (
      ['more-00000-of-00001.csv', 'more-00000-of-00001.jsonl'],
      'train holds more-00000-of-00001 in several formats',
    ),
    (['train.jsonl', 'validation.jsonl'], r'validation\.jsonl is called after'),
    (['a.csv', 'Test_2.csv.gz'], r'Test_2\.csv\.gz is called after'),
  ],
)
def test_a_folder_of_a_split_that_holds_more_or_less_is_refused(
  tmp_path, names, message
):
  touch(tmp_path / 'train', *names)
  with pytest.raises(ValueError, match=message):
    row_files.find(tmp_path, 'train')


def test_a_folder_may_be_called_after_a_part_of_a_split(tmp_path):
  touch(tmp_path, 'validation_matched/validation.csv')
  assert row_files.find(tmp_path, 'validation_matched')


@pytest.mark.parametrize(
  'name, content, rows',
  [
    ('a.jsonl', JSONL, ROWS),
    ('a.jsonl', b'\xef\xbb\xbf' + JSONL, ROWS),
    ('a.jsonl', JSONL.replace(b'\n', b'\r\n\r\n'), ROWS),
    ('a.jsonl.gz', gzipped(JSONL), ROWS),
    ('a.csv', CSV, AS_TEXT),
    ('a.csv', b'\xef\xbb\xbf' + CSV.replace(b'\n', b'\r\n'), AS_TEXT),
    ('a.csv.gz', gzipped(CSV), AS_TEXT),
    ('a.tsv', CSV.replace(b',', b'\t'), AS_TEXT),
    ('a.csv', b'text\n"a ""b"",\nc"\n\n', [{'text': 'a "b",\nc'}]),
  ],
)  # fmt: skip
def test_files_are_read(tmp_path, name, content, rows):
  assert read(write(tmp_path, name, content)) == rows


@pytest.mark.parametrize('written', [b'nan', b'NaN'])
def test_a_missing_number_in_csv_is_no_text(tmp_path, written):
  path = write(tmp_path, 'a.csv', CSV + written + b',1\nNaN of it,1\n')
  assert [row['text'] for row in read(path)[2:]] == [None, 'NaN of it']


@pytest.mark.parametrize(
  'row', ['{"label": 0, "label": 1}', '{"text": {"a": 1, "b": 2, "a": 1}}']
)
def test_a_value_that_stands_twice_in_an_object_is_refused(tmp_path, row):
  path = write(tmp_path, 'a.jsonl', JSONL + row.encode())
  with pytest.raises(ValueError, match=r'a\.jsonl:3: .* twice: (label|a), '):
    read(path)


def test_two_parquet_columns_of_one_name_are_refused(tmp_path):
  columns = [pa.array(['a']), pa.array([0]), pa.array([1])]
  table = pa.Table.from_arrays(columns, names=['text', 'label', 'label'])
  pq.write_table(table, tmp_path / 'a.parquet')
  with pytest.raises(ValueError, match=r'a\.parquet: .*: text, label, label'):
    read(tmp_path / 'a.parquet')


def test_rows_tell_their_lines(tmp_path):
  path = write(tmp_path, 'a.jsonl', b'\n' + JSONL)
  assert [place for place, _ in row_files.read(path)] == [
    f'{path}:2',
    f'{path}:3',
  ]
  path = write(tmp_path, 'a.csv', b'text,label\n"two\nlines",0\none,1\n')
  assert [place for place, _ in row_files.read(path)] == [
    f'{path}:3',
    f'{path}:4',
  ]


@pytest.mark.parametrize(
  'name, content, message',
  [
    ('a.jsonl', JSONL + b'{"text": "x"', r'a\.jsonl:3: not JSON'),
    ('a.jsonl', JSONL + b'["x", 1]\n', r'a\.jsonl:3: not a JSON object: \["x"'),
    ('a.jsonl', b'[' * 100_000, r'a\.jsonl:1: not JSON'),
    ('a.jsonl', JSONL + b'{"text": "caf\xe9"}', r'a\.jsonl:3: not UTF-8'),
    ('a.jsonl', '{"text": "x"}'.encode('utf-16'), r'a\.jsonl:1: not UTF-8'),
    ('a.csv', CSV + b'caf\xe9,1\n', r'a\.csv:4: not UTF-8 .* byte 0xe9'),
    ('a.csv', CSV + b'x\n', r'a\.csv:4: 1 cells, but 2 columns: text, label'),
    ('a.csv', CSV + b'x,y,1\n', r'a\.csv:4: 3 cells, but 2 columns'),
    ('a.csv', CSV + b'"x" y,1\n', r'a\.csv:4: .*expected after'),
    ('a.csv', CSV + b'"x,1\ny,0\n', r'a\.csv:5: unexpected end of data'),
    ('a.csv', b'', r'a\.csv:1: the first line must name the columns.* empty'),
    ('a.csv', b'text,text\n', r'a\.csv:1: the first line .* text, text'),
    ('a.tsv', b'text\tlabel\n"a\t0\nb"\t1\n', r'a\.tsv:3: .* quotation mark'),
    ('a.jsonl.gz', JSONL, r'a\.jsonl\.gz: no whole gzip file'),
    ('a.csv.gz', gzipped(CSV)[:-9], r'a\.csv\.gz: no whole gzip file'),
    ('a.parquet', JSONL, r'a\.parquet: not a Parquet file that can be read \('),
    ('a.parquet', b'', r'a\.parquet: not a Parquet file'),
    ('a.parquet', b'version https://git-lfs.github.com/spec/v1\n', 'Git LFS'),
    ('a.json', JSONL, r'a\.json is none of \.jsonl, \.csv'),
  ],
)
def test_what_cannot_be_read_is_refused_with_file_and_line(
  tmp_path, name, content, message
):
  path = write(tmp_path, name, content)
  with pytest.raises(ValueError, match=message) as error:
    read(path)
  assert str(error.value).startswith(str(path))


def test_parquet_classes_go_by_the_names_that_the_file_gives_them(tmp_path):
  features = datasets.Features(
    {
      'text': datasets.Value('string'),
      'label': datasets.ClassLabel(names=['good', 'bad']),
    }
  )
  stored = {'text': ['a', 'b', 'c'], 'label': [1, 0, -1]}
  path = tmp_path / 'a.parquet'
  datasets.Dataset.from_dict(stored, features).to_parquet(str(path))
  assert list(row_files.read(path)) == [
    (f'{path}:1', {'text': 'a', 'label': 'bad'}),
    (f'{path}:2', {'text': 'b', 'label': 'good'}),
    (f'{path}:3', {'text': 'c', 'label': -1}),
  ]


def test_plain_parquet_is_read_as_it_is(tmp_path):
  path = tmp_path / 'a.parquet'
  table = pa.Table.from_pylist(ROWS)
  pq.write_table(table.replace_schema_metadata({'huggingface': 'x'}), path)
  assert read(path) == ROWS


def test_a_number_beyond_the_names_is_refused():
  names = {'label': ['good', 'bad']}
  with pytest.raises(ValueError, match=r'file:1: label is 2, .* good, bad'):
    row_files.with_class_names({'label': 2}, names, 'file:1')


def test_long_listings_are_cut(tmp_path):
  touch(tmp_path, *(f'{i:02}.txt' for i in range(20)))
  assert row_files.listing(tmp_path).endswith('10.txt, 11.txt, …')
  (tmp_path / 'empty').mkdir()
  assert row_files.listing(tmp_path / 'empty') == 'no file'
