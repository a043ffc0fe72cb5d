import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { useSize } from './ui.tsx'
import { theme } from './theme.ts'

export interface S {
  label: string
  color: string
  fill?: string
  step?: boolean
  width?: number
  dash?: number[]
}
const css = (v: string) =>
  v.startsWith('--') ? getComputedStyle(document.documentElement).getPropertyValue(v).trim() : v
const sync = uPlot.sync('mr')
/** A uPlot panel over batches: x is the batch number, a click travels there, the playhead is drawn on it. */
export function Chart({
  data,
  series,
  fmt,
  at,
  live,
  line,
  onPick,
  height = 132,
  stack,
  xfmt,
  min0 = true,
}: {
  data: number[][]
  series: S[]
  fmt: (v: number) => string
  at?: number
  live?: boolean
  line?: { y: number; label: string }
  onPick?: (n: number) => void
  height?: number
  stack?: boolean
  xfmt?: (n: number) => string
  min0?: boolean
}) {
  const [box, size] = useSize<HTMLDivElement>()
  const u = useRef<uPlot | null>(null)
  const st = useRef({ at, live, line, onPick })
  st.current = { at, live, line, onPick }
  const leg = useRef<HTMLDivElement>(null)
  const raw = useRef(data)
  raw.current = data
  const shown = stack
    ? [
        data[0],
        ...data.slice(1).map((_, i) =>
          data[0].map((_, j) => {
            let a = 0
            for (let k = i; k < data.length - 1; k++) a += data[k + 1][j]
            return a
          }),
        ),
      ]
    : data
  useEffect(() => {
    if (!size.w) return
    const dim = css('--dim'),
      grid = css('--grid'),
      font = '11px ' + getComputedStyle(document.body).fontFamily
    const paintLegend = (p: uPlot) => {
      if (!leg.current) return
      const D0 = raw.current[0] ?? [],
        k0 = st.current.live ? -1 : D0.indexOf(st.current.at ?? -1)
      const i = p.cursor.idx ?? (k0 >= 0 ? k0 : D0.length - 1)
      const D = raw.current
      const L = series.map((s, k) => {
        const [span, dot, value] = ['span', 'i', 'b'].map((tag) => document.createElement(tag))
        dot.style.background = css(s.color)
        value.textContent = D[k + 1]?.[i] == null ? '' : fmt(D[k + 1][i])
        span.append(dot, s.label + ' ', value)
        return span
      })
      leg.current.replaceChildren(...(stack ? L.reverse() : L))
    }
    const o: uPlot.Options = {
      width: size.w,
      height,
      padding: [8, 20, 0, 0],
      legend: { show: false },
      cursor: {
        sync: { key: sync.key, setSeries: false },
        y: false,
        points: { size: 5 },
        drag: { x: false, y: false },
      },
      scales: {
        x: { time: false },
        y: {
          range: (_u, lo, hi) => {
            const top = Math.max(hi, st.current.line ? st.current.line.y * 1.06 : 0) || 1
            return [min0 ? 0 : lo - (hi - lo) * 0.1, top * 1.06]
          },
        },
      },
      axes: [
        {
          stroke: dim,
          font,
          grid: { show: false },
          ticks: { show: false },
          size: 22,
          gap: 2,
          space: 90,
          values: (_u, v) => v.map((n) => (n % 1 ? '' : xfmt ? xfmt(n) : n.toLocaleString('en-US'))),
        },
        {
          stroke: dim,
          font,
          grid: { stroke: grid, width: 1 },
          ticks: { show: false },
          size: 54,
          gap: 4,
          space: 26,
          values: (_u, v) => v.map((x) => fmt(x)),
        },
      ],
      series: [
        {},
        ...series.map((s) => ({
          label: s.label,
          stroke: css(s.color),
          width: s.width ?? (stack ? 0 : 1.5),
          fill: s.fill || stack ? css(s.fill ?? s.color) : undefined,
          dash: s.dash,
          points: { show: false },
          paths: stack || s.step ? uPlot.paths.stepped!({ align: -1 }) : undefined,
        })),
      ],
      hooks: {
        setCursor: [paintLegend],
        setData: [paintLegend],
        ready: [paintLegend],
        draw: [
          (p) => {
            const c = p.ctx,
              { at, live, line } = st.current,
              r = devicePixelRatio
            c.save()
            if (line) {
              const y = p.valToPos(line.y, 'y', true)
              c.strokeStyle = css('--warn')
              c.setLineDash([4 * r, 3 * r])
              c.lineWidth = r
              c.beginPath()
              c.moveTo(p.bbox.left, y)
              c.lineTo(p.bbox.left + p.bbox.width, y)
              c.stroke()
              c.setLineDash([])
              c.fillStyle = css('--warn-t')
              c.font = `${10.5 * r}px ${getComputedStyle(document.body).fontFamily}`
              c.textAlign = 'left'
              c.fillText(line.label, p.bbox.left + 4 * r, y - 4 * r)
            }
            if (at !== undefined && !live) {
              const x = p.valToPos(at, 'x', true)
              c.setLineDash([])
              c.strokeStyle = css('--accent')
              c.lineWidth = 1.5 * r
              c.beginPath()
              c.moveTo(x, p.bbox.top)
              c.lineTo(x, p.bbox.top + p.bbox.height)
              c.stroke()
            }
            c.restore()
          },
        ],
      },
    }
    const p = new uPlot(o, shown as uPlot.AlignedData, box.current!)
    u.current = p
    paintLegend(p)
    const over = p.over
    const click = () => {
      const i = p.cursor.idx
      if (i != null && st.current.onPick) st.current.onPick(p.data[0][i] as number)
    }
    over.addEventListener('click', click)
    return () => {
      p.destroy()
      u.current = null
    }
  }, [size.w, height, theme.value, series.length])
  useEffect(() => {
    if (u.current) {
      u.current.setData(shown as uPlot.AlignedData)
    }
  }, [data[0]?.[0], data[0]?.[data[0].length - 1], data[0]?.length, at, live])
  return (
    <div class="chart">
      <div class={`legend ${series.length > 3 ? 'many' : ''}`} ref={leg} />
      <div ref={box} class="plot" style={{ height }} />
    </div>
  )
}
