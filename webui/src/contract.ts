// The data contract between the millrace binary and this UI: what src/control/contract.json declares (`npm run types` makes
// types of it). Times are epoch milliseconds, durations milliseconds, sizes bytes, rates rows/s. Every GET that takes ?at=N
// answers for committed batch N; without it, for the last committed batch.
import type { Phase } from './generated/contract.ts'

export type * from './generated/contract.ts'
export const PHASES = ['plan', 'read', 'run', 'stage', 'commit'] as const satisfies readonly Phase[]
