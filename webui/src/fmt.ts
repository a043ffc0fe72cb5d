export const int = (n: number) => Math.round(n).toLocaleString('en-US')
export const num = (n: number) => {
  const a = Math.abs(n)
  if (a < 1000) return a < 10 && a % 1 ? n.toFixed(1) : String(Math.round(n))
  const u = a >= 1e9 ? ([1e9, 'B'] as const) : a >= 1e6 ? ([1e6, 'M'] as const) : ([1e3, 'k'] as const)
  const v = n / u[0]
  return (Math.abs(v) < 100 ? v.toFixed(1) : v.toFixed(0)) + ' ' + u[1]
}
export const bytes = (n: number) => {
  if (n < 1000) return `${n} B`
  const u = ['kB', 'MB', 'GB', 'TB']
  let i = -1
  do {
    n /= 1000
    i++
  } while (n >= 999.5 && i < 3)
  return `${n < 10 ? n.toFixed(1) : n.toFixed(0)} ${u[i]}`
}
export const dur = (ms: number) => {
  if (!ms) return '0'
  if (ms < 1) return `${(ms * 1000).toFixed(0)} µs`
  if (ms < 10) return `${ms.toFixed(1)} ms`
  if (ms < 1000) return `${ms.toFixed(0)} ms`
  const s = ms / 1000
  if (s < 10) return `${s.toFixed(2)} s`
  if (s < 100) return `${s.toFixed(1)} s`
  const m = Math.floor(s / 60)
  if (m < 60) return `${m} m ${String(Math.floor(s % 60)).padStart(2, '0')} s`
  const h = Math.floor(m / 60)
  return h < 48 ? `${h} h ${String(m % 60).padStart(2, '0')} m` : `${Math.floor(h / 24)} d ${h % 24} h`
}
export const pct = (x: number, d = 1) => `${(x * 100).toFixed(d)} %`
export const clock = (ms: number, frac = false) => new Date(ms).toISOString().slice(11, frac ? 23 : 19)
export const stamp = (ms: number) => new Date(ms).toISOString().slice(0, 19).replace('T', ' ')
export const many = (n: number, what: string) => `${int(n)} ${what}${n === 1 ? '' : 's'}`
