import { useEffect, useRef } from 'preact/hooks'
import type { PipelineSummary, Progress } from './contract.ts'
import { running } from './api.ts'
import { atParam, setQ } from './router.ts'
import { theme } from './theme.ts'
import { Icon, useSize } from './ui.tsx'
import { clock, dur, int } from './fmt.ts'
import { isOn } from './rates.ts'

/** The batch rail: the time control shared by every view of a pipeline. Height is duration, colour+mark is outcome. */
export function Scrubber({
  p,
  s,
  at,
  live,
}: {
  p: PipelineSummary
  s: Progress[]
  at: number
  live: boolean
}) {
  const [box, size] = useSize<HTMLDivElement>()
  const cv = useRef<HTMLCanvasElement>(null)
  const tip = useRef<HTMLDivElement>(null)
  const n = Math.max(40, Math.min(s.length, Math.floor(size.w / 4)))
  // The page of the rail that has the batch; the last one ends with the newest.
  const place = live ? -1 : s.findIndex((b) => b.n === at)
  const last = Math.max(0, s.length - n)
  const first = place < 0 ? last : Math.min(last, Math.floor(place / n) * n)
  const view = s.slice(first, first + n)
  const w = size.w / (view.length || 1)
  const run = running.value[p.id]
  useEffect(() => {
    const c = cv.current
    if (!c || !size.w) return
    const r = devicePixelRatio || 1,
      H = 34
    c.width = size.w * r
    c.height = H * r
    const x = c.getContext('2d')!
    x.scale(r, r)
    const g = getComputedStyle(document.documentElement),
      col = (k: string) => g.getPropertyValue(k).trim()
    const sorted = view.map((b) => b.ms).sort((a, b) => a - b),
      med = sorted[sorted.length >> 1] || 1
    const hi = Math.max(Math.min(p.trigger_ms, med * 3), 1, ...view.map((b) => b.ms))
    const qs = view.map((b) => b.quarantined).sort((a, b) => a - b),
      qm = Math.max(2, qs[qs.length >> 1] * 1.32)
    x.clearRect(0, 0, size.w, H)
    view.forEach((b, i) => {
      const h = Math.max(2, (b.ms / hi) * (H - 9))
      const slow = (b.ms > med * 1.45 && b.ms > 20) || (p.trigger_ms > 0 && b.ms > p.trigger_ms * 0.9)
      x.fillStyle = !b.ok
        ? col('--bad')
        : slow
          ? col('--warn')
          : b.n === at && !live
            ? col('--accent')
            : col('--rail')
      x.fillRect(i * w, H - h - 4, Math.max(1, w - 1), h)
      if (b.quarantined > qm) {
        x.fillStyle = col('--quar')
        x.fillRect(i * w, H - 3, Math.max(1, w - 1), 2.5)
      }
      if (!b.ok) {
        x.fillStyle = col('--bad')
        x.fillRect(i * w, 0, Math.max(2, w - 1), 3)
      }
    })
    const k = view.findIndex((b) => b.n === at)
    if (k >= 0 && !live) {
      x.strokeStyle = col('--accent')
      x.lineWidth = 1.5
      x.strokeRect(k * w - 1.5, 0.75, Math.max(3, w + 2), H - 1.5)
    }
  }, [size.w, view[0]?.n, s[s.length - 1]?.n, s.length, at, live, theme.value])
  const idx = (e: MouseEvent) =>
    Math.max(
      0,
      Math.min(view.length - 1, Math.floor((e.clientX - box.current!.getBoundingClientRect().left) / w)),
    )
  const pick = (n: number) => setQ({ at: n >= p.batch ? null : n }, true)
  const cur = view.find((b) => b.n === at)
  return (
    <div class="scrub">
      <button
        class={`livebtn ${live ? 'on' : ''}`}
        onClick={() => setQ({ at: null })}
        title="Follow the newest batch (L)"
        aria-pressed={live}
      >
        <i />
        {live ? (isOn(p) ? 'Live' : 'Latest') : 'Go live'}
      </button>
      <button
        class="btn ghost icn"
        aria-label="Previous batch"
        title="Previous batch (←)"
        onClick={() => pick(at - 1)}
      >
        <Icon n="left" />
      </button>
      <div
        class="rail"
        ref={box}
        role="slider"
        tabIndex={0}
        aria-label="Batch"
        aria-valuemin={p.oldest}
        aria-valuemax={p.batch}
        aria-valuenow={at}
        aria-valuetext={
          cur ? `batch ${int(at)}, ${dur(cur.ms)}, ${int(cur.rows_in)} rows` : `batch ${int(at)}`
        }
        onPointerDown={(e) => {
          ;(e.target as Element).setPointerCapture(e.pointerId)
          if (view.length) pick(view[idx(e)].n)
        }}
        onPointerMove={(e) => {
          const b = view[idx(e)]
          if (!b) return
          if (e.buttons & 1) pick(b.n)
          const t = tip.current!
          t.hidden = false
          t.style.left = `${Math.min(size.w - 190, Math.max(0, idx(e) * w - 90))}px`
          const [head, time] = ['b', 'span'].map((tag) => document.createElement(tag))
          head.textContent = `Batch ${int(b.n)}`
          time.textContent = clock(b.at)
          const lost = [b.quarantined && `${int(b.quarantined)} quarantined`, b.late && `${int(b.late)} late`]
          t.replaceChildren(
            head,
            ' ',
            time,
            document.createElement('br'),
            [`${dur(b.ms)} · ${int(b.rows_in)} rows in`, ...lost.filter(Boolean)].join(' · '),
          )
        }}
        onPointerLeave={() => (tip.current!.hidden = true)}
      >
        <canvas ref={cv} style={{ width: '100%', height: 34 }} />
        <div class="tip" ref={tip} hidden />
      </div>
      <button
        class="btn ghost icn"
        aria-label="Next batch"
        title="Next batch (→)"
        disabled={live}
        onClick={() => pick(at + 1)}
      >
        <Icon n="right" />
      </button>
      <div class="now">
        <b>#{int(at)}</b>
        <span>
          {live ? (
            isOn(p) ? (
              run && run.phase !== 'idle' ? (
                <em class={`ph ph-${run.phase}`}>
                  {run.phase} #{int(run.n)}
                </em>
              ) : (
                'waiting'
              )
            ) : (
              p.state
            )
          ) : (
            `${cur ? clock(cur.at) : ''} · ${int(p.batch - at)} back`
          )}
        </span>
      </div>
    </div>
  )
}
export function useBatchKeys(p: PipelineSummary | undefined) {
  const now = useRef(p)
  now.current = p
  useEffect(() => {
    const f = (e: KeyboardEvent) => {
      const p = now.current
      if (
        !p ||
        e.metaKey ||
        e.ctrlKey ||
        e.altKey ||
        (e.target as Element).closest('input,textarea,select,[role=dialog]')
      )
        return
      const to = (n: number) => {
        e.preventDefault()
        n = Math.max(p.oldest, n)
        setQ({ at: n >= p.batch ? null : n }, true)
      }
      const k = e.shiftKey ? 10 : 1
      const at = atParam.value ?? p.batch // as the last key has left it, drawn or not
      if (e.key === 'ArrowLeft') to(at - k)
      else if (e.key === 'ArrowRight') to(at + k)
      else if (e.key === 'l') setQ({ at: null })
    }
    addEventListener('keydown', f)
    return () => removeEventListener('keydown', f)
  }, [])
}
