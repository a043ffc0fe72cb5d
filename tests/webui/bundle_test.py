#!/usr/bin/env python3
"""How the web UI gets into a build and into a release: scripts/webui.sh takes it out of an archive, and no archive is made without it.

Usage: bundle_test.py
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402

PAGE = "<!doctype html><title>millrace</title>"
# A release of nothing but the web UI, by the file that the real one has it from.
PROJECT = """cmake_minimum_required(VERSION 3.22)
project(release NONE)
set(CMAKE_MODULE_PATH "${CMAKE_SOURCE_DIR}/cmake")
include(WebUi)
millrace_webui(none)
set(CPACK_GENERATOR TGZ)
set(CPACK_PACKAGE_FILE_NAME millrace-1.2.3-linux-x86_64)
include(CPack)
"""


def run(*command, cwd, code=0, env=None):
    done = subprocess.run([str(each) for each in command], cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(env or {})}, timeout=120)
    assert (done.returncode == 0) == (code == 0), (command, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout + done.stderr


def project(folder):
    home = pathlib.Path(folder)
    (home / "cmake").mkdir()
    (home / "webui/absent").mkdir(parents=True)
    shutil.copy(m.ROOT / "cmake/WebUi.cmake", home / "cmake")
    (home / "cmake/Embed.cmake").write_text("function(millrace_embed)\nendfunction()\n")
    (home / "CMakeLists.txt").write_text(PROJECT)
    return home


def packed(home, code=0):
    run("cmake", "-S", ".", "-B", "build", cwd=home)
    return run("cpack", "--config", "build/CPackConfig.cmake", "-B", "build/package", cwd=home, code=code)


def no_archive_without_it():
    with tempfile.TemporaryDirectory() as folder:
        home = project(folder)
        said = packed(home, code=1)
        assert "scripts/webui.sh" in said and "no web UI" in said, said
        assert not list((home / "build/package").glob("*.tar.gz"))
        # Who only installs has been told when it was configured.
        run("cmake", "--install", "build", "--prefix", home / "installed", cwd=home)
        (home / "webui/dist/assets").mkdir(parents=True)
        (home / "webui/dist/index.html").write_text(PAGE)
        packed(home)
        with tarfile.open(home / "build/package/millrace-1.2.3-linux-x86_64.tar.gz") as archive:
            assert "millrace-1.2.3-linux-x86_64/share/millrace/webui/index.html" in archive.getnames(), archive.getnames()


def taken_out_of_an_archive():
    """By its name, or, where there is no Node, by itself; one without it is refused, and what was there stays."""
    with tempfile.TemporaryDirectory() as folder:
        home = project(folder)
        shutil.copytree(m.ROOT / "scripts", home / "scripts")
        (home / "webui/dist/assets").mkdir(parents=True)
        (home / "webui/dist/index.html").write_text(PAGE)
        (home / "webui/dist/assets/index-12345678.js").write_text("1")
        packed(home)
        archive = home / "elsewhere.tar.gz"
        shutil.move(home / "build/package/millrace-1.2.3-linux-x86_64.tar.gz", archive)
        (home / "webui/dist/index.html").write_text("an older one")
        (home / "webui/dist/old.js").write_text("2")
        dist = home / "webui/dist"
        said = run(home / "scripts/webui.sh", "--from", "../elsewhere.tar.gz", cwd=home / "scripts")
        assert "is that of" in said and (dist / "index.html").read_text() == PAGE, said
        assert m.files_below(dist) == ["assets/index-12345678.js", "index.html"], m.files_below(dist)
        empty = home / "empty.tar.gz"
        with tarfile.open(empty, "w:gz") as tar:
            tar.add(home / "CMakeLists.txt", "millrace-1.2.3-linux-x86_64/share/doc/millrace/LICENSE")
        said = run(home / "scripts/webui.sh", "--from", empty, cwd=home, code=1)
        assert "has no web UI" in said and (dist / "index.html").read_text() == PAGE, said
        assert m.files_below(home / "webui") == ["dist/assets/index-12345678.js", "dist/index.html"], "nothing half done is left"
        # Without Node: the archive that lies there, or a word.
        tools = home / "tools"
        tools.mkdir()
        for tool in ("bash", "dirname", "cat", "mktemp", "tar", "gzip", "chmod", "rm", "mv", "realpath", "uname", "env", "id", "tput", "date"):
            if path := shutil.which(tool):
                (tools / tool).symlink_to(path)
        bare = {"PATH": str(tools), "MILLRACE_CACHE": str(home / "cache"), "XDG_CACHE_HOME": str(home / "cache"), "HOME": str(home)}
        shutil.rmtree(dist)
        said = run(home / "scripts/webui.sh", cwd=home, env=bare)
        assert "without its web UI" in said and not dist.exists(), said
        shutil.move(archive, home / "millrace-1.2.3-linux-x86_64.tar.gz")
        run(home / "scripts/webui.sh", cwd=home, env=bare)
        assert (dist / "index.html").read_text() == PAGE


def main():
    report = m.Report("bundle of the web UI")
    for case in (no_archive_without_it, taken_out_of_an_archive):
        report.case(case.__name__.replace("_", " "), case)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
