"""Real servers on loopback: vLLM with a tiny Qwen3-VL of random weights, and LiteLLM before it."""

import os
import re
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Self

import httpx
import msgspec
import psutil

MODEL = "Qwen/Qwen3-VL-32B-Instruct"
KEY = "sk-of-the-proof/7Qd+"
UP_SECONDS = 900
"""vLLM takes 80 s to start on two idle cores, several minutes on busy ones."""


class Server(ABC):
    """A server that runs inside the block; what it says is in a log."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._port = _free_port()  # the same one after a restart

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def requests(self) -> int:
        """How many chat completions it was asked for, by its own access log."""
        return self._log.read_text().count('"POST /v1/chat/completions ')

    @abstractmethod
    def command(self, port: int) -> list[str]:
        """Return the command that serves at a port."""

    def start(self) -> None:
        """Start it, and return once it is up."""
        environment = {**os.environ, **ENVIRONMENT}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(self._port), stdout=log, stderr=log, env=environment, start_new_session=True
            )
        end = time.monotonic() + UP_SECONDS
        while not self._is_up():
            assert self._process.poll() is None, f"the server ended: {self._log.read_text()[-3000:]}"
            assert time.monotonic() < end, f"the server is not up: {self._log.read_text()[-3000:]}"
            time.sleep(0.5)

    def stop(self) -> None:
        """Kill it and all its processes."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # it leads its session
        self._process.wait()

    def _is_up(self) -> bool:
        try:
            models = httpx.get(
                f"{self.base_url}/models", headers={"Authorization": f"Bearer {KEY}"}, trust_env=False
            )
        except httpx.TransportError:
            return False
        return models.status_code == 200

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class VllmServer(Server):
    """The line of docs/ONE_NIGHT.md, with what a CPU and random weights need."""

    def __init__(self, installed: Path, log: Path) -> None:
        super().__init__(log)
        self._installed = installed

    def command(self, port: int) -> list[str]:
        served = [self._installed / "vllm/bin/vllm", "serve", self._installed / "model"]
        night = "--max-model-len 8192 --limit-mm-per-prompt.video 0 --max-num-seqs 64"
        blanks = '{"backend":"xgrammar","disable_any_whitespace":true}'
        cpu = "--dtype bfloat16 --load-format dummy --enforce-eager --skip-mm-profiling"
        return [
            *map(str, served),
            *f"--served-model-name {MODEL} --host 127.0.0.1 --port {port} --api-key {KEY}".split(),
            *f"{night} {cpu}".split(),
            *("--structured-outputs-config", blanks),
        ]

    def kill_engine(self) -> None:
        """Kill the process that computes; the server answers 500 for a moment, then ends by itself."""
        assert self._process is not None
        family = psutil.Process(self._process.pid).children(recursive=True)
        (engine,) = (process for process in family if process.name().startswith("VLLM::EngineCor"))
        engine.kill()
        self._process.wait(60)

    def counted(self, counter: str) -> int:
        """Return a counter of vLLM's own, e.g. `prompt_tokens_total`; it begins at 0 with every start."""
        metrics = httpx.get(f"{self.base_url.removesuffix('/v1')}/metrics", trust_env=False).text
        found = re.findall(rf"^vllm:{counter}{{.*}} (\S+)$", metrics, re.MULTILINE)
        assert found, metrics
        return sum(int(float(value)) for value in found)


class LiteLlmServer(Server):
    """LiteLLM's proxy, with vLLM behind it; it has a key of its own."""

    def __init__(self, installed: Path, log: Path, vllm: VllmServer) -> None:
        super().__init__(log)
        self._installed = installed
        self._config = log.with_suffix(".json")  # JSON is YAML too
        behind = {"model": f"hosted_vllm/{MODEL}", "api_base": vllm.base_url, "api_key": KEY}
        config = {
            "model_list": [{"model_name": MODEL, "litellm_params": behind}],
            "general_settings": {"master_key": KEY},
        }
        self._config.write_bytes(msgspec.json.encode(config))

    def command(self, port: int) -> list[str]:
        litellm = str(self._installed / "litellm/bin/litellm")
        return [litellm, "--config", str(self._config), "--host", "127.0.0.1", "--port", str(port)]


ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else LiteLLM downloads prices
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",  # the model is tiny; on a busy machine threads would wait for each other
    "PYTHONPATH": "",
}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
