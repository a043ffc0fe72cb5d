import type { PipelineSummary, Progress } from './contract.ts'

/** Whether batches come by themselves. */
export const isOn = (p: PipelineSummary) => p.state === 'running'

/** The time that a batch stands for, in seconds: since the one before, but no less than its trigger. */
export function seconds(list: Progress[], i: number, trigger_ms: number): number {
  const gap = i > 0 ? list[i].at - list[i - 1].at : 0
  return Math.max(gap, trigger_ms, list[i]?.ms ?? 0, 1) / 1000
}

/** Rows a second at one batch. */
export const rateAt = (list: Progress[], i: number, trigger_ms: number, what: 'rows_in' | 'rows_out') =>
  list[i] ? list[i][what] / seconds(list, i, trigger_ms) : 0

/** Rows a second of late: the last batches, so that one empty batch does not say "0". */
export function rate(p: PipelineSummary, what: 'rows_in' | 'rows_out' = 'rows_in'): number {
  const list = p.progress.slice(-5)
  if (!list.length) return 0
  const rows = list.reduce((a, b) => a + b[what], 0)
  return rows / list.reduce((a, _, i) => a + seconds(list, i, p.trigger_ms), 0)
}

/** The part of its trigger that a batch took; of one that runs without pauses, 0: it may take what it likes. */
export const ofTrigger = (ms: number, trigger_ms: number) => (trigger_ms > 0 ? ms / trigger_ms : 0)

export const hasWatermark = (b: Progress) => b.watermark_holder !== undefined || b.wm_delay_ms > 0
/** Who holds a batch's watermark back: one that is behind the others by so much that somebody might see it. */
export const heldBy = (b: Progress) => ((b.held_ms ?? 0) >= 1000 ? b.watermark_holder : undefined)
