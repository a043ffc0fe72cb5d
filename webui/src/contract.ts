// The data contract between the millrace binary and this UI. Times are epoch milliseconds, sizes bytes, rates rows/s.
// Every GET that takes ?at=N answers for committed batch N; without it, for the last committed batch.
export type RunState = 'running' | 'paused' | 'failed' | 'starting' | 'stopped' | 'backfilling'
export type Consequence = 'warn' | 'drop' | 'quarantine' | 'fail'
export const PHASES = ['plan', 'read', 'run', 'stage', 'commit'] as const
export type PhaseName = (typeof PHASES)[number]

/** GET /api/v1/process and `process` events */
export interface Process {
  name: string
  version: string
  host: string
  pid: number
  started_at: number
  now: number
  cpu: number
  cores: number
  rss: number
  mem_limit: number
  disk_free: number
  rows_in_s: number
  rows_out_s: number
}

/** One line of progress: what the SSE stream carries per committed batch and what series are made of. ~200 bytes. */
export interface Progress {
  p: string
  n: number
  at: number
  ms: number
  ph: number[] // ph: ms per phase, PHASES order
  rows_in: number
  rows_out: number
  late: number
  dup: number
  filtered: number
  quarantined: number
  lag_rows: number
  freshness_ms: number
  wm_delay_ms: number
  state_bytes: number
  failed_checks: number
  ok: boolean
}
export interface Finding {
  severity: 'bad' | 'warn' | 'info'
  pipeline: string
  title: string
  detail: string
  link: string
  since_batch: number
  action?: { label: string; link: string }
}

/** GET /api/v1/pipelines */
export interface PipelineSummary {
  id: string
  title: string
  state: RunState
  state_since: number
  state_by?: string
  trigger_ms: number
  batch: number
  oldest: number
  sources: number
  datasets: number
  sinks: number
  quarantine_open: number
  checks: number
  checks_failing: number
  watermark_holder?: string
  error?: PipelineError
  findings: Finding[]
  progress: Progress[] // progress: last 60
  backfill?: { done: number; eta_ms: number }
}
export interface PipelineError {
  code: string
  message: string
  where: string
  batch: number
  at: number
  attempts: number
  hint: string
  next_attempt?: number
}

/** GET /api/v1/pipelines/{id}/graph */
export interface GNode {
  id: string
  name: string
  kind: 'source' | 'dataset' | 'sink'
  op: string
  group?: string
  detail: string
  sql?: string
  stateful: boolean
  columns: [string, string][]
  checks: string[]
  table?: boolean
}
export interface GEdge {
  from: string
  to: string
}
export interface Graph {
  nodes: GNode[]
  edges: GEdge[]
}

/** GET /api/v1/pipelines/{id}/batches/{n}. Identity per node: in + emitted = out + filtered + late + duplicate + quarantined + absorbed */
export interface NodeBatch {
  id: string
  in: number
  out: number
  emitted: number
  absorbed: number
  filtered: number
  late: number
  duplicate: number
  quarantined: number
  ms: number
  start_ms: number
  bytes: number
  state_rows: number
  state_bytes: number
}
export interface EdgeBatch {
  from: string
  to: string
  rows: number
  bytes: number
}
export interface PartBatch {
  part: string
  from: number
  to: number
  head: number | null // not known: the source has no end that it could be behind of
  watermark: number | null
  idle_ms: number
}
export interface SourceBatch {
  id: string
  kind: string
  where: string
  parts: PartBatch[]
  rows: number
  malformed: number
  lag_rows: number | null
  text: string
  watermark: number | null
  allowed_ms: number
}
export interface SinkBatch {
  id: string
  kind: string
  where: string
  rows: number
  bytes: number
  files: number
  version: string
  ms: number
}
export interface CheckBatch {
  name: string
  dataset: string
  expr: string
  consequence: Consequence
  passed: number
  failed: number
}
export interface Span {
  lane: string
  phase: PhaseName
  start: number
  ms: number
  rows: number
  p50: number
}
export interface Batch {
  p: string
  n: number
  at: number
  ms: number
  outcome: 'committed' | 'failed'
  phases: { name: PhaseName; start: number; ms: number; p50: number; what: string }[]
  nodes: NodeBatch[]
  edges: EdgeBatch[]
  sources: SourceBatch[]
  sinks: SinkBatch[]
  checks: CheckBatch[]
  spans: Span[]
  watermark: number | null
  holder?: { source: string; part: string; idle_ms: number; behind_ms: number }
  progress: Progress
  error?: PipelineError
  fingerprint: string
}
/** GET /api/v1/pipelines/{id}/checks?at= */
export interface CheckRow extends CheckBatch {
  history: number[]
  failed_total: number
  last_failed?: number
  sample?: string
}
/** GET /api/v1/pipelines/{id}/quarantine?reason=&dataset=&limit=&cursor= */
export interface QRow {
  id: string
  batch: number
  at: number
  dataset: string
  check: string
  reason: string
  field: string
  coord: string
  raw: string
  status: 'open' | 'waiting' | 'replayed' | 'discarded'
}
/** GET /api/v1/pipelines/{id}/state?at= */
export interface StateTable {
  id: string
  kind: string
  keys: string
  rows: number
  bytes: number
  mem: number
  disk: number
  updated: number
  evicted: number | null
  oldest: number | null
  ttl: string
  history: number[]
}
/** GET /api/v1/pipelines/{id}/tables, POST /api/v1/pipelines/{id}/query {sql, at} */
export interface LiveTable {
  name: string
  rows: number
  bytes: number
  columns: [string, string][]
  key: string
}
export interface QueryResult {
  columns: [string, string][]
  rows: (string | number | boolean | object | null)[][]
  at: number
  ms: number
  scanned: number
  total: number
}
/** GET /api/v1/endpoints */
export interface Endpoint {
  id: string
  pipeline: string
  method: string
  path: string
  url: string
  requests: number
  table: string
  rps: number
  p50: number
  p99: number
  err: number
  hit: number
  at: number
  age_ms: number
  rps_hist: number[]
  p99_hist: number[]
  example: string
  reply: string
  auth: string
  buckets: number[]
}
/** POST /api/v1/pipelines/{id}/trace {at, dataset, where} */
export interface TraceStep {
  node: string
  kind: string
  verdict: 'pass' | 'change' | 'filter' | 'late' | 'duplicate' | 'quarantine' | 'absorb' | 'join' | 'write'
  say: string
  in: number
  out: number
  ms: number
  columns: string[]
  rows: { v: (string | number | null)[]; changed?: number[] }[]
  coord?: string
  depth: number
}
export interface Trace {
  at: number
  where: string
  dataset: string
  ms: number
  steps: TraceStep[]
}
/** GET /api/v1/events?pipeline=&level=&before= and `log` events */
export interface LogEvent {
  id: number
  at: number
  level: 'info' | 'warn' | 'error'
  pipeline: string
  batch?: number
  kind: string
  text: string
}
/** SSE /api/v1/stream (Last-Event-ID resumes) */
export type StreamEvent =
  | { event: 'batch'; data: Progress }
  | { event: 'phase'; data: { p: string; n: number; phase: PhaseName; since: number } }
  | { event: 'state'; data: { p: string; state: RunState; by: string } }
  | { event: 'log'; data: LogEvent }
  | { event: 'process'; data: Process }
  | { event: 'reset'; data?: unknown } // events were lost: fetch the lists anew
