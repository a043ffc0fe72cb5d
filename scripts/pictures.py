#!/usr/bin/env python3
"""Makes docs/pictures: the web UI over the example jobs, all in one daemon, while files keep coming.

Usage: scripts/pictures.py [--seconds N] [--out DIR]       needs a build of the test preset, or MILLRACE_BIN
"""
import argparse
import contextlib
import io
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "webui"))
from browser import browsing, m, servers  # noqa: E402

from daemon import Daemon  # noqa: E402

PILLOW = {"pillow": "12.3.0"}
JOBS = {
    "sql-first-etl": ("pipeline.yaml", {}, ["transactions --out input --rows 2000 --files 20 --invalid 0.05",
                                            "transactions --out input --append --rows 40000 --files 400 --rate 150 --invalid 0.05 --seed 3"]),
    "medallion": ("embedded.yaml", {}, ["orders --out input --rows 20000 --files 10 --duplicates 0.05 --invalid 0.002",
                                        "orders --out input --append --first 20000 --rows 200000 --files 500 --rate 600 --event-rate 10 "
                                        "--duplicates 0.05 --late 0.02 --invalid 0.002"]),
    "customer-360": ("embedded.yaml", {"trigger: 10s": "trigger: 2s", "listen: 127.0.0.1:8080": "listen: 127.0.0.1:0"},
                     ["shop --out input --rows 5000", "events --out input/events --rows 5000 --files 5",
                      "events --out input/events --append --first 5000 --rows 100000 --files 500 --rate 200"]),
}
PICTURES = [  # name, page, theme, what to wait for
    ("overview", "/", "dark", ".ptable tbody tr"),
    ("overview-light", "/", "light", ".ptable tbody tr"),
    ("graph", "/p/medallion-embedded?node=silver", "dark", ".insp .ident"),
    ("table", "/p/medallion-embedded?view=table", "light", ".gtab tbody tr"),
    ("batch", "/p/medallion-embedded/batch", "dark", ".acct tbody tr"),
    ("quality", "/p/customer-360-embedded/quality", "dark", ".qrow"),
    ("state", "/p/customer-360-embedded/state?table=profile", "dark", ".res tbody tr"),
    ("serve", "/serve", "light", ".sv tbody tr"),
    ("events", "/events", "dark", ".ev tbody tr"),
]


def laid_out(folder):
    """The jobs' files in one folder, as a daemon has them; the commands that make their input go on."""
    feeds = []
    for name, (file, changes, inputs) in JOBS.items():
        home = folder / name
        shutil.copytree(ROOT / "examples" / name, home, ignore=shutil.ignore_patterns("input", "output", "lake", ".millrace", "*.duckdb*"))
        text = (home / file).read_text()
        for path in home.glob("*.yaml"):
            path.unlink()
        for old, new in changes.items():
            text = text.replace(old, new)
        text = re.sub(r"\bpath: (?=\w)", f"path: {name}/", text)
        (folder / f"{name}.yaml").write_text(re.sub(r"\bsql/(?=\w+\.sql)", f"{name}/sql/", text))
        for command in inputs:
            if "--rate" in command:
                feeds.append((command, home))
            else:
                m.run("generate", *command.split(), cwd=home)
    return feeds


def ask_endpoints(daemon):
    """Some requests, so that there is something to see of what is served."""
    for endpoint in daemon.get("/endpoints"):
        if "{" in endpoint["path"]:  # others have no end
            for i in range(1, 40):
                path = re.sub(r"\{\w*date\w*\}", "2026-01-01", re.sub(r"\{\w*(id|Id)\}", str(i), endpoint["path"]))
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(endpoint["url"] + path, timeout=5).read()


def few_colours(picture, image):
    """A small picture: large areas keep their colour as it is, edges of letters get the nearest of the most frequent ones."""
    colours = sorted(picture.getcolors(picture.width * picture.height), reverse=True)[:256]
    palette = image.new("P", (1, 1))
    palette.putpalette([part for _, colour in colours for part in colour])
    return picture.quantize(palette=palette, dither=image.Dither.NONE)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=75, help="for how long it has run when it is looked at")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs" / "pictures")
    options = parser.parse_args()
    servers.modules(PILLOW)
    from PIL import Image
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, browsing() as browser:
        feeds = laid_out(pathlib.Path(folder))
        with Daemon(folder) as daemon, contextlib.ExitStack() as running:
            for command, home in feeds:
                feed = running.enter_context(subprocess.Popen([m.BINARY, "generate", *command.split()], cwd=home, stdin=subprocess.DEVNULL,
                                                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
                running.callback(feed.kill)
            time.sleep(options.seconds)
            ask_endpoints(daemon)
            for name, path, theme, seen in PICTURES:
                with browser.page(daemon.url + path, width=1400, height=1300 if name == "batch" else 875, theme=theme, may_fail=True) as page:
                    page.wait_for_selector(".conn.live")
                    page.wait_for_selector(seen)
                    page.wait_for_timeout(1500)
                    picture = Image.open(io.BytesIO(page.screenshot()))
                few_colours(picture.convert("RGB"), Image).save(options.out / f"{name}.png", optimize=True)
                print(f"{name}: {(options.out / f'{name}.png').stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
