#!/usr/bin/env python3
"""The contract of examples/customer-360's API, of `millrace run embedded.yaml` while it runs, and of `millrace serve` of what it has made."""
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
from serving import Api  # noqa: E402

import contract  # noqa: E402


def main():
    report = m.Report("the API's contract, embedded")
    with tempfile.TemporaryDirectory(prefix="millrace-contract-") as folder:
        home = pathlib.Path(folder) / "home"
        shutil.copytree(contract.EXAMPLE, home, ignore=shutil.ignore_patterns("input", "lake", ".millrace", "*.duckdb*"))
        contract.generate(home)
        oracle = contract.Oracle(home)
        text = (home / "embedded.yaml").read_text()
        (home / "embedded.yaml").write_text(text.replace("listen: 127.0.0.1:8080", "listen: 127.0.0.1:0").replace("trigger: 10s", "trigger: 100ms"))
        with Api("run", "embedded.yaml", "--control", "127.0.0.1:0", cwd=home) as api:
            m.wait_until(lambda: api.get("/readyz")[0] == 200, "the first batch")
            contract.check_all(report, "run", api, oracle)
        with Api("serve", "embedded.yaml", cwd=home) as api:
            contract.check_all(report, "serve", api, oracle)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
