import { useEffect, useState } from 'preact/hooks'
import type { Endpoint, Tried } from '../contract.ts'
import { type ApiError, get, post } from '../api.ts'
import { q, setQ } from '../router.ts'
import { Card, Copy, Empty, ErrorBox, Icon, Skel, Spark, Tag, Th } from '../ui.tsx'
import { bytes, dur, int, num, pct } from '../fmt.ts'

export function ServePage({ only }: { only?: string }) {
  const [e, setE] = useState<Endpoint[] | null>(null)
  const [error, setError] = useState<ApiError | null>(null)
  useEffect(() => {
    const f = () => get<Endpoint[]>('/endpoints').then((a) => (setE(a), setError(null)), setError)
    f()
    const t = setInterval(f, 2000)
    return () => clearInterval(t)
  }, [])
  if (!e)
    return (
      <div class="pad">{error ? <ErrorBox e={error} /> : <Skel rows={8} h={26} />}</div>
    )
  const list = e.filter((x) => !only || x.pipeline === only)
  const cur = list.find((x) => x.id === q('ep')) ?? list[0]
  if (!list.length)
    return (
      <Empty title={only ? 'This pipeline serves no endpoints' : 'Nothing is served'} icon="globe">
        <code>serve:</code> of a pipeline file says what is answered over HTTP.
      </Empty>
    )
  const mx = Math.max(...(cur?.buckets ?? [1]))
  return (
    <div class="pad sv">
      <Card title="Endpoints" sub={`${num(list.reduce((a, x) => a + x.rps, 0))} requests/s in all`}>
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <Th>Endpoint</Th>
                <Th>Reads</Th>
                {!only && <Th>Pipeline</Th>}
                <Th r w={142}>
                  Requests
                </Th>
                <Th r w={72}>
                  p50
                </Th>
                <Th r w={138}>
                  p99
                </Th>
                <Th r w={72}>
                  Errors
                </Th>
                <Th r w={90}>
                  Answers at
                </Th>
                <Th r w={84} title="Age of the batch the answers come from">
                  Data age
                </Th>
              </tr>
            </thead>
            <tbody>
              {list.map((x) => (
                <tr class={`click ${x === cur ? 'selr' : ''}`} onClick={() => setQ({ ep: x.id }, true)}>
                  <td>
                    <Tag tone="info">{x.method}</Tag> <code>{x.path}</code>
                  </td>
                  <td>{x.table}</td>
                  {!only && <td class="c-dim">{x.pipeline}</td>}
                  <td class="r">
                    <div class="sp">
                      <Spark v={x.rps_hist} w={62} h={18} />
                      <b>{num(x.rps)}/s</b>
                    </div>
                  </td>
                  <td class="r">{dur(x.p50)}</td>
                  <td class="r">
                    <div class="sp">
                      <Spark v={x.p99_hist} w={54} h={18} tone="c2" />
                      <b>{dur(x.p99)}</b>
                    </div>
                  </td>
                  <td class={`r ${x.err > 0.001 ? 'c-warn' : 'c-dim'}`}>{x.err ? pct(x.err, 2) : '0 %'}</td>
                  <td class="r">#{int(x.at)}</td>
                  <td class="r">{dur(x.age_ms)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Card>
      {cur && (
        <div class="cols2 even">
          <Card
            title={
              <>
                <Tag tone="info">{cur.method}</Tag> <code>{cur.path}</code>
              </>
            }
            sub={cur.auth === 'none' ? 'no authentication' : 'needs authentication'}
          >
            <div class="ib">
              <h4>
                Latency <em>last minute</em>
              </h4>
              <div class="histo" role="img" aria-label={`p50 ${dur(cur.p50)}, p99 ${dur(cur.p99)}`}>
                {cur.buckets.map((b, i) => (
                  <i style={{ height: `${Math.max(2, (b / mx) * 100)}%` }} class={i > 7 ? 'tail' : ''} />
                ))}
              </div>
              <div class="hx">
                <span>under 100 µs</span>
                <span>p50 {dur(cur.p50)}</span>
                <span>p99 {dur(cur.p99)}</span>
                <span>over 10 s</span>
              </div>
              <dl class="dl">
                <dt>Reads</dt>
                <dd>{cur.table}</dd>
                <dt>Answers kept</dt>
                <dd>{pct(cur.hit, 2)}</dd>
                <dt>Consistency</dt>
                <dd>
                  every answer is of one committed batch: header <code>Millrace-Batch</code>
                </dd>
                <dt>Wait for data</dt>
                <dd>
                  <code>?wait_for_batch=N</code> holds the answer until batch N is committed
                </dd>
              </dl>
            </div>
          </Card>
          <TryIt key={cur.id} of={cur} />
        </div>
      )}
    </div>
  )
}

const AROUND = ['millrace-batch', 'millrace-watermark', 'etag', 'retry-after']

/** Asks through the server that this page came from: the endpoint has another origin. */
function TryIt({ of }: { of: Endpoint }) {
  const [target, setTarget] = useState(of.example)
  const [tried, setTried] = useState<Tried | null>(null)
  const [error, setError] = useState<ApiError | null>(null)
  const [busy, setBusy] = useState(false)
  const curl = `curl -s${of.auth === 'none' ? '' : ' -H "authorization: Bearer $TOKEN" \\\n '} '${of.url}${target.replaceAll("'", '%27')}'`
  const send = () => {
    setBusy(true)
    post<Tried>(`/pipelines/${of.pipeline}/try`, { target })
      .then((a) => (setTried(a), setError(null)), (e) => (setTried(null), setError(e)))
      .finally(() => setBusy(false))
  }
  return (
    <Card
      title="Try it"
      right={
        <>
          <Copy text={curl} label="Copy curl" />
          <button class="btn primary" disabled={busy} onClick={send}>
            <Icon n="play" />
            Send
          </button>
        </>
      }
    >
      <div class="ib">
        <label class="try">
          <span>{of.method}</span>
          <input
            aria-label="Path and query"
            spellcheck={false}
            value={target}
            onInput={(e) => setTarget(e.currentTarget.value)}
            onKeyDown={(e) => e.key === 'Enter' && send()}
          />
        </label>
        {error && <ErrorBox e={error} />}
        {tried ? (
          <>
            <div class="resp" role="status">
              <Tag tone={tried.status < 300 ? 'ok' : tried.status < 500 ? 'warn' : 'bad'}>{tried.status}</Tag>
              <span class="c-dim">
                {dur(tried.ms)}, {bytes(tried.bytes)}
                {tried.truncated && ', of which the beginning is shown'}
              </span>
            </div>
            <p class="c-dim">
              {tried.headers
                .filter((h) => AROUND.includes(h.name.toLowerCase()))
                .map((h) => `${h.name}: ${h.value}`)
                .join(' · ')}
            </p>
            <pre class="json">{pretty(tried.body)}</pre>
          </>
        ) : of.reply ? (
          <>
            <div class="resp">
              <Tag tone="ok">200</Tag>
              <span class="c-dim">an answer of late</span>
            </div>
            <pre class="json">{of.reply}</pre>
          </>
        ) : (
          !error && <p class="c-dim">Nobody has asked yet.</p>
        )}
      </div>
    </Card>
  )
}

function pretty(body: string) {
  if (/\d{16}/.test(body)) return body // JSON.parse would round it
  try {
    return JSON.stringify(JSON.parse(body), null, 2)
  } catch {
    return body // CSV, or cut off
  }
}
