import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { expect, it } from 'vitest'

/** Standard output and standard error on a disk that is full. Linux has a device for it. */

const FULL = '/dev/full'

function runInto(redirection: string): Promise<{ code: number; out: string; err: string }> {
  const command = `exec "$0" dist/cli/orthrus.js --version ${redirection}`
  return new Promise(resolve => {
    execFile('sh', ['-c', command, process.execPath], (cause, out, err) =>
      resolve({ code: cause === null ? 0 : Number(cause.code), out, err }),
    )
  })
}

it.runIf(existsSync(FULL))('says that what it prints is lost, and fails', async () => {
  const err = 'orthrus: standard output cannot be written: ENOSPC\n'
  expect(await runInto(`>${FULL}`)).toEqual({ code: 1, out: '', err })
})

it.runIf(existsSync(FULL))('fails too where it cannot even say so', async () => {
  expect(await runInto(`>${FULL} 2>&1`)).toEqual({ code: 1, out: '', err: '' })
})

it('does not mind a reader that has closed it', async () => {
  expect(await runInto('| true')).toEqual({ code: 0, out: '', err: '' })
})
