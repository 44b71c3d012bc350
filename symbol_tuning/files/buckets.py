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
import google.auth
from google.auth import exceptions as auth_errors

# They print tracebacks of errors that are raised, and so reported, as well.
for _name in ('gcsfs', 'fsspec'):
  logging.getLogger(_name).setLevel(logging.CRITICAL)

_HINTS = {
  '401': 'log in: gcloud auth application-default login, or name a key file in'
  ' GOOGLE_APPLICATION_CREDENTIALS',
  '403': 'ask for the role Storage Object User on the bucket, and Storage'
  ' Legacy Bucket Reader for checkpoints',
}
_LOG_IN = (
  'no credentials were found; log in: gcloud auth application-default login'
)


class Gcs(gcsfs.GCSFileSystem):
  """The file system of gs:// paths."""

  def __init__(self, *args: Any, **kwargs: Any):
    # Other processes write while this one lists.
    kwargs.setdefault('use_listings_cache', False)
    self._is_anonymous = 'token' not in kwargs and _lacks_credentials()
    if self._is_anonymous:
      # Public buckets can be read. Gcsfs would look for credentials for half a
      # minute, and for as long try again where there is no network.
      kwargs['token'] = 'anon'
    super().__init__(*args, **kwargs)

  async def _request(self, method: str, path: str, *args: Any, **kwargs: Any):
    request = gcsfs.GCSFileSystem._request
    if self._is_anonymous:
      request = request.__wrapped__  # The same, tried once.
    try:
      return await request(self, method, path, *args, **kwargs)
    except Exception as error:
      url = _url(path, args, kwargs)
      raise _told(url, error, self._is_anonymous) from error

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


def _lacks_credentials() -> bool:
  """Whether Google's library finds none; an emulator asks for none."""
  if os.environ.get('STORAGE_EMULATOR_HOST'):
    return False
  try:
    google.auth.default()
  except auth_errors.DefaultCredentialsError:
    return True
  return False


def _told(url: str, error: Exception, is_anonymous: bool) -> OSError:
  if isinstance(error, FileNotFoundError):
    return FileNotFoundError(f'{url} does not exist, or its bucket does not')
  if isinstance(error, FileExistsError):
    return FileExistsError(f'{url} exists already')
  code = getattr(error, 'code', None)
  reason = ' '.join(str(error).split()) or type(error).__name__
  if reason.startswith('Forbidden'):
    code, reason = 403, reason.split(' ', 2)[-1]
  hint = _LOG_IN if is_anonymous else _HINTS.get(str(code))
  if hint:
    return PermissionError(f'{url}: {reason} ({hint})')
  return OSError(f'{url}: {reason}')
