import type { NodeBatch } from './contract.ts'
import { Glyph, Icon } from './ui.tsx'
import { int, pct } from './fmt.ts'

/** in + emitted = out + filtered + late + duplicate + quarantined + absorbed, drawn. */
export function Identity({ m }: { m: NodeBatch }) {
  const L = [
      ['in', m.in],
      ['emitted', m.emitted],
    ] as const,
    R = [
      ['out', m.out],
      ['filtered', m.filtered],
      ['absorbed', m.absorbed],
      ['duplicate', m.duplicate],
      ['late', m.late],
      ['quarantined', m.quarantined],
    ] as const
  const total = m.in + m.emitted || 1
  const ok = m.in + m.emitted === R.reduce((a, [, v]) => a + v, 0)
  return (
    <div class="ident">
      <div class="idbar" role="img" aria-label="row accounting">
        {R.map(
          ([k, v]) =>
            v > 0 && (
              <i class={`r-${k}`} style={{ flexGrow: Math.max(v, total * 0.006) }} title={`${k} ${int(v)}`} />
            ),
        )}
      </div>
      <table class="mini">
        <tbody>
          {L.map(
            ([k, v]) =>
              v > 0 && (
                <tr>
                  <td>{k === 'in' ? 'Rows in' : 'Made from state'}</td>
                  <td class="r">{int(v)}</td>
                  <td />
                </tr>
              ),
          )}
          {R.map(
            ([k, v]) =>
              v > 0 && (
                <tr>
                  <td>
                    <i class={`sw r-${k}`} />
                    {k === 'absorbed' ? 'kept in state' : k}
                  </td>
                  <td class="r">{int(v)}</td>
                  <td class="r c-dim">{pct(v / total, v / total < 0.001 ? 3 : 1)}</td>
                </tr>
              ),
          )}
          <tr class="sum">
            <td colSpan={3}>
              {ok ? (
                <>
                  <Icon n="check" size={12} /> every row accounted for
                </>
              ) : (
                <>
                  <Glyph s="bad" /> rows do not add up
                </>
              )}
            </td>
          </tr>
        </tbody>
      </table>
    </div>
  )
}
