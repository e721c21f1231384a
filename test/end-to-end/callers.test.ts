import axios from 'axios'
import * as undici from 'undici'
import { describe, expect, it } from 'vitest'
import * as overGot from '../../examples/callers/over-got.js'
import { startOrders } from '../client/agent/setting.js'
import { snippetsOf } from './snippets.js'

/** Every program of docs/callers.md, run as it stands there. */

const MODULES: Readonly<Record<string, object>> = {
  axios: { default: axios },
  undici,
  './over-got.js': overGot,
}

const orders = startOrders()
const programs = snippetsOf('docs/callers.md')
const IMPORT = /^import (?:(\w+)|\{ ([^}]+) \}) from '([^']+)'$/gm
const AsyncFunction = (async () => {}).constructor as FunctionConstructor

/** @returns what the program calls its answer */
function run(code: string): Promise<unknown> {
  const body = code
    .replace(IMPORT, (_, whole, names, from) =>
      whole === undefined
        ? `const { ${names} } = modules['${from}']`
        : `const { default: ${whole} } = modules['${from}']`,
    )
    .replaceAll('http://127.0.0.1:8080', orders.url)
  return new AsyncFunction('modules', 'realm', `${body}\nreturn answer`)(MODULES, orders.realm)
}

const ANSWERS: Readonly<Record<string, string>> = {
  fetch: 'web@test.example POST /orders 9',
  undici: '200 web@test.example GET /orders 0',
  'platform-fetch': 'web@test.example GET /orders 0',
  retry: 'web@test.example GET /orders 0',
  axios: 'web@test.example POST /orders 9',
  got: 'web@test.example POST /orders 9',
}

describe('docs/callers.md', () => {
  it('has these programs', () => {
    expect(programs.map(({ mark }) => mark)).toEqual(Object.keys(ANSWERS))
  })

  it.each(programs)('$mark', async ({ mark, code }) => {
    expect(await run(code)).toBe(ANSWERS[mark])
    expect(orders.arrived).toHaveLength(1)
  })
})
