"""What millrace is known to get wrong or to refuse: such pipelines are not made, unless asked for with --all.

Each entry is to go when it is mended. A function says whether the steps of a case are of that kind.
"""
from grammar import inlined


def rows_before_windows(steps):
    """A dataset without state passes no watermark on: what reads it closes no window and forgets no key."""
    read = {id(r) for step in steps for part in [step] + inlined(step) for r in part.reads}
    return any(step.stream and not step.inline and id(step) in read and step.sql and step.event_times()
               and step.name != "timed"  # which has a watermark of its own
               and not any(has_state(part) for part in [step] + inlined(step)) for step in steps)


def correlated_before_windows(steps):
    """Event time is not followed through a correlated subquery."""
    return any(has_state(step) and step.stream and any(p.correlated for p in below(step)) for step in steps)


def has_state(step):
    return bool(step.every or step.kept or step.sql.startswith("SELECT DISTINCT"))


def below(step):
    for read in step.reads:
        yield read
        yield from below(read)


# Groups of such event times never come out in mode update.
INFINITE = ("infinity", "-infinity")
KNOWN = {"rows before windows": rows_before_windows, "correlated before windows": correlated_before_windows}
