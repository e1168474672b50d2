"""The stand-in's VolumeCache: folders that a network volume keeps from one worker to the next."""

from __future__ import annotations

import os
import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from runpod_sdk.emulator._workers._standin.runpod.serverless.utils.rp_volume_cache import VolumeCache

if TYPE_CHECKING:
    from pathlib import Path

OLD = 1_000_000_000.0


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Provide a folder of models, and beside it a volume."""
    (tmp_path / "volume").mkdir()
    folder = tmp_path / "models"
    for name in ("org/weights", "config", "refs/main", "weights.lock", "half.rpvc.tmp", "logs.tmp"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
        os.utime(file, (OLD, OLD))
    (folder / "link").symlink_to(folder / "config")
    return folder


def cache_of(folder: Path, *, best_effort: bool = True) -> VolumeCache:
    return VolumeCache(folder, namespace="abc", volume_path=folder.parent / "volume", best_effort=best_effort)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_next_worker_finds_what_the_last_one_had(models: Path) -> None:
    threads = {*threading.enumerate()}
    with cache_of(models):
        pass
    for thread in {*threading.enumerate()} - threads:
        thread.join()
    shutil.rmtree(models)
    assert cache_of(models).hydrate() == 3
    assert files(models) == ["config", "logs.tmp", "org/weights"]
    assert (models / "config").stat().st_mtime == OLD


def test_what_is_as_new_and_as_large_is_not_copied_again(models: Path) -> None:
    cache = cache_of(models)
    cache.sync(background=False)
    assert cache.hydrate() == 0
    (models / "config").write_text("longer than before")
    (models / "org" / "weights").write_text("newer one  ")
    cache.sync(background=False)
    shutil.rmtree(models)
    assert cache.hydrate() == 3
    assert [(models / name).read_text() for name in ("config", "org/weights")] == ["longer than before", "newer one  "]
    os.utime(models / "config", (OLD, OLD))
    assert cache.hydrate() == 1, "the volume's is newer"


def test_what_was_deleted_does_not_come_back(models: Path) -> None:
    cache = cache_of(models)
    cache.sync(background=False)
    (models / "config").unlink()
    cache.sync(background=False)
    assert cache.hydrate() == 0
    assert "config" not in files(models)


@pytest.mark.parametrize("best_effort", [True, False])
def test_a_file_that_cannot_be_copied_keeps_back_no_other(
    models: Path, capsys: pytest.CaptureFixture[str], *, best_effort: bool
) -> None:
    cache = cache_of(models, best_effort=best_effort)
    cache.sync(background=False)
    shutil.rmtree(models)
    (models / "config").mkdir(parents=True)
    assert cache.hydrate() == 2
    assert files(models) == ["logs.tmp", "org/weights"]
    assert "VolumeCache: skip" in capsys.readouterr().err


def test_a_volume_that_cannot_be_written_is_told_as_it_is_wanted(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (models.parent / "volume" / ".cache").write_text("in the way")
    cache_of(models).sync(background=False)
    assert "VolumeCache: " in capsys.readouterr().err
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        cache_of(models, best_effort=False).sync(background=False)


def test_without_a_volume_or_a_name_nothing_is_done(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNPOD_ENDPOINT_ID", raising=False)
    nameless = VolumeCache([models], volume_path=models.parent / "volume")
    homeless = VolumeCache(os.fsencode(models), namespace="abc", volume_path=models.parent / "none")
    for cache in (nameless, homeless):
        assert not cache.available
        cache.sync()
        cache.sync(background=False)
        assert cache.hydrate() == 0
    assert files(models.parent / "volume") == []
    monkeypatch.setenv("RUNPOD_ENDPOINT_ID", "abc")
    assert VolumeCache(models, volume_path=models.parent / "volume").available


@pytest.mark.parametrize("namespace", ["a/b", "a\\b", ".", ".."])
def test_a_name_that_leads_elsewhere_is_refused(namespace: str) -> None:
    with pytest.raises(ValueError, match="namespace must be a single safe path component"):
        VolumeCache("models", namespace=namespace)


def test_a_number_of_threads_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="max_workers must be a positive integer, got 0"):
        VolumeCache("models", namespace="abc", max_workers=0)
