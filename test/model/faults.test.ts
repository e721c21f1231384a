import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FAULTS, type Fault } from './deliberate-faults.js'

/**
 * That the model has teeth: each fault is put into a copy of the sources, and the model must see it there, by an
 * invariant and not by falling over. The copy as it is must pass. `ORTHRUS_MODEL_FAULT` picks some by their names.
 */

const root = fileURLToPath(new URL('../..', import.meta.url))
const slow = process.env.ORTHRUS_SLOW === '1'
const chosen = process.env.ORTHRUS_MODEL_FAULT
const faults = FAULTS.filter(({ name }) => chosen === undefined || name.includes(chosen))

/** What the model needs of the house. */
const COPIED = ['client', 'kdc', 'service', 'shared', 'testing', 'package.json', 'tsconfig.json']
const COPIED_TESTS = ['vitest.config.ts', 'model', 'properties', 'kdc/realm.ts']
const RUNS = 1_500
const SEED = 20_261_121
const AT_ONCE = 2

interface Outcome {
  readonly code: number | null
  readonly output: string
}

class Copy {
  readonly folder = mkdtempSync(join(tmpdir(), 'orthrus-model-'))

  constructor() {
    for (const name of COPIED) this.#take(name)
    for (const name of COPIED_TESTS) this.#take(join('test', name))
    symlinkSync(join(root, 'node_modules'), join(this.folder, 'node_modules'))
  }

  #take(path: string): void {
    cpSync(join(root, path), join(this.folder, path), { recursive: true })
  }

  apply({ file, from, to }: Fault): void {
    const path = join(this.folder, file)
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replace(from, () => to),
    )
  }

  /** Runs the model there, until it fails and no longer. */
  run(runs: number): Promise<Outcome> {
    const command = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts']
    const env = {
      ...process.env,
      ORTHRUS_MODEL_RUNS: String(runs),
      ORTHRUS_MODEL_SEED: String(SEED),
      ORTHRUS_MODEL_QUICK: '1',
      ORTHRUS_SLOW: '1',
    }
    const args = [...command, 'test/model/model.test.ts', '--project', 'openssl']
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, args, { cwd: this.folder, env })
      let output = ''
      const take = (text: Buffer): void => {
        output += text
      }
      child.stdout.on('data', take)
      child.stderr.on('data', take)
      child.on('error', reject)
      child.on('close', code => resolve({ code, output }))
    })
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

async function runCopy(fault: Fault | undefined, runs: number): Promise<Outcome> {
  const copy = new Copy()
  try {
    if (fault !== undefined) copy.apply(fault)
    return await copy.run(runs)
  } finally {
    copy.remove()
  }
}

describe('the deliberate faults', () => {
  it.each(FAULTS)('can be made: $name', ({ file, from, to }) => {
    const text = readFileSync(join(root, file), 'utf8')
    expect(text.split(from)).toHaveLength(2)
    expect(to).not.toBe(from)
  })

  it('are many, each of a name of its own', () => {
    expect(new Set(FAULTS.map(({ name }) => name)).size).toBe(FAULTS.length)
    expect(FAULTS.length).toBeGreaterThanOrEqual(15)
  })
})

describe.runIf(slow || chosen !== undefined)('the model', () => {
  const outcomes = new Map<string, Promise<Outcome>>()

  beforeAll(() => {
    const waiting = [...faults]
    const free = Array.from({ length: AT_ONCE }, () => Promise.resolve())
    for (const [i, fault] of waiting.entries()) {
      const outcome = (free[i % AT_ONCE] as Promise<void>).then(() => runCopy(fault, RUNS))
      outcomes.set(fault.name, outcome)
      free[i % AT_ONCE] = outcome.then(
        () => {},
        () => {},
      )
    }
  })

  afterAll(async () => {
    await Promise.allSettled(outcomes.values())
  })

  it.each(faults)(
    'sees that $name',
    async ({ name }) => {
      const outcome = await outcomes.get(name)
      expect(outcome?.output).toContain('INVARIANT: ')
      expect(outcome?.code).toBe(1)
    },
    3_600_000,
  )

  it('sees nothing in the copy as it is', async () => {
    const { code, output } = await runCopy(undefined, 300)
    expect(output).not.toContain('INVARIANT: ')
    expect(code, output).toBe(0)
  }, 3_600_000)
})
