"""Google Cloud Storage as the programs want it: errors name the path.

gcsfs tries again for half a minute what may pass (503, a lost connection). What
remains is an OSError with the object's URL and a hint, in one line.
"""

import logging
import os
import re
from typing import Any
from urllib import parse

# Its support of zonal buckets asks another service about each bucket first.
os.environ.setdefault('GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT', 'false')

import gcsfs

# They print tracebacks of errors that are raised, and so reported, as well.
for _name in ('gcsfs', 'fsspec'):
  logging.getLogger(_name).setLevel(logging.CRITICAL)

_HINTS = {
  401: 'log in: gcloud auth application-default login, or name a key file in'
  ' GOOGLE_APPLICATION_CREDENTIALS',
  403: 'ask for the role Storage Object User on the bucket, and Storage Legacy'
  ' Bucket Reader for checkpoints',
}


class Gcs(gcsfs.GCSFileSystem):
  """The file system of gs:// paths."""

  def __init__(self, *args: Any, **kwargs: Any):
    # Other processes write while this one lists.
    kwargs.setdefault('use_listings_cache', False)
    super().__init__(*args, **kwargs)

  async def _request(self, method: str, path: str, *args: Any, **kwargs: Any):
    try:
      return await super()._request(method, path, *args, **kwargs)
    except FileNotFoundError:
      url = _url(path, args, kwargs)
      raise FileNotFoundError(
        f'{url} does not exist, or its bucket does not'
      ) from None
    except FileExistsError:
      raise FileExistsError(
        f'{_url(path, args, kwargs)} exists already'
      ) from None
    except Exception as error:
      raise _told(_url(path, args, kwargs), error) from error

  async def _mkdir(self, path: str, *args: Any, **kwargs: Any) -> None:
    """Does nothing: folders are names, and buckets are for people to make."""


def _url(path: str, args: tuple[Any, ...], params: dict[str, Any]) -> str:
  """The gs:// URL that a request is about."""
  bucket, *keys = args or re.findall(r'\bb/([^/?]+)(?:/o/([^?]+))?', path)[0]
  named = params.get('prefix'), *re.findall(r'[?&]name=([^&]+)', path)
  # An upload in one request names its object in its first part.
  body = params.get('data')
  if isinstance(body, bytes):
    named += tuple(
      re.findall(r'"name": ?"([^"]+)"', body[:2000].decode('latin-1'))
    )
  key = next((str(key) for key in (*keys, *named) if key), '')
  return f'gs://{bucket}/{parse.unquote(key)}'


def _told(url: str, error: Exception) -> OSError:
  code = getattr(error, 'code', None)
  reason = ' '.join(str(error).split()) or type(error).__name__
  if reason.startswith('Forbidden'):
    code, reason = 403, reason.split(' ', 2)[-1]
  hint = f' ({_HINTS[int(code)]})' if _known(code) else ''
  kind = PermissionError if hint else OSError
  return kind(f'{url}: {reason}{hint}')


def _known(code: Any) -> bool:
  return str(code).isdigit() and int(code) in _HINTS
