"""millrace validate --connect: what is wrong with a server is said before a run, and nothing is changed there."""
import sys

from bench import mariadb, m, run_cases
from servers import free_port

PASSWORD = mariadb.PASSWORD


def tried(b, *options, code=0):
    done = m.run("validate", "--connect", *options, b.file, cwd=b.folder, check=False)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def is_said(text, *parts):
    for part in parts:
        assert part in text, (part, text)


def user(b, name, *grants):
    b.sql(f"DROP USER IF EXISTS '{name}'@'%'; CREATE USER '{name}'@'%' IDENTIFIED BY '{PASSWORD}';" +
          "".join(f"GRANT {grant} TO '{name}'@'%';" for grant in grants))


def a_table_that_grows(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, at DATETIME); CREATE TABLE offsets (source VARCHAR(100) PRIMARY KEY, at BIGINT)")
    b.pipeline("table: t, incremental: id, offset_table: offsets")
    is_said(tried(b), f"source input: mysql t in shop on 127.0.0.1:{b.server.port}: ok", "sink out: store: not tried", "ok: 1 sources")
    b.pipeline("table: t, incremental: [at, id]")
    is_said(tried(b), "ok, with 2 warnings", "committed after others with a later at are not read; set `lag`", "no index of t begins with `at`, `id`",
            "CREATE INDEX by_at ON `t` (`at`, `id`)")
    b.sql("CREATE INDEX by_at ON t (at, id)")
    is_said(tried(b), "ok, with 1 warning", "set `lag`")
    b.pipeline("table: t, incremental: [at, id], lag: 30s")
    assert "warning" not in tried(b)
    b.pipeline("table: nothing, incremental: id")
    is_said(tried(b, code=2), "source input: mysql nothing in shop", "failed", "shop.nothing", "pipeline.yaml:5:3: error: source input")
    b.pipeline("table: t, incremental: id, schema: 'id INT, name VARCHAR'")
    is_said(tried(b, code=2), "t has no column name")


def logins_and_servers(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY); CREATE TABLE u (id INT PRIMARY KEY)")
    user(b, "one", "SELECT ON shop.u", "USAGE ON *.*")
    b.pipeline("table: t, incremental: id", connection={"user": "one"}, sources="  other: { from: shop, table: u, incremental: id }\n",
               sql="SELECT id FROM input UNION ALL SELECT id FROM other")
    text = tried(b, code=2)
    is_said(text, "source input: SELECT * FROM `t`: SELECT command denied", "source other: mysql u in shop", ": ok")
    b.pipeline("table: t, incremental: id", connection={"user": "nobody"})
    is_said(tried(b, code=2), "check `user` and `password`")
    b.pipeline("table: t, incremental: id", port=free_port())
    is_said(tried(b, code=3), "cannot connect to shop on 127.0.0.1")


def changes(b):
    """Settings, grants, and whether the binlog goes back to where the checkpoint is."""
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1)")
    b.pipeline("table: t, cdc: true")
    is_said(tried(b), "source input: mysql changes of t in shop", ": ok")
    b.sql("SET GLOBAL binlog_format = STATEMENT; SET GLOBAL binlog_row_image = MINIMAL; SET GLOBAL binlog_row_metadata = MINIMAL")
    try:
        is_said(tried(b, code=2), "binlog_format is STATEMENT; SET GLOBAL binlog_format = ROW", "binlog_row_image is MINIMAL",
                "warning: source input: binlog_row_metadata is not FULL")
    finally:
        b.sql("SET GLOBAL binlog_format = ROW; SET GLOBAL binlog_row_image = FULL; SET GLOBAL binlog_row_metadata = FULL")
    b.sql("SET GLOBAL binlog_expire_logs_seconds = 3600")
    is_said(tried(b), "the server keeps its binlog for 3600 s only")
    b.sql("SET GLOBAL binlog_expire_logs_seconds = 864000")
    b.pipeline("table: t, cdc: true, server_id: 1")
    is_said(tried(b, code=2), "`server_id` 1 is the server's own")
    user(b, "one", "SELECT, LOCK TABLES ON shop.*")
    b.pipeline("table: t, cdc: true", connection={"user": "one"})
    is_said(tried(b, code=2), "GRANT REPLICATION SLAVE, REPLICATION CLIENT")
    b.sql("GRANT REPLICATION CLIENT ON *.* TO 'one'@'%'")
    is_said(tried(b, code=2), "REPLICATION SLAVE", "GRANT REPLICATION SLAVE ON *.* to our user")
    b.sql("GRANT REPLICATION SLAVE ON *.* TO 'one'@'%'")
    assert "warning" not in tried(b)
    # A checkpoint, whose place the server then forgets.
    b.run()
    assert "warning" not in tried(b)
    b.sql("FLUSH BINARY LOGS; INSERT INTO t VALUES (2, 2); FLUSH BINARY LOGS")
    last = b.sql("SHOW BINARY LOGS")[-1][0]
    m.wait_until(lambda: b.sql(f"PURGE BINARY LOGS TO '{last}'; SHOW BINARY LOGS")[0][0] == last, "the binlog to be purged")
    is_said(tried(b, code=2), "the server has no binlog any more that goes back to", "snapshot: when_needed")
    b.file.write_text(b.file.read_text().replace("cdc: true", "cdc: true, snapshot: when_needed"))
    is_said(tried(b), "warning: source input: the server has no binlog any more", "a run will begin with a new snapshot")


def the_snapshot_needs_a_lock(b):
    """Of MySQL itself: it has no other way to know what place in the binlog a snapshot is of."""
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
    user(b, "one", "SELECT ON shop.*", "REPLICATION CLIENT, REPLICATION SLAVE ON *.*")
    b.pipeline("table: t, cdc: true", connection={"user": "one", "tls": "true", "tls_ca": b.server.authority})
    is_said(tried(b, code=2), "GRANT LOCK TABLES on the database")
    b.sql("GRANT LOCK TABLES ON shop.* TO 'one'@'%'")
    assert "error" not in tried(b)


def targets(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
    b.pipeline("table: t, incremental: id", sink="shop, table: made, mode: append")
    is_said(tried(b), f"sink out: mysql made in shop on 127.0.0.1:{b.server.port}: ok")
    assert b.sql("SHOW TABLES") == [["t"]], "nothing is made"
    b.pipeline("table: t, incremental: id", sink="shop, table: made, mode: append, create_table: false")
    is_said(tried(b, code=2), "there is no table made")
    b.sql("CREATE TABLE made (id INT, v INT) ENGINE=MyISAM")
    b.pipeline("table: t, incremental: id", sink="shop, table: made, mode: append")
    is_said(tried(b, code=2), "which has no transactions")
    b.sql("DROP TABLE made; CREATE TABLE made (id INT PRIMARY KEY, v INT)")
    totals = "SELECT id, max(v) AS v FROM input GROUP BY id"
    user(b, "one", "SELECT ON shop.*", "INSERT ON shop.made")
    b.pipeline("table: t, incremental: id", sink="shop, table: made, mode: update, key: [id]", sql=totals, connection={"user": "one"})
    is_said(tried(b, code=2), "UPDATE command denied", "GRANT INSERT, UPDATE on `made`", "CREATE command denied", "millrace_batches")
    b.sql("GRANT INSERT, UPDATE, CREATE, DELETE ON shop.* TO 'one'@'%'")
    is_said(tried(b), "sink out: mysql made")
    b.run()
    b.sql("REVOKE DELETE ON shop.* FROM 'one'@'%'")
    is_said(tried(b, code=2), "DELETE command denied")


COMMON = [a_table_that_grows, logins_and_servers, changes, targets]

if __name__ == "__main__":
    status = run_cases("validate --connect", COMMON, sys.argv)
    sys.exit(status)
