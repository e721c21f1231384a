import type { Expectation } from '../shared/administration/policy-expectation.js'
import {
  type PolicyFile,
  PolicyFileError,
  parseExpectations,
  parsePolicyFile,
} from '../shared/administration/policy-file.js'
import { codeOf } from '../shared/folder.node.js'
import type { RealmName } from '../shared/principal.js'
import { type Bound, readBounded, standardInput } from './bounded-input.js'

/** Policy files, as the commands read them. All throw TypeError that names the file, and the line that is wrong. */

const POLICY: Bound = { max: 16 * 1024 * 1024, because: 'no policy is that large' }

export async function policyFileIn(file: string): Promise<PolicyFile> {
  const text = await textIn(file)
  return inFile(file, () => parsePolicyFile(text))
}

/** What is expected, in a file of its own. */
export async function expectationsIn(file: string, realm: RealmName): Promise<Expectation[]> {
  const text = await textIn(file)
  return inFile(file, () => parseExpectations(text, realm))
}

function inFile<T>(file: string, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    throw cause instanceof PolicyFileError ? new TypeError(`${file}: ${cause.message}`, { cause }) : cause
  }
}

async function textIn(file: string): Promise<string> {
  let bytes: Uint8Array
  try {
    bytes = file === '-' ? await standardInput(POLICY) : await readBounded(file, POLICY)
  } catch (cause) {
    if (cause instanceof TypeError) throw cause
    throw new TypeError(`${file} cannot be read: ${codeOf(cause)}`, { cause })
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new TypeError(`${file} is not UTF-8 text`, { cause })
  }
}
