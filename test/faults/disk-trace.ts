import { execFile } from 'node:child_process'
import { readdir, readFile, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'

/**
 * What a process asks of the file system, in order, as `strace` sees it. The system keeps all of it when the process is
 * killed, but after a power cut only what was synced is sure. A trace is the only way to test that.
 */

const run = promisify(execFile)

/** `to` is empty if the call has only one path. */
export type DiskEvent =
  | {
      readonly call: 'open'
      readonly path: string
      readonly fd: number
      readonly flags: ReadonlySet<string>
    }
  | {
      readonly call: 'write'
      readonly fd: number
      readonly bytes: Buffer
      readonly offset: number | undefined
    }
  | { readonly call: 'truncate'; readonly fd: number; readonly length: number }
  | { readonly call: 'sync' | 'close'; readonly fd: number }
  | { readonly call: 'rename' | 'link' | 'mkdir' | 'unlink'; readonly path: string; readonly to: string }

const CALLS =
  'open,openat,creat,write,pwrite64,writev,pwritev,ftruncate,fsync,fdatasync,close,rename,renameat,renameat2,link,linkat,mkdir,mkdirat,unlink,unlinkat,rmdir'

/** Whether processes can be traced here; otherwise why not. */
export async function tracing(): Promise<true | string> {
  return run('strace', ['-f', '-e', 'trace=fsync', 'true']).then(
    () => true,
    cause => (cause instanceof Error ? cause.message.split('\n')[0] : undefined) ?? 'strace does not run',
  )
}

/** Runs a command to its end. @param folder where the trace is put and taken away again */
export async function traceDisk(folder: string, command: readonly string[]): Promise<DiskEvent[]> {
  const prefix = join(folder, 'trace')
  const options = ['-ff', '-ttt', '-T', '-xx', '-s', '16000000', '-e', `trace=${CALLS}`, '-o', prefix]
  // Calls through io_uring are not seen.
  const env = { ...process.env, UV_USE_IO_URING: '0' }
  await run('strace', [...options, '--', ...command], { env, maxBuffer: 2 ** 26 })
  const names = (await readdir(folder)).filter(name => name.startsWith(`${basename(prefix)}.`))
  const lines: string[] = []
  for (const name of names) {
    lines.push(...(await readFile(join(folder, name), 'latin1')).split('\n'))
    await rm(join(folder, name))
  }
  return lines
    .map(parseLine)
    .filter(done => done !== undefined)
    .sort((a, b) => a.at - b.at)
    .map(done => done.event)
}

interface Done {
  /** When it was done, microseconds. */
  readonly at: number
  readonly event: DiskEvent
}

const LINE = /^(\d+)\.(\d{6}) (\w+)\((.*)\) += (\d+) <(\d+)\.(\d{6})>$/

/** `undefined` for what failed, and for what is not a call. */
function parseLine(line: string): Done | undefined {
  const match = LINE.exec(line)
  if (match === null) return undefined
  const [, seconds, micros, call = '', args = '', result, took, tookMicros] = match
  const at = (Number(seconds) + Number(took)) * 1e6 + Number(micros) + Number(tookMicros)
  const event = eventOf(call, args, Number(result))
  return event && { at, event }
}

function eventOf(call: string, args: string, result: number): DiskEvent | undefined {
  const texts = [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = '']) =>
    Buffer.from(hex.replaceAll('\\x', ''), 'hex'),
  )
  const [path = '', to = ''] = texts.map(String)
  const fd = Number(/^\d+/.exec(args)?.[0])
  switch (call) {
    case 'open':
    case 'openat':
    case 'creat':
      return { call: 'open', path, fd: result, flags: new Set(args.match(/O_[A-Z]+/g)) }
    case 'write':
    case 'writev':
      return { call: 'write', fd, bytes: Buffer.concat(texts).subarray(0, result), offset: undefined }
    case 'pwrite64':
    case 'pwritev':
      return {
        call: 'write',
        fd,
        bytes: Buffer.concat(texts).subarray(0, result),
        offset: Number(/\d+$/.exec(args)?.[0]),
      }
    case 'ftruncate':
      return { call: 'truncate', fd, length: Number(/\d+$/.exec(args)?.[0]) }
    case 'fsync':
    case 'fdatasync':
      return { call: 'sync', fd }
    case 'close':
      return { call: 'close', fd }
    case 'mkdir':
    case 'mkdirat':
      return { call: 'mkdir', path, to }
    case 'unlink':
    case 'unlinkat':
    case 'rmdir':
      return { call: 'unlink', path, to }
    default:
      return { call: call.startsWith('rename') ? 'rename' : 'link', path, to }
  }
}
