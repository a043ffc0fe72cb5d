"""The input of a case, and a model of its watermarks as docs/event-time.md defines them.

The rows of each source lie in parts (what is there when a run starts), cut into files. The model says for each row
which batch reads it and how far each watermark had come before that batch; the oracle gets both as columns.
"""
import datetime

from expressions import SQL_TYPE

ZERO = datetime.datetime(1970, 1, 1)
BASES = ("2024-02-28 21:50:00", "1969-12-31 22:00:00", "2000-01-02 23:10:00", "2038-01-19 02:00:00",
         "2023-12-31 20:00:00")
TEXTS = ("a", "b", "c", "d", "", "ab", "it's", 'say "x"', "a, b", "ä", "a text longer than twelve bytes", "zz%")


def timestamp(us):
    return None if us is None else str(ZERO + datetime.timedelta(microseconds=us))


def field(value, kind):
    """A field of a CSV file: texts are quoted, so that an empty one is not a NULL."""
    if value is None:
        return ""
    if kind in ("TS", "TZ"):
        return value if isinstance(value, str) else timestamp(value) + ("+00" if kind == "TZ" else "")
    if kind == "STR":
        return '"' + value.replace('"', '""') + '"'
    return str(value).lower() if kind == "BOOL" else str(value)


def write_csv(path, schema, rows):
    lines = [",".join(name for name, _ in schema)]
    lines += [",".join(field(v, kind) for v, (_, kind) in zip(row, schema)) for row in rows]
    aside = path.with_name("." + path.name)
    aside.write_text("\n".join(lines) + "\n")
    aside.rename(path)


def random_value(rng, kind, nulls):
    if rng.random() < nulls:
        return None
    small = rng.choice((4, 40))
    return {"INT": rng.randint(-small, small), "BIG": rng.randint(-small, small) * rng.choice((1, 1, 1000)),
            "DBL": rng.randint(-small, small) / 4, "DEC": f"{rng.randint(-small, small)}.{rng.choice(('00', '25', '99'))}",
            "STR": rng.choice(TEXTS[:3 if small == 4 else None]), "BOOL": rng.random() < 0.5,
            "DATE": str(datetime.date(2024, 2, 20) + datetime.timedelta(days=rng.randint(0, small))),
            "TS": 1_709_200_000_000_000 + rng.randint(0, small) * 997_000_000,
            "TZ": 1_709_200_000_000_000 + rng.randint(0, small) * 1_800_000_000}[kind]


class Source:
    """A stream and its rows. `schema`: (name, type tag); a row: a list of values."""

    def __init__(self, name, schema, watermark=None):
        self.name, self.schema, self.watermark = name, schema, watermark
        self.parts = []  # of files, of rows

    def at(self, name):
        return [n for n, _ in self.schema].index(name)

    def files(self):
        return [f for part in self.parts for f in part]


class Watermark:
    """column: of the source, in microseconds (or milliseconds, then `scale` is 1000)."""

    def __init__(self, column, delay_s, partition=None, computed=None):
        self.column, self.delay_s, self.partition, self.computed = column, delay_s, partition, computed
        self.scale = 1000 if computed else 1

    def text(self):
        partition = f", partition: {self.partition}" if self.partition else ""
        return f"{{ column: {self.computed or self.column}, delay: {self.delay_s}s{partition} }}"


class Progress:
    """How far the watermark of one source has come."""

    def __init__(self, source):
        self.source, self.newest, self.value = source, {}, None

    def take(self, rows):
        mark = self.source.watermark
        if mark is None:
            return
        time, partition = self.source.at(mark.column), mark.partition and self.source.at(mark.partition)
        for row in rows:
            if isinstance(row[time], int):  # neither NULL nor infinite
                key = row[partition] if mark.partition else ""
                self.newest[key] = max(self.newest.get(key, row[time] * mark.scale), row[time] * mark.scale)
        if self.newest:
            reached = min(self.newest.values()) - mark.delay_s * 1_000_000
            self.value = reached if self.value is None else max(self.value, reached)


def batches_of(sources, limit):
    """Per batch and source the rows that it reads."""
    batches = []
    for part in range(max(len(s.parts) for s in sources)):
        cut = {}
        for source in sources:
            files = source.parts[part] if part < len(source.parts) else []
            size = limit or max(1, len(files))
            cut[source.name] = [sum(files[i:i + size], []) for i in range(0, len(files), size)]
        for number in range(max(len(c) for c in cut.values())):
            batches.append({name: c[number] if number < len(c) else [] for name, c in cut.items()})
    return batches


def run_model(sources, limit):
    """Per source its rows, each with the batch and the watermarks before it; and the last watermarks."""
    progress = {s.name: Progress(s) for s in sources}
    rows = {s.name: [] for s in sources}
    for number, batch in enumerate(batches_of(sources, limit)):
        before = [progress[s.name].value for s in sources]
        for name, read in batch.items():
            rows[name] += [row + [number, *before] for row in read]
        for name, read in batch.items():
            progress[name].take(read)
    return rows, {name: p.value for name, p in progress.items()}


def late_rows(sources, limit):
    """How many rows are behind the watermark of their source."""
    count, (rows, _) = 0, run_model(sources, limit)
    for number, source in enumerate(sources):
        mark = source.watermark
        if mark:
            for row in rows[source.name]:
                time, reached = row[source.at(mark.column)], row[len(source.schema) + 1 + number]
                count += isinstance(time, int) and reached is not None and time * mark.scale < reached
    return count


def hidden(sources):
    return ["_batch"] + [f"_w_{s.name}" for s in sources]


def oracle_inputs(folder, sources, limit):
    """Writes the oracle's files; gives the CTEs that read them, and the SQL of the last watermarks."""
    rows, last = run_model(sources, limit)
    ctes = []
    for source in sources:
        schema = source.schema + [("_batch", "BIG")] + [(f"_w_{s.name}", "TS") for s in sources]
        write_csv(folder / f"oracle_{source.name}.csv", schema, rows[source.name])
        ctes.append((source.name, read_csv(f"oracle_{source.name}.csv", schema)))
    return ctes, {name: f"TIMESTAMP '{timestamp(v)}'" if v is not None else "NULL::TIMESTAMP"
                  for name, v in last.items()}


def read_csv(path, schema):
    columns = ", ".join(f"'{name}': '{SQL_TYPE[kind]}'" for name, kind in schema)
    return (f"SELECT * FROM read_csv('{path}', header = true, auto_detect = false, delim = ',', quote = '\"', "
            f"escape = '\"', allow_quoted_nulls = false, columns = {{{columns}}})")


def make_rows(rng, source, count, event, copies):
    """`event`: (unit in s, regime) or None. Rows in the order of their arrival."""
    unit = event[0] if event else 1
    base = int((datetime.datetime.fromisoformat(rng.choice(BASES)) - ZERO).total_seconds()) * 1_000_000
    delay = source.watermark.delay_s if source.watermark else 0
    made = []
    for number in range(count):
        at = base + int(number * unit * rng.uniform(0.2, 1.5) * 1_000_000) // 1000 * 1000
        row = [number if name == "id" else random_value(rng, kind, 0 if name == "part" else 0.15)
               for name, kind in source.schema]
        arrival = at
        if source.watermark:
            mark = source.watermark
            odd = rng.choice((None, None, None, "infinity", "-infinity"))
            odd = None if mark.computed else odd
            row[source.at(mark.column)] = at // mark.scale if rng.random() > 0.04 else odd
            if mark.partition:
                row[source.at(mark.partition)] = rng.choice((1, 1, 2, 3))
            spread = delay * (1 if event[1] == "ordered" or rng.random() < 0.6 else 8)
            for _ in range(1 + (copies and rng.choice((0, 0, 1, 2)))):
                made.append((arrival + rng.uniform(0, spread) * 1_000_000, row))
        else:
            made.append((arrival, row))
            if copies and rng.random() < 0.3:
                made.append((arrival + rng.uniform(0, 30 * unit) * 1_000_000, row))
    made.sort(key=lambda pair: pair[0])
    return [row for _, row in made]


def cut_rows(rng, rows):
    """Into one to three parts of files."""
    files, at = [], 0
    largest = max(1, len(rows) // rng.choice((1, 2, 4, 8)))
    while at < len(rows):
        size = rng.randint(0 if rng.random() < 0.1 else 1, largest)
        files.append(rows[at:at + size])
        at += size
    files = files or [[]]
    parts = rng.choice((1, 1, 1, 2, 3))
    size = -(-len(files) // parts)
    return [files[i:i + size] for i in range(0, len(files), size)]
