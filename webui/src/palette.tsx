import { signal } from '@preact/signals'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Graph, PipelineSummary } from './contract.ts'
import { get, pipelines, post, readOnly, toast } from './api.ts'
import { go, keep, seg, setQ } from './router.ts'
import { Icon, Kbd } from './ui.tsx'
import { int } from './fmt.ts'

export const TABS = [
  ['', 'Graph'],
  ['batch', 'Batch'],
  ['quality', 'Quality'],
  ['state', 'State & tables'],
  ['serve', 'Serve'],
  ['trace', 'Trace'],
  ['events', 'Events'],
] as const
export const pageOf = (pipeline: string, tab: string) => `/p/${pipeline}${tab && '/' + tab}`
/** Whether the palette is open. */
export const palette = signal(false)

export async function control(p: PipelineSummary, action: string) {
  try {
    await post(`/pipelines/${p.id}/control`, { action })
    toast(
      {
        pause: `${p.id} paused after the running batch`,
        resume: `${p.id} resumed`,
        retry: p.state === 'stopped' ? `${p.id} started` : `${p.id} retried from the same offsets`,
        trigger: `Batch triggered on ${p.id}`,
        savepoint: `Savepoint of ${p.id} started`,
        stop: `${p.id} will stop after the running batch`,
      }[action] ?? action,
    )
  } catch (e) {
    toast((e as Error).message, 'bad')
  }
}

/** Any pipeline, dataset, batch or action, by its name. */
export function Palette() {
  const [t, setT] = useState(''),
    [i, setI] = useState(0)
  const [graphs, setG] = useState<{ p: string; id: string; name: string; kind: string }[]>([])
  const inp = useRef<HTMLInputElement>(null)
  const cur = seg.value[0] === 'p' ? pipelines.value?.find((p) => p.id === seg.value[1]) : undefined
  useEffect(() => {
    inp.current?.focus()
    Promise.all(
      (pipelines.value ?? []).map((p) =>
        get<Graph>(`/pipelines/${p.id}/graph`).then(
          (g) => g.nodes.map((n) => ({ p: p.id, id: n.id, name: n.name, kind: n.kind })),
          () => [], // it has not been planned yet
        ),
      ),
    ).then((a) => setG(a.flat()))
  }, [])
  const items = useMemo(() => {
    const k = t.trim().toLowerCase()
    const out: { icon: string; label: string; sub: string; run: () => void }[] = []
    const m = /^#?(\d+)$/.exec(k.replace(/[, ]/g, ''))
    if (m && cur)
      out.push({
        icon: 'clock',
        label: `Batch ${int(+m[1])}`,
        sub: `${cur.id} at this batch`,
        run: () => setQ({ at: m[1] }),
      })
    for (const p of pipelines.value ?? [])
      if (!k || p.id.includes(k) || p.title.toLowerCase().includes(k))
        out.push({ icon: 'group', label: p.id, sub: p.title, run: () => go(`/p/${p.id}`) })
    if (cur) {
      for (const [a, l] of readOnly.value ? [] : [
        ['pause', 'Pause'],
        ['resume', 'Resume'],
        ['trigger', 'Trigger a batch now'],
        ['savepoint', 'Take a savepoint'],
      ])
        if (!k || l.toLowerCase().includes(k))
          out.push({ icon: 'bolt', label: `${l}: ${cur.id}`, sub: 'action', run: () => control(cur, a) })
      for (const [x, l] of TABS)
        if (k && l.toLowerCase().includes(k))
          out.push({ icon: 'right', label: l, sub: cur.id, run: () => go(keep(pageOf(cur.id, x))) })
    }
    if (k) {
      const hits = graphs
        .filter((g) => g.id.toLowerCase().includes(k))
        .sort((a, b) => Number(b.p === cur?.id) - Number(a.p === cur?.id) || a.id.length - b.id.length)
        .slice(0, 30)
      for (const g of hits)
        out.push({
          icon: g.kind,
          label: g.name,
          sub: `${g.kind} in ${g.p}`,
          run: () =>
            go(
              `/p/${g.p}?node=${encodeURIComponent(g.id)}${graphs.filter((x) => x.p === g.p).length > 60 ? '&focus=' + g.id : ''}`,
            ),
        })
    }
    return out.slice(0, 40)
  }, [t, graphs, cur?.id])
  const close = () => (palette.value = false)
  const pick = (j: number) => {
    close()
    items[j]?.run()
  }
  return (
    <div class="overlay" onClick={close}>
      <div class="palette" role="dialog" aria-label="Go to" onClick={(e) => e.stopPropagation()}>
        <input
          ref={inp}
          value={t}
          placeholder="Pipeline, dataset, batch number or action"
          aria-label="Search"
          onInput={(e) => {
            setT(e.currentTarget.value)
            setI(0)
          }}
          onKeyDown={(e) => {
            if (e.key === 'ArrowDown') {
              setI(Math.min(items.length - 1, i + 1))
              e.preventDefault()
            } else if (e.key === 'ArrowUp') {
              setI(Math.max(0, i - 1))
              e.preventDefault()
            } else if (e.key === 'Enter') pick(i)
            else if (e.key === 'Escape') close()
          }}
        />
        <ul role="listbox">
          {items.map((x, j) => (
            <li
              key={x.label + x.sub}
              role="option"
              aria-selected={i === j}
              class={i === j ? 'on' : ''}
              onMouseEnter={() => setI(j)}
              onClick={() => pick(j)}
            >
              <Icon n={x.icon} />
              <b>{x.label}</b>
              <span>{x.sub}</span>
            </li>
          ))}
          {!items.length && <li class="none">Nothing matches "{t}"</li>}
        </ul>
      </div>
    </div>
  )
}
const KEYS: [string, string][] = [
  ['⌘K  /', 'Go to pipeline, dataset, batch, action'],
  ['← →', 'Previous, next batch (⇧ by ten)'],
  ['L', 'Follow live'],
  ['1 … 7', 'Tabs of the pipeline'],
  ['H J K L', 'Move in the graph (focus in graph)'],
  ['+ - 0', 'Zoom, fit (focus in graph)'],
  ['↑ ↓ X', 'Choose, mark rows of the quarantine'],
  ['[ ]', 'Previous, next pipeline'],
  ['G O', 'Overview'],
  ['T', 'Light or dark'],
  ['?', 'This list'],
  ['Esc', 'Close, deselect'],
]

/** All keys. */
export const Help = () => (
  <div class="palette help" role="dialog" aria-label="Keyboard shortcuts">
    <h2>Keyboard</h2>
    <dl>
      {KEYS.map(([k, v]) => (
        <div>
          <dt>
            {k
              .split(' ')
              .filter(Boolean)
              .map((x) => (
                <Kbd k={x} />
              ))}
          </dt>
          <dd>{v}</dd>
        </div>
      ))}
    </dl>
  </div>
)
