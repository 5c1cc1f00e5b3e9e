"""MLServer with a LightGBM model and shap's TreeExplainer: PYTHON peer.py FOLDER.

PYTHON has mlserver, lightgbm and shap. The folder holds model.txt; the port is written into it once requests are answered.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import urllib.request
from pathlib import Path

import lightgbm
import mlserver
import numpy as np
import shap
from mlserver.codecs import NumpyCodec

FOLDER = Path(sys.argv[1])


class Explained(mlserver.MLModel):
    """Predicts a row and explains it."""

    async def load(self) -> bool:
        self._booster = lightgbm.Booster(model_file=FOLDER / "model.txt")
        self._explainer = shap.TreeExplainer(self._booster)
        return True

    async def predict(self, payload: mlserver.types.InferenceRequest) -> mlserver.types.InferenceResponse:
        rows = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        scores = self._booster.predict(rows, num_threads=1)
        values = np.asarray(self._explainer.shap_values(rows))
        outputs = [
            NumpyCodec.encode_output("score", np.asarray(scores)),
            NumpyCodec.encode_output("shap", values),
        ]
        return mlserver.types.InferenceResponse(model_name=self.name, outputs=outputs)


async def main() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = mlserver.Settings(
        host="127.0.0.1", http_port=port, grpc_port=0, metrics_endpoint=None, parallel_workers=0, debug=False
    )
    server = mlserver.MLServer(settings)
    model = mlserver.ModelSettings(name="model", implementation=Explained)
    serving = asyncio.create_task(server.start([model]))
    await asyncio.to_thread(_wait, port)
    (FOLDER / "port").write_text(str(port))
    await serving


def _wait(port: int) -> None:
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/models/model/ready"):
                return
        except OSError:
            continue


if __name__ == "__main__":
    asyncio.run(main())
