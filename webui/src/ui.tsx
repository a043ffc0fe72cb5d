import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { type ApiError, readOnly } from './api.ts'
import type { RunState } from './contract.ts'

const P: Record<string, string> = {
  running: 'M8 3a5 5 0 1 1 0 10A5 5 0 0 1 8 3z',
  paused: 'M4.5 3h2.5v10H4.5zM9 3h2.5v10H9z',
  failed: 'M3 3h10v10H3z',
  starting: 'M8 3a5 5 0 1 1 0 10A5 5 0 0 1 8 3z',
  stopped: 'M3 7h10v2H3z',
  warn: 'M8 2l6.4 11.5H1.6z',
  bad: 'M3 3h10v10H3z',
  info: 'M8 3a5 5 0 1 1 0 10A5 5 0 0 1 8 3z',
  ok: 'M8 3a5 5 0 1 1 0 10A5 5 0 0 1 8 3z',
  behind: 'M8 2l6.4 11.5H1.6z',
}
/** Shape and colour both carry the state. */
export const Glyph = ({ s, size = 11 }: { s: string; size?: number }) => (
  <svg class={`glyph t-${s}`} width={size} height={size} viewBox="0 0 16 16" aria-hidden="true">
    <path d={P[s] ?? P.info} />
  </svg>
)
export const Status = ({ s, label }: { s: RunState | string; label?: string }) => (
  <span class={`status t-${s}`}>
    <Glyph s={s} />
    {label ?? s}
  </span>
)
const IC: Record<string, string> = {
  source: 'M2 4h4l2 4-2 4H2M9 8h5M11.5 5.5 14 8l-2.5 2.5',
  dataset: 'M2.5 3.5h11v9h-11zM2.5 6.8h11M6.5 6.8v5.7',
  sink: 'M8 2v7M5 6.5 8 9.5l3-3M2.5 10v3.5h11V10',
  table: 'M2.5 3.5h11v9h-11zM2.5 6.8h11M6.5 6.8v5.7',
  group: 'M2.5 4.5h4l1.5 2h5.5v6h-11z',
  search: 'M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.5 10.5 14 14',
  play: 'M4.5 3v10l8-5z',
  pause: 'M5 3v10M11 3v10',
  bolt: 'M9 1.5 3.5 9H8l-1 5.5L12.5 7H8z',
  stop: 'M3.5 3.5h9v9h-9z',
  flag: 'M4 14V2.5h8l-2 3 2 3H4',
  sun: 'M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1',
  moon: 'M13 9.5A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5z',
  left: 'M10 3 5 8l5 5',
  right: 'M6 3l5 5-5 5',
  x: 'M4 4l8 8M12 4l-8 8',
  link: 'M6.5 9.5l3-3M7 4.5l1-1a2.8 2.8 0 0 1 4 4l-1 1M9 11.5l-1 1a2.8 2.8 0 0 1-4-4l1-1',
  check: 'M3 8.5 6.5 12 13 4.5',
  fit: 'M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10',
  clock: 'M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM8 5v3.2l2.2 1.3',
  home: 'M2.5 7.5 8 2.5l5.5 5v6h-4v-4h-3v4h-4z',
  globe: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2zM2 8h12M8 2c-4 4-4 8 0 12M8 2c4 4 4 8 0 12',
  log: 'M3 4h10M3 8h10M3 12h6',
  plus: 'M8 3v10M3 8h10',
  minus: 'M3 8h10',
  replay: 'M3 8a5 5 0 1 0 1.6-3.7M4.5 1.5v3h3',
  eye: 'M1.5 8c3-5.5 10-5.5 13 0-3 5.5-10 5.5-13 0zM8 6a2 2 0 1 1 0 4 2 2 0 0 1 0-4z',
  keyb: 'M1.5 4h13v8h-13zM4 6.5h.01M6.5 6.5h.01M9 6.5h.01M11.5 6.5h.01M5 9.5h6',
}
export const Icon = ({ n, size = 14 }: { n: string; size?: number }) => (
  <svg class="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true">
    <path d={IC[n]} />
  </svg>
)

/** A button that changes something: of no use to those who may only look, and it says so. `refused`: why it would not be done. */
export const Act = ({
  refused,
  children,
  ...rest
}: JSX.IntrinsicElements['button'] & { refused?: string | false }) => {
  const why = readOnly.value || refused || ''
  return (
    <button {...rest} disabled={!!why || rest.disabled} title={why || rest.title}>
      {children}
    </button>
  )
}

export function Spark({
  v,
  w = 84,
  h = 22,
  tone = 'accent',
  zero = true,
  max,
  title,
}: {
  v: number[]
  w?: number
  h?: number
  tone?: string
  zero?: boolean
  max?: number
  title?: string
}) {
  if (!v.length) return null
  const hi = max ?? Math.max(...v, 1e-9),
    lo = zero ? 0 : Math.min(...v)
  const X = (i: number) => (i / (v.length - 1 || 1)) * (w - 3) + 1,
    Y = (x: number) => h - 2 - ((x - lo) / (hi - lo || 1)) * (h - 5)
  const d = v.map((x, i) => `${i ? 'L' : 'M'}${X(i).toFixed(1)} ${Y(x).toFixed(1)}`).join('')
  return (
    <svg
      class={`spark c-${tone}`}
      width={w}
      height={h}
      viewBox={`0 0 ${w} ${h}`}
      role="img"
      aria-label={title ?? `trend, last ${v.length}`}
    >
      <path class="a" d={`${d}L${X(v.length - 1)} ${h}L${X(0)} ${h}Z`} />
      <path class="l" d={d} />
      <circle cx={X(v.length - 1)} cy={Y(v[v.length - 1])} r="1.8" />
    </svg>
  )
}
/** One bar per batch, the way a status page shows days. */
export function Strip({
  v,
  w = 180,
  h = 20,
  tone,
  onPick,
}: {
  v: { x: number; tone?: string; tip?: string }[]
  w?: number
  h?: number
  tone?: string
  onPick?: (i: number) => void
}) {
  const hi = Math.max(...v.map((b) => b.x), 1e-9),
    bw = w / v.length
  return (
    <svg
      class="strip"
      width={w}
      height={h}
      viewBox={`0 0 ${w} ${h}`}
      role="img"
      aria-label={`last ${v.length} batches`}
      onClick={onPick && ((e) => onPick(Math.floor((e.offsetX / w) * v.length)))}
    >
      {v.map((b, i) => {
        const bh = Math.max(1.5, (b.x / hi) * h)
        return (
          <rect
            key={i}
            class={`b-${b.tone ?? tone ?? 'n'}`}
            x={i * bw}
            y={h - bh}
            width={Math.max(1, bw - (bw > 2.6 ? 1 : 0.4))}
            height={bh}
          >
            <title>{b.tip}</title>
          </rect>
        )
      })}
    </svg>
  )
}
export const Bar = ({
  x,
  tone = 'accent',
  mark,
  title,
}: {
  x: number
  tone?: string
  mark?: number
  title?: string
}) => (
  <span class={`bar c-${tone}`} title={title}>
    <i style={{ width: `${Math.min(100, Math.max(0, x * 100))}%` }} />
    {mark !== undefined && <b style={{ left: `${Math.min(100, mark * 100)}%` }} />}
  </span>
)
export const Kbd = ({ k }: { k: string }) => <kbd>{k}</kbd>
export const Tag = ({
  tone = 'n',
  children,
  title,
}: {
  tone?: string
  children: ComponentChildren
  title?: string
}) => (
  <span class={`tag k-${tone}`} title={title}>
    {children}
  </span>
)
export const Card = ({
  title,
  right,
  children,
  cls = '',
  id,
  sub,
}: {
  title?: ComponentChildren
  right?: ComponentChildren
  children: ComponentChildren
  cls?: string
  id?: string
  sub?: ComponentChildren
}) => (
  <section class={`card ${cls}`} id={id}>
    {title && (
      <header>
        <h2>{title}</h2>
        {sub && <span class="sub">{sub}</span>}
        <span class="grow" />
        {right}
      </header>
    )}
    {children}
  </section>
)
export const Empty = ({
  title,
  children,
  icon = 'check',
}: {
  title: string
  children?: ComponentChildren
  icon?: string
}) => (
  <div class="empty">
    <Icon n={icon} size={20} />
    <strong>{title}</strong>
    {children && <p>{children}</p>}
  </div>
)
export const ErrorBox = ({
  e,
  retry,
}: {
  e: ApiError | { code?: string; message: string; hint?: string }
  retry?: () => void
}) => (
  <div class="errbox" role="alert">
    <Glyph s="bad" />
    <div>
      <code>{e.code}</code> <strong>{e.message}</strong>
      {e.hint && <p>{e.hint}</p>}
      {retry && (
        <button class="btn" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  </div>
)
export const Skel = ({ rows = 5, h = 18 }: { rows?: number; h?: number }) => (
  <div class="skel" role="status" aria-busy="true" aria-label="Loading">
    {Array.from({ length: rows }, (_, i) => (
      <i key={i} style={{ height: h, width: `${92 - ((i * 37) % 40)}%` }} />
    ))}
  </div>
)
export const Sql = ({ code }: { code: string }) => {
  const parts = code.split(
    /(--.*$|'[^']*'|\b(?:CREATE|DATASET|TABLE|AS|SELECT|FROM|WHERE|GROUP|ORDER|BY|JOIN|LEFT|USING|WITHIN|INTERVAL|EXPECT|CHECK|ON|FAIL|QUARANTINE|WARN|DROP|KEY|APPLY|CHANGES|SEQUENCE|DELETE|WHEN|AND|OR|NOT|NULL|IS|IN|HAVING|WATERMARK|DEDUPLICATE|LIMIT|DESC|CAST|DISTINCT|HOP|SESSION|MINUTES?|HOURS?|DAYS?|SECONDS?|FINAL)\b|\b\d+(?:\.\d+)?\b)/gm,
  )
  return (
    <pre class="sql">
      <code>
        {parts.map((t, i) =>
          i % 2 ? (
            <span class={t[0] === "'" ? 's' : t.startsWith('--') ? 'c' : /^\d/.test(t) ? 'n' : 'k'}>{t}</span>
          ) : (
            t
          ),
        )}
      </code>
    </pre>
  )
}
export function useSize<T extends HTMLElement>() {
  const ref = useRef<T>(null)
  const [s, set] = useState({ w: 0, h: 0 })
  useEffect(() => {
    const o = new ResizeObserver(([e]) =>
      set({ w: Math.floor(e.contentRect.width), h: Math.floor(e.contentRect.height) }),
    )
    o.observe(ref.current!)
    return () => o.disconnect()
  }, [])
  return [ref, s] as const
}
export const Copy = ({ text, label = 'Copy' }: { text: string; label?: string }) => {
  const [d, set] = useState(false)
  return (
    <button
      class="btn ghost sm"
      onClick={() => {
        navigator.clipboard?.writeText(text)
        set(true)
        setTimeout(() => set(false), 1200)
      }}
    >
      {d ? 'Copied' : label}
    </button>
  )
}
export const Th = ({
  children,
  r,
  w,
  title,
}: {
  children?: ComponentChildren
  r?: boolean
  w?: number | string
  title?: string
}) => (
  <th scope="col" class={r ? 'r' : ''} style={w ? { width: w } : undefined} title={title}>
    {children}
  </th>
)
export type { JSX }
