import { useEffect, useState } from 'preact/hooks'
import type { PipelineSummary } from '../contract.ts'
import { closeGroups, groupOf, isLarge, openGroups, toggleGroup, useBatch, useGraph } from '../groups.ts'
import { keep, loc } from '../router.ts'
import { Waterfall } from '../waterfall.tsx'
import { Bar, Card, Copy, Empty, ErrorBox, Glyph, Icon, Skel, Tag, Th } from '../ui.tsx'
import { bytes, clock, dur, int, many, num, pct, stamp } from '../fmt.ts'
import { partLag, partRead, place, sourceLag } from '../places.ts'

export function BatchPage({ p, at, live }: { p: PipelineSummary; at: number; live: boolean }) {
  const g = useGraph(p, at)
  const open = openGroups(g.data)
  const r = useBatch(p, g.data || g.error ? at : null, g.data, open)
  const there = !!r.data && !!g.data
  useEffect(() => {
    if (there && loc.value.hash) document.getElementById(loc.value.hash.slice(1))?.scrollIntoView()
  }, [there, loc.value.hash])
  const [srcOpen, setSrc] = useState<string | null>(null),
    [edges, setEdges] = useState(false),
    [lim, setLim] = useState(40)
  if (r.error)
    return (
      <div class="pad">
        <ErrorBox e={r.error} />
      </div>
    )
  const b = r.data
  if (!b || !g.data)
    return (
      <div class="pad">
        <Skel rows={12} h={24} />
      </div>
    )
  const kind = new Map(g.data.nodes.map((n) => [n.id, n]))
  const dsn = b.nodes.filter((n) => groupOf(n.id) || kind.get(n.id)?.kind === 'dataset')
  const ok = dsn.every(
    (m) => m.in + m.emitted === m.out + m.filtered + m.late + m.duplicate + m.quarantined + m.absorbed,
  )
  const slow = [...b.phases].sort((x, y) => y.ms - x.ms)[0]
  const slowN = [...dsn].sort((x, y) => y.ms - x.ms)[0]
  const rows = b.progress
  const Z = ({ v, t }: { v: number; t?: string }) => (
    <td class={`r ${v ? (t ? 'c-' + t : '') : 'zero'}`}>{v ? int(v) : '·'}</td>
  )
  const marks = b.sources.flatMap((s) => s.parts.flatMap((x) => x.watermark ?? []))
  const wmMin = b.watermark ?? Math.min(...marks),
    wmMax = Math.max(wmMin, ...marks),
    span = Math.max(1000, wmMax - wmMin)
  const name = (id: string) => groupOf(id) ?? kind.get(id)?.name ?? id
  const perSecond = 1000 / Math.max(p.trigger_ms, b.ms, 1)
  return (
    <div class={`pad bt ${r.stale ? 'stale' : ''}`}>
      <div class="bsum">
        <div>
          <h2>
            Batch {int(b.n)}{' '}
            {b.outcome === 'committed' ? (
              <Tag tone="ok">
                <Icon n="check" size={11} />
                committed
              </Tag>
            ) : (
              <Tag tone="bad">
                <Glyph s="bad" size={9} />
                failed{b.error?.where ? ` at ${b.error.where}` : ''}
              </Tag>
            )}
          </h2>
          <p>
            {stamp(b.at)} UTC · {int(rows.rows_in)} rows in from {many(p.sources, 'source')},{' '}
            {b.outcome === 'failed' ? (
              'nothing written'
            ) : (
              <>
                {int(rows.rows_out)} written to {many(p.sinks, 'sink')} as one cut
              </>
            )}{' '}
            · {dur(b.ms)}, {pct(slow.ms / b.ms, 0)} of it in {slow.name}
            {slow.name === 'run' && slowN ? (
              <>
                , slowest{' '}
                {groupOf(slowN.id) ? (
                  name(slowN.id)
                ) : (
                  <a href={keep(`/p/${p.id}?node=${encodeURIComponent(slowN.id)}`)}>{name(slowN.id)}</a>
                )}
              </>
            ) : (
              ''
            )}
          </p>
        </div>
        <span class="grow" />
        <Copy label="Copy link" text={`${location.origin}/p/${p.id}/batch?at=${b.n}`} />
      </div>
      <div class="cols2">
        <Card title="Time" sub="the tick on each bar is the median of the last 31 batches" cls="wfcard">
          <Waterfall b={b} name={name} />
        </Card>
        <div class="stackc">
          <Card title="Phases">
            <table class="mini phs">
              <tbody>
                {b.phases.map((x) => (
                  <tr>
                    <td>
                      <i class={`sw ph-${x.name}`} />
                      {x.name}
                    </td>
                    <td class="c-dim what">{x.what}</td>
                    <td class="r">
                      <b>{dur(x.ms)}</b>
                    </td>
                    <td
                      class={`r ${x.ms > x.p50 * 1.4 && x.ms > 20 ? 'c-warn' : 'c-dim'}`}
                      title="against the median of 31 batches"
                    >
                      {!x.ms ? (
                        'not run'
                      ) : !x.p50 ? (
                        '–'
                      ) : (
                        <>
                          {x.ms >= x.p50 ? '+' : '−'}
                          {Math.abs((x.ms / x.p50 - 1) * 100).toFixed(0)} %
                        </>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Card>
          <Card title="Watermark" id="watermark" sub={b.watermark === null ? '' : clock(b.watermark, true)}>
            {!marks.length ? (
              <Empty title="No watermark" icon="clock">
                No source of this pipeline has one: <code>watermark: {'{ column, delay }'}</code>
              </Empty>
            ) : (
            <div class="wm">
              {b.holder && (
                <p class={b.holder.idle_ms ? 'c-warn' : ''}>
                  {b.holder.idle_ms ? (
                    <>
                      <Glyph s="warn" />{' '}
                      <b>
                        {b.holder.source} partition {b.holder.part}
                      </b>{' '}
                      holds it back: idle {dur(b.holder.idle_ms)}. Without it the watermark would be{' '}
                      {dur(b.holder.behind_ms)} later.
                    </>
                  ) : (
                    <>
                      <b>{b.holder.source}</b> partition {b.holder.part} is the slowest,{' '}
                      {dur(b.holder.behind_ms)} behind the next. No source is idle.
                    </>
                  )}
                </p>
              )}
              {b.sources.filter((s) => s.parts.some((x) => x.watermark !== null)).slice(0, 6).map((s) => (
                <div class="wmrow">
                  <span>{name(s.id)}</span>
                  <div class="wmline">
                    {s.parts.map(
                      (x) =>
                        x.watermark !== null && (
                          <i
                            class={x.idle_ms ? 'idle' : x.watermark === b.watermark ? 'min' : ''}
                            style={{ left: `${4 + ((x.watermark - wmMin) / span) * 92}%` }}
                            title={`partition ${x.part}: ${clock(x.watermark, true)}`}
                          />
                        ),
                    )}
                  </div>
                </div>
              ))}
              <div class="wmrow ax">
                <span />
                <div class="wmline">
                  <em style={{ left: 0 }}>{clock(wmMin, span < 8000)}</em>
                  <em style={{ right: 0 }}>{clock(wmMax, span < 8000)}</em>
                </div>
              </div>
            </div>
            )}
          </Card>
        </div>
      </div>
      <Card
        title="Row accounting"
        sub="in + made from state = out + kept in state + filtered + duplicate + late + quarantined"
        right={
          <>
            <span class="okline">
              {ok ? (
                <>
                  <Icon n="check" size={12} />
                  every row accounted for
                </>
              ) : (
                <>
                  <Glyph s="bad" />
                  does not add up
                </>
              )}
            </span>
            {isLarge(g.data) && open.size > 0 && (
              <button class="btn sm" onClick={closeGroups}>
                Collapse {many(open.size, 'group')}
              </button>
            )}
            <div class="seg sm">
              <button class={!edges ? 'on' : ''} onClick={() => setEdges(false)}>
                Datasets
              </button>
              <button class={edges ? 'on' : ''} onClick={() => setEdges(true)}>
                Edges
              </button>
            </div>
          </>
        }
      >
        <div class="scroll">
          {!edges ? (
            <table class="acct">
              <thead>
                <tr>
                  <Th>Dataset</Th>
                  <Th w={92} />
                  <Th r>In</Th>
                  <Th r>From state</Th>
                  <Th r>Out</Th>
                  <Th r>Kept in state</Th>
                  <Th r>Filtered</Th>
                  <Th r>Duplicate</Th>
                  <Th r>Late</Th>
                  <Th r>Quarantined</Th>
                  <Th r>Time</Th>
                  <Th w={16} />
                </tr>
              </thead>
              <tbody>
                {dsn.slice(0, lim).map((m) => {
                  const t = m.in + m.emitted || 1
                  const good =
                    m.in + m.emitted ===
                    m.out + m.filtered + m.late + m.duplicate + m.quarantined + m.absorbed
                  return (
                    <tr>
                      <td>
                        {groupOf(m.id) ? (
                          <button class="nbtn" aria-expanded={false} onClick={() => toggleGroup(groupOf(m.id)!)}>
                            <Icon n="right" size={10} />
                            {name(m.id)} <small class="inl">group</small>
                          </button>
                        ) : (
                          <>
                            <a href={keep(`/p/${p.id}?node=${encodeURIComponent(m.id)}`)}>{name(m.id)}</a>{' '}
                            <small class="inl">{kind.get(m.id)?.op}</small>
                          </>
                        )}
                      </td>
                      <td>
                        <span class="idbar thin">
                          {(['out', 'filtered', 'absorbed', 'duplicate', 'late', 'quarantined'] as const).map(
                            (k) =>
                              m[k] > 0 && (
                                <i class={`r-${k}`} style={{ flexGrow: Math.max(m[k], t * 0.012) }} />
                              ),
                          )}
                        </span>
                      </td>
                      <Z v={m.in} />
                      <Z v={m.emitted} />
                      <td class="r">
                        <b>{int(m.out)}</b>
                      </td>
                      <Z v={m.absorbed} />
                      <Z v={m.filtered} />
                      <Z v={m.duplicate} />
                      <Z v={m.late} t="late" />
                      <td class={`r ${m.quarantined ? '' : 'zero'}`}>
                        {m.quarantined ? (
                          <a class="c-quar" href={`/p/${p.id}/quality?at=${b.n}&dataset=${m.id}`}>
                            {int(m.quarantined)}
                          </a>
                        ) : (
                          '·'
                        )}
                      </td>
                      <td class="r">{dur(m.ms)}</td>
                      <td>{good ? <Icon n="check" size={11} /> : <Glyph s="bad" />}</td>
                    </tr>
                  )
                })}
              </tbody>
              <tfoot>
                <tr>
                  <td>Whole batch</td>
                  <td />
                  <td class="r">{int(rows.rows_in)}</td>
                  <td />
                  <td class="r">{int(rows.rows_out)}</td>
                  <td />
                  <td class="r">{int(rows.filtered)}</td>
                  <td class="r">{int(rows.dup)}</td>
                  <td class="r">{int(rows.late)}</td>
                  <td class="r">{int(rows.quarantined)}</td>
                  <td class="r">{dur(b.ms)}</td>
                  <td />
                </tr>
              </tfoot>
            </table>
          ) : (
            <table class="acct">
              <thead>
                <tr>
                  <Th>From</Th>
                  <Th>To</Th>
                  <Th r>Rows</Th>
                  <Th r>Rows per s</Th>
                  <Th r>Bytes</Th>
                  <Th w={160}>Share of input</Th>
                </tr>
              </thead>
              <tbody>
                {b.edges.slice(0, lim).map((e) => (
                  <tr>
                    <td>{name(e.from)}</td>
                    <td>{name(e.to)}</td>
                    <td class="r">{int(e.rows)}</td>
                    <td class="r">{num(e.rows * perSecond)}</td>
                    <td class="r">{e.bytes === null ? '–' : bytes(e.bytes)}</td>
                    <td>
                      <Bar x={e.rows / (rows.rows_in || 1)} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </div>
        {(edges ? b.edges : dsn).length > lim && (
          <button class="btn ghost sm more" onClick={() => setLim(lim + 200)}>
            Show {int(Math.min(200, dsn.length - lim))} more of {int(dsn.length)}
          </button>
        )}
      </Card>
      <div class="cols2 even">
        <Card title="Offsets" id="offsets" sub="read by this batch; the log holds the same numbers">
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <Th>Source</Th>
                  <Th r>Partitions</Th>
                  <Th r>Rows</Th>
                  <Th r>Lag after</Th>
                  <Th w={110}>Read per partition</Th>
                </tr>
              </thead>
              <tbody>
                {b.sources.slice(0, 16).map((s) => {
                  const rowsN = s.rows,
                    known = s.parts.some((x) => partLag(x) !== null),
                    lag = sourceLag(s),
                    mx = Math.max(1, ...s.parts.map(partRead))
                  const o = srcOpen === s.id
                  return (
                    <>
                      <tr class="click" onClick={() => setSrc(o ? null : s.id)}>
                        <td>
                          <button
                            class={`caret ${o ? 'o' : ''}`}
                            aria-expanded={o}
                            aria-label={`Partitions of ${name(s.id)}`}
                          >
                            <Icon n="right" size={10} />
                          </button>
                          <b>{name(s.id)}</b> <small class="inl">{s.where || s.kind}</small>
                        </td>
                        <td class="r">{s.parts.length}</td>
                        <td class="r">{int(rowsN)}</td>
                        <td class={`r ${lag > rowsN * 0.5 && rowsN > 50 ? 'c-warn' : ''}`}>
                          {lag ? int(lag) : <span class="c-dim">{known || s.lag_rows === 0 ? 'at head' : '–'}</span>}
                        </td>
                        <td>
                          <span class="pbars">
                            {s.parts.map((x) => (
                              <i
                                class={x.idle_ms ? 'idle' : ''}
                                style={{ height: Math.max(2, (partRead(x) / mx) * 16) }}
                                title={`${x.part}: ${place(x.from)} → ${place(x.to)}`}
                              />
                            ))}
                          </span>
                        </td>
                      </tr>
                      {o &&
                        s.parts.map((x) => (
                          <tr class="subr">
                            <td>
                              <code>
                                [{x.part}] {place(x.from)} → {place(x.to)}
                              </code>
                            </td>
                            <td />
                            <td class="r">{int(partRead(x))}</td>
                            <td class="r">{place(partLag(x))}</td>
                            <td>
                              {x.idle_ms ? (
                                <span class="c-warn">idle {dur(x.idle_ms)}</span>
                              ) : (
                                x.watermark === null ? '–' : clock(x.watermark, true)
                              )}
                            </td>
                          </tr>
                        ))}
                    </>
                  )
                })}
              </tbody>
            </table>
          </div>
        </Card>
        <Card
          title="Sinks"
          sub={b.outcome === 'committed' ? 'published together at commit' : 'nothing published'}
        >
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <Th>Sink</Th>
                  <Th r>Rows</Th>
                  <Th r>Bytes</Th>
                  <Th r>Files</Th>
                  <Th>Version</Th>
                  <Th r>Stage</Th>
                </tr>
              </thead>
              <tbody>
                {b.sinks.map((s) => (
                  <tr>
                    <td>
                      <b>{name(s.id)}</b> <small class="inl">{s.kind}</small>
                    </td>
                    <td class="r">{int(s.rows)}</td>
                    <td class="r">{bytes(s.bytes)}</td>
                    <td class="r">{s.files || <span class="c-dim">–</span>}</td>
                    <td>
                      <code class="trunc">{s.version}</code>
                    </td>
                    <td class="r">{dur(s.ms)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </Card>
      </div>
      <p class="c-dim sm">
        Plan fingerprint <code>{b.fingerprint}</code> · processing is deterministic: running batch {int(b.n)}{' '}
        again from these offsets writes the same rows.
      </p>
    </div>
  )
}
