"""A Django backend that submits jobs, reports their status, and learns of their end by webhook. No request waits.

    pip install django
    ENDPOINT_ID=abc123 WEBHOOK_TOKEN=… python examples/django_jobs.py runserver 8001
    curl -X POST -d prompt="a cat" http://127.0.0.1:8001/jobs

`JOBS` stands for a table of your database. PUBLIC_URL is where the service reaches this backend, if it does.
"""

import os
import sys
from functools import cache
from typing import Any

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from runpod_sdk import Client, Endpoint, webhooks

if not settings.configured:
    settings.configure(DEBUG=True, ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY=os.urandom(16).hex())
    django.setup()

JOBS: dict[str, dict[str, Any]] = {}


@cache
def endpoint() -> Endpoint[Any]:
    """Share one client between all threads of this process."""
    return Client().endpoint(os.environ["ENDPOINT_ID"])


@csrf_exempt
@require_POST
def submit(request: HttpRequest) -> JsonResponse:
    """Submit a job, and answer with its id at once."""
    token, public = os.environ["WEBHOOK_TOKEN"], os.environ.get("PUBLIC_URL")
    options: Any = {"webhook": f"{public}/ended?token={token}"} if public else {}
    job = endpoint().run({"prompt": request.POST["prompt"]}, execution_timeout=300, **options)
    JOBS[job.id] = {"id": job.id, "status": "IN_QUEUE"}
    return JsonResponse(JOBS[job.id], status=202)


def look(_: HttpRequest, job_id: str) -> HttpResponse:
    """Tell how a job stands; what has ended is not asked for again."""
    if job_id not in JOBS:
        return HttpResponseNotFound()
    if "output" not in JOBS[job_id]:
        note(job_id)
    return JsonResponse(JOBS[job_id])


@csrf_exempt
@require_POST
def ended(request: HttpRequest) -> HttpResponse:
    """Take a webhook: whoever knows the token is believed that something ended, the service what it was."""
    if not webhooks.is_token(request.GET.get("token"), os.environ["WEBHOOK_TOKEN"]):
        return HttpResponse(status=403)
    job_id = webhooks.parse(request.body).id
    if job_id in JOBS:
        note(job_id)
    return HttpResponse()


def note(job_id: str) -> None:
    """Note what the service says of a job."""
    state = endpoint().job(job_id).state()
    JOBS[job_id]["status"] = state.status
    if state.is_final:
        JOBS[job_id] |= {"output": state.output, "error": state.error}


urlpatterns = [path("jobs", submit), path("jobs/<str:job_id>", look), path("ended", ended)]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
