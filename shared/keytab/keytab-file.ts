import { requirePath } from './keytab-path.js'

/** For platforms without files. `keytab-file.node.ts` has the same function. */

export interface KeytabFileOptions {
  /** Accepts a file that others can read, or that a symbolic link leads to, which is how containers mount secrets. */
  readonly allowReadableKeytab?: boolean
}

/** @throws TypeError always: a browser has no files */
export async function readKeytabFile(path: string, _options?: KeytabFileOptions): Promise<string> {
  requirePath(path)
  throw new TypeError('there are no files here: pass the text of the keytab, { keytab: { text } }')
}
