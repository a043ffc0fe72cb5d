"""Random datasets: each step is a SELECT over earlier ones, written for millrace and for the oracle.

Both texts use the same names. The oracle's relations over a source have hidden columns: the batch of each row and the
watermarks before it (see model.py), so that it can leave out late rows; windows are made with DuckDB's own
time_bucket() and range(), and cut where the last watermarks have come.
"""
import dataclasses

from expressions import (NUMBERS, SQL_TYPE, TIMES, Col, aggregate, condition, interval, literal, origin, scalar,
                         time_map, tumbling)

MOST_BATCHES = 250  # more than any case has


@dataclasses.dataclass
class Step:
    """A relation: a source, or a SELECT over earlier ones."""
    name: str
    cols: list
    stream: bool
    reads: list = dataclasses.field(default_factory=list)
    sql: str = ""
    oracle: str = ""  # of what has come out when the run ends
    every: str = ""  # the oracle of all groups with rows that counted: mode update
    kept: str = ""  # and of mode complete, where no window closes
    by_batch: str = ""  # of a table made of a stream, after each batch `_at`
    hidden: list = dataclasses.field(default_factory=list)
    inline: bool = False  # a WITH of its readers, not a dataset
    moving: bool = True  # false: made of `as: table` sources only
    key: list = dataclasses.field(default_factory=list)  # what identifies a group in mode update
    aggregates: bool = False
    correlated: bool = False  # has a correlated subquery

    def event_times(self, *types):
        return [c for c in self.cols if c.bound and not c.tainted and (not types or c.type in types)]

    def text(self, oracle=None):
        """The SELECT with those it is made of; `oracle`: which of the three texts."""
        chosen = self.sql if oracle is None else getattr(self, oracle) or self.oracle
        parts = []
        for step in inlined(self):
            inner = step.sql if oracle is None else (oracle == "kept" and step.kept) or step.oracle
            parts.append(f"{step.name} AS ({inner})")
        return (f"WITH {', '.join(parts)} " if parts else "") + chosen


def inlined(step):
    """The steps written into this one, first things first."""
    found = []
    for read in step.reads:
        if read.inline:
            found += [s for s in inlined(read) + [read] if s not in found]
    return found


class Grammar:
    """`streams`: what the steps begin with; `marks`: the names of the sources that have a watermark."""

    def __init__(self, rng, unit, streams, dim, policy, marks):
        self.rng, self.unit, self.dim, self.policy = rng, unit, dim, policy
        self.sources, self.steps, self.names = streams, [], 0
        # A row's own columns say how far watermarks were before its batch; where they are at the end is known later.
        self.row_bounds = {name: f"_w_{name}" for name in marks}
        self.last_bounds = {name: f"@{name}@" for name in marks}

    def chance(self, share):
        return self.rng.random() < share

    def new(self, prefix="c"):
        self.names += 1
        return f"{prefix}{self.names}"

    def make(self, count):
        makers = {"rowwise": self.rowwise, "union": self.union, "lookup": self.lookup, "distinct": self.distinct,
                  "window": self.window, "group": self.group, "derived": self.derived, "ranked": self.ranked,
                  "joined": self.joined, "sets": self.sets}
        while len(self.steps) < count:
            known = self.sources + self.steps + [self.dim] * (len(self.steps) > 0)
            step = self.steps[-1] if self.steps and self.chance(0.6) else self.rng.choice(known)
            if self.chance(0.5) and any(s.by_batch and not s.inline for s in self.steps):
                step, kinds = self.rng.choice([s for s in known if s.hidden]), ["lookup"]
            elif step.stream:
                kinds = ["rowwise", "rowwise", "lookup", "group", "group"] + ["distinct", "union"]
                kinds += ["window"] * 6 * bool(step.event_times())
            else:
                kinds = ["derived", "group", "ranked", "joined", "sets"]
            made = makers[self.rng.choice(kinds)](step)
            if made is None:
                continue
            made.inline = made.inline or (len(self.steps) < count - 1 and self.chance(0.25))
            made.moving = any(r.moving for r in made.reads)
            made.aggregates = made.aggregates or any(r.aggregates and r.stream for r in made.reads)
            self.steps.append(made)
        read = {id(r) for s in self.steps for r in s.reads}
        for step in self.steps:
            if id(step) not in read:
                step.inline = False
        return self.steps

    # Rows of a stream, one by one.

    def kept_columns(self, step, share=0.75):
        keep = [c for c in step.cols if (c.bound and self.chance(0.93)) or self.chance(share)]
        return keep or step.cols[:1]

    def where(self, cols, share=0.5):
        return f" WHERE {condition(self.rng, cols)}" if self.chance(share) else ""

    def computed(self, step, few):
        """New columns: (SQL, the oracle's SQL, column)."""
        made = []
        for _ in range(self.rng.randint(0, few)):
            kind = self.rng.choice(list(SQL_TYPE))
            text = f"{scalar(self.rng, step.cols, kind)}"
            made.append((text, text, Col(self.new(), kind)))
        times = step.event_times(*TIMES)
        if times and step.stream and self.chance(0.3):
            time = self.rng.choice(times)
            sql, oracle, kind = time_map(self.rng, self.unit, time.type)
            made.append((sql(time.name), oracle(time.name),
                         Col(self.new("t"), kind, lambda env, b=time.bound, f=oracle: f(b(env)))))
        return made

    def rowwise(self, step):
        keep, made = self.kept_columns(step), self.computed(step, 3)
        cols = [dataclasses.replace(c) for c in keep] + [c for _, _, c in made]
        sql = [c.name for c in keep] + [f"{s} AS {c.name}" for s, _, c in made]
        oracle = [c.name for c in keep] + [f"{o} AS {c.name}" for _, o, c in made]
        if self.chance(0.15):
            some = scalar(self.rng, step.cols, "INT", 1)
            items = self.rng.choice((f"unnest(range(abs({some}) % 4))::INTEGER", f"unnest([{some}, 1, NULL])",
                                     f"unnest(CASE WHEN {some} > 3 THEN [1, 2] ELSE [] END)"))
            cols.append(Col(self.new(), "INT"))
            sql.append(f"{items} AS {cols[-1].name}")
            oracle.append(sql[-1])
            for col in cols:
                col.unique = False
        end = f" FROM {step.name}{self.where(step.cols)}"
        return Step(self.new("d"), cols, step.stream, [step], f"SELECT {', '.join(sql)}{end}",
                    f"SELECT {', '.join(oracle + step.hidden)}{end}", hidden=step.hidden)

    def union(self, step):
        others = [s for s in self.sources + self.steps if s.stream and s.hidden == step.hidden]
        if self.policy == "max" and not step.hidden:
            return None  # what is late would depend on when a row came out of the step before
        parts = [step, self.rng.choice(others)] if others else [step, step]
        width = self.rng.randint(2, 5)
        shared = [k for k in list(SQL_TYPE) if all(any(c.type == k and not c.tainted for c in p.cols) for p in parts)]
        texts, oracles, columns = [], [], []
        kinds = [self.rng.choice(shared) for _ in range(width)] if shared else ["INT", "STR"]
        if all(p.event_times("TS") for p in parts):
            kinds[0] = "TS0"
        for part in parts:
            row = [self.union_column(part, kind) for kind in kinds]
            columns.append([c for _, _, c in row])
            end = f" FROM {part.name}" + (f" WHERE {condition(self.rng, part.cols)}" if self.chance(0.6) else "")
            names = [f"u{i}_{step.name}" for i in range(len(row))]
            texts.append("SELECT " + ", ".join(f"{s} AS {n}" for (s, _, _), n in zip(row, names)) + end)
            oracles.append("SELECT " + ", ".join([f"{o} AS {n}" for (_, o, _), n in zip(row, names)] + step.hidden) + end)
        cols = [Col(n, c[0].type, self.meet(c)) for n, c in zip(names, zip(*columns))]
        return Step(self.new("d"), cols, True, parts, " UNION ALL ".join(texts), " UNION ALL ".join(oracles),
                    hidden=step.hidden)

    def union_column(self, part, kind):
        if kind == "TS0":
            time = self.rng.choice(part.event_times("TS"))
            shift = f"{self.rng.choice('+-')} {interval(self.rng, self.unit * self.rng.randint(1, 5))}"
            if self.chance(0.5):
                return time.name, time.name, Col("", "TS", time.bound)
            return (f"{time.name} {shift}",) * 2 + (Col("", "TS", lambda env, b=time.bound: f"({b(env)} {shift})"),)
        plain = [c for c in part.cols if c.type == kind and not c.tainted]
        if plain and self.chance(0.7):
            col = self.rng.choice(plain)
            return col.name, col.name, Col("", kind, col.bound)
        text = f"({scalar(self.rng, part.cols, kind, 1)})::{SQL_TYPE[kind]}"
        return text, text, Col("", kind)

    def meet(self, cols):
        """The bound where streams meet: none, if one of them has none."""
        bounds = [c.bound for c in cols]
        if not all(bounds):
            return None
        if self.policy == "max":
            return lambda env: "greatest(" + ", ".join(b(env) for b in bounds) + ")"
        return lambda env: (f"CASE WHEN {' AND '.join(f'{b(env)} IS NOT NULL' for b in bounds)} "
                            f"THEN least({', '.join(b(env) for b in bounds)}) END")

    def lookup(self, step):
        """A stream with a table: as it is after the batch of the row, if it changes."""
        tables = [self.dim] + [s for s in self.steps if not s.stream and not s.moving]
        if step.hidden:
            tables += [s for s in self.steps if s.by_batch and not s.inline] * 2
        table = self.rng.choice(tables)
        pairs = [(a, b) for a in step.cols for b in table.cols if a.type == b.type and a.type in ("INT", "STR")]
        if not pairs:
            return None
        mine, other = self.rng.choice(pairs)
        keep = [dataclasses.replace(c) for c in self.kept_columns(step)]
        way = self.rng.choice(("inner", "left", "exists", "not exists", "in", "not in", "scalar"))
        more = [dataclasses.replace(c, name=self.new(), unique=False, bound=None) for c in table.cols]
        cols = keep
        if way in ("inner", "left"):
            cols = [dataclasses.replace(c, unique=False) for c in keep] + more
        elif way == "scalar":
            cols = keep + [Col(more[0].name, other.type)]
        condition_of_table = f" AND {self.prefixed_condition(table)}" if self.chance(0.4) else ""

        def write(rows, also, hidden):
            on = f"s.{mine.name} = x.{other.name}{condition_of_table}{also}"
            names, end = [f"s.{c.name}" for c in keep], ""
            if way in ("inner", "left"):
                names += [f"x.{old.name} AS {c.name}" for old, c in zip(table.cols, more)]
                end = f" {'LEFT ' if way == 'left' else ''}JOIN {rows} AS x ON {on}"
            elif way == "scalar":
                names.append(f"(SELECT max(x.{other.name}) FROM {rows} AS x WHERE {on}) AS {more[0].name}")
            elif way.endswith("exists"):
                end = f" WHERE {way.upper()} (SELECT 1 FROM {rows} AS x WHERE {on})"
            else:
                inside = (condition_of_table + also).replace(" AND ", " WHERE ", 1)
                end = f" WHERE s.{mine.name} {way.upper()} (SELECT x.{other.name} FROM {rows} AS x{inside})"
            return f"SELECT {', '.join(names + hidden)} FROM {step.name} AS s{end}"

        rows, also = table.name, ""
        if table.by_batch:
            rows, also = f"({table.text('by_batch')})", " AND x._at = s._batch"
        return Step(self.new("d"), cols, True, [step, table], write(table.name, "", []),
                    write(rows, also, step.hidden), hidden=step.hidden,
                    correlated=way == "scalar" or way.endswith("exists"))

    def prefixed_condition(self, table):
        return condition(self.rng, [dataclasses.replace(c, name=f"x.{c.name}") for c in table.cols], 0)

    def distinct(self, step):
        """DISTINCT ON a column that says which row it is, or DISTINCT of all columns."""
        cols = [c for c in self.kept_columns(step) if not c.tainted]
        times = [c for c in cols if c.bound]
        unique = [c for c in cols if c.unique]
        end = self.where(step.cols, 0.3)
        names = ", ".join(c.name for c in cols)
        if not cols or any(c.type == "-" for c in cols):
            return None
        late = self.in_time(step, times[0].name, times[0].bound) if times else "true"
        inner = f"SELECT * FROM (SELECT * FROM {step.name}{end}) WHERE {late}"
        keys = unique[:1] if unique and self.chance(0.6) else cols
        on = f"ON ({keys[0].name}) " if keys is not cols else ""
        # Of equal rows the first one counts, for what is hidden in it.
        order = f" ORDER BY {', '.join(c.name for c in keys)}, _batch" if step.hidden else ""
        ons = ", ".join(c.name for c in keys)
        # Where windows are kept, what is made of them is a table without event times.
        kept = "" if step.hidden else f"SELECT DISTINCT ON ({ons}) {names} FROM {step.name}{end}"
        return Step(self.new("d"), [dataclasses.replace(c) for c in cols], True, [step],
                    f"SELECT DISTINCT {on}{names} FROM {step.name}{end}",
                    f"SELECT DISTINCT ON ({ons}) {', '.join([names] + step.hidden)} FROM ({inner}){order}",
                    kept=kept, hidden=step.hidden)

    def in_time(self, step, name, bound):
        """The rows that are not late."""
        if not step.hidden:
            return f"{name} IS NOT NULL"
        return f"{name} IS NOT NULL AND NOT coalesce({name} < {bound(self.row_bounds)}, false)"

    # Groups.

    def keys_of(self, step, most):
        """Columns to group by: (SQL, column); never an event time, which would make a window."""
        plain = [c for c in step.cols if c.type in SQL_TYPE and not c.bound and not c.tainted and c.name != "id"]
        keys = []
        for _ in range(self.rng.randint(0, most)):
            if plain and self.chance(0.7):
                col = self.rng.choice(plain)
                if col.name not in [k.name for _, k in keys]:
                    keys.append((col.name, Col(col.name, col.type)))
            else:
                kind = self.rng.choice(("INT", "STR", "BOOL"))
                text = scalar(self.rng, step.cols, kind, 1)  # a bare number would be a position
                keys.append((f"({text} + 0)" if kind == "INT" else text, Col(self.new("k"), kind)))
        return keys

    def calls(self, cols):
        made = [(call, Col(self.new("a"), kind)) for call, kind in
                (aggregate(self.rng, cols) for _ in range(self.rng.randint(1, 4)))]
        having = ""
        if self.chance(0.25):
            having = self.rng.choice((f"count(*) > {self.rng.randint(1, 4)}", "count(*) % 2 = 0", "count(*) < 6"))
        return made, having

    def grouped(self, keys, window, sets):
        """GROUP BY of (SQL, column) pairs, the window first; and GROUPING() calls to select."""
        texts = list(dict.fromkeys(text for text, _ in keys))
        if not sets or not keys:
            plain = [c.name for _, c in window] + texts
            return (f" GROUP BY {', '.join(plain)}" if plain else ""), []
        names = [c.name for _, c in window]
        chosen = [self.rng.sample(texts, self.rng.randint(0, len(texts))) for _ in range(self.rng.randint(2, 3))]
        chosen[0] += [t for t in texts if not any(t in s for s in chosen)]
        grouping = ", ".join("(" + ", ".join(names + s) + ")" for s in chosen)
        return (f" GROUP BY GROUPING SETS ({grouping})",
                [f"grouping({t}) AS {self.new('g')}" for t in texts[:1]])

    def group(self, step):
        keys = self.keys_of(step, 3)
        calls, having = self.calls(step.cols)
        sets = bool(keys) and self.chance(0.15)
        group, more = self.grouped(keys, [], sets)
        items = [f"{t} AS {c.name}" for t, c in keys] + [f"{t} AS {c.name}" for t, c in calls] + more
        cols = [c for _, c in keys + calls]
        cols += [Col(m.rsplit(" ", 1)[1], "-") for m in more]
        end = f" HAVING {having}" if having else ""
        where = self.where(step.cols, 0.3)
        sql = f"SELECT {', '.join(items)} FROM {step.name}{where}{group}{end}"
        by_batch = ""
        if step.hidden and keys and not sets:
            by_batch = (f"SELECT {', '.join(items)}, _at FROM (SELECT r.*, q._at FROM {step.name} AS r JOIN (SELECT "
                        f"unnest(range({MOST_BATCHES})) AS _at) AS q ON r._batch <= q._at){where}{group}, _at{end}")
        updates = step.stream and keys and not sets and (not having or ">" in having)
        return Step(self.new("d"), cols, False, [step], sql, sql, by_batch=by_batch,
                    key=[c.name for _, c in keys] if updates else [])

    def window(self, step):
        time = self.rng.choice(step.event_times())
        way = self.rng.choice(("tumble", "tumble", "tumble table", "hop", "hop table", "map", "plain"))
        if time.type not in TIMES:
            way = "plain"
        if way.endswith("table") and step.inline:
            way = way.split()[0]
        made = (self.hops if way.startswith("hop") else self.tumbles)(step, time, way)
        if way != "plain" and time.type == "TS" and self.chance(0.2):
            # The finest time closes groups: the event time itself, and not its window.
            made["closing"] = Col(time.name, time.type, time.bound)
            made["keys"].append((time.name, made["closing"]))
        return self.windowed(step, made)

    def tumbles(self, step, time, way):
        name, end = self.new("w"), self.where(step.cols, 0.3)
        filtered = f"(SELECT * FROM {step.name}{end})"
        if way == "plain":
            sql, oracle, kind = (lambda t: t), (lambda t: t), time.type
        elif way == "map":
            sql, oracle, kind = time_map(self.rng, self.unit, time.type)
        else:
            size, more, oracle = tumbling(self.rng, self.unit, time.type)
            sql, kind = (lambda t: f"tumble({t}, {size}{more})"), time.type
        window = Col(name, kind, lambda env: oracle(time.bound(env)))
        rows = f"(SELECT *, {oracle(time.name)} AS {name} FROM {filtered})"
        if way == "tumble table":
            offset = f', "offset" := {more[2:]}' if more else ""
            source = f"tumble({step.name}, {time.name}, {size}{offset}){end}"
            start, nulls, keys = "window_start", False, []
            if self.chance(0.5):
                keys = [("window_end", Col(self.new("e"), kind, lambda env: f"({oracle(time.bound(env))} + {size})"))]
                rows = f"(SELECT *, {name} + {size} AS window_end FROM {rows})"
            return dict(start=start, window=window, source=source, rows=rows, nulls=nulls, keys=keys)
        return dict(start=sql(time.name), window=window, source=f"{step.name}{end}", rows=rows, nulls=True, keys=[])

    def hops(self, step, time, way):
        slide = self.unit * self.rng.choice((1, 2, 3, 5))
        size = slide * self.rng.randint(1, 4) + self.rng.choice((0, 0, self.unit % slide))
        offset = self.unit * self.rng.randint(-7, 7) if self.chance(0.3) else 0
        name, end = self.new("w"), self.where(step.cols, 0.3)
        bucket = lambda t: f"time_bucket(INTERVAL '{slide} seconds', {t}, {origin(time.type, offset)})"  # noqa: E731
        most = -(-size // slide)
        rows = (f"(SELECT * FROM (SELECT f.*, {bucket(time.name)} - n * INTERVAL '{slide} seconds' AS {name} "
                f"FROM (SELECT * FROM {step.name}{end}) AS f, range({most}) AS r(n)) "
                f"WHERE {name} + INTERVAL '{size} seconds' > {time.name})")
        window = Col(name, time.type, lambda env: f"({bucket(f'({time.bound(env)} - INTERVAL {chr(39)}{size} seconds{chr(39)})')}"
                                                  f" + INTERVAL '{slide} seconds')")
        sizes = f"{interval(self.rng, size)}, {interval(self.rng, slide)}"
        shift = interval(self.rng, offset) if offset else ""
        if way == "hop table":
            source = f"hop({step.name}, {time.name}, {sizes}" + (f', "offset" := {shift})' if shift else ")") + end
            return dict(start="window_start", window=window, source=source, rows=rows, nulls=False, keys=[])
        # DuckDB can't group by an unnest() itself.
        call = f"unnest(hop({time.name}, {sizes}{', ' + shift if shift else ''}))"
        source = f"(SELECT *, {call} AS {name} FROM {step.name}{end})"
        return dict(start=name, window=window, source=source, rows=rows, nulls=False, keys=[])

    def windowed(self, step, made):
        """An aggregation by a window: `start` over `source` for millrace, `rows` for the oracle."""
        window, keys = made["window"], made["keys"] + self.keys_of(step, 2)
        inside = [c for c in step.cols]
        calls, having = self.calls(inside)
        closing = made.get("closing", window)
        sets = bool(keys) and closing is window and self.chance(0.15)
        if sets:  # each is NULL in some of them
            keys = [(text, dataclasses.replace(key, bound=None)) for text, key in keys]
        group, more = self.grouped(keys, [("", window)], sets)
        shown = self.chance(0.93)
        tail = [f"{t} AS {c.name}" for t, c in keys] + [f"{t} AS {c.name}" for t, c in calls] + more
        if not sets and shown and self.chance(0.4):
            written = " GROUP BY ALL"
        elif made["start"] != window.name and (not shown or sets or self.chance(0.3)):
            written = group.replace(window.name, made["start"])
        else:
            written = group
        first = made["start"] if made["start"] == window.name else f"{made['start']} AS {window.name}"
        sql = f"SELECT {', '.join([first] * shown + tail)} FROM {made['source']}{written}" \
            + (f" HAVING {having}" if having else "")
        cols = ([window] if shown else []) + [c for _, c in keys + calls] + \
            [Col(m.rsplit(" ", 1)[1], "-") for m in more]
        items = ", ".join([window.name] * shown + tail)

        def oracle(rows, closed):
            conditions = [c for c in (having, closed) if c]
            return f"SELECT {items} FROM {rows}{group}" + (f" HAVING {' AND '.join(conditions)}" if conditions else "")

        timely = f"(SELECT * FROM {made['rows']} WHERE {self.in_time(step, closing.name, closing.bound)})"
        whole = made["rows"] if made["nulls"] else f"(SELECT * FROM {made['rows']} WHERE {window.name} IS NOT NULL)"
        updates = shown and not sets and (not having or ">" in having)
        return Step(self.new("d"), cols, True, [step], sql,
                    oracle(timely, f"{closing.name} < {closing.bound(self.last_bounds)}"), oracle(timely, ""),
                    oracle(whole, ""), key=[window.name] + [c.name for _, c in keys] if updates else [],
                    aggregates=True)

    # Tables.

    def derived(self, step):
        made = self.rowwise(step)
        for col in made.cols:
            col.bound = None
        return made

    def ranked(self, step):
        names = ", ".join(c.name for c in step.cols)
        way = self.rng.random()
        cols = [dataclasses.replace(c) for c in step.cols]
        if way < 0.5:
            end = self.rng.choice(("", f" OFFSET {self.rng.randint(0, 3)}"))
            sql = f"SELECT {names} FROM {step.name} ORDER BY ALL {self.rng.choice(('', 'DESC'))} " \
                  f"LIMIT {self.rng.randint(1, 9)}{end}"
        else:
            call = self.rng.choice((f"row_number() OVER (ORDER BY {names})", f"rank() OVER (ORDER BY {cols[0].name})",
                                    f"count(*) OVER (PARTITION BY {cols[0].name})"))
            cols.append(Col(self.new(), "BIG"))
            sql = f"SELECT {names}, {call} AS {cols[-1].name} FROM {step.name}"
        return Step(self.new("d"), cols, False, [step], sql, sql)

    def tables(self):
        return [self.dim] + [s for s in self.steps if not s.stream]

    def joined(self, step):
        other = self.rng.choice(self.tables())
        pairs = [(a, b) for a in step.cols for b in other.cols if a.type == b.type and a.type in SQL_TYPE]
        if not pairs:
            return None
        mine, its = self.rng.choice(pairs)
        way = self.rng.choice(("", "LEFT ", "RIGHT ", "FULL ", "SEMI ", "ANTI "))
        cols = [dataclasses.replace(c, unique=False) for c in step.cols]
        items = [f"l.{c.name}" for c in cols]
        if way not in ("SEMI ", "ANTI "):
            more = [dataclasses.replace(c, name=self.new(), unique=False) for c in other.cols]
            items += [f"r.{old.name} AS {c.name}" for old, c in zip(other.cols, more)]
            cols += more
        sql = (f"SELECT {', '.join(items)} FROM {step.name} AS l {way}JOIN {other.name} AS r "
               f"ON l.{mine.name} = r.{its.name}")
        return Step(self.new("d"), cols, False, [step, other], sql, sql)

    def sets(self, step):
        kinds = [c.type for c in step.cols if c.type in SQL_TYPE][:3]
        others = [t for t in self.tables() if all(any(c.type == k for c in t.cols) for k in kinds)]
        if not kinds or not others:
            return None
        other = self.rng.choice(others)
        names = [self.new() for _ in kinds]
        parts = []
        for table in (step, other):
            chosen = [self.rng.choice([c.name for c in table.cols if c.type == k]) for k in kinds]
            parts.append("SELECT " + ", ".join(f"{c} AS {n}" for c, n in zip(chosen, names)) +
                         f" FROM {table.name}{self.where(table.cols, 0.4)}")
        way = self.rng.choice(("UNION", "UNION ALL", "EXCEPT", "INTERSECT", "EXCEPT ALL"))
        sql = f" {way} ".join(parts)
        return Step(self.new("d"), [Col(n, k) for n, k in zip(names, kinds)], False, [step, other], sql, sql)
