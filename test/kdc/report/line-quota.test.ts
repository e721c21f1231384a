import { describe, expect, it } from 'vitest'
import { LineQuota } from '../../../kdc/report/line-quota.js'

const RATE = { points: 2, interval: 1_000 }

describe('the quota of lines', () => {
  it('counts each name separately, says once that it is used up, and begins again when the interval ends', () => {
    let now = 5
    const quota = new LineQuota(RATE, () => now)
    const fates = (name: string, times: number) =>
      Array.from({ length: times }, () => quota.take('warn', name).fate)
    expect(fates('a', 5)).toEqual(['written', 'written', 'last', 'omitted', 'omitted'])
    expect(fates('b', 1)).toEqual(['written'])
    now += RATE.interval - 1
    expect(quota.take('warn', 'a')).toEqual({ fate: 'omitted', left: 1 })
    now += 1
    expect(fates('a', 3)).toEqual(['written', 'written', 'last'])
  })

  it('counts levels separately', () => {
    const quota = new LineQuota(RATE, () => 0)
    for (let i = 0; i < 5; i++) quota.take('warn', 'a')
    expect(quota.take('error', 'a').fate).toBe('written')
  })

  it('tells once how many lines were omitted, when the interval has ended or all are asked for', () => {
    let now = 0
    const quota = new LineQuota(RATE, () => now)
    const take = (name: string, times: number): void => {
      for (let i = 0; i < times; i++) quota.take('warn', name)
    }
    take('a', 5)
    take('b', 2)
    now = RATE.interval - 1
    take('c', 3)
    expect(quota.ended()).toEqual([])
    now += 1
    take('a', 1)
    expect(quota.ended()).toEqual([{ level: 'warn', requester: 'a', omitted: 3 }])
    expect(quota.ended()).toEqual([])
    expect(quota.ended(true)).toEqual([{ level: 'warn', requester: 'c', omitted: 1 }])
    expect(quota.ended(true)).toEqual([])
  })

  it('keeps a bounded number of names, so that many addresses take bounded memory', () => {
    const quota = new LineQuota(RATE, () => 0)
    for (let i = 0; i < 3; i++) quota.take('warn', 'first')
    for (let i = 0; i < 10_000; i++) quota.take('warn', `name ${i}`)
    expect(quota.take('warn', 'first').fate).toBe('written')
  })
})
