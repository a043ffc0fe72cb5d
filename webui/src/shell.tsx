import { useEffect } from 'preact/hooks'
import { signal } from '@preact/signals'
import type { PipelineSummary, Progress } from './contract.ts'
import {
  SERIES_MAX,
  conn,
  loadError,
  openSeries,
  pipelines,
  process_,
  readOnly,
  series,
  toasts,
  useGet,
} from './api.ts'
import { Help, Palette, TABS, control, pageOf, palette } from './palette.tsx'
import { atParam, go, keep, loc, q, seg, setQ } from './router.ts'
import { setTheme, theme } from './theme.ts'
import { Act, Empty, ErrorBox, Glyph, Icon, Kbd, Skel, Spark, Status, Tag } from './ui.tsx'
import { Scrubber, useBatchKeys } from './scrubber.tsx'
import { bytes, dur, int, many, num, pct } from './fmt.ts'
import { hasWatermark, heldBy, isOn, ofTrigger, rate, seconds } from './rates.ts'
import { Overview } from './pages/overview.tsx'
import { GraphPage } from './pages/graph.tsx'
import { BatchPage } from './pages/batch.tsx'
import { QualityPage } from './pages/quality.tsx'
import { StatePage } from './pages/state.tsx'
import { ServePage } from './pages/serve.tsx'
import { EventsPage } from './pages/events.tsx'

export const behind = (p: PipelineSummary) =>
  p.findings.some((f) => f.about === 'duration') && p.state === 'running'
export const stateOf = (p: PipelineSummary) => (behind(p) ? 'behind' : p.state)
const help = signal(false)

function Side() {
  const ps = pipelines.value,
    pr = process_.value,
    cur = seg.value[0] === 'p' ? seg.value[1] : null
  return (
    <nav class="side" aria-label="Main">
      <a class="brand" href="/">
        <svg width="20" height="20" viewBox="0 0 16 16" aria-hidden="true">
          <path d="M1 5c3 0 3 3 7 3s4-3 7-3M1 10c3 0 3 3 7 3s4-3 7-3" />
        </svg>
        <b>millrace</b>
      </a>
      <button class="searchbtn" onClick={() => (palette.value = true)}>
        <Icon n="search" size={13} />
        <span>Go to…</span>
        <Kbd k="⌘K" />
      </button>
      <a
        class={`nav ${seg.value.length === 0 ? 'on' : ''}`}
        href="/"
        aria-current={seg.value.length === 0 ? 'page' : undefined}
      >
        <Icon n="home" />
        <span>Overview</span>
      </a>
      <a class={`nav ${seg.value[0] === 'serve' ? 'on' : ''}`} href="/serve">
        <Icon n="globe" />
        <span>Endpoints</span>
      </a>
      <a class={`nav ${seg.value[0] === 'events' ? 'on' : ''}`} href="/events">
        <Icon n="log" />
        <span>Events</span>
      </a>
      <h6>Pipelines</h6>
      <div class="plist">
        {ps?.map((p) => (
          <a
            key={p.id}
            class={`nav pl ${cur === p.id ? 'on' : ''}`}
            href={`/p/${p.id}`}
            aria-current={cur === p.id ? 'page' : undefined}
            title={`${p.title}: ${stateOf(p)}`}
          >
            <Glyph s={stateOf(p)} />
            <span>{p.id}</span>
            {isOn(p) ? (
              <em>{num(rate(p))}/s</em>
            ) : (
              <em>{p.state}</em>
            )}
          </a>
        ))}
      </div>
      <div class="grow" />
      {pr && (
        <div class="proc" title={`pid ${pr.pid} on ${pr.host}`}>
          <div>
            <span>CPU</span>
            <b>
              {pr.cpu.toFixed(1)}
              <i>/{pr.cores}</i>
            </b>
          </div>
          <div>
            <span>Memory</span>
            <b>
              {bytes(pr.rss)}
              <i>/{bytes(pr.mem_limit)}</i>
            </b>
          </div>
          <div>
            <span>Up</span>
            <b>{dur(pr.now - pr.started_at)}</b>
          </div>
        </div>
      )}
      <div class="foot">
        <span class={`conn ${conn.value}`} title="Event stream">
          <i />
          {conn.value === 'live'
            ? `${pr?.host ?? ''} · v${pr?.version ?? ''}`
            : conn.value === 'lost'
              ? 'Reconnecting…'
              : 'Connecting…'}
        </span>
        <button
          class="btn ghost icn"
          title="Shortcuts (?)"
          aria-label="Keyboard shortcuts"
          onClick={() => (help.value = true)}
        >
          <Icon n="keyb" />
        </button>
        <button
          class="btn ghost icn"
          title="Light or dark (T)"
          aria-label="Switch light or dark"
          onClick={() => setTheme(theme.value === 'dark' ? 'light' : 'dark')}
        >
          <Icon n={theme.value === 'dark' ? 'sun' : 'moon'} />
        </button>
      </div>
    </nav>
  )
}

function Fact({
  k,
  v,
  tone,
  sub,
  spark,
  href,
  title,
}: {
  k: string
  v: string
  tone?: string
  sub?: string
  spark?: number[]
  href?: string
  title?: string
}) {
  const body = (
    <>
      <span>{k}</span>
      <b class={tone ? `c-${tone}` : ''}>{v}</b>
      {sub && <small>{sub}</small>}
      {spark && <Spark v={spark} w={62} h={22} tone={tone ?? 'accent'} />}
    </>
  )
  return href ? (
    <a class="fact" href={href} title={title}>
      {body}
    </a>
  ) : (
    <div class="fact" title={title}>
      {body}
    </div>
  )
}
function Pipeline({ id }: { id: string }) {
  const p = pipelines.value?.find((x) => x.id === id)
  useEffect(() => {
    if (p) openSeries(id)
  }, [id, !!p])
  const at = atParam.value ?? p?.batch ?? 0,
    live = atParam.value === null
  useBatchKeys(p)
  const newest = series.value[id]
  // Batches before those that are at hand: the lines around the one that is looked at.
  const from = Math.max(0, Math.floor(at / 100) * 100 - SERIES_MAX / 2)
  const past = useGet<Progress[]>(
    !live && at >= 0 && newest?.length && at < newest[0].n
      ? `/pipelines/${id}/progress?from=${from}&to=${from + SERIES_MAX}`
      : null,
  )
  if (!p)
    return (
      <main>
        <div class="pad">
          <ErrorBox
            e={{
              code: 'unknown_pipeline',
              message: `no pipeline "${id}" in this process`,
              hint: pipelines.value?.length
                ? `Pipelines: ${pipelines.value.map((p) => p.id).join(', ')}`
                : 'This process runs no pipeline.',
            }}
          />
        </div>
      </main>
    )
  const s = (newest && at < newest[0]?.n && past.data) || newest || p.progress
  const b = s.find((x) => x.n === at) ?? (live ? s.at(-1) : undefined)
  const tab = seg.value[2] ?? ''
  const i = b ? s.indexOf(b) : -1
  const win = i >= 0 ? s.slice(Math.max(0, i - 59), i + 1) : []
  const on = isOn(p),
    lives = on || p.state === 'paused'
  const sec = seconds(s, Math.max(i, 0), p.trigger_ms)
  const part = b ? ofTrigger(b.ms, p.trigger_ms) : 0
  return (
    <>
      <header class="phead">
        <div class="ptitle">
          <h1>
            <a href="/" class="crumb">
              Pipelines
            </a>
            <i>/</i>
            {p.id}
          </h1>
          <Status
            s={stateOf(p)}
            label={
              behind(p)
                ? 'falling behind'
                : p.state === 'paused'
                  ? `paused ${dur(Math.max(0, (process_.value?.now ?? 0) - p.state_since))}`
                  : p.state
            }
          />
          {p.title !== p.id && <span class="sub">{p.title}</span>}
          <span class="grow" />
          <div class="ctl">
            {readOnly.value && (
              <Tag title={readOnly.value}>
                <Icon n="eye" size={11} /> read only
              </Tag>
            )}
            {p.state === 'failed' ? (
              <Act class="btn primary" onClick={() => control(p, 'retry')}>
                <Icon n="replay" />
                Retry batch
              </Act>
            ) : on ? (
              <Act class="btn" onClick={() => control(p, 'pause')}>
                <Icon n="pause" />
                Pause
              </Act>
            ) : p.state === 'stopped' ? (
              <Act class="btn primary" onClick={() => control(p, 'retry')}>
                <Icon n="play" />
                Start
              </Act>
            ) : (
              <Act
                class="btn primary"
                refused={p.state === 'starting' && 'it is being started'}
                onClick={() => control(p, 'resume')}
              >
                <Icon n="play" />
                Resume
              </Act>
            )}
            <Act
              class="btn"
              refused={!lives && `it is ${p.state}`}
              title="Run one batch now"
              onClick={() => control(p, 'trigger')}
            >
              <Icon n="bolt" />
              Trigger
            </Act>
            <Act class="btn" refused={!lives && `it is ${p.state}`} onClick={() => control(p, 'savepoint')}>
              <Icon n="flag" />
              Savepoint
            </Act>
            <Act
              class="btn dangerous"
              refused={p.state === 'stopped' && 'it is stopped'}
              onClick={() =>
                confirm(`Stop ${p.id} after the running batch? It stays stopped until somebody starts it.`) &&
                control(p, 'stop')
              }
            >
              <Icon n="stop" />
              Stop
            </Act>
          </div>
        </div>
        {b && (
          <div class="facts">
            <Fact
              k="Rows in"
              v={`${num(b.rows_in / sec)}/s`}
              spark={win.map((x) => x.rows_in)}
              title="Rows read from all sources"
            />
            <Fact
              k="Rows out"
              v={`${num(b.rows_out / sec)}/s`}
              spark={win.map((x) => x.rows_out)}
              title="Rows written to all sinks"
            />
            <Fact
              k="Batch"
              v={dur(b.ms)}
              sub={p.trigger_ms ? `${pct(part, 0)} of ${dur(p.trigger_ms)}` : 'as fast as possible'}
              tone={part > 0.9 ? 'warn' : undefined}
              href={keep(`/p/${id}/batch`)}
            />
            <Fact
              k="Freshness"
              v={dur(b.freshness_ms)}
              tone={b.freshness_ms > Math.max(p.trigger_ms * 5, 5000) ? 'bad' : undefined}
              sub={`${num(b.lag_rows)} rows behind`}
              title="Age of the newest source row visible in every sink"
            />
            <Fact
              k="Watermark delay"
              v={hasWatermark(b) ? dur(b.wm_delay_ms) : '–'}
              tone={b.wm_delay_ms > 120e3 ? 'warn' : undefined}
              sub={hasWatermark(b) ? (heldBy(b) ? `held by ${heldBy(b)}` : 'on time') : 'no watermark'}
              href={keep(`/p/${id}/batch#watermark`)}
            />
            <Fact
              k="State"
              v={bytes(b.state_bytes)}
              sub={many(p.datasets, 'dataset')}
              href={keep(`/p/${id}/state`)}
            />
            <Fact
              k={live ? 'Quarantine' : 'Quarantine now'}
              v={int(p.quarantine_open)}
              tone={p.quarantine_open ? 'quar' : undefined}
              sub={b.quarantined ? `+${b.quarantined} this batch` : 'none this batch'}
              href={keep(`/p/${id}/quality`)}
            />
          </div>
        )}
        <Scrubber p={p} s={s} at={at} live={live} />
        <div class="tabs" role="tablist">
          {TABS.map(([k, l], i) => (
            <a
              key={k}
              role="tab"
              aria-selected={tab === k}
              class={tab === k ? 'on' : ''}
              href={keep(pageOf(id, k))}
              title={`${l} (${i + 1})`}
            >
              {l}
              {k === 'quality' && p.checks_failing > 0 && <em>{p.checks_failing}</em>}
            </a>
          ))}
        </div>
      </header>
      <main class={tab === '' ? 'full' : ''} tabIndex={-1}>
        {p.error && (tab === '' || tab === 'batch') && (
          <div class="banner bad" role="alert">
            <Glyph s="bad" size={14} />
            <div>
              <strong>{p.error.where || p.id}</strong> failed {p.error.attempts > 1 ? `${p.error.attempts} times ` : ''}on{' '}
              <a href={`/p/${id}/batch?at=${p.error.batch}`}>batch {int(p.error.batch)}</a>.{' '}
              <code>{p.error.code}</code> {p.error.message}
              {p.error.hint && <p>{p.error.hint}</p>}
              {p.error.next_attempt && <p>It is tried again by itself.</p>}
            </div>
          </div>
        )}
        {p.batch < 0 && tab !== 'events' && tab !== 'serve' && tab !== '' ? (
          <Empty icon="clock" title="No batch yet">
            {on ? 'The first one comes when the sources have something new.' : `The pipeline is ${p.state}.`}
          </Empty>
        ) : !live && at > p.batch ? (
          <Empty icon="clock" title={`Batch ${int(at)} does not exist yet`}>
            The last committed batch is {int(p.batch)}. <a href={`/p/${id}`}>Go live</a>
          </Empty>
        ) : tab === '' ? (
          <GraphPage p={p} at={at} live={live} s={s} />
        ) : tab === 'batch' ? (
          <BatchPage p={p} at={at} live={live} />
        ) : tab === 'quality' ? (
          <QualityPage p={p} at={at} />
        ) : tab === 'state' ? (
          <StatePage p={p} at={at} live={live} />
        ) : tab === 'serve' ? (
          <ServePage only={id} />
        ) : tab === 'trace' ? (
          <Empty icon="search" title="Trace is not there yet">
            It will run a batch again from its offsets and show each step of a row, with the work on replay.
          </Empty>
        ) : tab === 'events' ? (
          <EventsPage only={id} />
        ) : (
          <Empty title="No such page" icon="search" />
        )}
      </main>
    </>
  )
}

export function App() {
  useEffect(() => {
    let g = 0
    const f = (e: KeyboardEvent) => {
      if ((e.metaKey || e.ctrlKey) && e.key === 'k') {
        e.preventDefault()
        palette.value = !palette.value
        return
      }
      if ((e.target as Element).closest?.('input,textarea,select') || e.metaKey || e.ctrlKey || e.altKey)
        return
      if (e.key === '/') {
        e.preventDefault()
        palette.value = true
      } else if (e.key === '?') help.value = !help.value
      else if (e.key === 't') setTheme(theme.value === 'dark' ? 'light' : 'dark')
      else if (e.key === 'Escape') {
        if (!palette.value && !help.value && q('node')) setQ({ node: null }, true)
        palette.value = help.value = false
      } else if (e.key === 'g') g = Date.now()
      else if (e.key === 'o' && Date.now() - g < 900) go('/')
      else if (seg.value[0] === 'p') {
        const id = seg.value[1]
        if (/^[1-7]$/.test(e.key)) go(keep(pageOf(id, TABS[+e.key - 1][0])))
        else if (e.key === '[' || e.key === ']') {
          const ps = pipelines.value ?? [],
            i = ps.findIndex((p) => p.id === id)
          if (i >= 0) go(`/p/${ps[(i + (e.key === ']' ? 1 : ps.length - 1)) % ps.length].id}`)
        }
      }
    }
    addEventListener('keydown', f)
    return () => removeEventListener('keydown', f)
  }, [])
  useEffect(() => {
    document.title = seg.value[0] === 'p' ? `${seg.value[1]} · millrace` : 'millrace'
  }, [loc.value.href])
  const s = seg.value
  return (
    <div class="app">
      <a class="skip" href="#main">
        Skip to content
      </a>
      <Side />
      <div class="body" id="main">
        {loadError.value ? (
          <main>
            <div class="pad">
              <ErrorBox e={loadError.value} retry={() => location.reload()} />
            </div>
          </main>
        ) : !pipelines.value ? (
          <main>
            <div class="pad">
              <Skel rows={12} h={28} />
            </div>
          </main>
        ) : s[0] === 'p' ? (
          <Pipeline key={s[1]} id={s[1]} />
        ) : s[0] === 'serve' ? (
          <main>
            <div class="pad">
              <h1 class="h1">Endpoints</h1>
            </div>
            <ServePage />
          </main>
        ) : s[0] === 'events' ? (
          <main>
            <div class="pad">
              <h1 class="h1">Events</h1>
            </div>
            <EventsPage />
          </main>
        ) : s.length ? (
          <main>
            <Empty title="No such page" icon="search">
              <a href="/">Overview</a>
            </Empty>
          </main>
        ) : (
          <Overview />
        )}
      </div>
      {palette.value && <Palette />}
      {help.value && (
        <div class="overlay" onClick={() => (help.value = false)}>
          <Help />
        </div>
      )}
      <div class="toasts" role="status" aria-live="polite">
        {toasts.value.map((t) => (
          <div key={t.id} class={`toast ${t.tone}`}>
            {t.text}
          </div>
        ))}
      </div>
    </div>
  )
}
