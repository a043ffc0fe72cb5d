// A large graph is looked at by its groups; those that are open are in the link. What is fetched of a batch follows.
import type { Batch, Graph, GraphNode, PipelineSummary } from './contract.ts'
import { useGet } from './api.ts'
import { q, setQ } from './router.ts'

const LARGE = 60
export const isLarge = (g?: Graph) => !!g && g.nodes.length > LARGE && g.nodes.some((n) => n.group)
/** As a batch calls the sum of a group. */
export const groupId = (group: string) => 'group:' + group
export const groupOf = (id: string) => (id.startsWith('group:') ? id.slice(6) : null)

/** A node and those that are at most so many steps away from it, up or down. */
export function neighbours(g: Graph, of: string, hops: number): Set<string> {
  const all = new Set([of])
  for (const dir of ['from', 'to'] as const) {
    let last = new Set([of])
    for (let i = 0; i < hops; i++) {
      const next = new Set<string>()
      for (const e of g.edges) if (last.has(e[dir])) next.add(dir === 'from' ? e.to : e.from)
      next.forEach((x) => all.add(x))
      last = next
    }
  }
  return all
}

const chosen = () => (q('open') ?? '').split(',').filter(Boolean)
export function toggleGroup(group: string) {
  const open = new Set(chosen())
  if (!open.delete(group)) open.add(group)
  setQ({ open: [...open].join(',') || null }, true)
}
export const closeGroups = () => setQ({ open: null, node: null }, true)

/** The groups that are open: those that were opened, and those of nodes that are to be seen. */
export function openGroups(g: Graph | undefined, seen: Iterable<string | null> = []): Set<string> {
  const open = new Set(chosen())
  if (!isLarge(g)) return open
  const of = new Map(g!.nodes.map((n) => [n.id, n.group]))
  for (const id of seen) {
    const group = id && of.get(id)
    if (group) open.add(group)
  }
  return open
}

/** What a batch has run: the graph as it was, or, if nobody knows that any more, as it is now (`isOther`). `at`: -1 of now. */
export function useGraph(p: PipelineSummary, at: number) {
  const now = useGet<Graph>(`/pipelines/${p.id}/graph`, p.graph)
  const past = useGet<Graph>(now.data && at >= 0 && at < now.data.since ? `/pipelines/${p.id}/graph?at=${at}` : null)
  const isPast = !!now.data && at >= 0 && at < now.data.since
  return isPast && past.data && !past.error ? { ...past, isOther: false } : { ...now, isOther: isPast && !!past.error }
}

/** A batch, as far as it is looked at. `at`: null as long as it is not known which one. */
export function useBatch(p: PipelineSummary, at: number | null, g: Graph | undefined, open: Set<string>) {
  const nodes = isLarge(g) ? `nodes=groups${open.size ? '&open=' + [...open].sort().map(encodeURIComponent).join() : ''}` : ''
  const of = p.checkpoint && `of=${p.checkpoint}` // its number alone may be another one's after a start from nothing
  const query = [of, nodes].filter(Boolean).join('&')
  return useGet<Batch>(at === null ? null : `/pipelines/${p.id}/batches/${at}${query && '?' + query}`)
}

/** Nodes, those of groups that are not open put together. */
export interface Shown {
  id: string
  kind: GraphNode['kind'] | 'group'
  op: string
  label: string
  detail: string
  members: string[]
}
export function shownNodes(g: Graph, open: Set<string>, only: Set<string> | null): Shown[] {
  const grouped = !only && isLarge(g)
  const all = new Map<string, Shown>()
  for (const n of g.nodes) {
    if (only && !only.has(n.id)) continue
    const group = grouped && n.group && !open.has(n.group) ? n.group : null
    const id = group ? groupId(group) : n.id
    const shown = all.get(id)
    if (shown) shown.members.push(n.id)
    else
      all.set(id, {
        id,
        kind: group ? 'group' : n.kind,
        op: n.op,
        label: group ?? n.name,
        detail: n.detail,
        members: [n.id],
      })
  }
  return [...all.values()]
}
/** Their edges, each with how many it stands for. */
export function shownEdges(g: Graph, nodes: Shown[]) {
  const at = new Map<string, string>()
  for (const n of nodes) for (const id of n.members) at.set(id, n.id)
  const all = new Map<string, { from: string; to: string; n: number }>()
  for (const e of g.edges) {
    const from = at.get(e.from),
      to = at.get(e.to)
    if (!from || !to || from === to) continue
    const known = all.get(from + '>' + to)
    known ? known.n++ : all.set(from + '>' + to, { from, to, n: 1 })
  }
  return [...all.values()]
}

/** What a node, or a group, did in a batch. */
export interface Stat {
  in: number
  out: number
  ms: number
  late: number
  quarantined: number
  state: number
}
export function statOf(n: Shown, of: Map<string, Batch['nodes'][number]>): Stat {
  const s = { in: 0, out: 0, ms: 0, late: 0, quarantined: 0, state: 0 }
  for (const id of n.kind === 'group' ? [n.id, ...n.members] : [n.id]) {
    const b = of.get(id)
    if (!b) continue
    s.in += b.in
    s.out += b.out
    s.ms += b.ms
    s.late += b.late
    s.quarantined += b.quarantined
    s.state += b.state_bytes
  }
  return s
}
