"""What a call costs the product that makes it: `openapi_client`, plain urllib3, and a generated client."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import urllib3
from tests.bench.seed import Seeded

Call = Callable[[], Any]


def costs(port: int, seeded: Seeded, document: Path, *, rounds: int, calls: int) -> dict[str, float]:
    """CPU microseconds of one `connections_one` in each client, by its name; the medians of `rounds` slices.

    The generated client is left out where there is no Java to generate it with.
    """
    host = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as place:
        clients = {
            "urllib3": _urllib3(host, seeded),
            "openapi_client": _generated("openapi_client", host, seeded),
        }
        if shutil.which("java"):
            sys.path.insert(0, place)
            _generate(document, Path(place))
            clients["generated client"] = _generated("generated_client", host, seeded)
        slices: dict[str, list[float]] = {name: [] for name in clients}
        for number in range(rounds + 1):
            for name, call in clients.items():
                spent = _slice(call, calls)
                if number:
                    slices[name].append(spent)
    return {name: statistics.median(found) for name, found in slices.items()}


def _slice(call: Call, calls: int) -> float:
    before = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - before) / calls * 1e6


def _urllib3(host: str, seeded: Seeded) -> Call:
    pool = urllib3.PoolManager()
    headers = {
        "Accept": "application/json",
        "Authorization": seeded.api_key,
        "x-apideck-app-id": seeded.application_id,
        "x-apideck-consumer-id": "test-consumer",
    }
    return lambda: pool.request("GET", f"{host}/vault/connections/crm/pipedrive", headers=headers).json()


def _generated(package: str, host: str, seeded: Seeded) -> Call:
    module = import_module(package)
    configuration = module.Configuration(host=host)
    configuration.api_key["apiKey"] = seeded.api_key
    api = module.ConnectionsApi(module.ApiClient(configuration))
    return lambda: api.connections_one("test-consumer", seeded.application_id, "pipedrive", "crm")


def _generate(document: Path, place: Path) -> None:
    found = find_spec("openapi_generator_cli")
    assert found is not None
    assert found.submodule_search_locations
    jar = Path(next(iter(found.submodule_search_locations))) / "openapi-generator.jar"
    subprocess.run(
        ["java", "-jar", str(jar), "generate", "-g", "python", "-i", str(document), "-o", str(place),
         "--package-name", "generated_client"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
