"""S3 uploads and presigned links, with AWS Signature Version 4.

docs: docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html. The bucket is part of the path, as
boto3 has it with an address of one's own.
"""

from __future__ import annotations

import hashlib
import hmac
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_WEEK = 604_800  # seconds, for which a link holds
_TIMEOUT = 60.0
_TRIES = 3
_ALGORITHM = "AWS4-HMAC-SHA256"
_SERVER_ERRORS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Bucket:
    """A bucket, and who writes to it."""

    endpoint: str
    access_id: str
    secret: str
    name: str
    region: str = "us-east-1"

    def put(self, key: str, data: bytes, headers: Mapping[str, str], now: datetime | None = None) -> None:
        """Store an object.

        Raises:
            OSError: it was refused, or three tries did not reach the bucket.
        """
        url = self._url(key)
        sent = {"content-type": "binary/octet-stream", **headers, "x-amz-content-sha256": _hash(data)}
        signed = self._signed("PUT", url, sent, now or datetime.now(UTC))
        request = urllib.request.Request(url, data=data, headers=dict(signed), method="PUT")  # noqa: S310  the user's own
        for left in reversed(range(_TRIES)):
            try:
                urllib.request.urlopen(request, timeout=_TIMEOUT).close()  # noqa: S310  as above
            except OSError as error:
                if not left or getattr(error, "code", _SERVER_ERRORS) < _SERVER_ERRORS:
                    raise
            else:
                return

    def link(self, key: str, now: datetime | None = None, seconds: int = _WEEK) -> str:
        """Return a link with which anybody may read an object for a while."""
        moment = now or datetime.now(UTC)
        url = self._url(key)
        query = "&".join(
            f"{name}={quote(value, safe='')}"
            for name, value in [
                ("X-Amz-Algorithm", _ALGORITHM),
                ("X-Amz-Credential", f"{self.access_id}/{self._scope(moment)}"),
                ("X-Amz-Date", _stamp(moment)),
                ("X-Amz-Expires", str(seconds)),
                ("X-Amz-SignedHeaders", "host"),
            ]
        )
        canonical = _canonical("GET", url, query, {"host": urlsplit(url).netloc}, "UNSIGNED-PAYLOAD")
        return f"{url}?{query}&X-Amz-Signature={self._signature(canonical, moment)}"

    def _url(self, key: str) -> str:
        path = f"{self.name}/{key}" if self.name else key
        return f"{self.endpoint.rstrip('/')}/{quote(path, safe='/-_.~')}"

    def _signed(self, method: str, url: str, headers: Mapping[str, str], moment: datetime) -> dict[str, str]:
        """Return headers with those that say who sends them."""
        sent = {name.lower(): value for name, value in headers.items()}
        sent |= {"host": urlsplit(url).netloc, "x-amz-date": _stamp(moment)}
        signature = self._signature(_canonical(method, url, "", sent, sent["x-amz-content-sha256"]), moment)
        sent["authorization"] = (
            f"{_ALGORITHM} Credential={self.access_id}/{self._scope(moment)}, "
            f"SignedHeaders={';'.join(sorted(sent))}, Signature={signature}"
        )
        return sent

    def _scope(self, moment: datetime) -> str:
        return f"{moment:%Y%m%d}/{self.region}/s3/aws4_request"

    def _signature(self, canonical: str, moment: datetime) -> str:
        text = "\n".join([_ALGORITHM, _stamp(moment), self._scope(moment), _hash(canonical.encode())])
        key = f"AWS4{self.secret}".encode()
        for part in (*self._scope(moment).split("/"), text):
            key = hmac.digest(key, part.encode(), "sha256")
        return key.hex()


def _canonical(method: str, url: str, query: str, headers: Mapping[str, str], payload: str) -> str:
    lines = [f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(headers)]
    return "\n".join([method, urlsplit(url).path, query, "".join(lines), ";".join(sorted(headers)), payload])


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%SZ}"
