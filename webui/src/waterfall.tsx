import { useState } from 'preact/hooks'
import type { Batch } from './contract.ts'
import { groupOf } from './groups.ts'
import { keep } from './router.ts'
import { dur, int } from './fmt.ts'

/** Who did what when in a batch, each against its median. */
export function Waterfall({ b, name }: { b: Batch; name: (id: string) => string }) {
  const total = Math.max(b.ms, ...b.spans.map((s) => s.start + s.ms), 0.001)
  const X = (t: number) => `${(t / total) * 100}%`
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((s) => total / s <= 9) ?? 10000
  const ticks = Array.from({ length: Math.floor(total / step) + 1 }, (_, i) => i * step)
  const [all, setAll] = useState(false)
  const spans = [...b.spans].sort((x, y) => x.start - y.start || y.ms - x.ms)
  const top = all
    ? spans
    : spans.length > 18
      ? [...spans]
          .sort((x, y) => y.ms - x.ms)
          .slice(0, 16)
          .sort((x, y) => x.start - y.start)
      : spans
  return (
    <div class="wf">
      <div class="wfrow axis">
        <span />
        <div>
          {ticks.map((t) => (
            <i style={{ left: X(t) }}>{dur(t || 0).replace('0 µs', '0')}</i>
          ))}
        </div>
        <b />
      </div>
      <div class="wfrow phases">
        <span>Batch</span>
        <div>
          {b.phases
            .filter((p) => p.ms > 0)
            .map((p) => (
              <i
                class={`s ph-${p.name}`}
                style={{ left: X(p.start), width: X(p.ms) }}
                title={`${p.name}: ${p.what}, ${dur(p.ms)} (median ${dur(p.p50)})`}
              >
                {p.ms / total > 0.07 ? p.name : ''}
              </i>
            ))}
        </div>
        <b>{dur(b.ms)}</b>
      </div>
      {top.map((s) => {
        const slow = s.ms > s.p50 * 1.4 && s.ms > 12
        return (
          <div class="wfrow">
            <span title={s.lane}>
              {groupOf(s.lane) ? (
                name(s.lane)
              ) : (
                <a href={keep(`/p/${b.p}?node=${encodeURIComponent(s.lane)}`)}>{name(s.lane)}</a>
              )}
            </span>
            <div>
              {ticks.map((t) => (
                <u style={{ left: X(t) }} />
              ))}
              <i
                class={`s ph-${s.phase} lane ${b.error?.where.split(' ').includes(name(s.lane)) ? 'failed' : ''}`}
                style={{ left: X(s.start), width: `max(2px, ${X(s.ms)})` }}
                title={`${s.lane}: ${dur(s.ms)}, median ${dur(s.p50)}, ${int(s.rows)} rows`}
              />
              {s.p50 > 0 && s.start + s.p50 < total && (
                <em class="p50" style={{ left: X(s.start + s.p50) }} title={`median ${dur(s.p50)}`} />
              )}
            </div>
            <b class={slow ? 'c-warn' : ''}>
              {dur(s.ms)}
              {slow && s.p50 > 0 && <small>{(s.ms / s.p50).toFixed(1)}×</small>}
            </b>
          </div>
        )
      })}
      {spans.length > 18 && (
        <button class="btn ghost sm" onClick={() => setAll(!all)}>
          {all ? 'Show the slowest 16' : `Show all ${int(spans.length)} spans`}
        </button>
      )}
    </div>
  )
}
