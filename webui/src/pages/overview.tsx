import { useState } from 'preact/hooks'
import type { Finding, PipelineSummary } from '../contract.ts'
import { pipelines, process_ } from '../api.ts'
import { go } from '../router.ts'
import { Bar, Empty, Glyph, Icon, Spark, Status, Strip, Th } from '../ui.tsx'
import { bytes, dur, int, many, num, pct } from '../fmt.ts'
import { hasWatermark, heldBy, isOn, ofTrigger, rate } from '../rates.ts'
import { behind, stateOf } from '../shell.tsx'

const med = (a: number[]) => [...a].sort((x, y) => x - y)[a.length >> 1] ?? 0
const p99 = (a: number[]) => [...a].sort((x, y) => x - y)[Math.floor(a.length * 0.99)] ?? 0
const RANK: Record<string, number> = {
  failed: 0,
  behind: 1,
  paused: 2,
  starting: 3,
  running: 3,
  stopped: 5,
}
/** What a link of a finding leads to. */
const whereTo = (link: string) =>
  link.includes('?node=')
    ? 'Open in the graph'
    : link.includes('/batch')
      ? 'See the batch'
      : link.includes('/quality')
        ? 'See the check'
        : link.includes('/state')
          ? 'See the state'
          : 'Open'

/** More of them are a click away: pipelines are to be seen, too. */
const FINDINGS_SHOWN = 6

export function Overview() {
  const ps = pipelines.value!,
    pr = process_.value
  const [f, setF] = useState(''),
    [sort, setSort] = useState('health'),
    [all, setAll] = useState(false)
  const find: Finding[] = ps
    .flatMap((p) => p.findings)
    .sort((a, b) => ['bad', 'warn', 'info'].indexOf(a.severity) - ['bad', 'warn', 'info'].indexOf(b.severity))
  const rows = ps
    .filter((p) => !f || p.id.includes(f) || p.title.toLowerCase().includes(f.toLowerCase()))
    .sort((a, b) =>
      sort === 'name'
        ? a.id.localeCompare(b.id)
        : sort === 'rows'
          ? rate(b) - rate(a)
          : sort === 'fresh'
            ? fresh(b) - fresh(a)
            : RANK[stateOf(a)] - RANK[stateOf(b)] || ps.indexOf(a) - ps.indexOf(b),
    )
  const count = (k: string) => ps.filter((p) => stateOf(p) === k).length
  const tot = rowsBySecond(ps)
  return (
    <main>
      <div class="pad ov">
        <div class="ovhead">
          <h1 class="h1">Overview</h1>
          <div class="counts">
            {[
              ['failed', 'failed'],
              ['behind', 'falling behind'],
              ['paused', 'paused'],
              ['running', 'running'],
            ].map(([k, l]) => count(k) > 0 && <Status s={k} label={`${count(k)} ${l}`} />)}
          </div>
        </div>
        {pr && (
          <div class="tiles">
            <div class="tile">
              <span>Rows in</span>
              <b>
                {num(pr.rows_in_s)}
                <i>/s</i>
              </b>
              <Spark v={tot} w={120} h={30} />
            </div>
            <div class="tile">
              <span>Rows out</span>
              <b>
                {num(pr.rows_out_s)}
                <i>/s</i>
              </b>
              <small>{pr.rows_in_s > 0 ? `${pct(pr.rows_out_s / pr.rows_in_s, 0)} of rows in, all sinks` : 'all sinks'}</small>
            </div>
            <div class="tile">
              <span>CPU</span>
              <b>
                {pr.cpu.toFixed(1)}
                <i> of {pr.cores} cores</i>
              </b>
              <Bar x={pr.cpu / pr.cores} />
            </div>
            <div class="tile">
              <span>Memory</span>
              <b>
                {bytes(pr.rss)}
                <i> of {bytes(pr.mem_limit)}</i>
              </b>
              <Bar x={pr.rss / pr.mem_limit} />
            </div>
            <div class="tile">
              <span>State</span>
              <b>{bytes(ps.reduce((a, p) => a + (p.progress.at(-1)?.state_bytes ?? 0), 0))}</b>
              <small>{bytes(pr.disk_free)} of disk free</small>
            </div>
            <div class="tile">
              <span>Quarantine</span>
              <b class="c-quar">{int(ps.reduce((a, p) => a + p.quarantine_open, 0))}</b>
              <small>rows open in {ps.filter((p) => p.quarantine_open).length} pipelines</small>
            </div>
          </div>
        )}
        <section class="attn" aria-label="Needs attention">
          <h2>
            Needs attention <em>{find.length}</em>
          </h2>
          {find.length ? (
            <div class="finds">
              {(all ? find : find.slice(0, FINDINGS_SHOWN)).map((x) => (
                <a class={`find f-${x.severity}`} href={x.link || `/p/${x.pipeline}`}>
                  <Glyph s={x.severity} size={13} />
                  <div>
                    <b>{x.pipeline}</b>
                    <strong>{x.title}</strong>
                    <p>{x.detail}</p>
                  </div>
                  <span class="act">
                    {whereTo(x.link)}
                    <Icon n="right" size={12} />
                  </span>
                </a>
              ))}
              {find.length > FINDINGS_SHOWN && (
                <button class="btn find-more" aria-expanded={all} onClick={() => setAll(!all)}>
                  {all ? 'The worst only' : `${find.length - FINDINGS_SHOWN} more`}
                </button>
              )}
            </div>
          ) : (
            <Empty title="Nothing needs you">
              Every pipeline keeps up, no check fails, no watermark is held.
            </Empty>
          )}
        </section>
        {!ps.length ? (
          <Empty title="No pipeline runs in this process" icon="group">
            Put a pipeline file into the folder of the daemon and reload it: <code>millrace reload</code>
          </Empty>
        ) : (
        <section class="card ptable">
          <header>
            <h2>Pipelines</h2>
            <span class="sub">{ps.length} in this process</span>
            <span class="grow" />
            <label class="inp">
              <Icon n="search" size={12} />
              <input
                placeholder="Filter"
                aria-label="Filter pipelines"
                value={f}
                onInput={(e) => setF(e.currentTarget.value)}
              />
            </label>
            <select aria-label="Sort" value={sort} onChange={(e) => setSort(e.currentTarget.value)}>
              <option value="health">By health</option>
              <option value="rows">By rows/s</option>
              <option value="fresh">By freshness</option>
              <option value="name">By name</option>
            </select>
          </header>
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <Th>Pipeline</Th>
                  <Th w={112}>State</Th>
                  <Th r w={134}>
                    Rows in
                  </Th>
                  <Th r w={82} title="Age of the newest source row that every sink shows">
                    Freshness
                  </Th>
                  <Th w={212}>Last 60 batches</Th>
                  <Th w={148}>Batch p50, p99 of trigger</Th>
                  <Th r w={92}>
                    Watermark
                  </Th>
                  <Th r w={74}>
                    State
                  </Th>
                  <Th r w={80}>
                    Quarantine
                  </Th>
                </tr>
              </thead>
              <tbody>
                {rows.map((p) => (
                  <Row key={p.id} p={p} />
                ))}
              </tbody>
            </table>
          </div>
        </section>
        )}
      </div>
    </main>
  )
}
/** Rows in of all pipelines, second by second, as far back as the shortest history of one that runs. */
function rowsBySecond(ps: PipelineSummary[]): number[] {
  const lists = ps.filter((p) => isOn(p) && p.progress.length > 1).map((p) => p.progress)
  if (!lists.length) return []
  const end = Math.max(...lists.map((l) => l.at(-1)!.at))
  const from = Math.max(end - 60_000, Math.min(...lists.map((l) => l[0].at)))
  const sums = new Array<number>(Math.max(2, Math.ceil((end - from) / 1000))).fill(0)
  for (const l of lists)
    for (const b of l) {
      const i = Math.floor((b.at - from) / 1000)
      if (i >= 0 && i < sums.length) sums[i] += b.rows_in
    }
  return sums
}
const fresh = (p: PipelineSummary) => p.progress.at(-1)?.freshness_ms ?? 0
function Row({ p }: { p: PipelineSummary }) {
  const l = p.progress.at(-1)
  const ms = p.progress.map((x) => x.ms),
    m = med(ms),
    x = p99(ms),
    qm = Math.max(2, med(p.progress.map((x) => x.quarantined)) * 1.32)
  const on = isOn(p)
  const late = Math.max(p.trigger_ms * 5, 5000)
  const age = on ? 0 : (process_.value?.now ?? 0) - p.state_since
  return (
    <tr
      class="click"
      onClick={(e) => {
        if (!(e.target as Element).closest('a,.strip')) go(`/p/${p.id}`)
      }}
    >
      <td>
        <a class="pname" href={`/p/${p.id}`}>
          {p.id}
        </a>
        <small>
          {many(p.sources, 'source')} · {many(p.datasets, 'dataset')} · {many(p.sinks, 'sink')}
        </small>
      </td>
      <td>
        <Status
          s={stateOf(p)}
          label={behind(p) ? 'behind' : p.state}
        />
        <small>
          {p.state === 'failed'
            ? `batch ${int(p.batch)}`
            : p.state === 'paused' || p.state === 'stopped'
              ? `by ${p.state_by}`
              : p.batch < 0
                ? 'no batch yet'
                : `#${int(p.batch)}`}
        </small>
      </td>
      <td class="r">
        <div class="sp">
          {on && <Spark v={p.progress.map((x) => x.rows_in)} w={62} h={20} />}
          <b>{on ? `${num(rate(p))}/s` : '–'}</b>
        </div>
      </td>
      <td class="r">
        {l ? (
          <b class={on ? (l.freshness_ms > late ? 'c-bad' : '') : 'c-dim'}>
            {dur(on ? l.freshness_ms : age + l.freshness_ms)}
          </b>
        ) : (
          <b class="c-dim">–</b>
        )}
      </td>
      <td>
        <Strip
          w={204}
          h={20}
          onPick={(i) => go(`/p/${p.id}/batch?at=${p.progress[i].n}`)}
          v={p.progress.map((b) => ({
            x: b.ms,
            tone: !b.ok
              ? 'bad'
              : (b.ms > m * 1.45 && b.ms > 20) || ofTrigger(b.ms, p.trigger_ms) > 0.94
                ? 'warn'
                : b.quarantined > qm
                  ? 'quar'
                  : 'n',
            tip: `batch ${int(b.n)}: ${dur(b.ms)}, ${int(b.rows_in)} rows`,
          }))}
        />
      </td>
      <td>
        <Bar
          x={ofTrigger(m, p.trigger_ms)}
          mark={ofTrigger(x, p.trigger_ms)}
          tone={ofTrigger(m, p.trigger_ms) > 0.85 ? 'warn' : 'accent'}
          title={`p50 ${dur(m)}, p99 ${dur(x)}${p.trigger_ms ? `, trigger ${dur(p.trigger_ms)}` : ''}`}
        />
        <small>
          {dur(m)} · {dur(x)} {p.trigger_ms > 0 && <i>of {dur(p.trigger_ms)}</i>}
        </small>
      </td>
      <td class="r">
        <b class={l && l.wm_delay_ms > 120e3 ? 'c-warn' : ''}>{l && hasWatermark(l) ? dur(l.wm_delay_ms) : '–'}</b>
        {l && heldBy(l) && <small title="held by">{heldBy(l)}</small>}
      </td>
      <td class="r">{bytes(l?.state_bytes ?? 0)}</td>
      <td class="r">
        {p.quarantine_open ? (
          <a class="c-quar" href={`/p/${p.id}/quality`}>
            {int(p.quarantine_open)}
          </a>
        ) : (
          <span class="c-dim">0</span>
        )}
      </td>
    </tr>
  )
}
