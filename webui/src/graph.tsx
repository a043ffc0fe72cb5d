import dagre from '@dagrejs/dagre'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Batch, Graph } from './contract.ts'
import { type Shown, closeGroups, shownEdges, shownNodes, statOf, toggleGroup } from './groups.ts'
import { Icon, useSize } from './ui.tsx'
import { bytes, dur, int, num } from './fmt.ts'
import { sourceLag } from './places.ts'

export const NW = 158,
  NH = 62
export interface VNode extends Shown {
  x: number
  y: number
  h: number
}
export interface View {
  nodes: VNode[]
  edges: { from: string; to: string; pts: { x: number; y: number }[]; n: number }[]
  w: number
  h: number
}

/** Where what is shown is drawn. */
export function layout(g: Graph, open: Set<string>, only: Set<string> | null, dir: 'LR' | 'TB' = 'LR'): View {
  const vs = shownNodes(g, open, only).map((n) => ({ ...n, x: 0, y: 0, h: n.kind === 'group' ? 52 : NH }))
  const es = shownEdges(g, vs)
  const d = new dagre.graphlib.Graph()
  d.setGraph({
    rankdir: dir,
    nodesep: vs.some((v) => v.kind === 'group') && !open.size ? 8 : dir === 'LR' ? 18 : 12,
    ranksep: dir === 'LR' ? 56 : 44,
    edgesep: 10,
    marginx: 6,
    marginy: 6,
    ranker: 'network-simplex',
  })
  d.setDefaultEdgeLabel(() => ({}))
  for (const v of vs) d.setNode(v.id, { width: NW, height: v.h })
  for (const e of es) d.setEdge(e.from, e.to)
  dagre.layout(d)
  for (const v of vs) {
    const n = d.node(v.id)
    v.x = n.x - NW / 2
    v.y = n.y - v.h / 2
  }
  const gr = d.graph()
  return {
    nodes: vs,
    edges: es.map((e) => ({ ...e, pts: d.edge(e.from, e.to)!.points! })),
    w: gr.width ?? 0,
    h: gr.height ?? 0,
  }
}
const curve = (a: VNode, b: VNode, pts: { x: number; y: number }[], dir: string) => {
  if (dir === 'TB') {
    const x1 = a.x + NW / 2,
      y1 = a.y + a.h,
      x2 = b.x + NW / 2,
      y2 = b.y
    const P = [{ x: x1, y: y1 }, ...(pts.length > 3 ? pts.slice(1, -1) : []), { x: x2, y: y2 }]
    let d = `M${x1} ${y1}`
    for (let i = 1; i < P.length; i++) {
      const p = P[i - 1],
        q = P[i],
        c = Math.max(14, (q.y - p.y) / 2)
      d += `C${p.x} ${p.y + c} ${q.x} ${q.y - c} ${q.x} ${q.y}`
    }
    return d
  }
  const x1 = a.x + NW,
    y1 = a.y + a.h / 2,
    x2 = b.x,
    y2 = b.y + b.h / 2
  const mid = pts.slice(1, -1)
  const P = [{ x: x1, y: y1 }, ...(mid.length > 1 ? mid : []), { x: x2, y: y2 }]
  let d = `M${x1} ${y1}`
  for (let i = 1; i < P.length; i++) {
    const p = P[i - 1],
      q = P[i],
      c = Math.max(18, (q.x - p.x) / 2)
    d += `C${p.x + c} ${p.y} ${q.x - c} ${q.y} ${q.x} ${q.y}`
  }
  return d
}

export function GraphView({
  g,
  b,
  sel,
  onSel,
  trigger,
  live,
  find,
  open,
  only,
  path,
  minK,
}: {
  minK?: number
  g: Graph
  b?: Batch
  sel: string | null
  onSel: (id: string | null) => void
  trigger: number
  live: boolean
  find: string
  open: Set<string>
  only: Set<string> | null
  path?: Set<string>
}) {
  const [box, size] = useSize<HTMLDivElement>()
  const dir = size.w && innerWidth < 900 ? ('TB' as const) : ('LR' as const)
  const v = useMemo(() => layout(g, open, only, dir), [g, open, only, dir])
  const [t, setT] = useState({ x: 0, y: 0, k: 1 })
  const touched = useRef(false)
  const fit = () => {
    if (!size.w) return
    const top = minK ? 6 : 46,
      bot = minK ? 6 : 26,
      H = size.h - top - bot
    const k = Math.max(
      minK ?? (v.nodes[0]?.kind === 'group' && !open.size ? 0.68 : 0.88),
      Math.min(1.15, (size.w - 16) / v.w, H / v.h),
    )
    const ex = open.size ? v.nodes.filter((n) => n.kind !== 'group') : []
    const mid = ex.length
      ? { x: ex[ex.length >> 1].x, y: ex.reduce((a, n) => a + n.y, 0) / ex.length, h: NH }
      : undefined
    const c = (sel ? v.nodes.find((n) => n.id === sel) : undefined) ?? mid
    const axis = (W: number, size: number, at: number | undefined) =>
      W <= size ? (size - W) / 2 : at === undefined ? 0 : Math.min(0, Math.max(size - W, size / 2 - at))
    setT({
      k,
      x: 6 + axis(v.w * k, size.w - 12, c && (c.x + NW / 2) * k),
      y: top + axis(v.h * k, H, c && (c.y + c.h / 2) * k),
    })
    touched.current = false
  }
  useEffect(() => {
    if (!touched.current) fit()
  }, [size.w, size.h, v, !!sel])
  useEffect(() => {
    touched.current = false
  }, [g, only])
  const m = useMemo(() => new Map(b?.nodes.map((x) => [x.id, x])), [b])
  const er = useMemo(() => {
    const f = new Map<string, number>()
    const at = new Map<string, string>()
    v.nodes.forEach((n) => n.members.forEach((x) => at.set(x, n.id)))
    b?.edges.forEach((e) => {
      const k = (at.get(e.from) ?? e.from) + '>' + (at.get(e.to) ?? e.to)
      f.set(k, (f.get(k) ?? 0) + e.rows)
    })
    return f
  }, [b, v])
  const maxMs = Math.max(
    1,
    ...v.nodes.filter((n) => n.kind !== 'source').map((n) => statOf(n, m).ms),
  )
  const runMs = b?.phases.find((x) => x.name === 'run')?.ms ?? 1
  const byId = new Map(v.nodes.map((n) => [n.id, n]))
  const per = Math.max(trigger, b?.ms ?? 0, 1) / 1000
  const near = sel
    ? new Set(v.edges.filter((e) => e.from === sel || e.to === sel).map((e) => e.from + '>' + e.to))
    : null
  const drag = useRef<{ x: number; y: number; tx: number; ty: number } | null>(null)
  const zoom = (f: number, cx = size.w / 2, cy = size.h / 2) => {
    touched.current = true
    setT((t) => {
      const k = Math.min(1.6, Math.max(0.3, t.k * f))
      return { k, x: cx - (cx - t.x) * (k / t.k), y: cy - (cy - t.y) * (k / t.k) }
    })
  }
  const nb = (dx: number, dy: number) => {
    const c = byId.get(sel ?? '') ?? v.nodes[0]
    let best: VNode | null = null,
      bd = 1e9
    for (const n of v.nodes) {
      if (n === c) continue
      const x = n.x - c.x,
        y = n.y - c.y
      const along = x * dx + y * dy,
        off = Math.abs(x * dy) + Math.abs(y * dx)
      if (along <= 4) continue
      const d = along + off * 2
      if (d < bd) {
        bd = d
        best = n
      }
    }
    if (best) {
      onSel(best.id)
      document.getElementById('n-' + best.id)?.focus({ preventScroll: true })
    }
  }
  return (
    <div
      class="graph"
      ref={box}
      onWheel={(e) => {
        e.preventDefault()
        const r = box.current!.getBoundingClientRect()
        if (e.ctrlKey || Math.abs(e.deltaY) > 40)
          zoom(e.deltaY > 0 ? 0.9 : 1.1, e.clientX - r.left, e.clientY - r.top)
        else {
          touched.current = true
          setT((t) => ({ ...t, x: t.x - e.deltaX, y: t.y - e.deltaY }))
        }
      }}
      onPointerDown={(e) => {
        if ((e.target as Element).closest('button')) return
        drag.current = { x: e.clientX, y: e.clientY, tx: t.x, ty: t.y }
      }}
      onPointerMove={(e) => {
        const d = drag.current
        if (d && e.buttons) {
          touched.current = true
          setT((t) => ({ ...t, x: d.tx + e.clientX - d.x, y: d.ty + e.clientY - d.y }))
        }
      }}
      onPointerUp={(e) => {
        const d = drag.current
        drag.current = null
        if (d && Math.hypot(e.clientX - d.x, e.clientY - d.y) < 4) onSel(null)
      }}
      onKeyDown={(e) => {
        const k: Record<string, [number, number]> = { h: [-1, 0], l: [1, 0], k: [0, -1], j: [0, 1] }
        if (k[e.key]) {
          e.stopPropagation()
          nb(...k[e.key])
        }
        if (e.key === '+') zoom(1.2)
        if (e.key === '-') zoom(0.83)
        if (e.key === '0') fit()
      }}
    >
      <div
        class="world"
        style={{ transform: `translate(${t.x}px,${t.y}px) scale(${t.k})`, width: v.w, height: v.h }}
      >
        <svg width={v.w} height={v.h} aria-hidden="true">
          {v.edges.map((e) => {
            const a = byId.get(e.from)!,
              z = byId.get(e.to)!
            const rows = er.get(e.from + '>' + e.to) ?? 0,
              rate = rows / per
            const d = curve(a, z, e.pts, dir)
            const on = near?.has(e.from + '>' + e.to)
            const hot = path?.has(e.from) && path?.has(e.to)
            return (
              <g
                key={e.from + e.to}
                class={`edge ${near && !on ? 'faint' : ''} ${on ? 'on' : ''} ${path ? (hot ? 'hot' : 'faint') : ''}`}
              >
                <path
                  d={d}
                  style={{ strokeWidth: rows ? 1 + Math.min(4.2, Math.log10(1 + rate) * 0.85) : 1 }}
                />
                {live && rows > 0 && v.edges.length < 80 && (
                  <path
                    class="flow"
                    d={d}
                    style={{ animationDuration: `${Math.max(0.7, 3.4 - Math.log10(1 + rate) * 0.55)}s` }}
                  />
                )}
              </g>
            )
          })}
        </svg>
        {v.edges.length < 70 &&
          b &&
          !path &&
          v.edges.map((e) => {
            const a = byId.get(e.from)!
            // One label for what comes out of a node; none where it is not counted, as into tables that are served.
            const counted = (x: { from: string; to: string }) => er.has(x.from + '>' + x.to)
            if (v.edges.find((x) => x.from === e.from && counted(x)) !== e) return null
            const rate = er.get(e.from + '>' + e.to)! / per
            return (
              <span
                key={'l' + e.from}
                class="elabel"
                style={
                  dir === 'LR'
                    ? { left: a.x + NW + 3, top: a.y + a.h / 2 - 19 }
                    : { left: a.x + NW / 2 + 6, top: a.y + a.h + 1 }
                }
              >
                {num(rate)}/s
              </span>
            )
          })}
        {v.nodes.map((n) => {
          const s = statOf(n, m)
          const share = n.kind === 'source' ? 0 : s.ms / maxMs
          const hold = b?.holder && n.members.includes(b.holder.source) && b.holder.idle_ms > 0
          const dim = (find && !n.members.some((x) => x.toLowerCase().includes(find.toLowerCase()))) || (path && !path.has(n.id))
          const src = b?.sources.find((x) => x.id === n.id)
          const lag = src ? sourceLag(src) : 0
          return (
            <button
              key={n.id}
              id={'n-' + n.id}
              class={`node n-${n.kind} ${sel === n.id ? 'sel' : ''} ${dim ? 'dim' : ''} ${b?.error && b.error.where.split(' ').includes(n.label) ? 'err' : ''}`}
              style={{ left: n.x, top: n.y, width: NW, height: n.h }}
              onClick={() => {
                if (n.kind === 'group') toggleGroup(n.label)
                else onSel(n.id)
              }}
              aria-pressed={n.kind === 'group' ? undefined : sel === n.id}
              aria-expanded={n.kind === 'group' ? false : undefined}
              aria-label={`${n.kind} ${n.label}, ${int(s.in)} rows in, ${int(s.out)} out, ${dur(s.ms)}`}
            >
              <span class="nt">
                {n.kind !== 'group' && <Icon n={n.kind} size={13} />}
                <b>{n.label}</b>
              </span>
              {n.kind !== 'group' && (
                <span class="nd">{n.kind === 'dataset' ? n.op || n.detail : n.detail || n.op}</span>
              )}
              <span class="nf">
                {n.kind === 'source' ? (
                  <>
                    {lag > s.in * 0.5 && s.in > 100 ? (
                      <em class="w">lag {num(lag)}</em>
                    ) : (
                      <em>{src && src.parts.length > 1 ? `${src.parts.length} parts` : n.op}</em>
                    )}
                  </>
                ) : (
                  <>
                    <i class="heat" style={{ width: 44 }}>
                      <u
                        style={{ width: `${share * 100}%` }}
                        class={share > 0.8 && s.ms > runMs * 0.3 ? 'top' : ''}
                      />
                    </i>
                    <em>{dur(s.ms)}</em>
                  </>
                )}
                {n.kind === 'group' && <em title={`${n.members.length} nodes`}>×{n.members.length}</em>}
                {s.state > 0 && (
                  <em class="st" title="state">
                    {bytes(s.state)}
                  </em>
                )}
                {s.quarantined > 0 && (
                  <em class="q" title={`${s.quarantined} quarantined`}>
                    ⬡{num(s.quarantined)}
                  </em>
                )}
                {s.late > 0 && n.kind === 'dataset' && !s.quarantined && (
                  <em class="lt" title={`${s.late} late`}>
                    ◷{num(s.late)}
                  </em>
                )}
                {hold && (
                  <em class="w" title="holds the watermark back">
                    holds wm
                  </em>
                )}
              </span>
            </button>
          )
        })}
      </div>
      <div class="gtools">
        <button class="btn icn" title="Zoom in (+)" aria-label="Zoom in" onClick={() => zoom(1.2)}>
          <Icon n="plus" />
        </button>
        <button class="btn icn" title="Zoom out (−)" aria-label="Zoom out" onClick={() => zoom(0.83)}>
          <Icon n="minus" />
        </button>
        <button class="btn icn" title="Fit (0)" aria-label="Fit to view" onClick={fit}>
          <Icon n="fit" />
        </button>
        {open.size > 0 && (
          <button class="btn" onClick={closeGroups}>
            Collapse {open.size} group{open.size > 1 ? 's' : ''}
          </button>
        )}
      </div>
      <div class="gkey">
        <span>
          <i class="k1" />
          share of run time
        </span>
        <span class="q">⬡ quarantined</span>
        <span class="lt">◷ late</span>
      </div>
    </div>
  )
}
