"""examples/listening/embedded.yaml, by the commands of its README: equals the same by hand in DuckDB, with more listens and kills, too."""
import csv
import json
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import millrace as m  # noqa: E402
import readme  # noqa: E402
import s3  # noqa: E402

s3.clients()
import duckdb  # noqa: E402

FAULTS = ["checkpoint.offsets.before_write", "batch.after_run", "batch.after_stage", "batch.after_publish", "checkpoint.commit.after_sync"]
COLUMNS = ("name, epoch_ms(timestamp) AS timestamp, song, artists, duration_ms, album_name, album_release_date::VARCHAR AS album_release_date, "
           "danceability::DOUBLE AS danceability, energy::DOUBLE AS energy, key, loudness::DOUBLE AS loudness, mode, speechiness, acousticness, "
           "instrumentalness, liveness, valence, tempo")
SONG = ("'name': 'VARCHAR', 'artists': 'VARCHAR', 'duration_ms': 'VARCHAR', 'album_name': 'VARCHAR', 'album_release_date': 'DATE', "
        "'danceability': 'FLOAT', 'energy': 'FLOAT', 'key': 'TINYINT', 'loudness': 'FLOAT', 'mode': 'TINYINT', 'speechiness': 'FLOAT', "
        "'acousticness': 'FLOAT', 'instrumentalness': 'FLOAT', 'liveness': 'FLOAT', 'valence': 'FLOAT', 'tempo': 'FLOAT'")


def listens(home):
    """Lines that are listens, and how many are cut short."""
    good, bad = [], 0
    for path in (home / "input").glob("*.json"):
        for line in path.read_bytes().splitlines():
            try:
                good.append(json.loads(line))
            except ValueError:
                bad += 1
    return good, bad


def by_hand(home):
    """Each listen with the properties that its song has in the catalogue; how many lines are none."""
    good, bad = listens(home)
    (home / "good.jsonl").write_text("".join(json.dumps(each) + "\n" for each in good))
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    con.execute("CREATE TABLE listens AS SELECT name, song, epoch_ms(timestamp)::TIMESTAMPTZ AS timestamp FROM "
                f"read_json('{home}/good.jsonl', format = 'newline_delimited', columns = {{name: 'VARCHAR', song: 'VARCHAR', timestamp: 'BIGINT'}})")
    con.execute(f"CREATE TABLE songs AS SELECT name AS song, * EXCLUDE (name) FROM read_csv('{home}/catalogue/songs.csv', header = true, "
                f"quote = '\"', escape = '\"', columns = {{{SONG}}})")
    return con.execute(f"SELECT {COLUMNS} FROM listens LEFT JOIN songs USING (song) ORDER BY ALL").fetchall(), bad


def ask(home, sql):
    return [tuple(row.values()) for row in m.query("embedded.yaml", sql, cwd=home)]


def check(home):
    got = ask(home, f"SELECT {COLUMNS} FROM records ORDER BY ALL")
    want, bad = by_hand(home)
    assert got == want, (len(got), len(want), next((pair for pair in zip(got, want) if pair[0] != pair[1]), None))
    kept = sum(each["rows"] for each in json.loads(m.run("quarantine", "list", "embedded.yaml", "--json", cwd=home).stdout))
    assert kept == bad > 0, (kept, bad)
    return got


def as_the_readme_says(home, said):
    got = check(home)
    mine = [row for row in got if row[0] == "ann"]
    assert len(mine) > 10 and f"\n{len(mine)} rows\n" in said, said
    average = statistics.mean(row[7] for row in got if row[7] is not None)
    assert f"{average:.9}"[:9] in said, (average, said)
    # Songs whose names CSV has to quote are found, and one that the catalogue lacks leaves NULLs.
    found = {row[2] for row in got if row[3] is not None}
    with open(home / "catalogue" / "songs.csv", newline="") as file:
        assert found == {row["name"] for row in csv.DictReader(file)}, found
    assert any(row[3] is None for row in got), "each song is in the catalogue"


def goes_on_over_kills(home, _):
    for i, fault in enumerate(FAULTS):
        m.run("generate", "listens", "--out", "input", "--append", "--first", 100_000 + i * 300, "--rows", 300, cwd=home)
        done = m.run("run", "embedded.yaml", "--once", cwd=home, env={"MILLRACE_FAULT": f"{fault}:1"}, check=False)
        assert done.returncode == -9, done.stderr
    m.run("run", "embedded.yaml", "--once", cwd=home)
    check(home)


if __name__ == "__main__":
    sys.exit(readme.report_embedded("listening", (as_the_readme_says, goes_on_over_kills)))
