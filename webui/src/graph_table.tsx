import { useMemo } from 'preact/hooks'
import type { Batch, Graph } from './contract.ts'
import { groupOf, shownEdges, shownNodes, statOf, toggleGroup } from './groups.ts'
import { bytes, dur, int } from './fmt.ts'
import { Icon, Th } from './ui.tsx'

/** The graph as rows: for keyboards, for screen readers, and for whoever wants to read numbers. */
export function GraphTable({
  g,
  b,
  open,
  only,
  sel,
  onSel,
  find,
}: {
  g: Graph
  b?: Batch
  open: Set<string>
  only: Set<string> | null
  sel: string | null
  onSel: (id: string | null) => void
  find: string
}) {
  const nodes = useMemo(() => shownNodes(g, open, only), [g, open, only])
  const edges = useMemo(() => shownEdges(g, nodes), [g, nodes])
  const did = useMemo(() => new Map(b?.nodes.map((n) => [n.id, n])), [b])
  const label = new Map(nodes.map((n) => [n.id, n.label]))
  const names = (ids: string[]) => {
    const all = ids.map((id) => label.get(id) ?? id)
    return all.length > 4 ? `${all.slice(0, 3).join(', ')} and ${all.length - 3} more` : all.join(', ') || '–'
  }
  return (
    <div class="scroll gtab" role="region" aria-label="Nodes of the graph" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <Th>Node</Th>
            <Th>Kind</Th>
            <Th>Reads</Th>
            <Th>Read by</Th>
            <Th r>Rows in</Th>
            <Th r>Rows out</Th>
            <Th r>Time</Th>
            <Th r>State</Th>
            <Th r>Late</Th>
            <Th r>Quarantined</Th>
          </tr>
        </thead>
        <tbody>
          {nodes
            .filter((n) => !find || n.members.some((id) => id.toLowerCase().includes(find.toLowerCase())))
            .map((n) => {
              const s = statOf(n, did)
              const group = groupOf(n.id)
              return (
                <tr key={n.id} class={sel === n.id ? 'selr' : ''}>
                  <td>
                    <button
                      class="nbtn"
                      aria-pressed={group ? undefined : sel === n.id}
                      aria-expanded={group ? false : undefined}
                      onClick={() => (group ? toggleGroup(group) : onSel(sel === n.id ? null : n.id))}
                    >
                      <Icon n={n.kind} size={13} />
                      {n.label}
                    </button>
                  </td>
                  <td class="c-dim">{group ? `group of ${int(n.members.length)}` : `${n.kind}, ${n.op}`}</td>
                  <td class="c-dim">{names(edges.filter((e) => e.to === n.id).map((e) => e.from))}</td>
                  <td class="c-dim">{names(edges.filter((e) => e.from === n.id).map((e) => e.to))}</td>
                  <td class="r">{int(s.in)}</td>
                  <td class="r">{int(s.out)}</td>
                  <td class="r">{dur(s.ms)}</td>
                  <td class="r">{s.state ? bytes(s.state) : <span class="c-dim">–</span>}</td>
                  <td class={`r ${s.late ? 'c-late' : 'zero'}`}>{s.late ? int(s.late) : '·'}</td>
                  <td class={`r ${s.quarantined ? 'c-quar' : 'zero'}`}>{s.quarantined ? int(s.quarantined) : '·'}</td>
                </tr>
              )
            })}
        </tbody>
      </table>
    </div>
  )
}
