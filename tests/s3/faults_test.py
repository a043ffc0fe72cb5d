#!/usr/bin/env python3
"""Connections to S3 that are cut, refused and stalled, and a server that goes away: nothing is lost, nothing is twice."""
import pathlib
import random
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import fault_proxy  # noqa: E402
import millrace as m  # noqa: E402
import s3  # noqa: E402
from files_test import Lab, ids  # noqa: E402


class Faults(Lab):
    def through(self, proxy, prefix="out", **more):
        return self.to(prefix, endpoint=f"http://127.0.0.1:{proxy.port}", **more)

    def started(self, home):
        return m.start("run", "pipeline.yaml", "--once", cwd=home, env={"S3_SECRET": self.server.SECRET})

    def ended(self, process, want):
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, f"{process.returncode}: {out[-1000:]}{err[-3000:]}"
        assert ids(self.parquet()) == list(range(want)), "rows are lost or twice"
        assert self.uploads() == [], self.uploads()


def big_csv(home, rows):
    with open(home / "in" / "big.csv", "w") as file:
        file.write("id,day,note\n")
        file.writelines(f"{i},2026-01-01,{i * 2654435761 % 2**64:064x}\n" for i in range(rows))


def sink(lab, home, proxy, **more):
    lab.pipeline(home, f"{{ from: orders, to: {lab.through(proxy, **more)}, format: parquet, "
                       "compression: uncompressed }")


def cut_in_an_upload(lab):
    home = lab.home(files=0)
    big_csv(home, 250_000)
    with fault_proxy.FaultProxy(lab.server.port) as proxy:
        sink(lab, home, proxy)
        proxy.cut_after(5 << 20)
        lab.ended(lab.started(home), 250_000)
        assert proxy.cuts == 1, proxy.cuts


def cut_while_reading(lab):
    home = lab.home(files=0)
    big_csv(home, 250_000)
    lab.boto.upload_file(str(home / "in" / "big.csv"), lab.bucket, "in/big.csv")
    with fault_proxy.FaultProxy(lab.server.port) as proxy:
        lab.pipeline(home, f"{{ from: orders, to: {lab.to()}, format: parquet }}",
                     source=f"{{ from: {lab.through(proxy, 'in')}, format: csv, "
                            "schema: 'id BIGINT, day DATE, note VARCHAR' }")
        proxy.cut_after(9 << 20)
        lab.ended(lab.started(home), 250_000)
        assert proxy.cuts == 1, proxy.cuts


def cut_again_and_again(lab):
    home = lab.home(files=60, rows=50)
    with fault_proxy.FaultProxy(lab.server.port) as proxy:
        sink(lab, home, proxy)
        over, rng = threading.Event(), random.Random(7)

        def cutting():
            while not over.wait(rng.uniform(0.01, 0.05)):
                proxy.cut()
        thread = threading.Thread(target=cutting)
        thread.start()
        try:
            lab.ended(lab.started(home), 3000)
            assert proxy.cuts > 2, proxy.cuts
        finally:
            over.set()
            thread.join()


def refused_at_first(lab):
    home = lab.home()
    with fault_proxy.FaultProxy(lab.server.port) as proxy:
        proxy.refuse()
        sink(lab, home, proxy, max_attempts=2)
        process = lab.started(home)
        m.wait_until(lambda: proxy.connections >= 6, "the pipeline to try again")
        proxy.accept()
        lab.ended(process, 300)


def stalled(lab):
    home = lab.home(files=0)
    big_csv(home, 250_000)
    with s3.RequestLog(lab.server.port) as proxy:
        sink(lab, home, proxy, timeout="1s")
        process = lab.started(home)
        m.wait_until(lambda: proxy.count("PUT") >= 1, "an upload")
        proxy.stall()
        before = proxy.connections
        m.wait_until(lambda: proxy.connections > before + 1, "the pipeline to try again")
        proxy.go_on()
        lab.ended(process, 250_000)


def server_away(lab):
    home = lab.home(files=200, rows=50)
    with s3.RequestLog(lab.server.port) as proxy:
        sink(lab, home, proxy, max_attempts=3)
        process = lab.started(home)
        m.wait_until(lambda: proxy.count("PUT") >= 4, "some batches")
        lab.server.stop()
        before = proxy.connections
        m.wait_until(lambda: process.poll() is not None or proxy.connections > before + 4, "tries")
        lab.server.start()
        lab.ended(process, 10_000)


CASES = [cut_in_an_upload, cut_while_reading, cut_again_and_again, refused_at_first, stalled, server_away]


def main():
    s3.clients()
    report = m.Report("s3 faults")
    with tempfile.TemporaryDirectory(prefix="millrace-s3-faults-") as folder, s3.S3() as server:
        lab = Faults(server, folder)
        for case in CASES:
            report.case(case.__name__.replace("_", " "), lambda: case(lab))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
