import { spawn } from 'node:child_process'
import { cp, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { endAtLast, root, type TemporaryFolder, temporaryFolder } from './end-to-end/processes.js'

/** Shows that tests can fail: runs one of them over a copy of the sources with a fault put in on purpose. */

/** What a test needs to run from the sources. */
const COPIED = [
  'client',
  'kdc',
  'service',
  'shared',
  'testing',
  'cli',
  'test',
  'package.json',
  'tsconfig.json',
]

interface Edit {
  /** From the root of the sources. */
  readonly file: string
  /** Stands in the file exactly once. */
  readonly from: string
  readonly to: string
}

export interface DeliberateFault extends Edit {
  readonly name: string
  /** What else has to be taken away, where two things see to the same. */
  readonly and?: Edit
}

export interface FaultRun {
  readonly passed: boolean
  /** All that the test run printed. */
  readonly output: string
}

/**
 * A copy of the sources, made for its first run. A fault is taken out again after its run, and what Vitest made of the
 * sources is kept beside them: to copy and compile all of them for each of a hundred faults took most of the time.
 */
export class FaultyCopy {
  #made: Promise<TemporaryFolder> | undefined

  /**
   * @param fault none for the copy as it is
   * @param test the file of the test, from the root of the sources
   * @param env what else the test is told
   * @throws TypeError where the fault has no place
   */
  async run(
    fault: DeliberateFault | undefined,
    test: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<FaultRun> {
    this.#made ??= copySources()
    const { folder } = await this.#made
    const edits = [fault, fault?.and].filter(edit => edit !== undefined)
    const whole = new Map<string, string>()
    for (const { file } of edits) whole.set(file, await readFile(join(folder, file), 'utf8'))
    try {
      for (const edit of edits) await apply(edit, folder)
      return await runTest(folder, test, env)
    } finally {
      for (const [file, text] of whole) await writeFile(join(folder, file), text)
    }
  }

  async remove(): Promise<void> {
    await (await this.#made)?.remove()
    this.#made = undefined
  }
}

async function copySources(): Promise<TemporaryFolder> {
  const made = await temporaryFolder('orthrus-fault-')
  for (const name of COPIED) await cp(join(root, name), join(made.folder, name), { recursive: true })
  await symlink(join(root, 'node_modules'), join(made.folder, 'node_modules'))
  return made
}

/** How often the text that a fault takes away stands in its file, as it is here. */
export async function placesOf({ file, from }: Edit): Promise<number> {
  return (await readFile(join(root, file), 'utf8')).split(from).length - 1
}

async function apply({ file, from, to }: Edit, copy: string): Promise<void> {
  const path = join(copy, file)
  const [before, ...after] = (await readFile(path, 'utf8')).split(from)
  if (after.length !== 1)
    throw new TypeError(`${JSON.stringify(from)} stands ${after.length} times in ${file}, not once`)
  await writeFile(path, `${before}${to}${after[0]}`)
}

/** What came of the faults, for people: a table at the end. */
export class FaultTable {
  readonly #rows: Record<string, string>[] = []

  /** @param foundBy what the run said of it; `undefined` if it said nothing */
  add(fault: DeliberateFault, foundBy: string | undefined, began: number): void {
    const seconds = ((performance.now() - began) / 1000).toFixed(0)
    this.#rows.push({ 'it is made so that': fault.name, 'found by': foundBy ?? 'NOTHING', seconds })
  }

  print(): void {
    if (this.#rows.length > 0) console.table(this.#rows)
  }
}

function runTest(copy: string, test: string, env: Readonly<Record<string, string>>): Promise<FaultRun> {
  const vitest = join(copy, 'node_modules/vitest/vitest.mjs')
  const kept = ['--experimental.fsModuleCache', `--experimental.fsModuleCachePath=${join(copy, 'compiled')}`]
  const args = ['run', '--config', 'test/vitest.config.ts', '--project', 'openssl', ...kept, test]
  const child = endAtLast(
    spawn(process.execPath, [vitest, ...args], {
      cwd: copy,
      env: { ...process.env, ORTHRUS_SLOW: '0', NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8')
    stream.on('data', text => {
      output += text
    })
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => resolve({ passed: code === 0, output }))
  })
}
