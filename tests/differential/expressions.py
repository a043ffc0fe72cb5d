"""Random scalar expressions, aggregates and maps of event time, as SQL that means the same on both sides.

Values stay small and floating-point numbers are multiples of 1/64, so that sums are exact in any order and
nothing overflows. Types are short tags; what has no tag here (lists, averages) is only passed on.
"""
import dataclasses
from typing import Callable, Optional

SQL_TYPE = {"INT": "INTEGER", "BIG": "BIGINT", "DBL": "DOUBLE", "DEC": "DECIMAL(9,2)", "STR": "VARCHAR",
            "DATE": "DATE", "TS": "TIMESTAMP", "TZ": "TIMESTAMPTZ", "BOOL": "BOOLEAN"}
NUMBERS = ("INT", "BIG", "DBL", "DEC")
TIMES = ("TS", "TZ")
EPOCH = "1970-01-01 00:00:00"


@dataclasses.dataclass
class Col:
    name: str
    type: str
    # The oracle's SQL of what all values still to come reach, of the watermarks' SQL by source.
    bound: Optional[Callable[[dict], str]] = None
    unique: bool = False  # says which row it is: rows with an equal value are equal
    tainted: bool = False  # a further event time of a group, whose bound is not modelled


def literal(rng, kind):
    number = rng.randint(-3, 12)
    # In parentheses, as -1::VARCHAR is -(1::VARCHAR); so is every other minus.
    return {"INT": f"({number})", "BIG": f"({number * 100})", "DBL": f"({number / 4})", "DEC": f"({number}.5)",
            "STR": f"'{rng.choice('abcdef')}'", "BOOL": rng.choice(("true", "false")),
            "DATE": f"DATE '2024-02-{rng.randint(1, 29):02}'",
            "TS": f"TIMESTAMP '2024-02-29 {rng.randint(0, 23):02}:30:00'",
            "TZ": f"TIMESTAMPTZ '2024-02-29 {rng.randint(0, 23):02}:30:00+00'"}[kind]


def column(rng, cols, kind):
    """A column of that type whose event time, if any, does not follow it."""
    fits = [c.name for c in cols if c.type == kind and c.bound is None and not c.tainted]
    return rng.choice(fits) if fits else None


def scalar(rng, cols, kind, depth=2):
    leaf = column(rng, cols, kind)
    if depth == 0 or rng.random() < 0.35:
        return leaf if leaf and rng.random() < 0.85 else literal(rng, kind)
    one = lambda wanted=kind: scalar(rng, cols, wanted, depth - 1)  # noqa: E731
    if rng.random() < 0.15:
        return rng.choice((f"CASE WHEN {condition(rng, cols, depth - 1)} THEN {one()} ELSE {one()} END",
                           f"coalesce({one()}, {one()})", f"nullif({one()}, {one()})",
                           f"greatest({one()}, {one()})"))
    if kind in ("INT", "BIG"):
        cast = SQL_TYPE[kind]
        forms = [f"({one()} + {one()})", f"({one()} - {one()})", f"({one()} % 7)::{cast}",
                 f"({one()} * {rng.randint(-2, 3)})::{cast}", f"abs({one()})",
                 f"length({one('STR')})::{cast}", f"({one('DBL')} > 1)::{cast}", f"(-({one()}))"]
        times = [c.name for c in cols if c.type in TIMES]
        if times:
            forms += [f"extract({rng.choice(('minute', 'hour', 'day'))} FROM {rng.choice(times)})::{cast}"]
        return rng.choice(forms)
    if kind == "DBL":
        return rng.choice((f"({one()} + {one()})", f"({one()} * 0.5::DOUBLE)", f"({one('INT')} / 4)",
                           f"floor({one()})", f"({one('INT')})::DOUBLE"))
    if kind == "DEC":
        return rng.choice((f"({one()} + {literal(rng, kind)})::DECIMAL(9,2)", f"abs({one()})",
                           f"({one('INT')} % 100)::DECIMAL(9,2)", f"(-({one()}))::DECIMAL(9,2)"))
    if kind == "STR":
        return rng.choice((f"upper({one()})", f"({one()} || {one()})", f"substr({one()}, 1, 3)",
                           f"replace({one()}, 'a', 'zz')", f"({one('INT')})::VARCHAR",
                           f"concat({one()}, '-')", f"lpad({one()}, 14, 'x')"))
    if kind == "BOOL":
        return f"({condition(rng, cols, depth - 1)})"
    if kind == "DATE":
        return rng.choice((f"({one()} + {rng.randint(-3, 9)})::DATE", f"last_day({one()})"))
    return f"({one()} + INTERVAL {rng.randint(1, 90)} MINUTE)"


def condition(rng, cols, depth=2):
    if depth > 0 and rng.random() < 0.3:
        left, right = (condition(rng, cols, depth - 1) for _ in range(2))
        return rng.choice((f"({left} AND {right})", f"({left} OR {right})", f"NOT ({left})"))
    used = sorted({c.type for c in cols if c.type in SQL_TYPE})
    kind = rng.choice(used or ["INT"])
    names = [c.name for c in cols if c.type == kind]
    # Comparing an event time is fine: no event time follows a boolean.
    value = rng.choice(names) if names and rng.random() < 0.6 else scalar(rng, cols, kind, depth - 1 if depth else 0)
    other = scalar(rng, cols, kind, 0)
    if kind == "BOOL" and rng.random() < 0.5:
        return f"({value})"
    sign = rng.choice(("<", "<=", "=", "<>", ">", ">="))
    forms = [f"{value} {sign} {other}", f"{value} {sign} {other}", f"{value} IS NULL", f"{value} IS NOT NULL",
             f"{value} IS DISTINCT FROM {other}",
             f"{value} IN ({other}, {literal(rng, kind)}, {literal(rng, kind)})",
             f"{value} NOT IN ({literal(rng, kind)}, {literal(rng, kind)})",
             f"{value} BETWEEN {literal(rng, kind)} AND {other}"]
    if kind == "STR":
        forms += [f"{value} LIKE '{rng.choice(('a%', '%b%', '_', '%1'))}'", f"length({value}) > 1"]
    return rng.choice(forms)


def aggregate(rng, cols):
    """A call that does not depend on the order of rows, and the tag of its type."""
    usable = [c for c in cols if c.type in SQL_TYPE]
    col = rng.choice(usable) if usable else None
    if col is None or rng.random() < 0.15:
        return "count(*)", "BIG"
    if rng.random() < 0.2 and col.type in ("INT", "STR", "DBL", "BOOL"):
        value, kind = scalar(rng, cols, col.type, 1), col.type
    else:
        value, kind = col.name, col.type
    # "@" marks where FILTER belongs: behind the call itself, not what is made of its result.
    forms = [(f"count({value})@", "BIG"), (f"count(DISTINCT {value})@", "BIG"), (f"min({value})@", kind),
             (f"max({value})@", kind), (f"list_sort(list({value})@)", "-"),
             (f"list_sort(list(DISTINCT {value})@)", "-"), (f"min({value}, 2)@", "-"),
             (f"max(DISTINCT {value})@", kind), (f"approx_count_distinct({value})@", "BIG"),
             (f"quantile_disc({value}, 0.3)@", kind), (f"histogram({value})@", "-")]
    if kind in NUMBERS:
        forms += [(f"sum({value})@", "-"), (f"sum(DISTINCT {value})@", "-"), (f"avg({value})@", "-"),
                  (f"median({value})@", "-"), (f"max([{value}, 1])@", "-")] * 2
    if kind in ("INT", "BIG"):
        forms += [(f"sum({value})@::BIGINT", "BIG"), (f"bit_xor({value})@", kind), (f"bit_or({value})@", kind),
                  (f"sum({value} * {value})@::BIGINT % 1000", "BIG"), (f"avg(DISTINCT {value})@", "-")] * 2
    if kind == "BOOL":
        forms += [(f"bool_and({value})@", kind), (f"bool_or({value})@", kind),
                  (f"count_if({value})@::BIGINT", "BIG")] * 3
    keys = [c.name for c in cols if c.unique]
    if keys:
        key = rng.choice(keys)
        forms += [(f"arg_min({value}, {key})@", kind), (f"arg_max({value}, {key})@", kind),
                  (f"max_by({value}, {key})@", kind), (f"arg_min({value}, {key}, 2)@", "-")]
    call, result = rng.choice(forms)
    only = f" FILTER (WHERE {condition(rng, cols, 1)})" if rng.random() < 0.2 else ""
    return call.replace("@", only), result


def interval(rng, seconds):
    """An INTERVAL of that length, written in one of the ways there are."""
    ways = [f"INTERVAL '{seconds} seconds'", f"INTERVAL ({seconds}) SECONDS"]
    for size, name in ((60, "MINUTE"), (3600, "HOUR"), (86400, "DAY")):
        if seconds % size == 0 and seconds > 0:
            ways += [f"INTERVAL {seconds // size} {name}", f"INTERVAL '{seconds // size} {name.lower()}s'"]
    return rng.choice(ways)


def origin(kind, offset=0):
    """Where windows are aligned to, which for DuckDB's own time_bucket() is elsewhere."""
    cast = "TIMESTAMPTZ" if kind == "TZ" else "TIMESTAMP"
    zone = "+00" if kind == "TZ" else ""
    return f"({cast} '{EPOCH}{zone}' + INTERVAL '{offset} seconds')"


def tumbling(rng, unit, kind):
    """(millrace's SQL, the oracle's) of the start of a tumbling window, as functions of the time's SQL."""
    size = unit * rng.choice((1, 2, 3, 5, 7, 12, 20))
    offset = unit * rng.randint(-9, 9) if rng.random() < 0.3 else 0
    if unit >= 3600 and rng.random() < 0.3:
        months = rng.choice((1, 1, 2, 3, 12))
        written = rng.choice((f"INTERVAL {months} MONTH", f"INTERVAL '{months} months'"))
        oracle = (lambda t: f"(time_bucket(INTERVAL {months} MONTH, {t} - INTERVAL '{offset} seconds', "
                            f"{origin(kind)}) + INTERVAL '{offset} seconds')")
    else:
        written = interval(rng, size)
        oracle = (lambda t: f"time_bucket(INTERVAL '{size} seconds', {t}, {origin(kind, offset)})")
    more = f", {interval(rng, offset)}" if offset else ""
    return written, more, oracle


def time_map(rng, unit, kind):
    """A function of a time that never decreases: (SQL for millrace, SQL for the oracle, type)."""
    way = rng.random()
    if way < 0.45:
        size, more, oracle = tumbling(rng, unit, kind)
        return (lambda t: f"tumble({t}, {size}{more})"), oracle, kind
    if way < 0.6:
        part = rng.choice(("minute", "hour", "day", "month", "week") if unit < 3600 else ("day", "month", "year"))
        same = (lambda t: f"date_trunc('{part}', {t})")
        return same, same, kind
    if way < 0.75:
        size = interval(rng, unit * rng.choice((2, 5, 10)))
        same = (lambda t: f"time_bucket({size}, {t})")
        return same, same, kind
    if way < 0.9:
        step = f"{rng.choice('+-')} {interval(rng, unit * rng.randint(1, 9))}"
        same = (lambda t: f"({t} {step})")
        return same, same, kind
    if way < 0.95:
        same = (lambda t: f"({t})::DATE")
        return same, same, "DATE"
    other = "TZ" if kind == "TS" else "TS"
    same = (lambda t: f"({t})::{SQL_TYPE[other]}")
    return same, same, other
