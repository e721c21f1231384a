/** Where there are no files. `keytab-file.node.ts` has the same function. */

export interface KeytabFileOptions {
  /** Takes a file that others can read, as containers mount secrets. */
  readonly allowReadableKeytab?: boolean
}

/** @throws TypeError always: a browser has no files */
export async function readKeytabFile(_path: string, _options?: KeytabFileOptions): Promise<string> {
  throw new TypeError('there are no files here: pass the text of the keytab, { keytab: { text } }')
}
