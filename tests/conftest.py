"""Shared test configuration: hypothesis profiles, `--thorough`, `--rewrite-golden`, `-m fast`, workers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet
from hypothesis import HealthCheck, settings

import graphnet
from graphnet import zoo

ROOT = Path(__file__).parent.parent

SLOW = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("dev", max_examples=20, derandomize=True, **SLOW)
settings.register_profile("ci", max_examples=30, derandomize=True, **SLOW)
settings.register_profile("thorough", max_examples=2000, **SLOW)


FEW = (
    *("quickstart", "frnn-3-state", "resnet-4-state-imagenet", "lpk-icr"),
    *("two-streams", "lstm", "blt-bt", "cornet-s"),
)
"""Nets of every kind: feed-forward and recurrent, with parts, bounds, updates, products, several inputs of a state."""


def zoo_few() -> list[ParameterSet]:
    """All files of the zoo; without --thorough only a few of each kind."""
    assert set(FEW) <= set(zoo.names())
    return [
        pytest.param(zoo.path(name), id=name, marks=[] if name in FEW else [pytest.mark.thorough])
        for name in zoo.names()
    ]


def zoo_up_to(flops: float, thorough: float) -> list[ParameterSet]:
    """Files of the zoo with up to `thorough` FLOPs per image; those above `flops` need --thorough."""
    sizes = {name: graphnet.plan(zoo.path(name)).flops for name in zoo.names()}
    return [
        pytest.param(zoo.path(name), id=name, marks=[pytest.mark.thorough] if size > flops else [])
        for name, size in sizes.items()
        if size <= thorough
    ]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Run with one thread: small convolutions wait for threads longer than they compute."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--thorough", action="store_true", help="also run the slow tests, with the thorough profile")
    parser.addoption("--rewrite-golden", action="store_true", help="rewrite the golden files; read the diff")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Use workers for folders only, as they take seconds to start."""
    if all(".py" in argument for argument in config.args):
        return 0
    return min(4, os.cpu_count() or 1)


FAST = ("tests/golden", "tests/unit/spec", "tests/unit/network", "tests/unit/planning", "tests/unit/test_zoo.py")
"""Folders of quick tests that need little or no torch."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip importing files that `-m fast` does not run."""
    if config.option.markexpr != "fast" or collection_path.suffix != ".py":
        return None
    return None if _is_fast(collection_path) else True


def _is_fast(path: Path) -> bool:
    return path.relative_to(ROOT).as_posix().startswith(FAST)


def pytest_configure(config: pytest.Config) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:  # tests run in parallel, each with one thread
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    thorough = config.getoption("--thorough")
    settings.load_profile("thorough" if thorough else os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if _is_fast(item.path):
            item.add_marker(pytest.mark.fast)
    if not config.getoption("--thorough"):
        skip = pytest.mark.skip(reason="slow: runs with --thorough")
        for item in items:
            if "thorough" in item.keywords:
                item.add_marker(skip)
