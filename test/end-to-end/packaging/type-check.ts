import { cp, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root, run } from '../processes.js'

/** Type checks of programs that use the package, as a project of its users would do them. */

const CONSUMERS = join(root, 'test/end-to-end/packaging/consumers')
const COMPILER = join(root, 'node_modules/typescript/bin/tsc')

/** Those that use a framework, a client of Redis or OpenTelemetry, which must be installed for them. */
const OF_FRAMEWORKS = ['express', 'fastify', 'hono', 'koa', 'opentelemetry', 'redis']

export interface Project {
  readonly type: 'module' | 'commonjs'
  readonly module: string
  /** Default: what the module implies. */
  readonly moduleResolution?: string
  /** For these alone. Default: all whose frameworks are installed. */
  readonly programs?: readonly string[]
  readonly leaveOut?: readonly string[]
  readonly lib?: readonly string[]
  readonly types?: readonly string[]
}

/** Copies the programs into a folder of the project. @returns what the compiler says of them, or of the package */
export async function typeErrors(
  folder: string,
  withFrameworks: boolean,
  project: Project,
  compiler = COMPILER,
): Promise<string[]> {
  const { type, programs, leaveOut = [], lib = ['es2023'], types = ['node'], ...modules } = project
  const place = join(folder, 'project')
  await mkdir(place, { recursive: true })
  await cp(CONSUMERS, place, { recursive: true })
  const all = (await readdir(CONSUMERS)).map(name => name.replace(/\.ts$/, ''))
  const possible = all.filter(name => withFrameworks || !OF_FRAMEWORKS.includes(name))
  const chosen = programs ?? possible.filter(name => !leaveOut.includes(name))
  await writeFile(join(place, 'package.json'), JSON.stringify({ type }))
  const compilerOptions = {
    ...modules,
    lib,
    types,
    target: 'es2022',
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    esModuleInterop: true,
    rootDir: '.',
    outDir: 'out',
  }
  const files = chosen.map(name => `${name}.ts`)
  await writeFile(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  const { code, out, err } = await run(process.execPath, [compiler, '-p', '.', '--pretty', 'false'], place)
  const errors = `${out}${err}`.split('\n').filter(line => line !== '' && !line.startsWith(' '))
  if (code !== 0 && errors.length === 0) throw new Error(`the compiler ended with ${code}`)
  // Types that others wrote are theirs to mend.
  return errors.filter(line => !/^\S*\/node_modules\/(?!orthrus\/)[^(]*\(\d+,\d+\): error TS/.test(line))
}
