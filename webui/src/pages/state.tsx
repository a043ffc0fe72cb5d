import { useEffect, useState } from 'preact/hooks'
import type { LiveTable, PipelineSummary, QueryResult, StateTable } from '../contract.ts'
import { ApiError, now, post, useGet } from '../api.ts'
import { q as qp, setQ } from '../router.ts'
import { Bar, Card, Empty, ErrorBox, Icon, Kbd, Skel, Spark, Th } from '../ui.tsx'
import { bytes, dur, int, num } from '../fmt.ts'

export function StatePage({ p, at, live }: { p: PipelineSummary; at: number; live: boolean }) {
  const s = useGet<StateTable[]>(`/pipelines/${p.id}/state?at=${at}`),
    t = useGet<LiveTable[]>(`/pipelines/${p.id}/tables?at=${at}`)
  const pick = qp('table') ?? t.data?.[0]?.name
  const [sql, setSql] = useState('')
  const [r, setR] = useState<QueryResult | null>(null),
    [err, setErr] = useState<ApiError | null>(null),
    [follow, setF] = useState(true)
  const dflt = (n: string) =>
    `SELECT *\nFROM   ${/^[a-z_][a-z0-9_]*$/i.test(n) ? n : '"' + n.replaceAll('"', '""') + '"'}\nLIMIT  100`
  useEffect(() => {
    if (pick) setSql(dflt(pick))
  }, [pick])
  const run = async (text = sql) => {
    if (!text) return
    try {
      setR(await post<QueryResult>(`/pipelines/${p.id}/query`, live ? { sql: text } : { sql: text, at }))
      setErr(null)
    } catch (e) {
      setErr(e as ApiError)
    }
  }
  useEffect(() => {
    if (sql && (follow || !r)) run()
  }, [at, pick && sql === dflt(pick) ? sql : null])
  const tot = s.data?.reduce((a, x) => a + x.bytes, 0) ?? 0,
    mx = Math.max(1, ...(s.data ?? []).map((x) => x.bytes))
  const numc = (ty: string) => /^(u?(tiny|small|big|huge)?int(eger)?|float|double|decimal|real)\b/i.test(ty)
  const barCol = r
    ? (r.columns
        .map((c, i) => (numc(c[1]) ? i : -1))
        .filter((i) => i >= 0)
        .pop() ?? -1)
    : -1
  const barMax = r && barCol >= 0 ? Math.max(...r.rows.map((x) => Math.abs(+x[barCol]!))) : 0
  return (
    <div class="pad stp">
      <Card
        title="State"
        sub={
          s.data
            ? `${s.data.length} tables, ${bytes(tot)}, ${bytes(s.data.reduce((a, x) => a + x.mem, 0))} of it in memory`
            : ''
        }
      >
        {!s.data ? (
          s.error ? (
            <ErrorBox e={s.error} />
          ) : (
            <Skel />
          )
        ) : !s.data.length ? (
          <Empty title="This pipeline keeps no state" />
        ) : (
          <div class="scroll mid">
            <table>
              <thead>
                <tr>
                  <Th>Dataset</Th>
                  <Th>Kind</Th>
                  <Th>Key</Th>
                  <Th r>Rows</Th>
                  <Th r w={72}>
                    Size
                  </Th>
                  <Th w={124}>Memory, disk</Th>
                  <Th w={96}>90 batches</Th>
                  <Th r title="Rows changed in this batch">
                    Updated
                  </Th>
                  <Th r title="Rows removed in this batch, by watermark or TTL">
                    Evicted
                  </Th>
                  <Th r>Oldest</Th>
                  <Th>Kept for</Th>
                </tr>
              </thead>
              <tbody>
                {s.data.map((x) => (
                  <tr>
                    <td>
                      <a href={`/p/${p.id}?node=${encodeURIComponent(x.id)}`}>{x.id}</a>
                    </td>
                    <td class="c-dim">{x.kind}</td>
                    <td class="c-dim">{x.keys}</td>
                    <td class="r">{int(x.rows)}</td>
                    <td class="r">
                      <b>{bytes(x.bytes)}</b>
                    </td>
                    <td>
                      <span
                        class="md"
                        style={{ width: `${Math.max(6, (x.bytes / mx) * 100)}%` }}
                        title={`${bytes(x.mem)} in memory, ${bytes(x.disk)} on disk`}
                      >
                        <i style={{ flexGrow: x.mem }} />
                        <u style={{ flexGrow: x.disk }} />
                      </span>
                    </td>
                    <td>
                      <Spark v={x.history} w={84} h={18} zero={false} />
                    </td>
                    <td class="r">{int(x.updated)}</td>
                    <td class="r">{x.evicted ? int(x.evicted) : <span class="c-dim">{x.evicted === null ? '–' : '0'}</span>}</td>
                    <td class="r c-dim">{x.oldest === null ? '–' : dur(Math.max(0, now() - x.oldest)).replace(/ \d+ [sm]$/, '')}</td>
                    <td class={x.ttl === 'none' ? 'c-warn' : 'c-dim'}>{x.ttl === 'none' ? 'ever' : x.ttl || '–'}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Card>
      <div class="qry">
        <Card title="Live tables" cls="tl">
          {t.error && <ErrorBox e={t.error} />}
          {t.data && !t.data.length && (
            <Empty title="No table is kept readable" icon="table">
              Name a dataset in an endpoint of <code>serve:</code>, or in the query of an alert.
            </Empty>
          )}
          {t.data?.map((x) => (
            <button
              class={`trow ${pick === x.name ? 'on' : ''}`}
              onClick={() => setQ({ table: x.name }, true)}
            >
              <Icon n="table" size={13} />
              <b>{x.name}</b>
              <span>{num(x.rows)}</span>
            </button>
          ))}
          {t.data && pick && (
            <div class="colsl">
              {t.data
                .find((x) => x.name === pick)
                ?.columns.map(([c, ty]) => (
                  <div>
                    <code>{c}</code>
                    <span>{ty}</span>
                  </div>
                ))}
            </div>
          )}
        </Card>
        <Card
          title="Query"
          cls="qc"
          sub={
            live
              ? `reads batch ${int(at)}, the newest commit`
              : `reads the tables as they were at batch ${int(at)}`
          }
          right={
            <>
              <label class="chk">
                <input type="checkbox" checked={follow} onChange={(e) => setF(e.currentTarget.checked)} />
                Run on every batch
              </label>
              <button class="btn primary" onClick={() => run()}>
                <Icon n="play" />
                Run <Kbd k="⌘↵" />
              </button>
            </>
          }
        >
          <textarea
            class="sqlbox"
            spellcheck={false}
            aria-label="SQL"
            rows={4}
            value={sql}
            onInput={(e) => setSql(e.currentTarget.value)}
            onKeyDown={(e) => {
              if ((e.metaKey || e.ctrlKey) && e.key === 'Enter') {
                e.preventDefault()
                run()
              }
            }}
          />
          {err ? (
            <div class="pad0">
              <ErrorBox e={err} />
            </div>
          ) : !pick ? (
            <Empty title="There is nothing to ask" icon="search" />
          ) : !r ? (
            <Skel />
          ) : !r.rows.length ? (
            <Empty title="No rows" icon="search">
              The query ran on {int(r.scanned)} rows and none matched.
            </Empty>
          ) : (
            <>
              <div class="rmeta">
                {int(r.rows.length)}
                {r.truncated ? ` of ${r.total === null ? 'more' : int(r.total)}` : ''} rows · {int(r.scanned)} scanned ·{' '}
                {dur(r.ms)} · batch {int(r.at)}
              </div>
              <div class="scroll res" role="region" aria-label="Rows of the answer" tabIndex={0}>
                <table>
                  <thead>
                    <tr>
                      {r.columns.map(([c, ty]) => (
                        <Th r={numc(ty)}>
                          {c}
                          <small class="inl">{ty}</small>
                        </Th>
                      ))}
                      {barCol >= 0 && r.rows.length < 60 && <Th w={180} />}
                    </tr>
                  </thead>
                  <tbody>
                    {r.rows.map((x) => (
                      <tr>
                        {x.map((v, i) => (
                          <td class={numc(r.columns[i][1]) ? 'r' : ''}>
                            {v === null || v === undefined ? (
                              <span class="c-dim">NULL</span>
                            ) : typeof v === 'object' || typeof v === 'boolean' ? (
                              JSON.stringify(v)
                            ) : typeof v === 'number' && !/_id$/.test(r.columns[i][0]) ? (
                              v.toLocaleString('en-US', {
                                minimumFractionDigits:
                                  /double|decimal|float|real/i.test(r.columns[i][1]) && v % 1 ? 2 : 0,
                                maximumFractionDigits: 2,
                              })
                            ) : (
                              v
                            )}
                          </td>
                        ))}
                        {barCol >= 0 && r.rows.length < 60 && (
                          <td>
                            <Bar x={Math.abs(+x[barCol]!) / barMax} />
                          </td>
                        )}
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            </>
          )}
        </Card>
      </div>
    </div>
  )
}
