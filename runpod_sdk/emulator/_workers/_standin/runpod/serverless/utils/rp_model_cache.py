"""`runpod.serverless.utils.rp_model_cache`."""

from __future__ import annotations

from ..modules.rp_logger import RunPodLogger


def resolve_model_cache_path_from_hugginface_repository(
    huggingface_repository: str,
    /,
    path_template: str = "/runpod/cache/{model}/{revision}",
) -> str | None:
    """Return where the service keeps a model, named `org/model` or `org/model:revision`; None without a name."""
    model, _, revision = huggingface_repository.rpartition(":")
    if ":" not in huggingface_repository:
        model, revision = huggingface_repository, "main"
    if not model:
        RunPodLogger().warn(f'Unable to resolve the model-cache path for "{huggingface_repository}"')
        return None
    return path_template.format(model=model, revision=revision)
