// Places in sources are as those have them: numbers of rows, texts, or not known.
import type { PartBatch, SourceBatch } from './contract.ts'
import { int } from './fmt.ts'

type Place = PartBatch['from']
export const place = (at: Place) => (typeof at === 'number' ? int(at) : (at ?? '–'))
const between = (from: Place, to: Place) =>
  typeof from === 'number' && typeof to === 'number' ? to - from : null

/** What a batch read of a partition, as far as numbers say so. */
export const partRead = (x: PartBatch) => between(x.from, x.to) ?? 0
/** What there was that it did not read; null: that is not known. */
export const partLag = (x: PartBatch) => between(x.to, x.head)
export const sourceLag = (s: SourceBatch) => s.lag_rows ?? s.parts.reduce((a, x) => a + (partLag(x) ?? 0), 0)
