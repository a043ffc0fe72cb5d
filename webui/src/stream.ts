// The event stream of the process. One tab of a browser holds it and passes it on to the others: a browser gives all
// tabs together six connections to a host.
import type { StreamEvent } from './contract.ts'

export type Conn = 'connecting' | 'live' | 'lost'
type Heard = (e: StreamEvent) => void
type Told = (s: Conn) => void

const KINDS = ['batch', 'phase', 'state', 'log', 'process', 'reset'] as const

function open(heard: Heard, told: Told): () => void {
  const source = new EventSource('/api/v1/stream')
  source.onopen = () => told('live')
  let again = 0
  let next = () => {}
  source.onerror = () => {
    told('lost')
    // The browser tries again by itself, but not after an answer that is no stream.
    if (source.readyState === EventSource.CLOSED && !again)
      again = window.setTimeout(() => (next = open(heard, told)), 2000)
  }
  for (const kind of KINDS)
    source.addEventListener(kind, (m) => {
      const text = (m as MessageEvent).data
      heard({ event: kind, data: text ? JSON.parse(text) : {} } as StreamEvent)
    })
  return () => {
    clearTimeout(again)
    source.close()
    next()
  }
}

export function follow(heard: Heard, told: Told) {
  if (!navigator.locks || !window.BroadcastChannel) {
    open(heard, told)
    return
  }
  const channel = new BroadcastChannel('millrace.stream')
  let state: Conn = 'connecting'
  let leads = false
  const take = ({ conn, event }: { conn?: Conn; event?: StreamEvent }) => {
    if (conn) told((state = conn))
    if (event) heard(event)
  }
  const tell = (what: { conn?: Conn; event?: StreamEvent }) => {
    channel.postMessage(what)
    take(what)
  }
  channel.onmessage = ({ data }) => {
    if (!data.ask) take(data)
    else if (leads) channel.postMessage({ conn: state })
  }
  channel.postMessage({ ask: true })
  navigator.locks.request('millrace.stream', () => {
    leads = true
    if (state !== 'connecting') tell({ event: { event: 'reset', data: {} } }) // what came while nobody listened
    open(
      (event) => tell({ event }),
      (conn) => tell({ conn }),
    )
    return new Promise(() => {}) // until this tab is closed
  })
}
