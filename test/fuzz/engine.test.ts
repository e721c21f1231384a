import { describe, expect, it } from 'vitest'
import { fuzz, judge } from './engine.js'
import { type Entry, mistakeOf } from './entry.js'

/** Shows that the engine finds what it is for, in entries that are wrong on purpose. */

const GOOD = Uint8Array.of(0x93, 1, 2, 3)

function entryOf(run: Entry['run'], seeds: readonly Uint8Array[] = [GOOD]): Entry {
  return { name: 'wrong on purpose', form: 'list', seeds, run }
}

async function faultOf(run: Entry['run']): Promise<string | undefined> {
  const verdict = await judge(entryOf(run), GOOD)
  return 'fault' in verdict ? verdict.fault : undefined
}

const HELD: unknown[] = []

describe('an input', () => {
  it('may be accepted or refused', async () => {
    expect(
      await judge(
        entryOf(() => 'refused'),
        GOOD,
      ),
    ).toEqual({ outcome: 'refused' })
  })

  it('may not cause an error that the entry does not name', async () => {
    expect(await faultOf(() => String((undefined as unknown as Uint8Array).length))).toMatch(/Cannot read/)
    expect(await faultOf(async () => Promise.reject(new RangeError('too far')))).toMatch(
      /RangeError: too far/,
    )
  })

  it('may not take more than 50 ms of processor time', async () => {
    const busy = (): void => {
      const start = performance.now()
      const before = process.cpuUsage()
      // By both clocks: V8's helpers use processor time too, and would end the loop early by the other.
      for (let spent = 0; spent < 60; ) {
        const { user, system } = process.cpuUsage(before)
        spent = Math.min(performance.now() - start, (user + system) / 1_000)
      }
    }
    expect(await faultOf((_, measure) => `${measure(busy)}`)).toMatch(/^takes \d+ ms$/)
  })

  it('may not take more memory than its length allows, whether kept or not', async () => {
    const lists = () => Array.from({ length: 20_000 }, () => [])
    expect(await faultOf((_, measure) => `${measure(lists).length}`)).toMatch(/^takes \d+ bytes for 4,/)
    const buffer = () => HELD.push(new Uint8Array(1024 * 1024)) > 0
    expect(await faultOf(async (_, measure) => `${await measure(async () => buffer())}`)).toMatch(
      /^takes \d+ bytes/,
    )
    HELD.length = 0
  })

  it('may take as much as its length allows', async () => {
    const list = () => new Array(20_000).fill(0)
    expect(await faultOf((_, measure) => `${measure(list).length}`)).toBeUndefined()
  })

  it('may cause a TypeError in our words, but not in those of V8', () => {
    expect(mistakeOf(new TypeError('not a principal: "x"'))).toBe('mistake')
    expect(() => mistakeOf(new TypeError("Cannot read properties of undefined (reading 'x')"))).toThrow()
    expect(() => mistakeOf(new RangeError('Invalid array length'))).toThrow()
  })
})

describe('a run', () => {
  it('sees that an entry no longer accepts what it accepted before', async () => {
    let isSpoilt = false
    const spoilt = entryOf(input => {
      if (input.length > 10) isSpoilt = true
      return isSpoilt ? 'refused' : 'taken'
    })
    const { findings } = await fuzz(spoilt, { seed: 1, inputs: 200 })
    expect(findings.map(({ fault }) => fault)).toEqual([
      'after these the good input comes to refused, not taken',
    ])
  })

  it('reduces a fault to as few bytes as show it', async () => {
    const fragile = entryOf(input => {
      if (input.includes(0xc0)) throw new Error('nil')
      return 'taken'
    })
    const { findings } = await fuzz(fragile, { seed: 2, inputs: 500 })
    expect(findings.map(({ input }) => [...input])).toEqual([[0xc0]])
  })

  it('tries the same inputs for the same seed, and leaves the seeds as they are', async () => {
    const tried = async (seed: number): Promise<string[]> => {
      const inputs: string[] = []
      const entry = entryOf(
        input => {
          inputs.push(Buffer.from(input).toString('hex'))
          return 'taken'
        },
        [Buffer.from(GOOD), Buffer.from('9192a16101', 'hex')],
      )
      await fuzz(entry, { seed, inputs: 100 })
      expect(Buffer.from(entry.seeds[1] ?? '').toString('hex')).toBe('9192a16101')
      return inputs
    }
    expect(await tried(3)).toEqual(await tried(3))
    expect(await tried(3)).not.toEqual(await tried(4))
  })
})
