import { useMemo, useState } from 'preact/hooks'
import type { Batch, GraphNode, Graph, PipelineSummary, Progress } from '../contract.ts'
import { PHASES } from '../contract.ts'
import { keep, q, setQ } from '../router.ts'
import { GraphView } from '../graph.tsx'
import { GraphTable } from '../graph_table.tsx'
import { isLarge, neighbours, openGroups, useBatch, useGraph } from '../groups.ts'
import { Chart } from '../chart.tsx'
import { Bar, ErrorBox, Icon, Skel, Sql, Tag } from '../ui.tsx'
import { bytes, dur, int, num, pct } from '../fmt.ts'
import { isOn, rateAt } from '../rates.ts'
import { partLag, partRead, place } from '../places.ts'
import { Identity } from '../accounting.tsx'

export function GraphPage({
  p,
  at,
  live,
  s,
}: {
  p: PipelineSummary
  at: number
  live: boolean
  s: Progress[]
}) {
  const g = useGraph(p, live ? -1 : at) // the newest batch may be one from before a reload
  const sel = q('node'),
    focus = q('focus'),
    asTable = q('view') === 'table'
  const [find, setFind] = useState(''),
    [hops, setHops] = useState(2)
  const only = useMemo(
    () => (focus && g.data?.nodes.some((n) => n.id === focus) ? neighbours(g.data, focus, hops) : null),
    [g.data, focus, hops],
  )
  const open = useMemo(() => openGroups(g.data, [sel, ...(only ?? [])]), [g.data, sel, only, q('open')])
  const b = useBatch(p, at >= 0 && p.batch >= 0 && (g.data || g.error) ? at : null, g.data, open)
  const view = s.slice(-240)
  const x = view.map((v) => v.n)
  const pick = (n: number) => setQ({ at: n >= p.batch ? null : n }, true)
  const node = g.data?.nodes.find((n) => n.id === sel)
  return (
    <div class={`gpage ${node ? 'has' : ''}`}>
      <div class="gwrap">
        <div class="gbar">
          <label class="inp">
            <Icon n="search" size={12} />
            <input
              placeholder={`Find in ${int(g.data?.nodes.length ?? 0)} nodes`}
              aria-label="Find a node"
              value={find}
              onInput={(e) => setFind(e.currentTarget.value)}
              onKeyDown={(e) => {
                if (e.key === 'Enter') {
                  const h = g.data?.nodes.find((n) => n.name.toLowerCase().includes(find.toLowerCase()))
                  if (h) setQ({ node: h.id, focus: isLarge(g.data) ? h.id : null })
                }
              }}
            />
          </label>
          <div class="seg sm" role="group" aria-label="View">
            {[
              ['Graph', null],
              ['Table', 'table'],
            ].map(([label, view]) => (
              <button
                class={asTable === (view === 'table') ? 'on' : ''}
                aria-pressed={asTable === (view === 'table')}
                onClick={() => setQ({ view }, true)}
              >
                {label}
              </button>
            ))}
          </div>
          {g.isOther && <span class="crumbtag">The graph as it is now: what batch {int(at)} ran is not known any more</span>}
          {focus && (
            <span class="crumbtag">
              Neighbourhood of <b>{g.data?.nodes.find((n) => n.id === focus)?.name ?? focus}</b>
              <button aria-label="Fewer hops" onClick={() => setHops(Math.max(1, hops - 1))}>
                −
              </button>
              {hops} hops
              <button aria-label="More hops" onClick={() => setHops(hops + 1)}>
                +
              </button>
              <button aria-label="Show whole graph" onClick={() => setQ({ focus: null })}>
                <Icon n="x" size={11} />
              </button>
            </span>
          )}
        </div>
        {b.error || g.error ? (
          <div class="pad">
            <ErrorBox e={(b.error ?? g.error)!} retry={g.error ? g.again : undefined} />
          </div>
        ) : !g.data ? (
          <Skel rows={8} h={30} />
        ) : asTable ? (
          <GraphTable
            g={g.data}
            b={b.data}
            open={open}
            only={only}
            sel={sel}
            onSel={(id) => setQ({ node: id }, true)}
            find={find}
          />
        ) : (
          <GraphView
            g={g.data}
            b={b.data}
            sel={sel}
            onSel={(id) => setQ({ node: id }, true)}
            trigger={p.trigger_ms}
            live={live && isOn(p)}
            find={find}
            open={open}
            only={only}
          />
        )}
        <div class="charts">
          <div>
            <h3>Rows per second</h3>
            <Chart
              at={at}
              live={live}
              onPick={pick}
              fmt={num}
              data={[
                x,
                view.map((_, i) => rateAt(view, i, p.trigger_ms, 'rows_in')),
                view.map((_, i) => rateAt(view, i, p.trigger_ms, 'rows_out')),
              ]}
              series={[
                { label: 'in', color: '--c1', fill: '--c1f' },
                { label: 'out', color: '--c2' },
              ]}
            />
          </div>
          <div>
            <h3>Batch duration by phase</h3>
            <Chart
              at={at}
              live={live}
              onPick={pick}
              fmt={dur}
              stack
              line={p.trigger_ms ? { y: p.trigger_ms, label: `trigger ${dur(p.trigger_ms)}` } : undefined}
              data={[x, ...[4, 3, 2, 1, 0].map((i) => view.map((v) => v.ph[i]))]}
              series={[4, 3, 2, 1, 0].map((i) => ({ label: PHASES[i], color: `--ph-${PHASES[i]}` }))}
            />
          </div>
          <div>
            <h3>Freshness and watermark delay</h3>
            <Chart
              at={at}
              live={live}
              onPick={pick}
              fmt={dur}
              data={[x, view.map((v) => v.freshness_ms), view.map((v) => v.wm_delay_ms)]}
              series={[
                { label: 'freshness', color: '--c1', fill: '--c1f' },
                { label: 'watermark', color: '--c3', dash: [4, 3] },
              ]}
            />
          </div>
        </div>
      </div>
      {node && <Inspector p={p} n={node} g={g.data!} b={b.data} at={at} />}
    </div>
  )
}

function Inspector({ p, n, g, b, at }: { p: PipelineSummary; n: GraphNode; g: Graph; b?: Batch; at: number }) {
  const [tab, setTab] = useState('now')
  const m = b?.nodes.find((x) => x.id === n.id)
  const ups = g.edges.filter((e) => e.to === n.id).map((e) => e.from),
    downs = g.edges.filter((e) => e.from === n.id).map((e) => e.to)
  const src = b?.sources.find((x) => x.id === n.id),
    sk = b?.sinks.find((x) => x.id === n.id),
    checks = b?.checks.filter((c) => c.dataset === n.id) ?? []
  const share = m && b && b.ms ? m.ms / b.ms : 0
  const perSecond = 1000 / Math.max(p.trigger_ms, b?.ms ?? 0, 1)
  const nameOf = (id: string) => g.nodes.find((x) => x.id === id)?.name ?? id
  const L = ({ id }: { id: string }) => (
    <a
      class="nlink"
      href={keep(
        `/p/${p.id}?node=${encodeURIComponent(id)}${q('focus') ? '&focus=' + encodeURIComponent(id) : ''}`,
      )}
    >
      {nameOf(id)}
    </a>
  )
  return (
    <aside class="insp" aria-label={`Inspector: ${n.name}`}>
      <header>
        <Icon n={n.kind} />
        <h2>{n.name}</h2>
        {n.op && <Tag>{n.op}</Tag>}
        <span class="grow" />
        <button class="btn ghost icn" aria-label="Close inspector" onClick={() => setQ({ node: null }, true)}>
          <Icon n="x" />
        </button>
      </header>
      <div class="seg" role="tablist">
        {[
          ['now', 'This batch'],
          ['sql', 'SQL'],
          ['plan', 'Plan'],
          ['cols', 'Columns'],
        ].map(([k, l]) => (
          <button
            role="tab"
            aria-selected={tab === k}
            class={tab === k ? 'on' : ''}
            onClick={() => setTab(k)}
          >
            {l}
          </button>
        ))}
      </div>
      {tab === 'now' &&
        (!m || !b ? (
          p.batch < 0 ? (
            <p class="ib c-dim">No batch has run yet.</p>
          ) : b ? (
            <p class="ib c-dim">It had no part in this batch.</p>
          ) : (
            <Skel />
          )
        ) : (
          <div class="ib">
            <div class="kv2">
              <div>
                <span>Time</span>
                <b>{dur(m.ms)}</b>
                <small>{pct(share, 0)} of batch</small>
              </div>
              <div>
                <span>Rows in</span>
                <b>{num(m.in * perSecond)}/s</b>
                <small>{int(m.in)}</small>
              </div>
              <div>
                <span>Rows out</span>
                <b>{num(m.out * perSecond)}/s</b>
                <small>{int(m.out)}</small>
              </div>
            </div>
            {n.kind === 'dataset' && (
              <>
                <h4>Where the rows went</h4>
                <Identity m={m} />
              </>
            )}
            {m.state_rows > 0 && (
              <>
                <h4>State</h4>
                <dl class="dl">
                  <dt>Rows</dt>
                  <dd>{int(m.state_rows)}</dd>
                  <dt>Size</dt>
                  <dd>{bytes(m.state_bytes)}</dd>
                </dl>
              </>
            )}
            {checks.length > 0 && (
              <>
                <h4>Checks</h4>
                <ul class="cks">
                  {checks.map((c) => (
                    <li>
                      <span class={`dot ${c.failed ? 'f-' + c.consequence : 'okd'}`} />
                      <div>
                        <b>{c.name}</b>
                        <code>{c.expr}</code>
                      </div>
                      <span class="grow" />
                      {c.failed ? (
                        <Tag
                          tone={
                            c.consequence === 'quarantine'
                              ? 'quar'
                              : c.consequence === 'fail'
                                ? 'bad'
                                : c.consequence === 'drop'
                                  ? 'warn'
                                  : 'info'
                          }
                        >
                          {int(c.failed)} {c.consequence}
                        </Tag>
                      ) : (
                        <span class="c-dim">all pass</span>
                      )}
                    </li>
                  ))}
                </ul>
              </>
            )}
            {src && (
              <>
                <h4>
                  Offsets{' '}
                  <em>
                    {src.parts.length} partition{src.parts.length > 1 ? 's' : ''}
                  </em>
                </h4>
                <div class="parts">
                  {src.parts.slice(0, 12).map((x) => (
                    <div class={x.idle_ms ? 'idle' : ''}>
                      <span>{x.part}</span>
                      <code>
                        {place(x.from)} → {place(x.to)}
                      </code>
                      <b>
                        {x.idle_ms
                          ? `idle ${dur(x.idle_ms)}`
                          : partLag(x) === null
                            ? `${num(partRead(x))} read`
                            : partLag(x)
                              ? `lag ${num(partLag(x)!)}`
                              : 'at head'}
                      </b>
                    </div>
                  ))}
                  {src.parts.length > 12 && (
                    <a href={keep(`/p/${p.id}/batch#offsets`)}>{src.parts.length - 12} more</a>
                  )}
                </div>
              </>
            )}
            {sk && (
              <>
                <h4>Written</h4>
                <dl class="dl">
                  <dt>Target</dt>
                  <dd>{sk.where}</dd>
                  <dt>Rows</dt>
                  <dd>{int(sk.rows)}</dd>
                  <dt>Bytes</dt>
                  <dd>{bytes(sk.bytes)}</dd>
                  {sk.files > 0 && (
                    <>
                      <dt>Files</dt>
                      <dd>{sk.files}</dd>
                    </>
                  )}
                  <dt>Version</dt>
                  <dd>
                    <code>{sk.version}</code>
                  </dd>
                </dl>
              </>
            )}
            <h4>Connected</h4>
            <p class="conns">
              {ups.length > 0 && (
                <>
                  from{' '}
                  {ups.map((u) => (
                    <L id={u} />
                  ))}
                </>
              )}
              {downs.length > 0 && (
                <>
                  {' '}
                  to{' '}
                  {downs.map((u) => (
                    <L id={u} />
                  ))}
                </>
              )}
            </p>
            <div class="acts">
              {n.table && (
                <a class="btn" href={keep(`/p/${p.id}/state?table=${encodeURIComponent(n.name)}`)}>
                  <Icon n="table" />
                  Query table
                </a>
              )}
              {isLarge(g) && (
                <button class="btn" onClick={() => setQ({ focus: n.id })}>
                  <Icon n="fit" />
                  Focus
                </button>
              )}
            </div>
          </div>
        ))}
      {tab === 'sql' && (
        <div class="ib">
          {n.sql ? (
            <Sql code={n.sql} />
          ) : (
            <p class="c-dim">
              {n.kind === 'source' ? 'A source has no SQL.' : 'A sink writes its input as it is.'}
            </p>
          )}
        </div>
      )}
      {tab === 'plan' && (
        <div class="ib">
          <Plan n={n} b={b} />
        </div>
      )}
      {tab === 'cols' && (
        <div class="ib">
          <table class="mini">
            <tbody>
              {n.columns.map(([c, t]) => (
                <tr>
                  <td>
                    <code>{c}</code>
                  </td>
                  <td class="c-dim">{t}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </aside>
  )
}
/** What a node is made of, and what it did in the batch, step by step as the engine timed it. */
function Plan({ n, b }: { n: GraphNode; b?: Batch }) {
  const spans = b?.spans.filter((s) => s.lane === n.id) ?? []
  const most = Math.max(0.001, ...spans.map((s) => s.ms))
  return (
    <>
      <p>{n.detail}</p>
      <ol class="plan">
        {spans.map((s) => (
          <li>
            <span>
              {s.phase}, {int(s.rows)} rows
            </span>
            <Bar x={s.ms / most} tone={s.ms > s.p50 * 1.4 && s.ms > 12 ? 'warn' : 'accent'} />
            <b>{dur(s.ms)}</b>
          </li>
        ))}
      </ol>
      {!spans.length && <p class="c-dim sm">Nothing was run of it in this batch.</p>}
      {n.plan && (
        <pre class="operators" tabIndex={0} aria-label={`Operators of ${n.name}`}>
          {n.plan}
        </pre>
      )}
    </>
  )
}
