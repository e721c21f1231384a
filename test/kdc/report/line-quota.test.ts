import { describe, expect, it } from 'vitest'
import { LineQuota } from '../../../kdc/report/line-quota.js'

const RATE = { points: 2, interval: 1_000 }

describe('the quota of lines', () => {
  it('counts each name separately, says once that it is used up, and begins again when the interval ends', () => {
    let now = 5
    const quota = new LineQuota(RATE, () => now)
    const fates = (name: string, times: number) => Array.from({ length: times }, () => quota.take(name).fate)
    expect(fates('a', 5)).toEqual(['written', 'written', 'last', 'omitted', 'omitted'])
    expect(fates('b', 1)).toEqual(['written'])
    now += RATE.interval - 1
    expect(quota.take('a')).toEqual({ fate: 'omitted', left: 1 })
    now += 1
    expect(fates('a', 3)).toEqual(['written', 'written', 'last'])
  })

  it('keeps a bounded number of names, so that many addresses take bounded memory', () => {
    const quota = new LineQuota(RATE, () => 0)
    for (let i = 0; i < 3; i++) quota.take('first')
    for (let i = 0; i < 10_000; i++) quota.take(`name ${i}`)
    expect(quota.take('first').fate).toBe('written')
  })
})
