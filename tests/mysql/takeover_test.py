"""Another server with the same transactions takes over: its binlog has other files and places, and the changes go on by
GTID, each once."""
import random
import signal
import sys
import threading

from bench import FILES_SINK, m, mariadb, run_cases
from cdc_test import META

from fault_proxy import FaultProxy


class Replica(mariadb.Mariadb):
    """Has what it gets from another server in its own binlog, too. Each has a number of its own: it does not take back what
    one of its number has written."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def options(self):
        return [*super().options(), f"server-id={self.number}", "log-slave-updates=ON", "slave-net-timeout=5"]

    def follow(self, other, places="slave_pos"):
        self.sql(f"CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {other.port}, MASTER_USER = 'etl',"
                 f"MASTER_PASSWORD = '{mariadb.PASSWORD}', MASTER_USE_GTID = {places}, MASTER_CONNECT_RETRY = 1; START SLAVE", database="mysql")

    def catch_up(self, other):
        [[reached]] = other.sql("SELECT @@gtid_binlog_pos", database="mysql")
        assert self.sql(f"SELECT MASTER_GTID_WAIT('{reached}', 60)", database="mysql") == [["0"]], self.sql("SHOW SLAVE STATUS", database="mysql")

    def take_over(self):
        self.sql("STOP SLAVE; RESET SLAVE ALL", database="mysql")


def changes(b):
    return [(row["op"], row["id"], row["v"]) for row in sorted(b.written(), key=lambda row: row["seq"])]


def place(server):
    """Where its binlog ends."""
    return server.sql("SHOW MASTER STATUS", database="mysql")[0][:2]


class Writer:
    """Transactions of one to thirty changes, and what a reader of them has to see, in their order."""

    def __init__(self, seed):
        self.random, self.rows, self.changes, self.next = random.Random(seed), {}, [], 1

    def transaction(self):
        sql = ["BEGIN"]
        for _ in range(self.random.choice((1, 1, 2, 5, 30))):
            what = self.random.random()
            if what < 0.6 or not self.rows:
                key, self.next = self.next, self.next + 1
                self.rows[key] = 0
                sql.append(f"INSERT INTO t VALUES ({key}, 0)")
                self.changes.append(("c", key, 0))
                continue
            key = self.random.choice(list(self.rows))
            if what < 0.9:
                self.rows[key] += 1
                sql.append(f"UPDATE t SET v = {self.rows[key]} WHERE id = {key}")
                self.changes.append(("u", key, self.rows[key]))
            else:
                sql.append(f"DELETE FROM t WHERE id = {key}")
                self.changes.append(("d", key, self.rows.pop(key)))
        return ";".join([*sql, "COMMIT"])

    def write(self, server, transactions):
        server.sql(";".join(self.transaction() for _ in range(transactions)))


def make(b):
    b.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)")


def read_from(b, server, more=""):
    b.pipeline(f"table: t, cdc: true, {META}{more}", sink=FILES_SINK, port=server.port)


def to_and_fro(b):
    """Four times the other one takes over, and the one before follows it. Runs are killed meanwhile: a batch that was begun
    at one server is repeated at the other, also when it ended within a transaction."""
    make(b)
    read_from(b, b.server)
    b.run()  # from here on
    writer = Writer(1)
    with Replica(2) as other:
        other.follow(b.server)
        primary, standby = b.server, other
        for turn in range(4):
            writer.write(primary, 40)
            read_from(b, primary, ", max_rows_per_trigger: 7")
            for fault in ("batch.after_stage:3", "batch.after_publish:9"):
                done = b.run(env={"MILLRACE_FAULT": fault}, check=False)
                assert done.returncode == -signal.SIGKILL, (turn, fault, done)
            primary.sql("FLUSH BINARY LOGS; CREATE TABLE IF NOT EXISTS other (n INT); INSERT INTO other VALUES (1)")
            writer.write(primary, 20)
            standby.catch_up(primary)
            assert place(primary) != place(standby), place(primary)
            standby.take_over()
            writer.write(standby, 20)
            primary.follow(standby, "current_pos" if turn == 0 else "slave_pos")
            primary, standby = standby, primary
            read_from(b, primary, ", max_rows_per_trigger: 7" if turn % 2 else "")
            b.run()
            got = changes(b)
            assert got == writer.changes, (turn, len(got), len(writer.changes), next((i, x, y) for i, (x, y) in enumerate(zip(got, writer.changes)) if x != y))
        b.run()
        assert changes(b) == writer.changes and {op for op, *_ in writer.changes} == {"c", "u", "d"}


def while_it_runs(b):
    """The address stays, and behind it is another server: the pipeline goes on, which never stopped."""
    make(b)
    with Replica(3) as other, FaultProxy(b.server.port) as proxy:
        read_from(b, proxy)
        b.run()
        other.follow(b.server)
        writer = Writer(2)
        process, said = b.start(), []
        reader = threading.Thread(target=lambda: said.extend(process.stderr), daemon=True)
        reader.start()
        try:
            writer.write(b.server, 30)
            m.wait_until(lambda: len(b.written()) == len(writer.changes), "changes from the first server")
            writer.write(b.server, 30)
            other.catch_up(b.server)
            b.server.stop(signal.SIGKILL)
            proxy.cut()
            other.take_over()
            proxy.to = ("127.0.0.1", other.port)
            writer.write(other, 30)
            m.wait_until(lambda: len(b.written()) >= len(writer.changes), "changes from the other server", timeout=120)
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
            assert process.returncode == 0, "".join(said)
            assert changes(b) == writer.changes
        finally:
            m.kill(process)
            reader.join()
            b.server.start()


def one_that_is_behind(b):
    """A replica that has not yet what was read already: that is said, and waited for; there is no new snapshot."""
    make(b)
    read_from(b, b.server)
    b.run()
    with Replica(4) as other:
        other.follow(b.server)
        other.catch_up(b.server)
        other.sql("STOP SLAVE", database="mysql")
        writer = Writer(3)
        writer.write(b.server, 10)
        b.run()
        read_from(b, other, ", snapshot: when_needed")
        b.run()  # what is there now: nothing new
        assert changes(b) == writer.changes
        process, said = b.start(), []
        reader = threading.Thread(target=lambda: said.extend(process.stderr), daemon=True)
        reader.start()
        try:
            m.wait_until(lambda: any("is a replica that is behind" in line for line in said), "the replica to be found behind")
            assert "checkpoint, or" not in "".join(said), said
            other.sql("START SLAVE", database="mysql")
            other.catch_up(b.server)
            other.take_over()
            writer.write(other, 10)
            m.wait_until(lambda: len(b.written()) >= len(writer.changes), "changes from the other server")
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
        finally:
            m.kill(process)
            reader.join()
        assert process.returncode == 0, "".join(said)
        assert changes(b) == writer.changes


CASES = [to_and_fro, while_it_runs, one_that_is_behind]

if __name__ == "__main__":
    sys.exit(run_cases("mysql take-over", CASES, sys.argv, lambda: Replica(1)))
