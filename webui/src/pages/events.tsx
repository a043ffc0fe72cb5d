import { useEffect, useState } from 'preact/hooks'
import type { LogEvent } from '../contract.ts'
import { freshLogs, get, resets } from '../api.ts'
import { Card, Empty, Glyph, Skel, Tag, Th } from '../ui.tsx'
import { int, stamp } from '../fmt.ts'
const PAGE = 200

export function EventsPage({ only }: { only?: string }) {
  const [a, setA] = useState<LogEvent[] | null>(null),
    [older, setOlder] = useState(false),
    [lv, setLv] = useState('all'),
    [f, setF] = useState('')
  const path = `/events?limit=${PAGE}${only ? '&pipeline=' + encodeURIComponent(only) : ''}`
  const add = (before: LogEvent[]) => (more: LogEvent[]) => {
    setA([...before, ...more])
    setOlder(more.length === PAGE)
  }
  useEffect(() => {
    get<LogEvent[]>(path).then(add([]), () => setA([]))
  }, [path, resets.value])
  const fresh = freshLogs.value.filter(
    (e) => (!only || e.pipeline === only) && !a?.some((x) => x.id === e.id),
  )
  const list = [...fresh, ...(a ?? [])].filter(
    (e) =>
      (lv === 'all' || e.level === lv) &&
      (!f || (e.text + e.pipeline + e.kind).toLowerCase().includes(f.toLowerCase())),
  )
  return (
    <div class="pad ev">
      <Card
        title="Log"
        right={
          <>
            <label class="inp">
              <input
                placeholder="Filter"
                aria-label="Filter events"
                value={f}
                onInput={(e) => setF(e.currentTarget.value)}
              />
            </label>
            <div class="seg sm">
              {['all', 'info', 'warn', 'error'].map((l) => (
                <button class={lv === l ? 'on' : ''} onClick={() => setLv(l)}>
                  {l}
                </button>
              ))}
            </div>
          </>
        }
      >
        {!a ? (
          <Skel />
        ) : !list.length ? (
          <Empty title="No events">Nothing matches this filter.</Empty>
        ) : (
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <Th w={150}>Time</Th>
                  <Th w={24} />
                  <Th w={96}>Kind</Th>
                  {!only && <Th w={140}>Pipeline</Th>}
                  <Th>Event</Th>
                  <Th r w={90}>
                    Batch
                  </Th>
                </tr>
              </thead>
              <tbody>
                {list.map((e) => (
                  <tr>
                    <td class="c-dim">{stamp(e.at)}</td>
                    <td>
                      <Glyph s={e.level === 'error' ? 'bad' : e.level} />
                    </td>
                    <td>
                      <Tag>{e.kind}</Tag>
                    </td>
                    {!only && (
                      <td>
                        <a href={`/p/${e.pipeline}`}>{e.pipeline}</a>
                      </td>
                    )}
                    <td class="wrap">{e.text}</td>
                    <td class="r">
                      {e.batch !== undefined && e.batch >= 0 && <a href={`/p/${e.pipeline}/batch?at=${e.batch}`}>#{int(e.batch)}</a>}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        {older && (
          <button class="btn ghost sm more" onClick={() => get<LogEvent[]>(`${path}&before=${a!.at(-1)!.id}`).then(add(a!))}>
            Older
          </button>
        )}
      </Card>
    </div>
  )
}
