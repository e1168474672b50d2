"""Send every picture in a folder to an endpoint, and write the results beside them; run it again to do the rest.

python examples/batch_images.py thumbnails pictures/ thumbnails/
"""

import base64
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runpod_sdk import Client


def inputs(source: Path, target: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Read each picture when its turn comes: 100,000 of them take no more memory than 100."""
    for path in sorted(source.iterdir()):
        made = target / f"{path.stem}.png"
        if not made.exists():
            yield made, {"image": base64.b64encode(path.read_bytes()).decode(), "size": 64}


def main() -> int:
    endpoint_id, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    target.mkdir(parents=True, exist_ok=True)
    with Client() as client:
        with client.endpoint(endpoint_id).map(inputs(source, target), concurrency=32, retries=1) as results:
            for result in results:
                if result.is_success:
                    result.key.write_bytes(base64.b64decode(result.output["image"]))
                else:
                    print(f"{result.key.name}: {result.error}", file=sys.stderr)
        report = results.report()
    print(report)
    return 0 if report.succeeded == report.results else 1


if __name__ == "__main__":
    sys.exit(main())
