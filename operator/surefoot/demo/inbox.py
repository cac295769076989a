"""Where the demo's notifications go: a webhook that takes each and logs its title."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Inbox(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Take a notification."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        print(f"notified: {json.loads(body).get('title', '')}", file=sys.stderr, flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Requests are no news here."""


def serve(port: int) -> None:
    """Take notifications in the background, for as long as the process lives."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _Inbox)
    threading.Thread(target=server.serve_forever, daemon=True).start()
