import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { CheckRow, PipelineSummary, QuarantineChanged, QuarantinedRow } from '../contract.ts'
import { type ApiError, get, post, toast, useGet } from '../api.ts'
import { q as qp, setQ } from '../router.ts'
import { Act, Card, Copy, Empty, ErrorBox, Icon, Skel, Strip, Tag, Th } from '../ui.tsx'
import { clock, int, many, pct } from '../fmt.ts'

const TONE: Record<string, string> = { quarantine: 'quar', drop: 'warn', fail: 'bad', warn: 'info' }
/** JSON as people read it; anything else as it is. */
const pretty = (raw: string) => {
  try {
    return JSON.stringify(JSON.parse(raw), null, 2)
  } catch {
    return raw
  }
}
const PAGE = 500
const SHOWN = 120
const isHere = (r: QuarantinedRow) => r.status === 'open' || r.status === 'waiting'

export function QualityPage({ p, at }: { p: PipelineSummary; at: number }) {
  const c = useGet<CheckRow[]>(`/pipelines/${p.id}/checks?at=${at}`)
  const [rows, setRows] = useState<QuarantinedRow[] | null>(null)
  const [sel, setSel] = useState(''),
    [marked, setM] = useState(new Set<string>())
  const ck = qp('check'),
    dsf = qp('dataset'),
    [st, setSt] = useState('open')
  const [failed, setFailed] = useState<ApiError | null>(null)
  const [older, setOlder] = useState(false),
    [shown, setShown] = useState(SHOWN)
  const wanted = new URLSearchParams({ limit: `${PAGE}` })
  if (st !== 'all') wanted.set('status', st)
  if (ck) wanted.set('check', ck)
  if (dsf) wanted.set('dataset', dsf)
  const path = `/pipelines/${p.id}/quarantine?${wanted}`
  const want = useRef('')
  /** The newest, or a page of older ones more. */
  const load = (more = false) =>
    get<QuarantinedRow[]>(path + (more ? `&cursor=${encodeURIComponent(rows!.at(-1)!.id)}` : '')).then(
      (r) => {
        if (want.current !== path) return
        setRows(more ? [...rows!, ...r] : r)
        setOlder(r.length === PAGE)
        setFailed(null)
      },
      (e) => want.current === path && setFailed(e),
    )
  useEffect(() => {
    const isNew = want.current !== path
    if (isNew) setShown(SHOWN)
    want.current = path
    // Who has gone on to older rows is not thrown back by each that comes.
    if (isNew || (rows?.length ?? 0) <= PAGE) load()
  }, [path, p.quarantine_open])
  const list = rows ?? []
  // The row that is looked at stays, while others come before it; when it goes, the next one takes its place.
  const place = useRef(0)
  const found = list.findIndex((r) => r.id === sel)
  const index = found < 0 ? Math.min(place.current, list.length - 1) : found
  const cur = list[index] as QuarantinedRow | undefined
  useEffect(() => {
    place.current = Math.max(0, index)
    // A key may have been pressed since this was drawn: what it chose holds.
    if (cur) setSel((now) => (list.some((r) => r.id === now) ? now : cur.id))
  }, [index, cur?.id])
  const reasons = useMemo(() => {
    const m = new Map<string, number>()
    for (const r of rows ?? []) m.set(r.check, (m.get(r.check) ?? 0) + 1)
    return [...m].sort((a, b) => b[1] - a[1])
  }, [rows])
  const act = async (action: string, ids: string[]) => {
    if (!ids.length) return
    if (action === 'discard' && !confirm(`Discard ${many(ids.length, 'row')}? Nobody will be asked about them again.`))
      return
    try {
      const r = await post<QuarantineChanged>(`/pipelines/${p.id}/quarantine`, { action, ids })
      toast(
        `${many(ids.length, 'row')} ${action === 'replay' ? `will be read again in batch ${int(r.batch ?? 0)}` : 'discarded'}`,
      )
      setM(new Set())
    } catch (e) {
      toast((e as ApiError).message, 'bad')
    }
    load()
  }
  const ids = marked.size ? [...marked] : cur ? [cur.id] : []
  const chosen = (rows ?? []).filter((r) => ids.includes(r.id))
  const failing = c.data?.filter((x) => x.failed).length ?? 0
  return (
    <div class={`pad ql ${c.stale ? 'stale' : ''}`}>
      <Card
        title="Checks"
        sub={
          c.data
            ? `${failing ? `${failing} of ${c.data.length} found bad rows in batch ${int(at)}` : `all ${c.data.length} pass in batch ${int(at)}`}`
            : ''
        }
      >
        {c.error ? (
          <ErrorBox e={c.error} />
        ) : !c.data ? (
          <Skel />
        ) : !c.data.length ? (
          <Empty title="No checks in this pipeline">
            <code>checks:</code> of the pipeline file says what has to hold.
          </Empty>
        ) : (
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <Th>Check</Th>
                  <Th>Dataset</Th>
                  <Th>Must hold</Th>
                  <Th w={104}>On failure</Th>
                  <Th r w={86}>
                    Passed
                  </Th>
                  <Th r w={72}>
                    Failed
                  </Th>
                  <Th r w={80}>
                    Rate
                  </Th>
                  <Th w={232}>Failures, last 90 batches</Th>
                </tr>
              </thead>
              <tbody>
                {c.data.slice(0, 40).map((x) => (
                  <tr
                    class={`click ${ck === x.name ? 'selr' : ''}`}
                    onClick={() => setQ({ check: ck === x.name ? null : x.name }, true)}
                  >
                    <td>
                      <span class={`dot ${x.failed ? 'f-' + x.consequence : 'okd'}`} />
                      <b>{x.name}</b>
                    </td>
                    <td>{x.dataset}</td>
                    <td class="wrap">
                      <code>{x.expr}</code>
                    </td>
                    <td>
                      <Tag tone={TONE[x.consequence]}>{x.consequence}</Tag>
                    </td>
                    <td class="r">{int(x.passed)}</td>
                    <td class={`r ${x.failed ? 'c-' + TONE[x.consequence] : 'zero'}`}>
                      {x.failed ? int(x.failed) : '·'}
                    </td>
                    <td class="r c-dim">{x.failed ? pct(x.failed / (x.passed + x.failed), 3) : '0 %'}</td>
                    <td>
                      {x.failed_total ? (
                        <Strip
                          w={224}
                          h={16}
                          v={x.history.map((h) => ({ x: h, tone: h ? TONE[x.consequence] : 'zero' }))}
                        />
                      ) : (
                        <span class="c-dim">none</span>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Card>
      <div class="qsplit">
        <Card
          cls="qlist"
          title="Quarantine"
          sub={rows ? `${int(p.quarantine_open)} open${older ? ` · the newest ${int(rows.length)} shown` : ''}` : ''}
          right={
            <select aria-label="Status" value={st} onChange={(e) => setSt(e.currentTarget.value)}>
              <option value="open">Open</option>
              <option value="waiting">Waiting</option>
              <option value="replayed">Replayed</option>
              <option value="discarded">Discarded</option>
              <option value="all">All</option>
            </select>
          }
        >
          <div class="chips">
            {reasons.map(([k, v]) => (
              <button
                class={`chip ${ck === k ? 'on' : ''}`}
                onClick={() => setQ({ check: ck === k ? null : k }, true)}
              >
                {k}
                <b>{v}</b>
              </button>
            ))}
            {dsf && (
              <button class="chip on" onClick={() => setQ({ dataset: null }, true)}>
                {dsf}
                <Icon n="x" size={10} />
              </button>
            )}
          </div>
          {failed ? (
            <ErrorBox e={failed} retry={() => load()} />
          ) : !rows ? (
            <Skel rows={8} />
          ) : !list.length ? (
            <Empty title="No rows here">Nothing quarantined matches this filter.</Empty>
          ) : (
            <div
              class="qrows"
              role="grid"
              aria-label="Quarantined rows"
              tabIndex={0}
              onKeyDown={(e) => {
                if (e.key === 'ArrowDown' || e.key === 'j') {
                  setSel(list[Math.min(list.length - 1, index + 1)].id)
                  e.preventDefault()
                } else if (e.key === 'ArrowUp' || e.key === 'k') {
                  setSel(list[Math.max(0, index - 1)].id)
                  e.preventDefault()
                } else if (e.key === 'x' && cur) {
                  const m = new Set(marked)
                  m.has(cur.id) ? m.delete(cur.id) : m.add(cur.id)
                  setM(m)
                }
              }}
            >
              {list.slice(0, shown).map((r) => (
                <div
                  key={r.id}
                  role="row"
                  aria-selected={r === cur}
                  class={`qrow ${r === cur ? 'on' : ''}`}
                  onClick={() => setSel(r.id)}
                >
                  <span role="gridcell" class="mark">
                    <input
                      type="checkbox"
                      aria-label="Mark"
                      checked={marked.has(r.id)}
                      onClick={(e) => e.stopPropagation()}
                      onChange={() => {
                        const m = new Set(marked)
                        m.has(r.id) ? m.delete(r.id) : m.add(r.id)
                        setM(m)
                      }}
                    />
                  </span>
                  <div role="gridcell">
                    <b>{r.reason}</b>
                    <span>
                      {r.dataset} · {r.check} · <code>{r.coord}</code>
                    </span>
                  </div>
                  <em role="gridcell">
                    {clock(r.at)}
                    <small>#{int(r.batch)}</small>
                  </em>
                </div>
              ))}
            </div>
          )}
          {(older || list.length > shown) && (
            <button
              class="btn ghost sm more"
              onClick={() => {
                setShown(shown + 200)
                if (older && list.length <= shown + 200) load(true)
              }}
            >
              Older
            </button>
          )}
        </Card>
        <Card
          cls="qdetail"
          title={cur ? 'Row' : 'Nothing selected'}
          right={
            cur && (
              <>
                <Act
                  class="btn"
                  refused={!chosen.some(isHere) && 'they are not there any more'}
                  onClick={() => act('discard', ids)}
                >
                  Discard{marked.size > 1 ? ` ${marked.size}` : ''}
                </Act>
                <Act
                  class="btn primary"
                  refused={
                    !chosen.some(isHere)
                      ? 'they are not there any more'
                      : !chosen.some((r) => isHere(r) && r.check === 'malformed') &&
                        'only records that a source could not read are read again: mend these where they come from'
                  }
                  onClick={() => act('replay', ids)}
                >
                  <Icon n="replay" />
                  Replay{marked.size > 1 ? ` ${marked.size}` : ''}
                </Act>
              </>
            )
          }
        >
          {cur && (
            <div class="ib">
              <p class="why">
                <Tag tone="quar">{cur.check}</Tag> {cur.reason}
              </p>
              <dl class="dl">
                <dt>Came from</dt>
                <dd>
                  <code>{cur.coord}</code>
                </dd>
                <dt>Dataset</dt>
                <dd>
                  <a href={`/p/${p.id}?node=${encodeURIComponent(cur.dataset)}&at=${cur.batch}`}>{cur.dataset}</a>
                </dd>
                <dt>Batch</dt>
                <dd>
                  <a href={`/p/${p.id}/batch?at=${cur.batch}`}>{int(cur.batch)}</a> at {clock(cur.at)}
                </dd>
                <dt>Status</dt>
                <dd>{cur.status}</dd>
              </dl>
              <h4>
                Raw payload <span class="grow" />
                <Copy text={cur.raw} />
              </h4>
              <pre class="json">
                {pretty(cur.raw).split('\n').map((l) => (
                  <span class={cur.field && l.includes(`"${cur.field}"`) ? 'hit' : ''}>{l}</span>
                ))}
              </pre>
              <p class="c-dim sm">
                Replay reads what was put aside together with it (one batch of one source) again, through the
                pipeline as it is now, in the next batch. What still fails is put aside once more.
              </p>
            </div>
          )}
        </Card>
      </div>
    </div>
  )
}
