import { computed, signal, batch as together } from '@preact/signals'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Access, LogEvent, PipelineSummary, Process, Progress, StreamEvent } from './contract.ts'
import { type Conn, follow } from './stream.ts'

export class ApiError extends Error {
  constructor(
    public status: number,
    public code: string,
    message: string,
    public hint = '',
  ) {
    super(message)
  }
}

async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
  let answer: Response
  try {
    answer = await fetch('/api/v1' + path, {
      method,
      headers: body ? { 'content-type': 'application/json' } : {},
      body: body ? JSON.stringify(body) : undefined,
    })
  } catch {
    throw new ApiError(0, 'unreachable', 'millrace does not answer', 'It may be stopped, or the network is gone.')
  }
  if (!answer.ok) {
    const e = await answer.json().catch(() => ({}))
    throw new ApiError(answer.status, e.code ?? 'http', e.message ?? answer.statusText, e.hint)
  }
  return answer.json()
}
export const get = <X>(path: string) => request<X>('GET', path)
export const post = <X>(path: string, body: unknown) => request<X>('POST', path, body)

/** Milliseconds by the server's clock, which may be another one than ours. */
let skew = 0
export const now = () => Date.now() + skew

// ---- what is live, fed by one event stream
export const SERIES_MAX = 400
const STRIP = 60
const LOGS_MAX = 200
export const conn = signal<Conn>('connecting')
export const process_ = signal<Process | null>(null)
export const pipelines = signal<PipelineSummary[] | null>(null)
export const access = signal<Access | null>(null)
/** Why nothing can be changed by whoever looks; empty: it can. */
export const readOnly = computed(() =>
  access.value && access.value.permission !== 'control'
    ? `${access.value.user} may look, and change nothing: that needs the permission control`
    : '',
)
export const loadError = signal<ApiError | null>(null)
export const running = signal<Record<string, { n: number; phase: string; since: number }>>({})
export const series = signal<Record<string, Progress[]>>({}) // of the pipelines that were opened
/** How often what came by the stream had a gap: lists that it feeds are got again. */
export const resets = signal(0)
export const freshLogs = signal<LogEvent[]>([])
export const toasts = signal<{ id: number; text: string; tone: string }[]>([])
let toastId = 0
export const toast = (text: string, tone = 'info') => {
  const id = ++toastId
  toasts.value = [...toasts.value, { id, text, tone }]
  setTimeout(() => (toasts.value = toasts.value.filter((t) => t.id !== id)), tone === 'bad' ? 9000 : 4200)
}

/** A line of progress put in its place: a batch that is run again after a failure has the number of the failed one. */
function withBatch(list: Progress[], b: Progress, most: number): Progress[] {
  const last = list.at(-1)
  if (!last || b.n > last.n) return [...list.slice(1 - most), b]
  return list.map((x) => (x.n === b.n ? b : x))
}

async function refresh(id: string) {
  try {
    const s = await get<PipelineSummary>('/pipelines/' + encodeURIComponent(id))
    const all = pipelines.value ?? []
    pipelines.value = all.some((p) => p.id === id) ? all.map((p) => (p.id === id ? s : p)) : [...all, s]
  } catch (e) {
    if ((e as ApiError).status === 404) pipelines.value = (pipelines.value ?? []).filter((p) => p.id !== id)
  }
}

let queue: StreamEvent[] = []
let frame = 0
function flush() {
  frame = 0
  const events = queue
  queue = []
  together(() => {
    let list = pipelines.value
    let all = series.value
    let phases = running.value
    const stale = new Set<string>()
    for (const e of events) {
      if (e.event === 'batch') {
        const b = e.data
        const known = list?.find((p) => p.id === b.p)
        if (!known) stale.add(b.p)
        list =
          list &&
          list.map((p) =>
            p.id === b.p ? { ...p, batch: Math.max(p.batch, b.n), progress: withBatch(p.progress, b, STRIP) } : p,
          )
        if (all[b.p]) all = { ...all, [b.p]: withBatch(all[b.p], b, SERIES_MAX) }
      } else if (e.event === 'phase') phases = { ...phases, [e.data.p]: e.data }
      else if (e.event === 'process') process_.value = e.data
      else if (e.event === 'log') freshLogs.value = [e.data, ...freshLogs.value].slice(0, LOGS_MAX)
      else if (e.event === 'state') stale.add(e.data.p)
    }
    pipelines.value = list
    series.value = all
    running.value = phases
    stale.forEach(refresh)
  })
}

async function load() {
  try {
    const [list, process, who] = await Promise.all([
      get<PipelineSummary[]>('/pipelines'),
      get<Process>('/process'),
      get<Access>('/access'),
    ])
    skew = process.now - Date.now()
    pipelines.value = list
    process_.value = process
    access.value = who
    loadError.value = null
  } catch (e) {
    if (!pipelines.value) loadError.value = e as ApiError
  }
}

/** Lists anew, after the stream had a gap; what was opened is fetched again when it is looked at. */
async function reset() {
  const opened = Object.keys(series.value)
  series.value = {}
  freshLogs.value = []
  resets.value++
  await load()
  opened.forEach(openSeries)
}

export function start() {
  load()
  follow(
    (e) => {
      if (e.event === 'reset') {
        reset()
        return
      }
      queue.push(e)
      // A hidden tab draws nothing; what came meanwhile is drawn when it is looked at.
      if (!document.hidden) frame ||= requestAnimationFrame(flush)
      else if (queue.length > 5000) flush()
    },
    (s) => {
      if (s === 'live' && conn.value === 'lost') reset()
      conn.value = s
    },
  )
  document.addEventListener('visibilitychange', () => !document.hidden && flush())
  // Findings, counts and those that were added or are gone have no events of their own.
  setInterval(() => !document.hidden && load(), 5000)
}

const opening = new Set<string>()
export async function openSeries(id: string) {
  if (series.value[id] || opening.has(id)) return
  opening.add(id)
  try {
    const last = pipelines.value?.find((p) => p.id === id)?.batch ?? 0
    const list = await get<Progress[]>(
      `/pipelines/${encodeURIComponent(id)}/progress?from=${Math.max(0, last - SERIES_MAX + 1)}`,
    )
    series.value = { ...series.value, [id]: list.slice(-SERIES_MAX) }
  } catch {
    // The strip of the summary is drawn in its place.
  } finally {
    opening.delete(id)
  }
}

/** GET with the last good value kept while the next one loads: nothing flickers between batches. `version`: to get it again. */
export function useGet<X>(path: string | null, version = ''): { data?: X; error?: ApiError; stale: boolean; again: () => void } {
  const [s, set] = useState<{ data?: X; error?: ApiError; for?: string }>({})
  const [turn, setTurn] = useState(0)
  const want = useRef(path)
  want.current = path
  const of = (a?: string | null) => a?.split('?')[0].replace(/batches\/-?\d+/, '')
  useEffect(() => {
    if (!path) return
    get<X>(path).then(
      (data) => want.current === path && set({ data, for: path }),
      (error: ApiError) => {
        if (want.current !== path) return
        // Nobody answers: what is there stays, with its age, until somebody does.
        set((s) => (error.status === 0 && s.data && of(s.for) === of(path) ? s : { error, for: path }))
      },
    )
  }, [path, turn, version])
  const again = () => setTurn((t) => t + 1)
  return of(s.for) === of(path)
    ? { data: s.data, error: s.error, stale: s.for !== path, again }
    : { stale: true, again }
}
